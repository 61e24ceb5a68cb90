// The page: two apps on one connection, and who this browser is logged in as.
import { avatar } from "./avatar.js";
import { setUpChat } from "./chat.js";
import { comeBack, showConnection, showProblem } from "./connection.js";
import { setUpForms } from "./forms.js";
import { setUpPeople } from "./people.js";
import { toast } from "./toasts.js";

if (typeof io === "undefined") {
  showProblem("stopped", "No client", "The page could not load socket.io-client. Is there a network?");
  document.getElementById("retry").addEventListener("click", () => location.reload());
} else {
  start();
}

function start() {
  // closeOnBeforeunload: by polling, the server may not notice for a while that a page has gone.
  const options = { reconnectionDelay: 500, reconnectionDelayMax: 5000, closeOnBeforeunload: true };
  const status = io("/StatusSocket", options);
  const chat = io("/ChatSocket", options);
  mojo.follow(status); // a login in another tab keeps the connection
  const sockets = [status, chat];

  showConnection(sockets);
  const room = setUpChat(chat);
  const people = setUpPeople(status);
  setUpForms();

  followIdentity(status, sockets, (name) => {
    room.setName(name);
    people.setName(name);
  });

  // What HTTP handlers send to a session or a user comes on both sockets; one is enough.
  status.on("joinedStatus", ({ data }) => toast("hello", "Hello page", data));
  status.on("announcement", ({ from, text }) => toast("announcement", `${from} announces`, text));
  status.on("note", ({ from, text }) => toast("note", `A note from ${from}`, text));
}

// followIdentity keeps the page in step with the login, which another tab of this
// browser may change, and another browser may end.
function followIdentity(status, sockets, tell) {
  let name = document.body.dataset.name;
  let asked = false;
  show();

  status.on("you", (you) => {
    if (!you.session && !asked) {
      asked = true;
      comeBack(sockets); // with a new session: the site was restarted with other keys, for instance
      return;
    }
    if (!you.session) {
      toast("error", "No session", "This browser keeps no cookies for this site.");
    }
    asked = false;
    if (you.name === name) return;
    name = you.name;
    toast("info", "Your login", name ? `You are now logged in as ${name}.` : "You are logged out.");
    show();
  });

  // What was revoked is of no use any more; connection.js tells the person why.
  status.on("mojo:revoked", ({ reconnect }) => {
    if (reconnect) return;
    name = "";
    show();
  });

  function show() {
    document.body.dataset.name = name;
    document.getElementById("me").textContent = name;
    document.getElementById("mark").replaceChildren(avatar(name));
    for (const part of document.querySelectorAll("[data-when]")) {
      part.hidden = (part.dataset.when === "in") !== (name !== "");
    }
    for (const field of document.querySelectorAll("#announce input, #announce button")) {
      field.disabled = name === "";
    }
    document.getElementById("announcement").placeholder = name ? "Tea at four" : "Log in first";
    tell(name);
  }
}
