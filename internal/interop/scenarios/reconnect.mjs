// The server stops and starts again.

import assert from "node:assert/strict";

export async function restart(t) {
  const echo = await t.connect("Echo", { auth: { token: "again" } });
  const desk = await t.connect("Desk", { manager: echo.io });
  await t.upgraded(echo);
  const before = [echo.id, desk.id, echo.io.engine.id];

  const disconnected = Promise.all([t.once(echo, "disconnect"), t.once(desk, "disconnect")]);
  const refused = t.once(echo.io, "reconnect_error");
  await t.server("stop");
  for (const [reason] of await disconnected) assert.match(reason, /^transport (close|error)$/);
  await refused;
  echo.emit("echo", "kept by the client");

  const back = Promise.all([t.once(echo, "connect"), t.once(desk, "connect"), t.once(echo.io, "reconnect")]);
  const kept = t.once(echo, "echo");
  await t.server("start");
  await back;
  assert.deepEqual(await kept, ["kept by the client"]);
  for (const id of [echo.id, desk.id, echo.io.engine.id]) assert.ok(!before.includes(id));
  assert.deepEqual((await t.server("conn", { id: echo.id })).auth, { token: "again" });
  assert.deepEqual(await t.ask(desk, "whoami"), [desk.id]);
}
