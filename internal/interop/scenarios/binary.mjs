// Binary arguments in both directions, at any depth.

import assert from "node:assert/strict";
import { bytes, only, range } from "../trial.mjs";

const all = Uint8Array.from(range(256));

async function requireBinaryEcho(t, socket) {
  const views = [all, new Uint8Array(all.buffer, 100, 9)]; // for the clients 1 and 2 these are objects
  const kinds = [Buffer.from(all), all.buffer.slice(0), Buffer.alloc(0), ...(t.eio3 ? [] : views)];
  const want = kinds.map(bytes);
  assert.deepEqual((await t.ask(socket, "echo", ...kinds)).map(bytes), want);
  socket.emit("echo", ...kinds);
  assert.deepEqual((await t.once(socket, "echo")).map(bytes), want);

  const [nested, text] = await t.ask(socket, "echo", { a: [{ b: kinds[0] }, "grüße", null], c: { d: kinds[1] } }, "text");
  assert.deepEqual(bytes(nested.a[0].b), want[0]);
  assert.deepEqual(bytes(nested.c.d), want[1]);
  assert.deepEqual(nested.a.slice(1), ["grüße", null]);
  assert.equal(text, "text");
}

export async function everyType(t) {
  await requireBinaryEcho(t, await t.connect("Echo"));
}

export const base64OverWebSocket = only(
  ({ transport }) => transport === "websocket",
  async (t) => requireBinaryEcho(t, await t.connect("Echo", { forceBase64: true })),
);

export async function attachments(t) {
  const socket = await t.connect("Echo");
  const ten = range(10).map((n) => Buffer.alloc(n * 100, n));
  const [back] = await t.ask(socket, "echo", { ten });
  assert.deepEqual(back.ten.map(bytes), ten);
}

export async function typed(t) {
  const socket = await t.connect("Desk");
  const parcel = { Name: "p", Data: Buffer.from([1, 2, 3]), Parts: [Buffer.from([4]), Buffer.alloc(0), Buffer.from(all)] };
  const [back] = await t.ask(socket, "reverse", parcel);
  assert.equal(back.Name, "p");
  assert.deepEqual(bytes(back.Data), Buffer.from([3, 2, 1]));
  assert.deepEqual(back.Parts.map(bytes), parcel.Parts.reverse());
}

export async function big(t) {
  const socket = await t.connect("Echo");
  const data = Buffer.alloc(700_000, all);
  const [back] = await t.ask(socket, "echo", data);
  assert.ok(data.equals(bytes(back)));
}

// Binary events between others, without waiting for answers.
export async function mixed(t) {
  const socket = await t.connect("Echo");
  const echoes = t.collect(socket, "echo");
  for (const n of range(100)) socket.emit("echo", n % 3 ? n : Buffer.from([n]));
  await echoes.until(100);
  assert.deepEqual(echoes.map((echo) => (typeof echo === "number" ? echo : bytes(echo)[0])), range(100));
}
