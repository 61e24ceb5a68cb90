// Trial is what a scenario gets: sockets of the client under test that are closed afterwards, ways to wait
// for what happens to them, and the test's view of the server.

import assert from "node:assert/strict";

const LONG = Boolean(process.env.MOJO_LONG);
const LIMIT = LONG ? 1_000_000 : 60_000; // ms a scenario may take: a bound for failures, nothing waits for it

export class Trial {
  rounds = LONG ? 1000 : 20; // of what is repeated
  #sockets = new Set();
  #waiting = new Set();
  #journal = [];

  constructor({ client, major, transport, url, control }) {
    Object.assign(this, { client, major, transport, url, controlURL: control });
  }

  // run returns what went wrong, as text, or undefined.
  async run(scenario) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still waiting for ${[...this.#waiting].join(", ")}`)), LIMIT);
    });
    const broken = (error) => this.#fail(error);
    const failure = new Promise((_, reject) => (this.#fail = reject));
    process.on("uncaughtException", broken).on("unhandledRejection", broken);
    try {
      await Promise.race([scenario(this), late, failure]);
    } catch (error) {
      return [error.stack, ...this.#journal].join("\n");
    } finally {
      clearTimeout(timer);
      this.close(...this.#sockets);
      process.off("uncaughtException", broken).off("unhandledRejection", broken);
    }
  }
  #fail;

  // close ends sockets that a scenario is done with.
  close(...sockets) {
    for (const socket of sockets) socket.off(); // the scenario's listeners have had their time
    for (const socket of sockets) {
      this.#sockets.delete(socket);
      socket.disconnect();
      socket.io.reconnection(false);
      socket.io.disconnect();
    }
  }

  // open makes a socket on an app ("" is the root namespace), on a connection of its own unless options
  // has the manager of another socket. It does not wait.
  open(app, { manager, ...options } = {}) {
    const namespace = app && `/${app}Socket`;
    const socket = manager
      ? manager.socket(namespace || "/", options)
      : this.client.io(this.url + namespace, {
          forceNew: true,
          transports: this.transport === "upgrade" ? ["polling", "websocket"] : [this.transport],
          reconnectionDelay: 20,
          reconnectionDelayMax: 50,
          ...options,
        });
    this.#sockets.add(socket);
    for (const event of ["connect", "disconnect", "connect_error"]) {
      socket.on(event, (detail) => this.#journal.push(`${app}: ${event} ${detail ?? socket.id}`));
    }
    return socket;
  }

  // connect is open that waits.
  async connect(app, options) {
    const socket = this.open(app, options);
    await this.once(socket, "connect");
    return socket;
  }

  // once waits for the next event and returns its arguments.
  once(emitter, event) {
    return this.#wait(event, (resolve) => emitter.once(event, (...args) => resolve(args)));
  }

  // ask emits and waits for the answer's arguments.
  ask(socket, event, ...args) {
    return this.#wait(`the answer to ${event}`, (resolve) => socket.emit(event, ...args, (...answer) => resolve(answer)));
  }

  // collect returns an array to which each coming event is added, as its only argument or its arguments.
  collect(emitter, event) {
    const items = [];
    const waiters = [];
    emitter.on(event, (...args) => {
      items.push(args.length === 1 ? args[0] : args);
      for (const waiter of waiters) waiter();
    });
    // until waits for the nth. deepEqual must not see it.
    const until = (n) =>
      this.#wait(`${n} times ${event}`, (resolve) => {
        waiters.push(() => items.length >= n && resolve());
        waiters.at(-1)();
      });
    Object.defineProperty(items, "until", { value: until });
    return items;
  }

  // upgraded waits until a socket's connection has left polling, if it is going to.
  async upgraded(socket) {
    const { engine } = socket.io;
    if (this.transport === "upgrade" && engine.transport.name === "polling") await this.once(engine, "upgrade");
  }

  // server asks the test for something, see control_test.go.
  async server(verb, args = {}) {
    const answer = await this.#wait(`the server to ${verb}`, (resolve, reject) =>
      fetch(`${this.controlURL}/${verb}`, { method: "POST", body: JSON.stringify(args) })
        .then((response) => response.json())
        .then(resolve, reject),
    );
    if (answer.error) throw new Error(`${verb}: ${answer.error}`);
    return answer.value;
  }

  // ended checks why the server says a connection has ended.
  async ended(id, reason) {
    assert.equal(await this.server("reason", { id }), reason);
  }

  async #wait(what, executor) {
    this.#waiting.add(what);
    try {
      return await new Promise(executor);
    } finally {
      this.#waiting.delete(what);
    }
  }
}

// bytes turns any kind of binary into a Buffer, and anything else into an error.
export function bytes(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  assert.ok(ArrayBuffer.isView(value), `no binary: ${value}`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

// range is 0, 1, ... n-1.
export function range(n) {
  return Array.from({ length: n }, (_, i) => i);
}

// only says which clients and transports a scenario is for.
export function only(needs, scenario) {
  return Object.assign(scenario, { needs });
}
