// Logins and logouts while tabs are connected: the tabs stay connected and get
// the new identity.

import assert from "node:assert/strict";
import { range } from "../trial.mjs";
import { identityOf, Visitor, withCookie } from "../visitor.mjs";

// Tabs that have connected without a login follow each login and logout of
// their browser, without a new connection.
export async function logInAndOut(t) {
  const visitor = await Visitor.create(t);
  const tab = await visitor.connect("Pause");
  const tabs = [tab, await visitor.connect("Desk", { manager: tab.io }), await visitor.connect("Pause")];
  const before = tabs.map((socket) => [socket.id, socket.io.engine.id]);
  const notes = tabs.map((socket) => t.collect(socket, "note"));
  for (const socket of tabs) {
    socket.on("disconnect", (reason, why) => assert.fail(`disconnect: ${reason}, ${why?.message} ${why?.description}`));
    checkLogoutEvents(socket);
  }
  const notify = (target, text) => t.server("notify", { ...target, event: "note", args: [text] });
  const expectNotes = async (...texts) => {
    for (const got of notes) {
      await got.until(texts.length);
      assert.deepEqual(got.splice(0), texts);
    }
  };
  const requireConnected = () => Promise.all(tabs.map(async (socket) => assert.deepEqual(await t.ask(socket, "whoami"), [socket.id])));

  for (let n = 0; n < t.rounds; n++) {
    const { session: anonymous, cookie: fixated } = visitor;
    const user = `user-${n}`;
    const slow = n % 2 === 1; // the browser stores the cookies after later requests
    await visitor.logIn(user, { slow });
    assert.equal(visitor.user, user);
    assert.notEqual(visitor.session, anonymous);
    await notify({ session: anonymous }, "to the old identity");
    await notify({ user }, "to the user");
    await notify({ session: visitor.session }, "to the new session");
    await requireConnected();
    visitor.store();
    await expectNotes("to the user", "to the new session");
    await requireConnected();
    await visitor.requireIdentity(...tabs);

    const { session, cookie: stolen } = visitor;
    await visitor.logOut({ slow });
    assert.equal(visitor.user, "");
    await notify({ user }, "to the old identity");
    await notify({ session }, "to the old identity");
    await notify({ session: visitor.session }, "to the new session");
    visitor.store();
    await expectNotes("to the new session");
    await requireConnected();
    await visitor.requireIdentity(...tabs);

    for (const cookie of [fixated, stolen]) {
      const attacker = await t.connect("Desk", withCookie(cookie));
      assert.deepEqual(await identityOf(t, attacker), { session: "", user: "" });
      t.close(attacker);
    }
  }
  assert.deepEqual(tabs.map((socket) => [socket.id, socket.io.engine.id]), before);
}

// Tabs follow a login of their browser. Connections of an attacker with the old
// session do not, no matter whether they were opened before or during the
// login.
export const plantedSession = (t) => planted(t, { script: true });

// A page that sends no proof reconnects by itself, as the user.
export const plantedSessionWithoutPageScript = (t) => planted(t, { script: false });

async function planted(t, { script }) {
  let slowest = 0;
  const round = async (n) => {
    const visitor = await Visitor.create(t);
    const user = `user-${n}`;
    const early = openAttacker(t, visitor.cookie);
    await t.once(early.socket, "connect");
    const tabs = await Promise.all([0, 1].map(() => visitor.connect("Pause", { script })));
    const before = tabs.map(({ id }) => id);
    const secrets = tabs.map((tab) => t.collect(tab, "secret"));
    const identities = tabs.map((tab) => t.collect(tab, "you"));

    const late = openAttacker(t, visitor.cookie);
    const begun = performance.now();
    await visitor.logIn(user);
    for (const you of identities) {
      while (you.at(-1)?.user !== user) await you.until(you.length + 1);
    }
    slowest = Math.max(slowest, performance.now() - begun);
    const { session } = visitor;
    for (const target of [{ user }, { session }]) await t.server("notify", { ...target, event: "secret", args: [n] });
    for (const got of secrets) await got.until(2);

    await visitor.requireIdentity(...tabs);
    const count = tabs.length * (t.eio3 ? 2 : 1); // the server has connected the clients 1 and 2 to the root, too
    assert.deepEqual(await t.server("count", { user, session }), { user: count, session: count });
    if (script) assert.deepEqual(tabs.map(({ id }) => id), before);
    for (const attacker of [early, late]) {
      await attacker.barrier();
      assert.deepEqual(attacker.secrets, []);
      for (const you of attacker.you) assert.equal(you.user, "");
      t.close(attacker.socket);
    }
    t.close(...tabs);
  };
  const browsers = range(10).map(async (browser) => {
    for (let n = browser; n < t.rounds; n += 10) await round(n);
  });
  await Promise.all(browsers);
  console.error(`${t.rounds} logins, after ${slowest.toFixed(0)} ms at most the tabs had the user`);
}

