// Logging in and out while tabs are connected: they stay, and are somebody else's.

import assert from "node:assert/strict";
import { range } from "../trial.mjs";
import { page, Visitor, who } from "../visitor.mjs";

// Tabs that are connected before anybody is logged in follow each login and logout of their browser, without a new
// connection.
export async function logInAndOut(t) {
  const visitor = await Visitor.come(t);
  const tab = await visitor.connect("Door");
  const tabs = [tab, await visitor.connect("Desk", { manager: tab.io }), await visitor.connect("Door")];
  const were = tabs.map((socket) => [socket.id, socket.io.engine.id]);
  const notes = tabs.map((socket) => t.collect(socket, "note"));
  for (const socket of tabs) {
    socket.on("disconnect", (reason, why) => assert.fail(`disconnect: ${reason}, ${why?.message} ${why?.description}`));
    weather(socket);
  }
  const tell = (whom, text) => t.server("notify", { ...whom, event: "note", args: [text] });
  const told = async (...texts) => {
    for (const got of notes) {
      await got.until(texts.length);
      assert.deepEqual(got.splice(0), texts);
    }
  };
  const alive = () => Promise.all(tabs.map(async (socket) => assert.deepEqual(await t.ask(socket, "whoami"), [socket.id])));

  for (let n = 0; n < t.rounds; n++) {
    const { session: anonymous, cookie: fixated } = visitor;
    const user = `user-${n}`;
    const slow = n % 2 === 1; // the browser stores the cookies after some more requests
    await visitor.logIn(user, { slow });
    assert.equal(visitor.user, user);
    assert.notEqual(visitor.session, anonymous);
    await tell({ session: anonymous }, "to nobody");
    await tell({ user }, "to the user");
    await tell({ session: visitor.session }, "to the new session");
    await alive();
    visitor.store();
    await told("to the user", "to the new session");
    await alive();
    await visitor.has(...tabs);

    const { session, cookie: stolen } = visitor;
    await visitor.logOut({ slow });
    assert.equal(visitor.user, "");
    await tell({ user }, "to nobody");
    await tell({ session }, "to nobody");
    await tell({ session: visitor.session }, "to the new session");
    visitor.store();
    await told("to the new session");
    await alive();
    await visitor.has(...tabs);

    for (const cookie of [fixated, stolen]) {
      const thief = await t.connect("Desk", page(cookie));
      assert.deepEqual(await who(t, thief), { session: "", user: "" });
      t.close(thief);
    }
  }
  assert.deepEqual(tabs.map((socket) => [socket.id, socket.io.engine.id]), were);
}

// Tabs follow a login of their browser, and others who have its session of before do not: neither one who is connected
// nor one who comes during the login.
export const plantedSession = (t) => planted(t, { lines: true });

// A page that does not prove whose it is comes back as the user, by itself.
export const plantedSessionWithoutTheLinesOfAPage = (t) => planted(t, { lines: false });

async function planted(t, { lines }) {
  let slowest = 0;
  const round = async (n) => {
    const visitor = await Visitor.come(t);
    const user = `user-${n}`;
    const early = steal(t, visitor.cookie);
    await t.once(early.socket, "connect");
    const tabs = await Promise.all([0, 1].map(() => visitor.connect("Door", { lines })));
    const were = tabs.map(({ id }) => id);
    const secrets = tabs.map((tab) => t.collect(tab, "secret"));
    const told = tabs.map((tab) => t.collect(tab, "you"));

    const late = steal(t, visitor.cookie);
    const begun = performance.now();
    await visitor.logIn(user);
    for (const you of told) {
      while (you.at(-1)?.user !== user) await you.until(you.length + 1);
    }
    slowest = Math.max(slowest, performance.now() - begun);
    const { session } = visitor;
    for (const whom of [{ user }, { session }]) await t.server("notify", { ...whom, event: "secret", args: [n] });
    for (const got of secrets) await got.until(2);

    await visitor.has(...tabs);
    assert.deepEqual(await t.server("count", { user, session }), { user: tabs.length, session: tabs.length });
    if (lines) assert.deepEqual(tabs.map(({ id }) => id), were);
    for (const thief of [early, late]) {
      await thief.heardAll();
      assert.deepEqual(thief.secrets, []);
      for (const you of thief.you) assert.equal(you.user, "");
      t.close(thief.socket);
    }
    t.close(...tabs);
  };
  const browsers = range(10).map(async (browser) => {
    for (let n = browser; n < t.rounds; n += 10) await round(n);
  });
  await Promise.all(browsers);
  console.error(`${t.rounds} logins, after ${slowest.toFixed(0)} ms at most the tabs were the user's`);
}

