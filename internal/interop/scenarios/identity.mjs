// The identity of connections, by cookies.

import assert from "node:assert/strict";
import { identityOf, withCookie } from "../visitor.mjs";

export async function noIdentity(t) {
  const socket = await t.connect("Desk");
  assert.deepEqual(await identityOf(t, socket), { session: "", user: "" });
  const forged = await t.connect("Desk", withCookie("session_id=abc; logged_in=root"));
  assert.deepEqual(await identityOf(t, forged), { session: "", user: "" });
}

export async function fromCookies(t) {
  const visit = await t.server("visit");
  assert.ok(visit.session);
  const socket = await t.connect("Desk", withCookie(`theme=dark; ${visit.cookie}`));
  assert.deepEqual(await identityOf(t, socket), { session: visit.session, user: "" });

  const login = await t.server("visit", { logIn: "user-42" });
  const user = await t.connect("Desk", withCookie(login.cookie));
  assert.deepEqual(await identityOf(t, user), { session: login.session, user: "user-42" });
  await t.upgraded(user);
  assert.deepEqual(await t.ask(user, "whoami"), [user.id]);
}

// An event to a session reaches each of its tabs and apps once, and no other
// session.
export async function notify(t) {
  const { cookie, session } = await t.server("visit", { logIn: "user-42" });
  const other = await t.connect("Echo", withCookie((await t.server("visit")).cookie));
  other.on("note", () => assert.fail("another session's note"));
  const tab = await t.connect("Echo", withCookie(cookie));
  const tabs = [tab, await t.connect("Desk", { manager: tab.io }), await t.connect("Echo", withCookie(cookie))];
  const notes = tabs.map((socket) => t.collect(socket, "note"));
  await t.server("notify", { session, event: "note", args: ["session"] });
  await t.server("notify", { user: "user-42", event: "note", args: ["user"] });
  for (const got of notes) {
    await got.until(2);
    assert.deepEqual(got, ["session", "user"]);
  }
  await t.ask(other, "echo");
}
