// For begin_session_test.go: opens a static page in a real browser without
// cookies, connects, and logs in by fetch.
//
//   node begin_session.mjs CHROMIUM URL
//
// Prints for each transport "TRANSPORT: USER, CONNECTIONS of the user,
// CONNECTED times".
import { chromium } from "playwright-core";

const [executablePath, url] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    const result = await page.evaluate(async (transports) => {
      const socket = io({ transports });
      let connected = 0;
      const userChanged = new Promise((resolve) => socket.on("you", resolve));
      await new Promise((resolve, reject) => {
        socket.on("connect", () => { connected++; resolve(); });
        socket.on("connect_error", reject);
      });
      mojo.follow(socket);
      await fetch("/login?user=" + transports.join("-"), { method: "POST" });
      const user = await userChanged; // from OnIdentity, after the proof of the connection
      const connections = await (await fetch("/connections?user=" + user)).text();
      return `${user}, ${connections} of the user, connected ${connected} times`;
    }, transports);
    console.log(`${transports}: ${result}`);
    await context.close();
  }
} finally {
  await browser.close();
}
