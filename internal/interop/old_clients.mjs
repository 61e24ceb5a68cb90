// For old_clients_test.go: opens a page with an old client in a real browser,
// connects, sends text and binary, and logs in by fetch.
//
//   node old_clients.mjs CHROMIUM URL
//
// Prints for each transport "TRANSPORT: TEXT, BYTES, user USER, connected TIMES".
import { chromium } from "playwright-core";

const [executablePath, url] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    const result = await page.evaluate(async (transports) => {
      const socket = io("/ChatSocket", { transports, query: { room: "a" } });
      let connected = 0;
      const user = new Promise((resolve) => socket.on("you", resolve));
      await new Promise((resolve, reject) => {
        socket.on("connect", () => { connected++; resolve(); });
        for (const event of ["error", "connect_error"]) socket.on(event, (e) => reject(new Error(`${event} ${e.message ?? e}`)));
      });
      mojo.follow(socket);
      const parcel = { text: "ü€😀", deep: [{ data: new Uint8Array([0, 1, 254, 255]).buffer }] };
      const answer = await new Promise((resolve) => socket.emit("echo", parcel, resolve));
      const bytes = [...new Uint8Array(answer.deep[0].data)];
      await fetch("/login?user=" + transports.join("-"), { method: "POST" });
      return `${answer.text}, ${bytes}, user ${await user}, connected ${connected}`;
    }, transports);
    console.log(`${transports}: ${result}`);
    await context.close();
  }
} finally {
  await browser.close();
}
