// A scenario gets a Trial: it opens sockets of the client under test and closes
// them after the scenario, waits for their events, and sends requests about the
// server to the test.
//
// The clients 1 and 2 speak Engine.IO 3. Their auth is a query, they do not
// learn their id, and a refusal is an event error. The Trial makes up for that:
// with each namespace it sends a name of its own, a tab, by which the test
// knows the id.

import assert from "node:assert/strict";

const LONG = Boolean(process.env.MOJO_LONG);
const LIMIT = LONG ? 1_000_000 : 60_000; // time limit of a scenario, in ms

export class Trial {
  rounds = LONG ? 1000 : 20; // for scenarios that repeat something
  #sockets = new Set();
  #waiting = new Map();
  #journal = [];

  constructor({ client, major, transport, url, control }) {
    Object.assign(this, { client, major, transport, url, controlURL: control });
    this.io = client.io ?? client.default;
    this.eio3 = major < 3;
  }

  // run returns the text of an error, or undefined.
  async run(scenario) {
    let timer;
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still waiting for ${[...this.#waiting.values()].join(", ")}`)), LIMIT);
    });
    const onError = (error) => this.#fail(error);
    const failure = new Promise((_, reject) => (this.#fail = reject));
    process.on("uncaughtException", onError).on("unhandledRejection", onError);
    try {
      await Promise.race([scenario(this), timeout, failure]);
    } catch (error) {
      return [error.stack, ...this.#journal].join("\n");
    } finally {
      clearTimeout(timer);
      this.close(...this.#sockets);
      process.off("uncaughtException", onError).off("unhandledRejection", onError);
    }
  }
  #fail;

  // close closes sockets that a scenario no longer needs.
  close(...sockets) {
    for (const socket of sockets) socket.off(); // the scenario's listeners must not see the end
    for (const socket of sockets) {
      this.#sockets.delete(socket);
      socket.disconnect();
      socket.io.reconnection(false);
      socket.io.disconnect();
    }
  }

  // open returns a socket of an app ("" is the root namespace). It opens a
  // connection unless options has the manager of another socket. It does not
  // wait.
  open(app, { manager, ...options } = {}) {
    const namespace = app && `/${app}Socket`;
    const tab = `${++this.#tabs}`;
    if (this.eio3) Object.assign(options, this.#query(tab, options));
    const socket = manager
      ? manager.socket(namespace || "/", options)
      : this.io(this.url + namespace, {
          forceNew: true,
          transports: this.transport === "upgrade" ? ["polling", "websocket"] : [this.transport],
          reconnectionDelay: 20,
          reconnectionDelayMax: 50,
          ...options,
        });
    socket.io.tab ??= tab; // the server connects the root with the query of the URL
    socket.tab ??= namespace ? tab : socket.io.tab;
    this.#sockets.add(socket);
    for (const event of ["connect", "disconnect", "connect_error"]) {
      socket.on(event, (detail) => this.#journal.push(`${app}: ${event} ${detail ?? socket.id}`));
    }
    return socket;
  }

  #tabs = 0;

  // #query returns auth as a query, with the tab.
  #query(tab, { auth, query }) {
    const pairs = Object.entries({ ...query, ...auth, tab });
    return { auth: undefined, query: pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&") };
  }

  // setAuth sets the auth of the next connect of a socket.
  setAuth(socket, auth) {
    if (this.eio3) socket.query = this.#query(socket.tab, { auth }).query;
    else socket.auth = auth;
  }

  // refusal waits until a namespace refuses a socket. It returns the message
  // and the data. A client of Engine.IO 3 gets the message only without data.
  async refusal(socket) {
    const [error] = await this.once(socket, this.eio3 ? "error" : "connect_error");
    if (!this.eio3) return error;
    return typeof error === "string" ? { message: error } : { data: error };
  }

  // isActive reports whether a socket is connected or tries to be.
  isActive(socket) {
    return Boolean(socket.subs);
  }

  // connect calls open and waits until the socket is connected.
  async connect(app, options) {
    const socket = this.open(app, options);
    await this.once(socket, "connect");
    return socket;
  }

  // once waits for the next event and returns its arguments.
  async once(emitter, event) {
    const args = await this.#wait(event, (resolve) => emitter.once(event, (...args) => resolve(args)));
    if (event === "connect") emitter.id = await this.idOf(emitter);
    return args;
  }

  // idOf returns the id of a connected socket.
  async idOf({ id, tab, nsp }) {
    return this.eio3 ? this.server("tab", { tab, namespace: nsp }) : id;
  }

  // ask emits an event and returns the arguments of the ack.
  ask(socket, event, ...args) {
    return this.#wait(`the answer to ${event}`, (resolve) => socket.emit(event, ...args, (...answer) => resolve(answer)));
  }

  // collect returns an array to which it adds each later event: its argument,
  // or an array if there are several.
  collect(emitter, event) {
    const items = [];
    const waiters = [];
    emitter.on(event, (...args) => {
      items.push(args.length === 1 ? args[0] : args);
      for (const waiter of waiters) waiter();
    });
    // until waits for the nth event. It is not enumerable, for deepEqual.
    const until = (n) =>
      this.#wait(`${n} times ${event}`, (resolve) => {
        waiters.push(() => items.length >= n && resolve());
        waiters.at(-1)();
      });
    Object.defineProperty(items, "until", { value: until });
    return items;
  }

  // upgraded waits for the upgrade of a socket's connection, if the transport
  // is upgrade.
  async upgraded(socket) {
    const { engine } = socket.io;
    if (this.transport === "upgrade" && engine.transport.name === "polling") await this.once(engine, "upgrade");
  }

  // server sends a request to the test, see control_test.go.
  async server(verb, args = {}) {
    const answer = await this.#wait(`the server to ${verb}`, (resolve, reject) =>
      fetch(`${this.controlURL}/${verb}`, { method: "POST", body: JSON.stringify(args) })
        .then((response) => response.json())
        .then(resolve, reject),
    );
    if (answer.error) throw new Error(`${verb}: ${answer.error}`);
    return answer.value;
  }

  // requireReason requires the reason for which the server has ended a
  // connection.
  async requireReason(id, reason) {
    assert.equal(await this.server("reason", { id }), reason);
  }

  async #wait(what, executor) {
    const key = Symbol();
    this.#waiting.set(key, what);
    try {
      return await new Promise(executor);
    } finally {
      this.#waiting.delete(key);
    }
  }
}

// bytes returns a Buffer for any kind of binary value. It fails for others.
export function bytes(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  assert.ok(ArrayBuffer.isView(value), `no binary: ${value}`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

// range returns the numbers 0, 1, ... n-1.
export function range(n) {
  return Array.from({ length: n }, (_, i) => i);
}

// only limits a scenario to the clients and transports for which needs is true.
export function only(needs, scenario) {
  return Object.assign(scenario, { needs });
}
