// What the connection does, for the person to see.
const pill = document.getElementById("connection");
const banner = document.getElementById("banner");

// showConnection watches the connection that the sockets share.
export function showConnection(sockets) {
  const [socket] = sockets;
  const manager = socket.io;

  const connected = () => show("connected", "Connected", manager.engine.transport.name);
  manager.on("open", () => manager.engine.on("upgrade", () => socket.connected && connected()));
  socket.on("connect", connected);

  let why = "";
  socket.on("mojo:revoked", ({ reason }) => { why = `: ${reason}`; });
  socket.on("disconnect", (reason) => {
    if (reason === "io client disconnect") return;
    if (!socket.active) {
      showProblem("stopped", "Disconnected", `The site has ended the connection${why}.`);
    } else {
      lost();
    }
  });
  socket.on("connect_error", (err) => {
    if (!socket.active) showProblem("stopped", "Refused", err.message); // the app said no
  });
  manager.on("error", lost);
  manager.on("reconnect_attempt", (n) => lost(n));

  document.getElementById("retry").addEventListener("click", () => comeBack(sockets));
  window.addEventListener("online", () => comeBack(sockets));
  window.addEventListener("offline", () => lost());
}

// comeBack connects anew, now and not when the client's own waiting is over. Any page
// of the site brings a session to a browser whose own is of no use any more.
export async function comeBack(sockets) {
  await fetch("/", { method: "HEAD", cache: "no-store" }).catch(() => {});
  for (const socket of sockets) socket.disconnect();
  for (const socket of sockets) socket.connect();
}

function lost(attempt) {
  if (!navigator.onLine) {
    showProblem("offline", "Offline", "This device is offline.");
    return;
  }
  const tries = typeof attempt === "number" && attempt > 1 ? ` Attempt ${attempt}.` : "";
  showProblem("reconnecting", "Reconnecting", `The server cannot be reached. Trying again…${tries}`, "warning");
}

// showProblem shows a state that is not the good one, and says more in a banner.
export function showProblem(state, label, text, kind = "error") {
  show(state, label);
  banner.dataset.kind = kind;
  banner.querySelector(".label").textContent = text;
  banner.hidden = false;
}

function show(state, label, detail = "") {
  pill.dataset.state = state;
  pill.dataset.transport = detail;
  pill.querySelector(".label").textContent = label;
  pill.querySelector(".detail").textContent = detail && `over ${detail}`;
  banner.hidden = true;
}
