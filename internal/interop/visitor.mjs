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

  // open and connect are those of Trial, in a tab of this browser.
  open(app, options = {}) {
    return this.#t.open(app, options.manager ? options : { extraHeaders: this.#headers, ...options });
  }

  connect(app, options = {}) {
    return this.#t.connect(app, options.manager ? options : { extraHeaders: this.#headers, ...options });
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
