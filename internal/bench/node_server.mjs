// The server in Node. It does the same as the servers of the package servers,
// and reads the same commands, see child.go.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [packages, interval, timeout, event, redis] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
const { Server } = require("socket.io");
const [, body] = JSON.parse(event);

const http = createServer();
const received = { messages: 0, bytes: 0 }; // from the broker
const adapter = redis ? await connect(`redis://${redis}`) : undefined;
const io = new Server(http, { serveClient: false, pingInterval: Number(interval), pingTimeout: Number(timeout), adapter });
io.on("connection", (socket) => {
  const { user } = socket.handshake.query;
  if (user) socket.join(`user-${user}`);
  socket.on("echo", (v) => socket.emit("echo", v));
  socket.on("ack", (v, ack) => ack(v));
});

// connect returns the adapter that makes this server a node of a cluster.
async function connect(url) {
  const publisher = require("redis").createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  for (const method of ["subscribe", "pSubscribe"]) {
    const original = subscriber[method].bind(subscriber);
    subscriber[method] = (channels, listener, ...rest) =>
      original(
        channels,
        (message, channel) => {
          received.messages++;
          received.bytes += message.length + channel.length;
          listener(message, channel);
        },
        ...rest,
      );
  }
  return require("@socket.io/redis-adapter").createAdapter(publisher, subscriber);
}

function answer(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

const commands = {
  b: () => io.emit("note", body),
  u: (user) => io.to(`user-${user}`).emit("note", body),
  c: () => answer({ conns: io.engine.clientsCount }),
  s: () => answer({ conns: io.engine.clientsCount, heap: process.memoryUsage().heapUsed }),
  n: async () => answer({ nodes: await io.of("/").adapter.serverCount(), ...received }),
  g: () => {
    globalThis.gc();
    answer({});
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

// The backlog is the same as that of servers in Go.
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => answer({ address: `127.0.0.1:${http.address().port}` }));
