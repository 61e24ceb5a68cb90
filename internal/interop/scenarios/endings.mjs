// The server ends connections at any moment, most of them while they change from polling to a WebSocket.

import assert from "node:assert/strict";
import { only, range } from "../trial.mjs";

const KINDS = ["overflow", "panic", "nonsense"];
const TOGETHER = 10;

const upgrades = ({ major, transport }) => major >= 4 && transport === "upgrade";

// Whatever ends it, the client knows at once and comes back. One that did not would find out by its own ping timeout.
export const whenever = only(upgrades, async (t) => {
  let slowest = 0;
  for (let done = 0; done < t.rounds; done += TOGETHER) {
    await Promise.all(
      range(TOGETHER).map(async (n) => {
        const kind = KINDS[(done + n) % KINDS.length];
        const delay = Math.floor(Math.random() * 40_000); // microseconds
        let rounds = 0;
        const tab = t.open("Ends", { auth: (give) => give(rounds++ === 0 ? { kind, delay } : {}) });
        await t.once(tab, "connect");
        const { id } = tab;
        if (kind === "panic" || kind === "nonsense") {
          setTimeout(() => (kind === "panic" ? tab.emit("panic") : tab.io.engine.write("9")), delay / 1000);
        }
        const gone = tab.connected ? t.once(tab, "disconnect") : Promise.resolve(["gone"]);
        const ended = t.server("reason", { id }).then(() => performance.now());
        const [reason] = await gone;
        assert.notEqual(reason, "ping timeout", `${kind} after ${delay} µs`);
        const known = performance.now();
        slowest = Math.max(slowest, known - (await ended));
        if (!tab.connected) await t.once(tab, "connect");
        assert.notEqual(tab.id, id);
        t.close(tab);
      }),
    );
  }
  console.error(`${t.rounds} ends, known ${slowest.toFixed(0)} ms after the server at most`);
});
