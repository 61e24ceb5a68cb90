// Visitor is a browser in a scenario: it has cookies, and its tabs send the
// current cookies with each request.

import assert from "node:assert/strict";

export class Visitor {
  #t;
  #headers = {}; // the headers of all tabs
  #latestCookie; // the cookies of the latest answer

  constructor(t) {
    this.#t = t;
  }

  // create returns a browser that has visited the site for the first time, and
  // has logged in if change says so.
  static async create(t, change) {
    const visitor = new Visitor(t);
    await visitor.visit(change);
    return visitor;
  }

  get cookie() {
    return this.#headers.Cookie ?? "";
  }

  // visit loads a page and sets session and user to the ids that the page
  // returns. If slow is set, the browser stores the cookies only when store is
  // called.
  async visit(change = {}, { slow = false } = {}) {
    const { cookie, session, user } = await this.#t.server("visit", { cookie: this.cookie, ...change });
    Object.assign(this, { session, user });
    this.#latestCookie = cookie;
    if (!slow) this.store();
  }

  store() {
    this.#headers.Cookie = this.#latestCookie;
  }

  logIn(user, options) {
    return this.visit({ logIn: user }, options);
  }

  logOut(options) {
    return this.visit({ logOut: true }, options);
  }

  // open and connect are those of Trial, in a tab of this browser. With script:
  // false the page does not use mojo.js.
  open(app, { script = true, ...options } = {}) {
    const socket = this.#t.open(app, options.manager ? options : { extraHeaders: this.#headers, ...options });
    if (script) socket.on("mojo:identity", ({ proof }) => this.#prove(socket, proof));
    return socket;
  }

  async connect(app, options = {}) {
    const socket = this.open(app, options);
    await this.#t.once(socket, "connect");
    return socket;
  }

  // prove sends the proof as mojo.js does in a page. fetch of Node sends no
  // cookies by itself.
  async #prove(socket, proof) {
    while (socket.connected) {
      const headers = { "X-Mojo-Identity": proof };
      if (this.cookie) headers.Cookie = this.cookie;
      const { status } = await fetch(`${this.#t.url}/socket.io/`, { method: "POST", headers });
      if (status !== 409) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  // requireIdentity requires that the connections of the tabs have the session
  // and the user of this browser.
  async requireIdentity(...tabs) {
    const { session, user } = this;
    for (const tab of tabs) assert.deepEqual(await identityOf(this.#t, tab), { session, user });
  }
}

// identityOf returns the session and the user of a connection.
export async function identityOf(t, socket) {
  const { session, user } = await t.server("conn", { id: await t.idOf(socket) });
  return { session, user };
}

// withCookie returns the options of a socket that sends these cookies.
export function withCookie(cookie) {
  return { extraHeaders: { Cookie: cookie } };
}
