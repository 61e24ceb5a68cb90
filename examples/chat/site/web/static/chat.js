// The room: what was said, and saying something.
import { avatar } from "./avatar.js";
import { toast } from "./toasts.js";

const answerTime = 5000; // milliseconds
const together = 3 * 60 * 1000; // lines of one person within this time stand together
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

const lines = document.getElementById("lines");
const newer = document.getElementById("newer");
const form = document.getElementById("say");
const words = document.getElementById("words");
const send = form.querySelector("button");

// setUpChat returns what the page tells the room: who is logged in.
export function setUpChat(socket) {
  let name = "";
  let busy = false;
  let last = null; // the newest line, if no event stands below it
  let pinned = true; // the person is reading the newest lines

  socket.on("history", (history) => {
    lines.replaceChildren(lines.querySelector(".empty") ?? "");
    last = null;
    lines.append(...history.map(lineOf));
    toEnd();
  });
  socket.on("said", (said) => follow(lineOf(said), said.from === name));
  socket.on("online", (who) => follow(eventOf(`${who} came in`)));
  socket.on("offline", (who) => follow(eventOf(`${who} left`)));
  socket.on("connect", enable);
  socket.on("disconnect", enable);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy || !words.value.trim()) return;
    busy = true;
    enable();
    try {
      const answer = await socket.timeout(answerTime).emitWithAck("say", words.value);
      if (answer.error) {
        toast("error", "Not sent", answer.error.message);
      } else {
        words.value = "";
      }
    } catch {
      toast("error", "No answer", "The server has not answered; your message may not have arrived.");
    }
    busy = false;
    enable();
    words.focus();
  });

  lines.addEventListener("scroll", () => {
    pinned = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 48;
    if (pinned) newer.hidden = true;
  });
  newer.addEventListener("click", () => {
    toEnd();
    lines.focus();
  });
  new ResizeObserver(() => pinned && toEnd()).observe(lines);

  // follow puts an element at the end and scrolls there, unless the person is reading
  // further up.
  function follow(element, always = false) {
    lines.append(element);
    if (pinned || always) toEnd();
    else newer.hidden = false;
  }

  function toEnd() {
    pinned = true;
    newer.hidden = true;
    lines.scrollTop = lines.scrollHeight;
  }

  function lineOf(said) {
    const at = new Date(said.at);
    const line = document.createElement("li");
    line.className = "line";
    line.dataset.from = said.from;
    line.classList.toggle("mine", said.from === name);
    line.classList.toggle("more", last !== null && last.from === said.from && at - last.at < together);
    last = { from: said.from, at };

    const by = document.createElement("div");
    by.className = "by";
    const who = document.createElement("b");
    who.textContent = said.from;
    const time = document.createElement("time");
    time.dateTime = said.at;
    time.textContent = clock.format(at);
    by.append(who, time);

    const text = document.createElement("div");
    text.className = "words";
    text.textContent = said.text;
    line.append(avatar(said.from), by, text);
    return line;
  }

  function eventOf(text) {
    last = null;
    const event = document.createElement("li");
    event.className = "event";
    event.textContent = text;
    return event;
  }

  function enable() {
    const can = name !== "" && socket.connected;
    words.disabled = !can;
    words.readOnly = busy;
    send.disabled = !can || busy;
    if (name === "") {
      words.placeholder = "Log in to write a message";
    } else {
      words.placeholder = socket.connected ? "Write a message" : "Not connected";
    }
  }

  return {
    setName(now) {
      name = now;
      for (const line of lines.querySelectorAll(".line")) {
        line.classList.toggle("mine", line.dataset.from === name);
      }
      enable();
    },
  };
}
