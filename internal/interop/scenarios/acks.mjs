// Acks in both directions.

import assert from "node:assert/strict";
import { only, range } from "../trial.mjs";

const timeouts = ({ major }) => major >= 4; // the client has timeouts since 4.4

export async function fromServer(t) {
  const socket = await t.connect("Desk");
  assert.deepEqual(await t.ask(socket, "add", { a: 2, b: 3 }), [5]);
  const answers = await Promise.all(range(200).map((n) => t.ask(socket, "add", { a: n, b: n })));
  assert.deepEqual(answers, range(200).map((n) => [2 * n]));
}

export async function errorsFromServer(t) {
  const socket = await t.connect("Desk");
  assert.deepEqual(await t.ask(socket, "fail", "openly"), [{ error: { message: "out of stock", data: { left: 0 } } }]);
  assert.deepEqual(await t.ask(socket, "fail", "secretly"), [{ error: { message: "internal error" } }]);
  assert.deepEqual(await t.ask(socket, "add", "no pair"), [{ error: { message: "invalid arguments" } }]);
}

export async function fromClient(t) {
  const socket = await t.connect("Desk");
  socket.on("question", (a, b, answer) => answer(b, { got: a }, null));
  const ask = (...args) => t.server("call", { id: socket.id, event: "question", args });
  assert.deepEqual(await ask("a", ["b"]), [["b"], { got: "a" }, null]);
  const answers = await Promise.all(range(50).map((n) => ask(n, n + 1)));
  assert.deepEqual(answers, range(50).map((n) => [n + 1, { got: n }, null]));

  socket.on("empty", (answer) => answer());
  assert.deepEqual(await t.server("call", { id: socket.id, event: "empty" }), []);
}

// The server may call the client while it handles a call of the client.
export async function nested(t) {
  const socket = await t.connect("Desk");
  socket.on("reverse", (parcel, answer) => answer({ ...parcel, Data: parcel.Data.reverse(), Parts: parcel.Parts.reverse() }));
  assert.deepEqual(await t.ask(socket, "quiz"), [true]);
}

export async function lateAckFromClient(t) {
  const socket = await t.connect("Desk");
  const asked = t.once(socket, "question");
  assert.equal(await t.server("call", { id: socket.id, event: "question", within: 100 }), "deadline exceeded");
  const [answer] = await asked;
  answer("too late");
  answer("and twice");
  assert.deepEqual(await t.ask(socket, "whoami"), [socket.id]);
  socket.on("next", (answer) => answer("in time"));
  assert.deepEqual(await t.server("call", { id: socket.id, event: "next" }), ["in time"]);
}

export async function clientDisconnectsBeforeAck(t) {
  const socket = await t.connect("Desk");
  socket.on("question", () => socket.disconnect());
  assert.equal(await t.server("call", { id: socket.id, event: "question" }), "not connected");
}

export const lateAckFromServer = only(timeouts, async (t) => {
  const socket = await t.connect("Desk");
  const answers = [];
  await new Promise((resolve) => {
    socket.timeout(100).emit("hold", (...answer) => {
      answers.push(answer);
      resolve();
    });
  });
  assert.match(answers[0][0].message, /timed out/);
  socket.emit("release");
  assert.deepEqual(await t.ask(socket, "whoami"), [socket.id]);
  assert.equal(answers.length, 1);
});

export const promises = only(timeouts, async (t) => {
  const socket = await t.connect("Desk");
  assert.equal(await socket.emitWithAck("add", { a: 1, b: 1 }), 2);
  assert.equal(await socket.timeout(10_000).emitWithAck("add", { a: 2, b: 2 }), 4);
  await assert.rejects(socket.timeout(100).emitWithAck("hold"), /timed out/);
});

export const retries = only(timeouts, async (t) => {
  const socket = await t.connect("Desk", { retries: 3, ackTimeout: 10_000 });
  for (const n of range(20)) socket.emit("count", n);
  const [error, counted] = await t.ask(socket, "counted");
  assert.equal(error, null);
  assert.deepEqual(counted, range(20));
});

export const serverDisconnectsBeforeAck = only(timeouts, async (t) => {
  const socket = await t.connect("Desk");
  const pending = socket.timeout(10_000).emitWithAck("hold");
  socket.emit("kick");
  await assert.rejects(pending, /disconnected/);
});