// steal opens a connection with cookies of somebody else, and does not wait.
function steal(t, cookie) {
  const socket = t.open("Door", page(cookie));
  // heardAll waits until all has come that was sent to the connection, if it has one.
  const heardAll = () => Promise.race([t.ask(socket, "whoami"), t.once(socket, "disconnect")]);
  return { socket, secrets: t.collect(socket, "secret"), you: t.collect(socket, "you"), heardAll };
}

// A tab whose OnConnect has not returned yet is moved along, and nothing reaches it too early or as somebody
// else.
export async function whileConnecting(t) {
  for (let n = 0; n < t.rounds; n++) {
    const visitor = await Visitor.come(t);
    const user = `user-${n}`;
    const tell = (text) => t.server("notify", { user, event: "note", args: [text] });
    const wait = async (door) => {
      const tab = visitor.open("Door", { auth: { door } });
      tab.on("disconnect", (reason, why) => assert.fail(`disconnect: ${reason}, ${why?.message} ${why?.description}`));
      const heard = { tab, notes: t.collect(tab, "note"), you: t.collect(tab, "you") };
      await t.server("reached", { door });
      return heard;
    };
    const { session: anonymous } = visitor;
    const first = await wait(`${n} in`);
    await visitor.logIn(user, { slow: n % 2 === 1 });
    await tell("too early");
    await t.server("open", { door: `${n} in` });
    visitor.store();
    await first.you.until(2);
    const { session } = visitor;
    assert.deepEqual(first.you, [{ session: anonymous, user: "" }, { session, user }]);
    await visitor.has(first.tab);
    await tell("welcome");
    await first.notes.until(1);

    const second = await wait(`${n} out`);
    await visitor.logOut({ slow: n % 2 === 1 });
    await tell("too late");
    await t.server("open", { door: `${n} out` });
    visitor.store();
    await Promise.all([first.you.until(3), second.you.until(2)]);
    assert.deepEqual(second.you, [{ session, user }, { session: visitor.session, user: "" }]);
    await visitor.has(first.tab, second.tab);
    await tell("too late");
    for (const { tab } of [first, second]) await t.ask(tab, "whoami");
    assert.deepEqual([first.notes, second.notes], [["welcome"], []]);
    t.close(first.tab, second.tab);
  }
}

// Handshakes that cross a login or a logout on the way: in the end each tab is what its browser is, and no tab
// gets what was sent to a user after the logout.
export async function handshakesInFlight(t) {
  const browsers = Array.from({ length: 20 }, async (_, browser) => {
    for (let n = browser; n < t.rounds; n += 20) {
      const visitor = await Visitor.come(t);
      const user = `user-${n}`;
      const first = arriving(t, visitor);
      await pause(n % 7);
      await visitor.logIn(user);
      await first.isTold();
      await t.server("notify", { user, event: "note", args: ["welcome"] });
      await first.notes.until(1);

      const second = arriving(t, visitor);
      await pause(n % 11);
      await visitor.logOut();
      await t.server("notify", { user, event: "note", args: ["too late"] });
      for (const tab of [first, second]) await tab.isTold();
      await visitor.has(first.socket, second.socket);
      for (const { socket } of [first, second]) await t.ask(socket, "whoami");
      assert.deepEqual([first.notes, second.notes], [["welcome"], []]);
      t.close(first.socket, second.socket);
    }
  });
  await Promise.all(browsers);
}

// arriving opens a tab and does not wait.
function arriving(t, visitor) {
  const socket = visitor.open("Door");
  weather(socket);
  const you = t.collect(socket, "you");
  const knows = () => you.at(-1)?.session === visitor.session && you.at(-1).user === visitor.user;
  // isTold waits until the tab knows what its browser is. It may come back on the way there.
  const isTold = async () => {
    while (!knows()) await you.until(you.length + 1);
  };
  return { socket, notes: t.collect(socket, "note"), isTold };
}

// weather checks that what was sent to a user while they logged out, see visits_test.go, was queued for a socket
// before the logout had returned, if at all.
function weather(socket) {
  let calm = false;
  socket.on("calm", () => (calm = true));
  socket.on("note", () => (calm = false)); // some time after
  socket.on("storm", ({ late }) => {
    assert.ok(!late, "an event for a user who had logged out");
    assert.ok(!calm, "an event for a user, queued after they had logged out");
  });
}

async function pause(turns) {
  for (let i = 0; i < turns; i++) await new Promise(setImmediate);
}
