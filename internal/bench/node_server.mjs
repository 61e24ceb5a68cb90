// The peer in Node: the same as the servers in the package servers, and commanded in the same way, see
// child.go.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { Server } = createRequire(new URL("../interop/package.json", import.meta.url))("socket.io");
const [interval, timeout, event] = process.argv.slice(2);
const [, body] = JSON.parse(event);

const http = createServer();
const io = new Server(http, { serveClient: false, pingInterval: Number(interval), pingTimeout: Number(timeout) });
io.on("connection", (socket) => {
  const { user } = socket.handshake.query;
  if (user) socket.join(`user-${user}`);
  socket.on("echo", (v) => socket.emit("echo", v));
  socket.on("ack", (v, answer) => answer(v));
});

function say(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

const commands = {
  b: () => io.emit("note", body),
  u: (user) => io.to(`user-${user}`).emit("note", body),
  c: () => say({ conns: io.engine.clientsCount }),
  s: () => say({ conns: io.engine.clientsCount, heap: process.memoryUsage().heapUsed }),
  g: () => {
    globalThis.gc();
    say({});
  },
};

let rest = Buffer.alloc(0);
process.stdin.on("data", (chunk) => {
  rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
  let at = 0;
  for (; rest.length - at >= 5; at += 5) {
    commands[String.fromCharCode(rest[at])](rest.readUInt32LE(at + 1));
  }
  rest = rest.subarray(at);
});
process.stdin.on("end", () => process.exit());

// The backlog is the one that servers in Go have.
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => say({ address: `127.0.0.1:${http.address().port}` }));
