// Values of every type, echoed as events and as acks.

import assert from "node:assert/strict";

async function requireEcho(t, socket, ...args) {
  assert.deepEqual(await t.ask(socket, "echo", ...args), args);
  socket.emit("echo", ...args);
  assert.deepEqual(await t.once(socket, "echo"), args);
}

export async function json(t) {
  const socket = await t.connect("Echo");
  await requireEcho(t, socket);
  await requireEcho(t, socket, null);
  await requireEcho(t, socket, true, false, 0, -1, 1.5, 1e21, 5e-324, Number.MAX_SAFE_INTEGER, "", "text");
  await requireEcho(t, socket, [], {}, [[], [[null]]], { a: { b: [{ c: 1 }] }, "": "empty key", __proto__key: 1 });
  await requireEcho(t, socket, { _placeholder: true, num: 0 });
  await requireEcho(t, socket, ...Array(100).fill("argument"));
}

export async function text(t) {
  const socket = await t.connect("Echo");
  await requireEcho(t, socket, "grüße", "日本語", "🎈👩‍👩‍👧", "\u0000\u0001\u001e\u2028\u2029", "<b>&amp;'\"\\</b>", "\ufeff", "line\nline\r\n\t");
  await requireEcho(t, socket, { "schlüssel 🗝": "значение" });
}

export async function eventNames(t) {
  const socket = await t.connect("Echo");
  const names = ["日本", "with space", "a,b", "[1]", "", "hasOwnProperty"];
  if (!t.eio3) names.push("error", "ping"); // events of the clients 1 and 2 themselves
  for (const name of names) {
    assert.deepEqual(await t.ask(socket, name, 1), [1], name);
  }
}

export async function send(t) {
  const socket = await t.connect("Echo");
  socket.send("hello", 1);
  assert.deepEqual(await t.once(socket, "message"), ["hello", 1]);
}

export async function big(t) {
  const socket = await t.connect("Echo");
  await requireEcho(t, socket, "x".repeat(900_000));
  await requireEcho(t, socket, "€".repeat(t.major === 1 ? 150_000 : 300_000)); // the client 1 encodes text twice
  await requireEcho(t, socket, "<".repeat(900_000));
}
