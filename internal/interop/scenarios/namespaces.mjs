// Several apps over one connection.

import assert from "node:assert/strict";
import { range } from "../trial.mjs";

// connectTwo connects to two apps over one connection.
async function connectTwo(t) {
  const echo = await t.connect("Echo");
  const desk = await t.connect("Desk", { manager: echo.io });
  return { echo, desk, engine: echo.io.engine.id };
}

async function requireConnected(t, socket, engine) {
  assert.deepEqual(await t.ask(socket, "echo", "alive"), ["alive"]);
  assert.equal(socket.io.engine.id, engine);
}

export async function multiplexed(t) {
  const root = await t.connect(""); // the clients 1 and 2 can connect to it only at first
  const echo = await t.connect("Echo", { manager: root.io });
  const desk = await t.connect("Desk", { manager: root.io });
  const engine = root.io.engine.id;
  assert.equal(new Set([echo, desk, root].map((socket) => socket.io.engine.id)).size, 1);
  assert.equal(new Set([echo.id, desk.id, root.id, engine]).size, 4);
  assert.equal(await t.server("handshakes"), 1);

  desk.on("echo", () => assert.fail("an event of another app"));
  echo.emit("echo", 1);
  root.emit("echo", 2);
  assert.deepEqual(await t.once(echo, "echo"), [1]);
  assert.deepEqual(await t.ask(root, "echo", 3), [3]);
  assert.deepEqual(await t.ask(desk, "whoami"), [desk.id]);
}

export async function connectAtOnce(t) {
  const first = t.open("Echo");
  const sockets = [first, t.open("Desk", { manager: first.io }), t.open("Gate", { manager: first.io })];
  await Promise.all(sockets.map((socket) => t.once(socket, "connect")));
  assert.equal(await t.server("handshakes"), 1);
}

export async function clientDisconnectsOne(t) {
  const { echo, desk, engine } = await connectTwo(t);
  const { id } = desk;
  desk.disconnect();
  await t.requireReason(id, "client namespace disconnect");
  await requireConnected(t, echo, engine);

  desk.connect();
  await t.once(desk, "connect");
  assert.notEqual(desk.id, id);
  assert.deepEqual(await t.ask(desk, "whoami"), [desk.id]);
  await requireConnected(t, echo, engine);
}

export async function serverDisconnectsOne(t) {
  const { echo, desk, engine } = await connectTwo(t);
  const { id } = desk;
  const disconnected = t.once(desk, "disconnect");
  await t.server("disconnect", { id });
  assert.equal((await disconnected)[0], "io server disconnect");
  await t.requireReason(id, "server namespace disconnect");
  await requireConnected(t, echo, engine);
}

// Packets that a page sends before it receives the server's DISCONNECT do not
// close its connection.
export async function packetsInFlight(t) {
  const { echo, desk, engine } = await connectTwo(t);
  const { id } = desk;
  const question = t.once(desk, "question");
  const asked = t.server("call", { id, event: "question" });
  const [answer] = await question;
  const disconnected = t.once(desk, "disconnect");
  desk.emit("kick");
  for (const n of range(20)) desk.emit("count", n);
  desk.emit("reverse", { Data: Buffer.from([1]) }, () => assert.fail("an ack from an app after its DISCONNECT"));
  assert.equal((await disconnected)[0], "io server disconnect");
  answer("late");
  await t.requireReason(id, "server namespace disconnect");
  assert.equal(await asked, "not connected");
  await requireConnected(t, echo, engine);

  desk.connect();
  await t.once(desk, "connect");
  assert.deepEqual(await t.ask(desk, "counted"), [null]);
  await requireConnected(t, echo, engine);
}

// React's StrictMode mounts a component twice: the client sends two CONNECTs
// and no DISCONNECT.
export async function strictMode(t) {
  const echo = await t.connect("Echo");
  const engine = echo.io.engine.id;
  for (const _ of range(20)) {
    const desk = t.open("Desk", { manager: echo.io });
    desk.connect();
    desk.disconnect();
    desk.connect();
    // The server reads this after the second CONNECT, and answers in this
    // order.
    const [id] = await t.ask(desk, "whoami");
    assert.equal(await t.idOf(desk), id);
    assert.equal((await t.server("conn", { id })).id, id);
    desk.disconnect();
    await t.requireReason(id, "client namespace disconnect");
  }
  await requireConnected(t, echo, engine);
  assert.equal(await t.server("handshakes"), 1);
}
