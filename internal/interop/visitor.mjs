// Visitor is a browser in a scenario: its cookies, and tabs whose requests bring those that it has at that
// moment.

import assert from "node:assert/strict";

export class Visitor {
  #t;
  #headers = {}; // of all tabs
  #coming; // cookies that the browser has not stored yet

  constructor(t) {
    this.#t = t;
  }

  // come has a browser visit the site for the first time, and log in on the way if it says so.
  static async come(t, change) {
    const visitor = new Visitor(t);
    await visitor.visit(change);
    return visitor;
  }

  get cookie() {
    return this.#headers.Cookie ?? "";
  }

  // visit loads a page, which sets the ids session and user. The cookies of its answer are stored later if
  // the browser is slow.
  async visit(change = {}, { slow = false } = {}) {
    const { cookie, session, user } = await this.#t.server("visit", { cookie: this.cookie, ...change });
    Object.assign(this, { session, user });
    this.#coming = cookie;
    if (!slow) this.store();
  }

  store() {
    this.#headers.Cookie = this.#coming;
  }

  logIn(user, how) {
    return this.visit({ logIn: user }, how);
  }

  logOut(how) {
    return this.visit({ logOut: true }, how);
  }

  // open and connect are those of Trial, in a tab of this browser. Without lines its page does not have those of
  // mojo.js.
  open(app, { lines = true, ...options } = {}) {
    const socket = this.#t.open(app, options.manager ? options : { extraHeaders: this.#headers, ...options });
    if (lines) socket.on("mojo:identity", ({ proof }) => this.#prove(socket, proof));
    return socket;
  }

  async connect(app, options = {}) {
    const socket = this.open(app, options);
    await this.#t.once(socket, "connect");
    return socket;
  }

  // prove does what mojo.js does in a page. Node's fetch has no cookies of its own.
  async #prove(socket, proof) {
    while (socket.connected) {
      const headers = { "X-Mojo-Identity": proof };
      if (this.cookie) headers.Cookie = this.cookie;
      const { status } = await fetch(`${this.#t.url}/socket.io/`, { method: "POST", headers });
      if (status !== 409) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  // has checks whom the server takes the connections of the tabs for.
  async has(...tabs) {
    const { session, user } = this;
    for (const tab of tabs) assert.deepEqual(await who(this.#t, tab), { session, user });
  }
}

// who is whom the server takes a connection for.
export async function who(t, socket) {
  const { session, user } = await t.server("conn", { id: socket.id });
  return { session, user };
}

// page is the option of a socket whose requests bring these cookies.
export function page(cookie) {
  return { extraHeaders: { Cookie: cookie } };
}
