// Usage: node run.mjs <client package> <websocket|polling|upgrade>
//
// Prints the names of the scenarios for this client and transport. Then, for
// each line {"scenario", "url", "control"} on the standard input, runs a
// scenario and prints a line {"name", "ok", "error"}.

import { readdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Trial } from "./trial.mjs";

const [module, transport] = process.argv.slice(2);
const client = await import(module);
const major = Number(/-(\d+)(\.\d+)?$/.exec(module)[1]);

const scenarios = new Map();
const directory = new URL("scenarios/", import.meta.url);
for (const file of (await readdir(directory)).sort()) {
  for (const [name, run] of Object.entries(await import(new URL(file, directory)))) {
    if (!run.needs || run.needs({ major, transport })) scenarios.set(`${file.replace(".mjs", "")}/${name}`, run);
  }
}

function print(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

print({ scenarios: [...scenarios.keys()] });
for await (const line of createInterface({ input: process.stdin })) {
  const { scenario: name, url, control } = JSON.parse(line);
  const trial = new Trial({ client, major, transport, url, control });
  const error = await trial.run(scenarios.get(name));
  print({ name, ok: !error, error });
}
process.exit();
