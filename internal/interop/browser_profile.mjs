// A browser profile, and its tabs with the chat example: what a user does there
// and what the page shows.
import assert from "node:assert/strict";

const limit = 10_000; // milliseconds

// recordToasts records the toasts that a page shows, because they disappear.
function recordToasts() {
  window.toastsShown = [];
  const onMutation = (records) => {
    for (const node of records.flatMap((record) => [...record.addedNodes])) {
      if (!node.classList?.contains("toast")) continue;
      window.toastsShown.push({ kind: node.dataset.kind, text: node.querySelector("p").textContent });
    }
  };
  new MutationObserver(onMutation).observe(document, { childList: true, subtree: true });
}

// Profile is a browser with its own cookies.
export class Profile {
  static async make(browser, url, { webSockets = true } = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB" });
    context.setDefaultTimeout(limit);
    await context.addInitScript(recordToasts);
    if (!webSockets) await context.addInitScript(() => delete window.WebSocket);
    return new Profile(context, url, webSockets ? "websocket" : "polling");
  }

  constructor(context, url, transport) {
    Object.assign(this, { context, url, transport, tabs: [], consoleErrors: [] });
    context.on("weberror", (err) => this.consoleErrors.push(String(err.error())));
    context.on("console", (message) => {
      // The page does not cause errors of a stopped site.
      if (message.type() === "error" && !/net::ERR_|WebSocket connection|Failed to load resource/.test(message.text())) {
        this.consoleErrors.push(message.text());
      }
    });
  }

  async open() {
    const tab = new Tab(this, await this.context.newPage());
    this.tabs.push(tab);
    await tab.page.goto(this.url);
    await tab.waitForConnection();
    return tab;
  }

  // hello opens the hello page and returns the name in its greeting.
  async hello() {
    const page = await this.context.newPage();
    await page.goto(new URL("/hello", this.url).href);
    const title = await page.locator("h1").textContent();
    await page.close();
    return title.replace("Hello, ", "");
  }

  setOffline(offline) {
    return this.context.setOffline(offline);
  }

  async end() {
    await this.context.close();
  }
}

// Tab is a tab with the chat page.
class Tab {
  constructor(profile, page) {
    Object.assign(this, { profile, page });
  }

  close() {
    return this.page.close();
  }

  waitForState(state) {
    return this.page.locator(`#connection[data-state="${state}"]`).waitFor();
  }

  async waitForConnection() {
    await this.page.locator(`#connection[data-state="connected"][data-transport="${this.profile.transport}"]`).waitFor();
  }

  async waitForLogin(name) {
    await this.page.waitForFunction((name) => document.body.dataset.name === name, name);
    assert.equal(await this.page.locator("#me").isVisible(), name !== "");
    assert.equal(await this.page.locator("#name").isVisible(), name === "");
  }

  async logIn(name) {
    await this.page.locator("#name").fill(name);
    await this.page.getByRole("button", { name: "Log in" }).click();
    await this.waitForLogin(name);
    await this.waitForConnection();
  }

  async tryName(name, problem) {
    await this.page.locator("#name").fill(name);
    await this.page.getByRole("button", { name: "Log in" }).click();
    await this.page.locator("#problem", { hasText: problem }).waitFor();
    await this.waitForConnection();
  }

  async logOut() {
    await this.page.getByRole("button", { name: "Log out", exact: true }).click();
    await this.waitForLogin("");
    await this.waitForConnection();
  }

  async logOutEverywhere() {
    await this.page.getByRole("button", { name: "Log out everywhere" }).click();
    await this.waitForLogin("");
    await this.waitForConnection();
  }

  // banner returns the text that the page shows about a missing connection.
  banner() {
    return this.page.locator("#banner .label").textContent();
  }

  // mark begins to record changes of the page and its connection.
  async mark() {
    await this.page.evaluate(() => {
      window.marked = [];
      new MutationObserver((changes) => {
        for (const { target } of changes) window.marked.push(target.dataset.state);
      }).observe(document.getElementById("connection"), { attributeFilter: ["data-state"] });
    });
  }

  // requireUnchanged requires that since mark the page was not reloaded and was
  // connected all the time.
  async requireUnchanged() {
    assert.deepEqual(await this.page.evaluate(() => window.marked), [], "the page was reloaded, or its connection has changed");
  }

  // say writes a message and waits until the server has answered.
  async say(text) {
    await this.page.locator("#words:enabled").fill(text);
    await this.page.locator("#words").press("Enter");
    await this.page.waitForFunction(() => document.getElementById("words").value === "");
  }

  // waitForMessage waits for a message, which must appear only once.
  async waitForMessage(from, text) {
    const line = this.page.locator(".line", { has: this.page.getByText(text, { exact: true }) });
    await line.waitFor();
    assert.equal(await line.getAttribute("data-from"), from);
  }

  waitForEvent(text) {
    return this.page.locator(".event", { hasText: text }).last().waitFor();
  }

  // waitForUsers waits until the list of users is exactly this: names and their
  // numbers of tabs.
  async waitForUsers(people) {
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

  // countToasts returns the number of toasts of a kind that the page has shown,
  // with this text if it is given.
  countToasts(kind, text) {
    return this.page.evaluate(([kind, text]) => window.toastsShown
      .filter((toast) => toast.kind === kind && (!text || toast.text === text)).length, [kind, text]);
  }

  // waitForToast waits for the nth toast of a kind, which must have this text.
  async waitForToast(kind, text, nth = 1) {
    const toast = await this.page.waitForFunction(([kind, nth]) =>
      window.toastsShown.filter((toast) => toast.kind === kind)[nth - 1], [kind, nth]);
    assert.equal((await toast.jsonValue()).text, text);
  }
}
