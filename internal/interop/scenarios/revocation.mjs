// Revocations: the client gets the reason, the connection is closed, and the
// client reconnects or not.

import assert from "node:assert/strict";
import { Visitor, withCookie } from "../visitor.mjs";

const REVOKED = "mojo:revoked";

// recordEnd collects the revocation events and disconnects of a socket.
function recordEnd(socket) {
  const received = [];
  socket.on(REVOKED, (why) => received.push(why));
  socket.on("disconnect", (reason) => received.push(reason));
  return received;
}

// The client gets the event and is disconnected. It does not reconnect, and its
// cookie is refused.
export async function withoutReconnect(t) {
  for (let n = 0; n < t.rounds; n++) {
    const user = `user-${n}`;
    const visitor = await Visitor.create(t, { logIn: user });
    const other = await (await Visitor.create(t, { logIn: user })).connect("Echo");
    const echo = await visitor.connect("Echo");
    const tabs = [echo, await visitor.connect("Desk", { manager: echo.io }), await visitor.connect("Pause")];
    const ids = tabs.map(({ id }) => id);
    const received = tabs.map(recordEnd);
    const disconnected = Promise.all(tabs.map((socket) => t.once(socket, "disconnect")));

    await t.server("revoke", { session: visitor.session, code: 5001, reason: "moderated" });

    await disconnected;
    const why = { code: 5001, reason: "moderated", reconnect: false };
    for (const what of received) assert.deepEqual(what, [why, "io server disconnect"]);
    for (const id of ids) await t.requireReason(id, "moderated");
    for (const socket of tabs) assert.equal(t.isActive(socket), false);

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
    await visitor.requireIdentity(guest);
    t.close(guest, other);
  }
}

// All sessions of a user except one, as for "log out everywhere else".
export async function allButOne(t) {
  const keptBrowser = await Visitor.create(t, { logIn: "ann" });
  const revokedBrowser = await Visitor.create(t, { logIn: "ann" });
  const offlineBrowser = await Visitor.create(t, { logIn: "ann" }); // logged in, without a connection
  const bob = await (await Visitor.create(t, { logIn: "bob" })).connect("Echo");
  const kept = await keptBrowser.connect("Echo");
  const revoked = await revokedBrowser.connect("Echo");
  for (const socket of [kept, bob]) socket.on("disconnect", (reason) => assert.fail(reason));
  const received = recordEnd(revoked);
  const disconnected = t.once(revoked, "disconnect");

  await t.server("revoke", { user: "ann", except: keptBrowser.session });

  await disconnected;
  assert.deepEqual(received, [{ code: 4001, reason: "session revoked", reconnect: false }, "io server disconnect"]);
  const note = t.once(kept, "note");
  await t.server("notify", { user: "ann", event: "note", args: ["still here"] });
  assert.deepEqual(await note, ["still here"]);
  await keptBrowser.requireIdentity(kept, await keptBrowser.connect("Echo"));
  await t.ask(bob, "echo");

  await t.once(revokedBrowser.open("Echo"), "connect_error");
  const late = await offlineBrowser.connect("Echo");
  assert.equal((await t.server("conn", { id: late.id })).user, "");
}

// With reconnect the client reconnects by itself, with the same identity.
export async function withReconnect(t) {
  const visitor = await Visitor.create(t, { logIn: "ann" });
  const echo = await visitor.connect("Echo");
  const tabs = [echo, await visitor.connect("Desk", { manager: echo.io })];
  for (let n = 0; n < t.rounds; n++) {
    const ids = tabs.map(({ id }) => id);
    const received = tabs.map(recordEnd);
    const back = Promise.all(tabs.map((socket) => t.once(socket, "connect")));

    await t.server("revoke", { user: "ann", code: 5002, reason: "moving", reconnect: true });

    await back;
    const why = { code: 5002, reason: "moving", reconnect: true };
    for (const what of received) assert.deepEqual(what, [why, "transport close"]);
    for (const id of ids) await t.requireReason(id, "moving");
    for (const [i, socket] of tabs.entries()) {
      assert.notEqual(socket.id, ids[i]);
      socket.off(REVOKED).off("disconnect");
    }
    await visitor.requireIdentity(...tabs);
  }
}

// One app of a user: the other apps on the connection stay connected, and the
// client may connect to that app again.
export async function oneApp(t) {
  const visitor = await Visitor.create(t, { logIn: "ann" });
  const echo = await visitor.connect("Echo");
  const desk = await visitor.connect("Desk", { manager: echo.io });
  const { id } = desk;
  const received = recordEnd(desk);
  echo.on("disconnect", (reason) => assert.fail(reason));
  const disconnected = t.once(desk, "disconnect");

  await t.server("revoke", { app: "Desk", user: "ann", reason: "the desk is closed" });

  await disconnected;
  assert.deepEqual(received, [{ code: 4001, reason: "the desk is closed", reconnect: false }, "io server disconnect"]);
  await t.requireReason(id, "the desk is closed");
  await t.ask(echo, "echo");
  desk.connect();
  await t.once(desk, "connect");
  await visitor.requireIdentity(echo, desk);
}

// A client whose OnConnect is still running is refused with the same reason.
export async function whileConnecting(t) {
  const visitor = await Visitor.create(t, { logIn: "ann" });
  const tab = visitor.open("Pause", { auth: { pause: "only" } });
  tab.on("connect", () => assert.fail("a revoked session"));
  tab.on(REVOKED, () => assert.fail("an event before connect"));
  await t.server("reached", { pause: "only" });
  const refused = t.refusal(tab);

  await t.server("revoke", { session: visitor.session, reason: "moderated" });

  const error = await refused;
  if (!t.eio3) assert.equal(error.message, "moderated");
  assert.deepEqual(error.data, { code: 4001, reason: "moderated", reconnect: false });
  await t.server("continue", { pause: "only" });
  await t.once(t.open("Echo", withCookie(visitor.cookie)), "connect_error");
}
