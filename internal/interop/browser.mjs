// Drives a real browser over the chat example, for browser_test.go:
//
//   node browser.mjs CHROMIUM URL [FOLDER FOR SCREENSHOTS]
//
// Prints a line of JSON for each step, {"step", "error"}, the error empty if it went well. A line {"ask"}
// asks the test to do something to the site, and a line on the standard input says that it is done.
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
const shots = new Screenshots(folder);
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

// step runs one part of the scenario. After one that failed the others are not run: they build on it.
async function step(name, run) {
  if (failed) return;
  let error = "";
  try {
    await run();
    for (const p of profiles) assert.deepEqual(p.complaints, [], "the browser's console");
  } catch (err) {
    failed = true;
    error = err.stack;
    await shots.ofFailure(profiles);
  }
  console.log(JSON.stringify({ step: name, error }));
}

// Two people with a browser each, and one who only looks.
const anns = await profile();
const bobs = await profile();
const guests = await profile();
let ann, bob, guest;

await step("two profiles log in and see each other", async () => {
  guest = await guests.open();
  ann = await anns.open();
  await shots.take(ann, "logged-out");
  await ann.logIn("Ann Ó");
  bob = await bobs.open();
  await bob.logIn("Bob");
  for (const tab of [ann, bob, guest]) await tab.sees({ "Ann Ó": "1 tab", Bob: "1 tab" });
  await ann.seesEvent("Bob came in");
});

await step("they chat both ways, and the guest reads along", async () => {
  await ann.say("Good morning, Bob!");
  await bob.hears("Ann Ó", "Good morning, Bob!");
  await bob.say("Morning! <img src=x onerror=alert(1)> & <b>so on</b>");
  for (const tab of [ann, bob, guest]) {
    await tab.hears("Bob", "Morning! <img src=x onerror=alert(1)> & <b>so on</b>");
    await tab.hears("Ann Ó", "Good morning, Bob!");
  }
  assert.equal(await guest.page.locator("#words").isDisabled(), true);
  assert.equal(await guest.page.locator("#words").getAttribute("placeholder"), "Log in to write a message");
});

await step("who comes later gets the history", async () => {
  const late = await guests.open();
  await late.hears("Ann Ó", "Good morning, Bob!");
  await late.close();
});

await step("the hello page reaches every browser", async () => {
  await greet(bobs, ann, bob, guest);
  await greet(guests, ann, bob, guest);
});

await step("an announcement reaches only where somebody is logged in", async () => {
  await ann.announce("Tea at four");
  for (const tab of [ann, bob]) await tab.gets("announcement", "Tea at four");
  await greet(anns, ann, bob, guest);
  assert.equal(await guest.count("announcement", "Tea at four"), 0);
  assert.equal(await ann.count("announcement", "Tea at four"), 1);
});

await step("a note reaches both tabs of its user and nobody else", async () => {
  const second = await bobs.open();
  await ann.sees({ "Ann Ó": "1 tab", Bob: "2 tabs" });
  await ann.note("Bob", "You left your umbrella");
  for (const tab of [bob, second]) await tab.gets("note", "You left your umbrella");
  await greet(anns, ann, bob, second, guest);
  for (const tab of [bob, second]) assert.equal(await tab.count("note", "You left your umbrella"), 1);
  for (const tab of [ann, guest]) assert.equal(await tab.count("note", "You left your umbrella"), 0);
  await shots.take(bob, "chat");
  await shots.takeNote(ann, "Bob");
  await second.close();
  await ann.sees({ "Ann Ó": "1 tab", Bob: "1 tab" });
});

await step("the other tab follows a login and a logout, as it is and on the connection that it has", async () => {
  const other = await guests.open();
  await other.mark();
  await guest.logIn("Cleo");
  await other.isLoggedInAs("Cleo");
  await ann.sees({ "Ann Ó": "1 tab", Bob: "1 tab", Cleo: "2 tabs" });
  await ann.seesEvent("Cleo came in");
  await ann.note("Cleo", "Welcome");
  await other.gets("note", "Welcome");
  await other.say("Here I am");
  await ann.hears("Cleo", "Here I am");
  await guest.logOut();
  await other.isLoggedInAs("");
  assert.equal(await other.page.locator("#words").isDisabled(), true);
  for (const tab of [ann, bob]) await tab.sees({ "Ann Ó": "1 tab", Bob: "1 tab" });
  await ann.seesEvent("Cleo left");
  await guest.logIn("Dana");
  await other.isLoggedInAs("Dana");
  await guest.logOut();
  await other.isLoggedInAs("");
  await other.isAsMarked();
  await other.close();
});

