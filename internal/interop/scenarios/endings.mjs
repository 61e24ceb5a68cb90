// The server ends connections at any time, most of them during the upgrade from
// polling to a WebSocket.

import assert from "node:assert/strict";
import { only, range } from "../trial.mjs";
import { Visitor } from "../visitor.mjs";

const BATCH = 10;

const upgrades = ({ major, transport }) => major >= 4 && transport === "upgrade";

// REASONS has the server's reason for each kind of end.
const REASONS = {
  overflow: "send queue overflow",
  panic: "handler panic",
  nonsense: "parse error",
  flood: "rate limit",
  revoke: "moderated",
  shutdown: "server shutting down",
  silence: "ping timeout",
};

// Whenever the server ends a connection, the client notices it at once and
// reconnects, and not only after its own ping timeout.
export const atAnyTime = only(upgrades, async (t) => {
  const slowest = {}; // in ms, by the kind of end
  const batches = [endEach, endByShutdown, endSilent];
  let ends = 0;
  for (let n = 0; ends < t.rounds || n < batches.length; n++, ends += BATCH) {
    for (const [kind, ms] of await batches[n % batches.length](t)) slowest[kind] = Math.max(slowest[kind] ?? 0, Math.round(ms));
  }
  console.error(`${ends} ends; the client noticed them at most this many ms after the server: ${JSON.stringify(slowest)}`);
});

// awaitEnd waits until a connected tab notices that its connection has ended,
// and until it has reconnected. It returns the kind of the end, and the time in
// ms from the server's end to the client's.
async function awaitEnd(t, tab, kind, comeBack = () => {}) {
  const { id } = tab;
  const disconnected = tab.connected ? t.once(tab, "disconnect") : Promise.resolve(["gone"]);
  const ended = t.server("reason", { id }).then((reason) => [reason, performance.now()]);
  const [reason] = await disconnected;
  const noticedAt = performance.now();
  assert.notEqual(reason, "ping timeout", kind);
  const [why, endedAt] = await ended;
  assert.equal(why, REASONS[kind]);
  await comeBack();
  if (!tab.connected) await t.once(tab, "connect");
  assert.notEqual(tab.id, id);
  t.close(tab);
  return [kind, noticedAt - endedAt];
}

// KINDS has a function for each kind of end. It ends one connection, some time
// after the connect.
const KINDS = {
  overflow: () => {}, // see apps_test.go
  panic: (t, tab) => tab.emit("panic"),
  nonsense: (t, tab) => tab.io.engine.write("9"),
  flood: (t, tab) => range(100).forEach(() => tab.emit("flood")),
  revoke: (t, tab, { session }) => t.server("revoke", { session, code: 5001, reason: REASONS.revoke, reconnect: true }),
};

async function endEach(t) {
  await restart(t, { maxRate: 50 });
  const kinds = Object.entries(KINDS);
  return Promise.all(
    range(BATCH).map(async (n) => {
      const [kind, end] = kinds[n % kinds.length];
      const visitor = await Visitor.create(t);
      const delay = Math.floor(Math.random() * 40_000); // microseconds
      let rounds = 0;
      const tab = visitor.open("Ends", { auth: (give) => give(rounds++ === 0 ? { kind, delay } : {}) });
      await t.once(tab, "connect");
      setTimeout(() => end(t, tab, visitor), delay / 1000);
      return awaitEnd(t, tab, kind, () => visitor.visit());
    }),
  );
}

// endByShutdown ends a batch of connections, the last ones soon after they have
// connected.
async function endByShutdown(t) {
  const tabs = [];
  for (let n = 0; n < BATCH; n++) tabs.push(await t.connect("Ends"));
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  let waiting = tabs.length;
  let resolveAll;
  const allNoticed = new Promise((resolve) => (resolveAll = resolve));
  const delays = tabs.map((tab) => {
    tab.once("disconnect", () => --waiting === 0 && resolveAll());
    return awaitEnd(t, tab, "shutdown");
  });
  const stopped = t.server("shutdown");
  await allNoticed;
  await stopped;
  await restart(t);
  return Promise.all(delays);
}

// endSilent ends connections whose clients do not answer pings and have no
// timeout of their own.
async function endSilent(t) {
  await restart(t, { pingInterval: 20, pingTimeout: 20 + Math.floor(Math.random() * 100) });
  const delays = await Promise.all(
    range(BATCH).map(async () => {
      const tab = t.open("Ends");
      let answers = false;
      tab.io.on("open", () => answers || silence(tab.io.engine));
      await t.once(tab, "connect");
      tab.once("disconnect", () => (answers = true));
      return awaitEnd(t, tab, "silence");
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
