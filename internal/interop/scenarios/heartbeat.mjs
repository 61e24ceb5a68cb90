// The server pings every 300 ms or, with Engine.IO 3, the client.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";

export async function staysConnected(t) {
  const socket = await t.connect("Desk");
  const { id } = socket;
  await t.upgraded(socket);
  const { engine } = socket.io;
  socket.on("disconnect", (reason) => assert.fail(reason));
  const pinged = new EventEmitter(); // the client 3.1 has no event for it
  engine.on("packet", ({ type }) => type === (t.eio3 ? "pong" : "ping") && pinged.emit("ping"));
  await t.collect(pinged, "ping").until(5);
  assert.deepEqual(await t.ask(socket, "whoami"), [id]);
}
