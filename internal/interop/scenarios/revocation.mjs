// Connections that the site ends: the client hears why, then they close, and it comes back or not.

import assert from "node:assert/strict";
import { page, Visitor } from "../visitor.mjs";

const REVOKED = "mojo:revoked";

// ending collects what happens to a socket from here on.
function ending(socket) {
  const seen = [];
  socket.on(REVOKED, (why) => seen.push(why));
  socket.on("disconnect", (reason) => seen.push(reason));
  return seen;
}

// The event comes first, then a disconnect after which the client stays away; and its cookie is refused.
export async function forGood(t) {
  for (let n = 0; n < t.rounds; n++) {
    const user = `user-${n}`;
    const visitor = await Visitor.come(t, { logIn: user });
    const other = await (await Visitor.come(t, { logIn: user })).connect("Echo");
    const echo = await visitor.connect("Echo");
    const tabs = [echo, await visitor.connect("Desk", { manager: echo.io }), await visitor.connect("Door")];
    const ids = tabs.map(({ id }) => id);
    const seen = tabs.map(ending);
    const disconnected = Promise.all(tabs.map((socket) => t.once(socket, "disconnect")));

    await t.server("revoke", { session: visitor.session, code: 5001, reason: "moderated" });

    await disconnected;
    const why = { code: 5001, reason: "moderated", reconnect: false };
    for (const what of seen) assert.deepEqual(what, [why, "io server disconnect"]);
    for (const id of ids) await t.ended(id, "moderated");
    for (const socket of tabs) assert.equal(socket.active, false);

    const refused = t.once(echo, "connect_error");
    echo.on("connect", () => assert.fail("a revoked session"));
    echo.connect();
    await refused;
    assert.equal(echo.connected, false);
    t.close(...tabs);

    assert.deepEqual(await t.ask(other, "still", "there"), ["there"]);
    await visitor.visit();
    assert.equal(visitor.user, "");
    const guest = await visitor.connect("Echo");
    await visitor.has(guest);
    t.close(guest, other);
  }
}

// All sessions of a user but one: that is "log out everywhere else".
export async function allButOne(t) {
  const here = await Visitor.come(t, { logIn: "ann" });
  const there = await Visitor.come(t, { logIn: "ann" });
  const away = await Visitor.come(t, { logIn: "ann" }); // logged in, and not connected
  const bob = await (await Visitor.come(t, { logIn: "bob" })).connect("Echo");
  const stays = await here.connect("Echo");
  const goes = await there.connect("Echo");
  for (const socket of [stays, bob]) socket.on("disconnect", (reason) => assert.fail(reason));
  const seen = ending(goes);
  const disconnected = t.once(goes, "disconnect");

  await t.server("revoke", { user: "ann", except: here.session });

  await disconnected;
  assert.deepEqual(seen, [{ code: 4001, reason: "session revoked", reconnect: false }, "io server disconnect"]);
  const note = t.once(stays, "note");
  await t.server("notify", { user: "ann", event: "note", args: ["still here"] });
  assert.deepEqual(await note, ["still here"]);
  await here.has(stays, await here.connect("Echo"));
  await t.ask(bob, "echo");

  await t.once(there.open("Echo"), "connect_error");
  const late = await away.connect("Echo");
  assert.equal((await t.server("conn", { id: late.id })).user, "");
}

// With reconnect the client comes back by itself, as who it was.
export async function comeBack(t) {
  const visitor = await Visitor.come(t, { logIn: "ann" });
  const echo = await visitor.connect("Echo");
  const tabs = [echo, await visitor.connect("Desk", { manager: echo.io })];
  for (let n = 0; n < t.rounds; n++) {
    const ids = tabs.map(({ id }) => id);
    const seen = tabs.map(ending);
    const back = Promise.all(tabs.map((socket) => t.once(socket, "connect")));

    await t.server("revoke", { user: "ann", code: 5002, reason: "moving", reconnect: true });

    await back;
    const why = { code: 5002, reason: "moving", reconnect: true };
    for (const what of seen) assert.deepEqual(what, [why, "transport close"]);
    for (const id of ids) await t.ended(id, "moving");
    for (const [i, socket] of tabs.entries()) {
      assert.notEqual(socket.id, ids[i]);
      socket.off(REVOKED).off("disconnect");
    }
    await visitor.has(...tabs);
  }
}

// One app of a user: the others on the same connection stay, and the client may ask that app again.
export async function oneApp(t) {
  const visitor = await Visitor.come(t, { logIn: "ann" });
  const echo = await visitor.connect("Echo");
  const desk = await visitor.connect("Desk", { manager: echo.io });
  const { id } = desk;
  const seen = ending(desk);
  echo.on("disconnect", (reason) => assert.fail(reason));
  const disconnected = t.once(desk, "disconnect");

  await t.server("revoke", { app: "Desk", user: "ann", reason: "the desk is closed" });

  await disconnected;
  assert.deepEqual(seen, [{ code: 4001, reason: "the desk is closed", reconnect: false }, "io server disconnect"]);
  await t.ended(id, "the desk is closed");
  await t.ask(echo, "echo");
  desk.connect();
  await t.once(desk, "connect");
  await visitor.has(echo, desk);
}

// A client whose OnConnect has not returned yet is refused, with the same words.
export async function whileConnecting(t) {
  const visitor = await Visitor.come(t, { logIn: "ann" });
  const tab = visitor.open("Door", { auth: { door: "only" } });
  tab.on("connect", () => assert.fail("a revoked session"));
  tab.on(REVOKED, () => assert.fail("an event before connect"));
  await t.server("reached", { door: "only" });
  const refused = t.once(tab, "connect_error");

  await t.server("revoke", { session: visitor.session, reason: "moderated" });

  const [error] = await refused;
  assert.equal(error.message, "moderated");
  assert.deepEqual(error.data, { code: 4001, reason: "moderated", reconnect: false });
  await t.server("open", { door: "only" });
  await t.once(t.open("Echo", page(visitor.cookie)), "connect_error");
}
