// Connects: what the server gets, and how it refuses.

import assert from "node:assert/strict";
import { only } from "../trial.mjs";

const auths = ({ major }) => major >= 3; // before that, it is a query

export async function auth(t) {
  const auth = { token: "t0ken", text: "grüße 🎈 = & ? ," };
  if (!t.eio3) auth.nested = [1, { deep: null }];
  const socket = await t.connect("Desk", { auth, query: { room: "a b" }, extraHeaders: { "X-Page": "index" } });
  const conn = await t.server("conn", { id: socket.id });
  assert.deepEqual(conn.auth, t.eio3 ? { ...auth, room: "a b" } : auth);
  assert.equal(conn.namespace, "/DeskSocket");
  assert.deepEqual(conn.query.room, ["a b"]);
  assert.deepEqual(conn.header["X-Page"], ["index"]);
  assert.deepEqual(await t.ask(socket, "whoami"), [socket.id]);
}

export const authFunction = only(auths, async (t) => {
  const socket = await t.connect("Desk", { auth: (give) => setImmediate(give, { token: "later" }) });
  assert.deepEqual((await t.server("conn", { id: socket.id })).auth, { token: "later" });
});

export async function noAuth(t) {
  const socket = await t.connect("");
  const conn = await t.server("conn", { id: socket.id });
  assert.equal(conn.auth, null);
  assert.equal(conn.namespace, "/");
}

export async function transportInUse(t) {
  const socket = await t.connect("Desk");
  await t.upgraded(socket);
  // The server sends the ack after it has received the upgrade.
  await t.ask(socket, "whoami");
  const { transport } = await t.server("conn", { id: socket.id });
  assert.equal(transport, t.transport === "upgrade" ? "websocket" : t.transport);
  assert.equal(socket.io.engine.transport.name, transport);
}

export async function refused(t) {
  const socket = t.open("Gate", { auth: { please: "refuse" } });
  const { message, data } = await t.refusal(socket);
  if (!t.eio3) assert.equal(message, "not today");
  assert.deepEqual(data, { code: 7, days: ["Mon", "Tue"] });
  assert.equal(socket.connected, false);

  t.setAuth(socket, {});
  socket.connect();
  await t.once(socket, "connect");
  assert.equal((await t.server("conn", { id: socket.id })).id, socket.id);
}

export async function refusedByWrappedError(t) {
  const error = await t.refusal(t.open("Gate", { auth: { please: "wrap" } }));
  assert.equal(error.message, "not today");
  assert.equal(error.data, undefined);
}

export async function errorTextStaysOnServer(t) {
  const error = await t.refusal(t.open("Gate", { auth: { please: "fail" } }));
  assert.equal(error.message, "internal error");
  assert.equal(error.data, undefined);
}

export async function unknownNamespace(t) {
  const other = await t.connect("Echo");
  const error = await t.refusal(t.open("Nobody", { manager: other.io }));
  assert.equal(error.message, "Invalid namespace");
  assert.deepEqual(await t.ask(other, "still", "there"), ["there"]);
}

export async function emittedWhileConnecting(t) {
  const socket = t.open("Gate");
  const welcome = t.collect(socket, "welcome");
  await t.once(socket, "connect");
  await welcome.until(3);
  assert.deepEqual(welcome, [0, 1, 2].map((i) => [socket.id, i]));

  const early = t.open("Desk");
  for (const n of [0, 1, 2]) early.emit("count", n);
  assert.deepEqual(await t.ask(early, "counted"), [[0, 1, 2]]);
}
