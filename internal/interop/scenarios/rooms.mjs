// The clients that receive a broadcast.

import assert from "node:assert/strict";

// connectThree connects a, b and c. a and b are in the room r, b and c in s.
async function connectThree(t) {
  const sockets = {};
  for (const [name, rooms] of Object.entries({ a: ["r"], b: ["r", "s"], c: ["s"] })) {
    const socket = (sockets[name] = await t.connect("Desk"));
    socket.emit("join", rooms);
    await t.ask(socket, "whoami");
    assert.deepEqual((await t.server("conn", { id: socket.id })).rooms, rooms);
  }
  // collectTexts begins to collect the texts of all three. The function that it
  // returns sends a last event to all, and returns the texts before it as
  // "a:text b:text".
  const collectTexts = () => {
    const said = Object.entries(sockets).map(async ([name, socket]) => {
      const texts = t.collect(socket, "said");
      await t.once(socket, "last word");
      return texts.map((text) => `${name}:${text}`);
    });
    return async () => {
      await t.server("broadcast", { app: "Desk", event: "last word" });
      return (await Promise.all(said)).flat().join(" ");
    };
  };
  return { ...sockets, collectTexts };
}

export async function broadcasts(t) {
  const { a, b, collectTexts } = await connectThree(t);
  const say = (text, options) => t.server("broadcast", { app: "Desk", event: "said", args: [text], ...options });
  const result = collectTexts();
  await say("all", {});
  await say("r", { to: ["r"] });
  await say("r or s", { to: ["r", "s"] });
  await say("r not s", { to: ["r"], except: ["s"] });
  await say("not r", { except: ["r"] });
  await say("r not b", { to: ["r"], without: [b.id] });
  await say("not a", { without: [a.id] });
  await say("empty room", { to: ["empty"] });
  await say("id of a", { to: [a.id] });
  assert.equal(
    await result(),
    "a:all a:r a:r or s a:r not s a:r not b a:id of a " +
      "b:all b:r b:r or s b:not a " +
      "c:all c:r or s c:not r c:not a",
  );
}

export async function fromClient(t) {
  const { a, b, c, collectTexts } = await connectThree(t);
  const result = collectTexts();
  a.emit("say", { room: "r", text: "from a" });
  await t.ask(a, "whoami");
  b.emit("leave", ["r"]);
  await t.ask(b, "whoami");
  c.emit("say", { room: "r", text: "from c" });
  await t.ask(c, "whoami");
  assert.equal(await result(), "a:from c b:from a");
}

export async function bigText(t) {
  const { a, b, c } = await connectThree(t);
  const got = [a, b, c].map((socket) => t.once(socket, "text"));
  await t.server("broadcast", { app: "Desk", event: "text", args: ["grüße 🎈", { big: "y".repeat(200_000) }] });
  for (const [text, { big }] of await Promise.all(got)) {
    assert.equal(text, "grüße 🎈");
    assert.equal(big.length, 200_000);
  }
}
