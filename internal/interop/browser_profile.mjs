// A browser profile, and its tabs on the chat example: what a person does there, and what they see.
import assert from "node:assert/strict";

const limit = 10_000; // milliseconds that anything may take

// record keeps the toasts that a page has shown, for they go by themselves.
function record() {
  window.toastsShown = [];
  const look = (records) => {
    for (const node of records.flatMap((record) => [...record.addedNodes])) {
      if (!node.classList?.contains("toast")) continue;
      window.toastsShown.push({ kind: node.dataset.kind, text: node.querySelector("p").textContent });
    }
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}

// Profile is a browser with cookies of its own.
export class Profile {
  static async make(browser, url, { webSockets = true } = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB" });
    context.setDefaultTimeout(limit);
    await context.addInitScript(record);
    if (!webSockets) await context.addInitScript(() => delete window.WebSocket);
    return new Profile(context, url, webSockets ? "websocket" : "polling");
  }

  constructor(context, url, transport) {
    Object.assign(this, { context, url, transport, tabs: [], complaints: [] });
    context.on("weberror", (err) => this.complaints.push(String(err.error())));
    context.on("console", (message) => {
      // A site that is away is not the page's fault.
      if (message.type() === "error" && !/net::ERR_|WebSocket connection|Failed to load resource/.test(message.text())) {
        this.complaints.push(message.text());
      }
    });
  }

  async open() {
    const tab = new Tab(this, await this.context.newPage());
    this.tabs.push(tab);
    await tab.page.goto(this.url);
    await tab.isConnected();
    return tab;
  }

  // hello opens the hello page and returns the name it greets.
  async hello() {
    const page = await this.context.newPage();
    await page.goto(new URL("/hello", this.url).href);
    const title = await page.locator("h1").textContent();
    await page.close();
    return title.replace("Hello, ", "");
  }

  offline(is) {
    return this.context.setOffline(is);
  }

  async end() {
    await this.context.close();
  }
}

// Tab is the chat page in a tab. What begins with "is", "sees", "hears" or "gets" waits for that.
class Tab {
  constructor(profile, page) {
    Object.assign(this, { profile, page });
  }

  close() {
    return this.page.close();
  }

  isInState(state) {
    return this.page.locator(`#connection[data-state="${state}"]`).waitFor();
  }

  async isConnected() {
    await this.page.locator(`#connection[data-state="connected"][data-transport="${this.profile.transport}"]`).waitFor();
  }

  async isLoggedInAs(name) {
    await this.page.waitForFunction((name) => document.body.dataset.name === name, name);
    assert.equal(await this.page.locator("#me").isVisible(), name !== "");
    assert.equal(await this.page.locator("#name").isVisible(), name === "");
  }

  async logIn(name) {
    await this.page.locator("#name").fill(name);
    await this.page.getByRole("button", { name: "Log in" }).click();
    await this.isLoggedInAs(name);
    await this.isConnected();
  }

  async tryName(name, problem) {
    await this.page.locator("#name").fill(name);
    await this.page.getByRole("button", { name: "Log in" }).click();
    await this.page.locator("#problem", { hasText: problem }).waitFor();
    await this.isConnected();
  }

  async logOut() {
    await this.page.getByRole("button", { name: "Log out", exact: true }).click();
    await this.isLoggedInAs("");
    await this.isConnected();
  }

  async logOutEverywhere() {
    await this.page.getByRole("button", { name: "Log out everywhere" }).click();
    await this.isLoggedInAs("");
    await this.isConnected();
  }

  // banner is what the page says of a connection that is not as it should be.
  banner() {
    return this.page.locator("#banner .label").textContent();
  }

  // mark remembers a page and its connection.
  async mark() {
    await this.page.evaluate(() => {
      window.marked = [];
      new MutationObserver((changes) => {
        for (const { target } of changes) window.marked.push(target.dataset.state);
      }).observe(document.getElementById("connection"), { attributeFilter: ["data-state"] });
    });
  }

  // isAsMarked checks that the page was not loaded anew since, and was connected all the time.
  async isAsMarked() {
    assert.deepEqual(await this.page.evaluate(() => window.marked), [], "the page, or its connection, is another one");
  }

  // say writes a message and waits until the server has answered.
  async say(text) {
    await this.page.locator("#words:enabled").fill(text);
    await this.page.locator("#words").press("Enter");
    await this.page.waitForFunction(() => document.getElementById("words").value === "");
  }

  // hears waits for a message, which must be there once.
  async hears(from, text) {
    const line = this.page.locator(".line", { has: this.page.getByText(text, { exact: true }) });
    await line.waitFor();
    assert.equal(await line.getAttribute("data-from"), from);
  }

  seesEvent(text) {
    return this.page.locator(".event", { hasText: text }).last().waitFor();
  }

  // sees waits until the list of who is here is exactly this: names with their tabs.
  async sees(people) {
    await this.page.waitForFunction((want) => {
      const rows = [...document.querySelectorAll("#list li")];
      return JSON.stringify(rows.map((row) => [row.dataset.name, row.querySelector("small").textContent])) === want;
    }, JSON.stringify(Object.entries(people)));
  }

  async announce(text) {
    await this.page.locator("#announcement").fill(text);
    await this.page.getByRole("button", { name: "Announce" }).click();
    await this.page.waitForFunction(() => document.getElementById("announcement").value === "");
  }

  async openNote(to) {
    await this.page.getByRole("button", { name: `Write a note to ${to}` }).click();
  }

  async note(to, text) {
    await this.openNote(to);
    await this.page.locator("#note-text").fill(text);
    await this.page.getByRole("button", { name: "Send the note" }).click();
    await this.page.locator("#note").waitFor({ state: "hidden" });
  }

  // count tells how many toasts the page has shown, of a kind and with a text if there is one.
  count(kind, text) {
    return this.page.evaluate(([kind, text]) => window.toastsShown
      .filter((toast) => toast.kind === kind && (!text || toast.text === text)).length, [kind, text]);
  }

  // gets waits for the nth toast of a kind, which must have this text.
  async gets(kind, text, nth = 1) {
    const toast = await this.page.waitForFunction(([kind, nth]) =>
      window.toastsShown.filter((toast) => toast.kind === kind)[nth - 1], [kind, nth]);
    assert.equal((await toast.jsonValue()).text, text);
  }
}