// openAttacker opens a connection with the cookies of another browser, and does
// not wait.
function openAttacker(t, cookie) {
  const socket = t.open("Pause", withCookie(cookie));
  // barrier waits until all events to the connection have arrived, or it has
  // ended.
  const barrier = () => Promise.race([t.ask(socket, "whoami"), t.once(socket, "disconnect")]);
  return { socket, secrets: t.collect(socket, "secret"), you: t.collect(socket, "you"), barrier };
}

// A tab whose OnConnect is still running gets the new identity. It receives no
// event too early or with the wrong identity.
export async function whileConnecting(t) {
  for (let n = 0; n < t.rounds; n++) {
    const visitor = await Visitor.create(t);
    const user = `user-${n}`;
    const notify = (text) => t.server("notify", { user, event: "note", args: [text] });
    const openPausedTab = async (pause) => {
      const tab = visitor.open("Pause", { auth: { pause } });
      tab.on("disconnect", (reason, why) => assert.fail(`disconnect: ${reason}, ${why?.message} ${why?.description}`));
      const paused = { tab, notes: t.collect(tab, "note"), you: t.collect(tab, "you") };
      await t.server("reached", { pause });
      return paused;
    };
    const { session: anonymous } = visitor;
    const first = await openPausedTab(`${n} in`);
    await visitor.logIn(user, { slow: n % 2 === 1 });
    await notify("too early");
    await t.server("continue", { pause: `${n} in` });
    visitor.store();
    await first.you.until(2);
    const { session } = visitor;
    assert.deepEqual(first.you, [{ session: anonymous, user: "" }, { session, user }]);
    await visitor.requireIdentity(first.tab);
    await notify("welcome");
    await first.notes.until(1);

    const second = await openPausedTab(`${n} out`);
    await visitor.logOut({ slow: n % 2 === 1 });
    await notify("too late");
    await t.server("continue", { pause: `${n} out` });
    visitor.store();
    await Promise.all([first.you.until(3), second.you.until(2)]);
    assert.deepEqual(second.you, [{ session, user }, { session: visitor.session, user: "" }]);
    await visitor.requireIdentity(first.tab, second.tab);
    await notify("too late");
    for (const { tab } of [first, second]) await t.ask(tab, "whoami");
    assert.deepEqual([first.notes, second.notes], [["welcome"], []]);
    t.close(first.tab, second.tab);
  }
}

// Handshakes at the same time as a login or a logout: in the end each tab has
// the identity of its browser, and no tab receives an event that was sent to
// the user after the logout.
export async function handshakesInFlight(t) {
  const browsers = Array.from({ length: 20 }, async (_, browser) => {
    for (let n = browser; n < t.rounds; n += 20) {
      const visitor = await Visitor.create(t);
      const user = `user-${n}`;
      const first = openTab(t, visitor);
      await pause(n % 7);
      await visitor.logIn(user);
      await first.hasIdentity();
      await t.server("notify", { user, event: "note", args: ["welcome"] });
      await first.notes.until(1);

      const second = openTab(t, visitor);
      await pause(n % 11);
      await visitor.logOut();
      await t.server("notify", { user, event: "note", args: ["too late"] });
      for (const tab of [first, second]) await tab.hasIdentity();
      await visitor.requireIdentity(first.socket, second.socket);
      for (const { socket } of [first, second]) await t.ask(socket, "whoami");
      assert.deepEqual([first.notes, second.notes], [["welcome"], []]);
      t.close(first.socket, second.socket);
    }
  });
  await Promise.all(browsers);
}

// openTab opens a tab and does not wait.
function openTab(t, visitor) {
  const socket = visitor.open("Pause");
  checkLogoutEvents(socket);
  const you = t.collect(socket, "you");
  const isCurrent = () => you.at(-1)?.session === visitor.session && you.at(-1).user === visitor.user;
  // hasIdentity waits until the tab has received the identity of its browser.
  // It may reconnect before that.
  const hasIdentity = async () => {
    while (!isCurrent()) await you.until(you.length + 1);
  };
  return { socket, notes: t.collect(socket, "note"), hasIdentity };
}

// checkLogoutEvents requires that the socket receives no event that was sent or
// queued for the user after LogOut had returned, see visits_test.go.
function checkLogoutEvents(socket) {
  let loggedOut = false;
  socket.on("afterLogout", () => (loggedOut = true));
  socket.on("note", () => (loggedOut = false)); // some time after the logout
  socket.on("duringLogout", ({ late }) => {
    assert.ok(!late, "an event for a user who had logged out");
    assert.ok(!loggedOut, "an event for a user, queued after they had logged out");
  });
}

async function pause(turns) {
  for (let i = 0; i < turns; i++) await new Promise(setImmediate);
}
