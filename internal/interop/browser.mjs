// For browser_test.go: uses the chat example in a real browser.
//
//   node browser.mjs CHROMIUM URL [FOLDER FOR SCREENSHOTS]
//
// Prints a line of JSON for each step, {"step", "error"}. The error is empty if
// the step has succeeded. A line {"ask"} asks the test to stop or start the
// site. The test confirms that with a line on the standard input.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { Profile } from "./browser_profile.mjs";
import { Screenshots } from "./browser_screenshots.mjs";

const [executablePath, url, folder] = process.argv.slice(2);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const screenshots = new Screenshots(folder);
const profiles = [];
let failed = false;

async function profile(options) {
  const p = await Profile.make(browser, url, options);
  profiles.push(p);
  return p;
}

async function ask(what) {
  console.log(JSON.stringify({ ask: what }));
  assert.equal((await answers.next()).value, what);
}

// step runs one step of the scenario. After a failed step the later ones do not
// run, because they depend on it.
async function step(name, run) {
  if (failed) return;
  let error = "";
  try {
    await run();
    for (const p of profiles) assert.deepEqual(p.consoleErrors, [], "the browser's console");
  } catch (err) {
    failed = true;
    error = err.stack;
    await screenshots.ofFailure(profiles);
  }
  console.log(JSON.stringify({ step: name, error }));
}

// Two users and a guest, each with a browser.
const annBrowser = await profile();
const bobBrowser = await profile();
const guestBrowser = await profile();
let ann, bob, guest;

await step("two profiles log in and see each other", async () => {
  guest = await guestBrowser.open();
  ann = await annBrowser.open();
  await screenshots.take(ann, "logged-out");
  await ann.logIn("Ann Ó");
  bob = await bobBrowser.open();
  await bob.logIn("Bob");
  for (const tab of [ann, bob, guest]) await tab.waitForUsers({ "Ann Ó": "1 tab", Bob: "1 tab" });
  await ann.waitForEvent("Bob came in");
});

await step("they chat both ways, and the guest reads along", async () => {
  await ann.say("Good morning, Bob!");
  await bob.waitForMessage("Ann Ó", "Good morning, Bob!");
  await bob.say("Morning! <img src=x onerror=alert(1)> & <b>so on</b>");
  for (const tab of [ann, bob, guest]) {
    await tab.waitForMessage("Bob", "Morning! <img src=x onerror=alert(1)> & <b>so on</b>");
    await tab.waitForMessage("Ann Ó", "Good morning, Bob!");
  }
  assert.equal(await guest.page.locator("#words").isDisabled(), true);
  assert.equal(await guest.page.locator("#words").getAttribute("placeholder"), "Log in to write a message");
});

await step("a later guest gets the history", async () => {
  const late = await guestBrowser.open();
  await late.waitForMessage("Ann Ó", "Good morning, Bob!");
  await late.close();
});

await step("the hello page reaches every browser", async () => {
  await greet(bobBrowser, ann, bob, guest);
  await greet(guestBrowser, ann, bob, guest);
});

await step("an announcement reaches only logged-in users", async () => {
  await ann.announce("Tea at four");
  for (const tab of [ann, bob]) await tab.waitForToast("announcement", "Tea at four");
  await greet(annBrowser, ann, bob, guest);
  assert.equal(await guest.countToasts("announcement", "Tea at four"), 0);
  assert.equal(await ann.countToasts("announcement", "Tea at four"), 1);
});

await step("a note reaches both tabs of its user and no other tab", async () => {
  const second = await bobBrowser.open();
  await ann.waitForUsers({ "Ann Ó": "1 tab", Bob: "2 tabs" });
  await ann.note("Bob", "You left your umbrella");
  for (const tab of [bob, second]) await tab.waitForToast("note", "You left your umbrella");
  await greet(annBrowser, ann, bob, second, guest);
  for (const tab of [bob, second]) assert.equal(await tab.countToasts("note", "You left your umbrella"), 1);
  for (const tab of [ann, guest]) assert.equal(await tab.countToasts("note", "You left your umbrella"), 0);
  await screenshots.take(bob, "chat");
  await screenshots.takeNote(ann, "Bob");
  await second.close();
  await ann.waitForUsers({ "Ann Ó": "1 tab", Bob: "1 tab" });
});