await step("who logs out everywhere is told so in the other browser, which may come back", async () => {
  const phones = await profile();
  const phone = await phones.open();
  await phone.logIn("Bob");
  await ann.sees({ "Ann Ó": "1 tab", Bob: "2 tabs in 2 browsers" });
  const second = await bobs.open();
  await second.mark();
  await phone.mark();
  await ann.mark();
  await bob.logOutEverywhere();
  await second.isLoggedInAs("");
  await second.isAsMarked();
  await phone.isInState("stopped");
  await phone.isLoggedInAs("");
  assert.equal(await phone.banner(), "The site has ended the connection: logged out everywhere.");
  assert.equal(await phone.page.locator("#words").isDisabled(), true);
  await ann.sees({ "Ann Ó": "1 tab" });
  await shots.take(phone, "logged-out-everywhere");
  await ann.isAsMarked();
  await phone.page.getByRole("button", { name: "Try now" }).click();
  await phone.isConnected();
  await phone.logIn("Bob");
  await ann.sees({ "Ann Ó": "1 tab", Bob: "1 tab" });
  await phones.end();
  await second.close();
  await bob.logIn("Bob");
  await ann.sees({ "Ann Ó": "1 tab", Bob: "1 tab" });
});

await step("a browser without WebSockets takes part by polling", async () => {
  const dees = await profile({ webSockets: false });
  const dee = await dees.open();
  await dee.logIn("Dee");
  await dee.say("From behind the proxy");
  await ann.hears("Dee", "From behind the proxy");
  await ann.say("Welcome, Dee");
  await dee.hears("Ann Ó", "Welcome, Dee");
  await ann.note("Dee", "Psst");
  await dee.gets("note", "Psst");
  await dee.isConnected();
  await dees.end();
  for (const tab of [ann, bob]) await tab.sees({ "Ann Ó": "1 tab", Bob: "1 tab" });
});

await step("who closes the last tab is gone", async () => {
  await bobs.end();
  for (const tab of [ann, guest]) await tab.sees({ "Ann Ó": "1 tab" });
  await ann.seesEvent("Bob left");
});

await step("a name that cannot be is refused with a reason", async () => {
  await guest.tryName("\u202eeve", "A name cannot have control characters.");
  await guest.isLoggedInAs("");
});

await step("a device that is offline says so and comes back", async () => {
  await anns.offline(true);
  await ann.isInState("offline");
  await anns.offline(false);
  await ann.isConnected();
  await ann.say("Back again");
  await guest.hears("Ann Ó", "Back again");
});

await step("the pages come back after the site was away", async () => {
  await ask("stop");
  for (const tab of [ann, guest]) await tab.isInState("reconnecting");
  assert.equal(await ann.page.locator("#words").isDisabled(), true);
  await shots.take(ann, "reconnecting");
  await ask("start");
  for (const tab of [ann, guest]) await tab.isConnected();
  await ann.isLoggedInAs(""); // the site has other keys now
  await greet(anns, ann, guest); // which reaches sessions: each browser has a new one
  await ann.logIn("Ann Ó");
  await ann.say("That was quick");
  await guest.hears("Ann Ó", "That was quick");
});

await browser.close();
process.exit(0);

// greet opens the hello page and waits for what it sends, in each of the tabs. Messages to one connection
// keep their order: what was sent before, and is not there now, was not sent to that tab.
async function greet(profile, ...tabs) {
  const before = await Promise.all(tabs.map((tab) => tab.count("hello")));
  const who = await profile.hello();
  for (const [i, tab] of tabs.entries()) {
    await tab.gets("hello", `${who} has joined the chat`, before[i] + 1);
  }
}
