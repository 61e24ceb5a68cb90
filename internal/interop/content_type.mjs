// For content_type_test.go: connects from a page in a real browser. The page
// sets a Content-Type on each POST.
//
//   node content_type.mjs CHROMIUM URL
//
// Prints "connected by TRANSPORT, answered ANSWER".
import { chromium } from "playwright-core";

const [executablePath, url] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage();
  await page.goto(url);
  console.log(await page.evaluate(() => new Promise((resolve, reject) => {
    const socket = io({ transports: ["polling"], extraHeaders: { "Content-Type": "application/json" } });
    socket.on("connect_error", reject);
    socket.on("connect", async () => {
      const answer = await socket.emitWithAck("echo", "hello");
      resolve(`connected by ${socket.io.engine.transport.name}, answered ${answer}`);
    });
  })));
} finally {
  await browser.close();
}
