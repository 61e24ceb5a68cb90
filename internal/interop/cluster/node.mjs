// A Node server with the official adapter, the official emitter, and the clients
// of all servers. It executes lines {"id", "script"} from the standard input, all
// at the same time, and writes a line {"id", "result"} or {"id", "error"} for
// each when it is done. The first line has the URL of the server.
//
// Usage: node node.mjs <URL of Redis> <key>
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io as open } from "socket.io-client";

const [url, key] = process.argv.slice(2);
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const publisher = createClient({ url });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const io = new Server(http, { adapter: createAdapter(publisher, subscriber, { key }) });
const emitter = new Emitter(publisher, { key });

// Each namespace puts clients into the rooms that they ask for.
function serve(name) {
  io.of(name).on("connection", (socket) => {
    socket.join(socket.handshake.auth.rooms ?? []);
    socket.data = socket.handshake.auth.data ?? {};
  });
}
["/", "/ChatSocket", "/OtherSocket"].forEach(serve);

// servers waits until n servers answer questions about a namespace.
async function servers(name, n) {
  while ((await io.of(name).adapter.serverCount()) !== n) await new Promise((done) => setTimeout(done, 10));
}

// roundTrip waits until the own server has done what it and the emitter have sent
// to all servers. A Node server does such a thing when the message comes back.
async function roundTrip(name) {
  await io.of(name).fetchSockets();
}

// clients are the clients by name: a socket, what it got, and functions to call
// when it gets more.
const clients = new Map();

// connect connects a client and returns its id. It shares the connection of
// another one if that is given.
function connect(name, url, namespace, options, sharing) {
  const manager = clients.get(sharing)?.socket.io;
  const socket = manager
    ? manager.socket(namespace, options)
    : open(url + namespace, { forceNew: true, transports: ["websocket"], ...options });
  const client = { socket, got: [], waiting: new Set() };
  clients.set(name, client);
  const note = (...event) => {
    client.got.push(event);
    for (const check of client.waiting) check();
  };
  socket.onAny((...args) => {
    const ack = args.at(-1);
    if (typeof ack === "function") args[args.length - 1] = "ack";
    note(...args);
    if (typeof ack === "function") client.answer?.(ack, ...args);
  });
  socket.on("disconnect", (reason) => note("disconnect", reason, socket.active));
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket.id));
    socket.once("connect_error", reject);
  });
}

// take waits until a client gets an event, and returns what it got before. It
// leaves what the client gets later.
function take(name, event) {
  const client = clients.get(name);
  return new Promise((resolve) => {
    const check = () => {
      const at = client.got.findIndex((got) => got[0] === event);
      if (at < 0) return;
      client.waiting.delete(check);
      resolve(client.got.splice(0, at + 1).slice(0, -1));
    };
    client.waiting.add(check);
    check();
  });
}

// takeAll is take for several clients.
async function takeAll(names, event) {
  const all = await Promise.all(names.map((name) => take(name, event)));
  return Object.fromEntries(names.map((name, i) => [name, all[i]]));
}

// next waits for the next event of a client.
function next(name) {
  const client = clients.get(name);
  return new Promise((resolve) => {
    const check = () => {
      if (client.got.length === 0) return;
      client.waiting.delete(check);
      resolve(client.got.shift());
    };
    client.waiting.add(check);
    check();
  });
}

// pause stops clients from reading, and resume lets them read again.
function pause(names) {
  for (const name of names) clients.get(name).socket.io.engine.transport.ws._socket.pause();
}

function resume(names) {
  for (const name of names) clients.get(name).socket.io.engine.transport.ws._socket.resume();
}

// close ends clients.
function close(...names) {
  for (const name of names) {
    const { socket } = clients.get(name);
    clients.delete(name);
    socket.off();
    socket.offAny();
    socket.disconnect();
  }
}

// These are what the scripts use.
Object.assign(globalThis, { io, emitter, servers, roundTrip, serve, clients, connect, take, takeAll, next, pause, resume, close });

http.listen(0, "127.0.0.1", () => print({ result: `http://127.0.0.1:${http.address().port}` }));
for await (const line of createInterface({ input: process.stdin })) {
  const { id, script } = JSON.parse(line);
  (async () => (0, eval)(script))().then(
    (result) => print({ id, result: result ?? null }),
    (error) => print({ id, error: String(error?.stack ?? error) }),
  );
}
process.exit(0);
