// Who is who, by cookies.

import assert from "node:assert/strict";

async function who(t, socket) {
  const { session, user } = await t.server("conn", { id: socket.id });
  return { session, user };
}

function page(cookie) {
  return { extraHeaders: { Cookie: cookie } };
}

export async function nobody(t) {
  const socket = await t.connect("Desk");
  assert.deepEqual(await who(t, socket), { session: "", user: "" });
  const forged = await t.connect("Desk", page("session_id=abc; logged_in=root"));
  assert.deepEqual(await who(t, forged), { session: "", user: "" });
}

export async function fromCookies(t) {
  const visit = await t.server("visit");
  assert.ok(visit.session);
  const socket = await t.connect("Desk", page(`theme=dark; ${visit.cookie}`));
  assert.deepEqual(await who(t, socket), { session: visit.session, user: "" });

  const login = await t.server("visit", { logIn: "user-42" });
  const user = await t.connect("Desk", page(login.cookie));
  assert.deepEqual(await who(t, user), { session: login.session, user: "user-42" });
  await t.upgraded(user);
  assert.deepEqual(await t.ask(user, "whoami"), [user.id]);
}

// Every tab and app of a session, once each, and nobody else.
export async function notify(t) {
  const { cookie, session } = await t.server("visit", { logIn: "user-42" });
  const other = await t.connect("Echo", page((await t.server("visit")).cookie));
  other.on("note", () => assert.fail("another session's note"));
  const tab = await t.connect("Echo", page(cookie));
  const tabs = [tab, await t.connect("Desk", { manager: tab.io }), await t.connect("Echo", page(cookie))];
  const notes = tabs.map((socket) => t.collect(socket, "note"));
  await t.server("notify", { session, event: "note", args: ["session"] });
  await t.server("notify", { user: "user-42", event: "note", args: ["user"] });
  for (const got of notes) {
    await got.until(2);
    assert.deepEqual(got, ["session", "user"]);
  }
  await t.ask(other, "echo");
}

// become logs in or out while connected, and waits until the client has come back as that. It may come
// back before it has the new cookies: then it is nobody.
async function become(t, socket, cookie, change) {
  const { id } = socket;
  const was = socket.io.engine.id;
  const before = await who(t, socket);
  const disconnected = t.once(socket, "disconnect");
  const back = t.once(socket, "connect");
  const now = await t.server("visit", { cookie, ...change });
  socket.io.opts.extraHeaders.Cookie = now.cookie;
  assert.equal((await disconnected)[0], "transport close");
  await t.ended(id, "identity changed");
  await back;
  if ((await who(t, socket)).session === "") {
    const again = t.once(socket, "connect");
    socket.io.engine.close();
    await again;
  }
  assert.notEqual(socket.io.engine.id, was);
  assert.notEqual(now.session, before.session);
  assert.deepEqual(await who(t, socket), { session: now.session, user: now.user });
  return now;
}

export async function logInAndOut(t) {
  const visit = await t.server("visit");
  const socket = await t.connect("Desk", page(visit.cookie));
  const login = await become(t, socket, visit.cookie, { logIn: "user-42" });
  assert.equal(login.user, "user-42");
  await t.upgraded(socket);
  const logout = await become(t, socket, login.cookie, { logOut: true });
  assert.equal(logout.user, "");

  const thief = await t.connect("Desk", page(login.cookie));
  assert.deepEqual(await who(t, thief), { session: "", user: "" });
}
