// The reasons why a connection ends, on both sides.

import assert from "node:assert/strict";

export async function byServer(t) {
  const socket = await t.connect("Echo");
  const { id } = socket;
  const said = t.collect(socket, "goodbye");
  const disconnected = t.once(socket, "disconnect");
  await t.server("emit", { id, event: "goodbye", args: ["friend"] });
  await t.server("disconnect", { id });
  assert.equal((await disconnected)[0], "io server disconnect");
  assert.deepEqual(said, ["friend"]);
  assert.equal(t.isActive(socket), false);
  await t.requireReason(id, "server namespace disconnect");

  socket.connect();
  await t.once(socket, "connect");
  assert.notEqual(socket.id, id);
}

export async function byClient(t) {
  const socket = await t.connect("Echo");
  const { id } = socket;
  const disconnected = t.once(socket, "disconnect");
  socket.disconnect();
  assert.equal((await disconnected)[0], "io client disconnect");
  await t.requireReason(id, "client namespace disconnect");
}

export async function eventBeforeDisconnect(t) {
  const socket = await t.connect("Echo");
  const desk = await t.connect("Desk", { manager: socket.io });
  const { id } = desk;
  const listener = await t.connect("Desk");
  listener.emit("join", ["room"]);
  await t.ask(listener, "whoami");
  const said = t.once(listener, "said");
  desk.emit("say", { room: "room", text: "last words" });
  desk.disconnect();
  assert.deepEqual(await said, ["last words"]);
  await t.requireReason(id, "client namespace disconnect");
}

export async function clientClosesTransport(t) {
  const socket = await t.connect("Echo");
  await t.upgraded(socket);
  const { id } = socket;
  const disconnected = t.once(socket, "disconnect");
  socket.io.reconnection(false);
  socket.io.engine.close();
  assert.equal((await disconnected)[0], "forced close");
  await t.requireReason(id, "transport close");
}

export async function shutdown(t) {
  const echo = await t.connect("Echo");
  const desk = await t.connect("Desk", { manager: echo.io });
  await t.upgraded(echo);
  const ids = [echo.id, desk.id];
  const last = t.once(echo, "last");
  const disconnected = Promise.all([t.once(echo, "disconnect"), t.once(desk, "disconnect")]);
  const failed = t.once(echo.io, "reconnect_error");
  await t.server("emit", { id: echo.id, event: "last", args: ["x".repeat(500_000)] });
  await t.server("shutdown");
  assert.equal((await last)[0].length, 500_000);
  for (const [reason] of await disconnected) assert.equal(reason, "transport close");
  for (const id of ids) await t.requireReason(id, "server shutting down");
  await failed; // the client has tried to reconnect, and the server has refused
}
