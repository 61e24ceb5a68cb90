// The server ends connections at any moment, most of them while they change from polling to a WebSocket.

import assert from "node:assert/strict";
import { only, range } from "../trial.mjs";
import { Visitor } from "../visitor.mjs";

const TOGETHER = 10;

const upgrades = ({ major, transport }) => major >= 4 && transport === "upgrade";

// REASONS are what the server says of the ends.
const REASONS = {
  overflow: "send queue overflow",
  panic: "handler panic",
  nonsense: "parse error",
  flood: "rate limit",
  revoke: "moderated",
  shutdown: "server shutting down",
  silence: "ping timeout",
};

// Whatever ends it, the client knows at once and comes back. One that did not would find out by its own ping timeout.
export const whenever = only(upgrades, async (t) => {
  const slowest = {}; // ms, by the kind of end
  const ways = [alone, shutdown, silent];
  let ends = 0;
  for (let n = 0; ends < t.rounds || n < ways.length; n++, ends += TOGETHER) {
    for (const [kind, ms] of await ways[n % ways.length](t)) slowest[kind] = Math.max(slowest[kind] ?? 0, Math.round(ms));
  }
  console.error(`${ends} ends, known so many ms after the server at most: ${JSON.stringify(slowest)}`);
});

// learns waits until a connected tab knows that its connection has ended, and until it is back. It returns the kind of
// the end, and for how many ms the server knew of it before the tab.
async function learns(t, tab, kind, comeBack = () => {}) {
  const { id } = tab;
  const gone = tab.connected ? t.once(tab, "disconnect") : Promise.resolve(["gone"]);
  const ended = t.server("reason", { id }).then((reason) => [reason, performance.now()]);
  const [reason] = await gone;
  const known = performance.now();
  assert.notEqual(reason, "ping timeout", kind);
  const [why, since] = await ended;
  assert.equal(why, REASONS[kind]);
  await comeBack();
  if (!tab.connected) await t.once(tab, "connect");
  assert.notEqual(tab.id, id);
  t.close(tab);
  return [kind, known - since];
}

// KINDS end one connection, some time after it has connected.
const KINDS = {
  overflow: () => {}, // see apps_test.go
  panic: (t, tab) => tab.emit("panic"),
  nonsense: (t, tab) => tab.io.engine.write("9"),
  flood: (t, tab) => range(100).forEach(() => tab.emit("flood")),
  revoke: (t, tab, { session }) => t.server("revoke", { session, code: 5001, reason: REASONS.revoke, reconnect: true }),
};

async function alone(t) {
  await restart(t, { maxRate: 50 });
  const kinds = Object.entries(KINDS);
  return Promise.all(
    range(TOGETHER).map(async (n) => {
      const [kind, end] = kinds[n % kinds.length];
      const visitor = await Visitor.come(t);
      const delay = Math.floor(Math.random() * 40_000); // microseconds
      let rounds = 0;
      const tab = visitor.open("Ends", { auth: (give) => give(rounds++ === 0 ? { kind, delay } : {}) });
      await t.once(tab, "connect");
      setTimeout(() => end(t, tab, visitor), delay / 1000);
      return learns(t, tab, kind, () => visitor.visit());
    }),
  );
}

// shutdown ends all connections, the last ones soon after they have connected.
async function shutdown(t) {
  const tabs = [];
  for (let n = 0; n < TOGETHER; n++) tabs.push(await t.connect("Ends"));
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  let waiting = tabs.length;
  let all;
  const known = new Promise((resolve) => (all = resolve));
  const delays = tabs.map((tab) => {
    tab.once("disconnect", () => --waiting === 0 && all());
    return learns(t, tab, "shutdown");
  });
  const over = t.server("shutdown");
  await known;
  await over;
  await restart(t);
  return Promise.all(delays);
}

// silent clients do not answer pings, and never give up by themselves.
async function silent(t) {
  await restart(t, { pingInterval: 20, pingTimeout: 20 + Math.floor(Math.random() * 100) });
  const delays = await Promise.all(
    range(TOGETHER).map(async () => {
      const tab = t.open("Ends");
      let answers = false;
      tab.io.on("open", () => answers || silence(tab.io.engine));
      await t.once(tab, "connect");
      tab.once("disconnect", () => (answers = true));
      return learns(t, tab, "silence");
    }),
  );
  await restart(t);
  return delays;
}

function silence(engine) {
  clearTimeout(engine._pingTimeoutTimer);
  engine._resetPingTimeout = () => {};
  engine._pingTimeoutTime = Infinity;
  const send = engine._sendPacket;
  engine._sendPacket = (type, ...rest) => type !== "pong" && send.call(engine, type, ...rest);
}

async function restart(t, options) {
  await t.server("stop");
  await t.server("start", options);
}
