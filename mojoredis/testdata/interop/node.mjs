// A Node server with the official adapter and one client of its own, in the
// namespace /chat and the room room1. It executes lines of JavaScript from the
// standard input, and writes a line of JSON for each result. What its client
// gets is a line {"client": [...]}.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";

const [url, key] = process.argv.slice(2);
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const publisher = createClient({ url });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const io = new Server(http, { adapter: createAdapter(publisher, subscriber, { key }) });
const chat = io.of("/chat");
chat.on("connection", (socket) => socket.join("room1"));
chat.on("fromServer", (...args) => {
  const ack = args.at(-1);
  if (typeof ack === "function") ack("node");
});
const emitter = new Emitter(publisher, { key }).of("/chat");

http.listen(0, "127.0.0.1", () => {
  const client = connect(`http://127.0.0.1:${http.address().port}/chat`, { transports: ["websocket"] });
  client.onAny((...args) => {
    const ack = args.at(-1);
    if (typeof ack === "function") ack("node client");
    print({ client: args.filter((arg) => typeof arg !== "function") });
  });
  client.on("disconnect", () => print({ client: ["disconnect"] }));
  client.on("connect", () => print({ result: client.id }));
});

// These are what the lines use.
globalThis.io = io;
globalThis.chat = chat;
globalThis.emitter = emitter;
globalThis.servers = async (n) => {
  while ((await chat.adapter.serverCount()) !== n) await new Promise((done) => setTimeout(done, 10));
  return n;
};

for await (const line of createInterface({ input: process.stdin })) {
  try {
    print({ result: (await (0, eval)(line)) ?? null });
  } catch (error) {
    print({ error: String(error) });
  }
}
process.exit(0);
