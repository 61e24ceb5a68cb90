// A client of the latest release beside the one under test, on one app.

import assert from "node:assert/strict";
import { io } from "socket.io-client-4";
import { bytes } from "../trial.mjs";

export async function broadcast(t) {
  const under = await t.connect("Desk");
  await t.upgraded(under);
  const latest = io(`${t.url}/DeskSocket`, { forceNew: true });
  try {
    await t.once(latest, "connect");
    const all = [under, latest, await t.connect("Desk")];
    const got = all.map((socket) => t.collect(socket, "shouted"));
    const parcel = { Name: "grüße 🎈", Data: Buffer.from([1, 2, 3]), Parts: [Buffer.alloc(0), Buffer.from([255])] };
    for (const socket of all) await t.ask(socket, "shout", parcel);
    for (const parcels of got) {
      await parcels.until(all.length);
      for (const { Name, Data, Parts } of parcels) {
        assert.equal(Name, parcel.Name);
        assert.deepEqual(bytes(Data), parcel.Data);
        assert.deepEqual(Parts.map(bytes), parcel.Parts);
      }
    }
  } finally {
    latest.off();
    latest.disconnect();
  }
}