await step("the other tab follows a login and a logout, without a reload or a new connection", async () => {
  const other = await guestBrowser.open();
  await other.mark();
  await guest.logIn("Cleo");
  await other.waitForLogin("Cleo");
  await ann.waitForUsers({ "Ann Ó": "1 tab", Bob: "1 tab", Cleo: "2 tabs" });
  await ann.waitForEvent("Cleo came in");
  await ann.note("Cleo", "Welcome");
  await other.waitForToast("note", "Welcome");
  await other.say("Here I am");
  await ann.waitForMessage("Cleo", "Here I am");
  await guest.logOut();
  await other.waitForLogin("");
  assert.equal(await other.page.locator("#words").isDisabled(), true);
  for (const tab of [ann, bob]) await tab.waitForUsers({ "Ann Ó": "1 tab", Bob: "1 tab" });
  await ann.waitForEvent("Cleo left");
  await guest.logIn("Dana");
  await other.waitForLogin("Dana");
  await guest.logOut();
  await other.waitForLogin("");
  await other.requireUnchanged();
  await other.close();
});

await step("a logout everywhere also logs out the other browser, which may log in again", async () => {
  const phoneBrowser = await profile();
  const phone = await phoneBrowser.open();
  await phone.logIn("Bob");
  await ann.waitForUsers({ "Ann Ó": "1 tab", Bob: "2 tabs in 2 browsers" });
  const second = await bobBrowser.open();
  await second.mark();
  await phone.mark();
  await ann.mark();
  await bob.logOutEverywhere();
  await second.waitForLogin("");
  await second.requireUnchanged();
  await phone.waitForState("stopped");
  await phone.waitForLogin("");
  assert.equal(await phone.banner(), "The site has ended the connection: logged out everywhere.");
  assert.equal(await phone.page.locator("#words").isDisabled(), true);
  await ann.waitForUsers({ "Ann Ó": "1 tab" });
  await screenshots.take(phone, "logged-out-everywhere");
  await ann.requireUnchanged();
  await phone.page.getByRole("button", { name: "Try now" }).click();
  await phone.waitForConnection();
  await phone.logIn("Bob");
  await ann.waitForUsers({ "Ann Ó": "1 tab", Bob: "1 tab" });
  await phoneBrowser.end();
  await second.close();
  await bob.logIn("Bob");
  await ann.waitForUsers({ "Ann Ó": "1 tab", Bob: "1 tab" });
});

await step("a browser without WebSockets uses polling", async () => {
  const deeBrowser = await profile({ webSockets: false });
  const dee = await deeBrowser.open();
  await dee.logIn("Dee");
  await dee.say("From behind the proxy");
  await ann.waitForMessage("Dee", "From behind the proxy");
  await ann.say("Welcome, Dee");
  await dee.waitForMessage("Ann Ó", "Welcome, Dee");
  await ann.note("Dee", "Psst");
  await dee.waitForToast("note", "Psst");
  await dee.waitForConnection();
  await deeBrowser.end();
  for (const tab of [ann, bob]) await tab.waitForUsers({ "Ann Ó": "1 tab", Bob: "1 tab" });
});

await step("a user without a tab is no longer listed", async () => {
  await bobBrowser.end();
  for (const tab of [ann, guest]) await tab.waitForUsers({ "Ann Ó": "1 tab" });
  await ann.waitForEvent("Bob left");
});

await step("an invalid name is refused with a reason", async () => {
  await guest.tryName("\u202eeve", "A name cannot have control characters.");
  await guest.waitForLogin("");
});

await step("a device that is offline shows it and reconnects", async () => {
  await annBrowser.setOffline(true);
  await ann.waitForState("offline");
  await annBrowser.setOffline(false);
  await ann.waitForConnection();
  await ann.say("Back again");
  await guest.waitForMessage("Ann Ó", "Back again");
});

await step("the pages reconnect after a restart of the site", async () => {
  await ask("stop");
  for (const tab of [ann, guest]) await tab.waitForState("reconnecting");
  assert.equal(await ann.page.locator("#words").isDisabled(), true);
  await screenshots.take(ann, "reconnecting");
  await ask("start");
  for (const tab of [ann, guest]) await tab.waitForConnection();
  await ann.waitForLogin(""); // the site has new keys
  await greet(annBrowser, ann, guest); // emits to sessions: each browser has a new one
  await ann.logIn("Ann Ó");
  await ann.say("That was quick");
  await guest.waitForMessage("Ann Ó", "That was quick");
});

await browser.close();
process.exit(0);

// greet opens the hello page and waits in each of the tabs for its event.
// Events of a connection arrive in order. So an event that was sent before and
// has not arrived by then was not sent to that tab.
async function greet(profile, ...tabs) {
  const before = await Promise.all(tabs.map((tab) => tab.countToasts("hello")));
  const who = await profile.hello();
  for (const [i, tab] of tabs.entries()) {
    await tab.waitForToast("hello", `${who} has joined the chat`, before[i] + 1);
  }
}
