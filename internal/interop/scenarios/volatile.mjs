// Volatile events arrive in order and at most once.

import assert from "node:assert/strict";
import { only } from "../trial.mjs";

// The server drops volatile events for a slow client, and keeps it connected.
export async function fromServer(t) {
  const socket = await t.connect("Desk");
  const { id } = socket;
  const maybe = t.collect(socket, "maybe");
  do {
    maybe.length = 0;
    socket.emit("volatile", 1000);
    await t.once(socket, "surely");
  } while (maybe.length === 0);
  const numbers = maybe.map(([n]) => n);
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  assert.equal(socket.id, id);
}

export const fromClient = only(({ major }) => major >= 3, async (t) => {
  const socket = t.open("Desk");
  socket.volatile.emit("count", -1); // dropped: there is no connection yet
  await t.once(socket, "connect");
  let sent = 0;
  let counted;
  do {
    socket.volatile.emit("count", sent++);
    [counted] = await t.ask(socket, "counted");
  } while (!counted);
  assert.deepEqual(counted, [sent - 1]);
});
