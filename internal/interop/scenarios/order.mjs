// No event is lost, duplicated or reordered.

import assert from "node:assert/strict";
import { only, range } from "../trial.mjs";

export async function bothWays(t) {
  const socket = await t.connect("Desk");
  const got = t.collect(socket, "n");
  socket.emit("burst", 1000);
  for (const n of range(1000)) socket.emit("count", n);
  const [counted] = await t.ask(socket, "counted");
  assert.deepEqual(counted, range(1000));
  await got.until(1000);
  assert.deepEqual(got, range(1000));
}

// During the upgrade the server sends two tocks for each tick, one of them
// binary.
export const whileUpgrading = only(
  ({ transport }) => transport === "upgrade",
  async (t) => {
    for (const _ of range(10)) {
      const socket = t.open("Desk");
      const tocks = t.collect(socket, "tock");
      let sent = 0;
      const tick = () => socket.emit("tick", sent++);
      await t.once(socket.io, "open");
      const { engine } = socket.io;
      const upgraded = t.once(engine, "upgrade");
      while (engine.transport.name === "polling") {
        if (sent < 1000) tick(); // without a bound, a slow server would get ever more
        await new Promise(setImmediate);
      }
      await upgraded;
      range(50).forEach(tick);
      await t.ask(socket, "whoami");
      assert.deepEqual(tocks.map((tock) => (Array.isArray(tock) ? tock[0] : tock)), range(2 * sent));
      socket.disconnect();
    }
  },
);
