// Usage: node run.mjs <client package> <websocket|polling|upgrade>
//
// Prints the names of the scenarios that suit this client and transport, then runs one for each line
// {"scenario", "url", "control"} on standard input and prints a line {"name", "ok", "error"} for it.

import { readdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Trial } from "./trial.mjs";

const [module, transport] = process.argv.slice(2);
const client = await import(module);
const major = Number(module.slice(-1));

const scenarios = new Map();
const directory = new URL("scenarios/", import.meta.url);
for (const file of (await readdir(directory)).sort()) {
  for (const [name, run] of Object.entries(await import(new URL(file, directory)))) {
    if (!run.needs || run.needs({ major, transport })) scenarios.set(`${file.replace(".mjs", "")}/${name}`, run);
  }
}

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

say({ scenarios: [...scenarios.keys()] });
for await (const line of createInterface({ input: process.stdin })) {
  const { scenario: name, url, control } = JSON.parse(line);
  const trial = new Trial({ client, major, transport, url, control });
  const error = await trial.run(scenarios.get(name));
  say({ name, ok: !error, error });
}
process.exit();
