// Who is here, and notes to one of them.
import { avatar } from "./avatar.js";
import { post } from "./forms.js";
import { toast } from "./toasts.js";

const list = document.getElementById("list");
const guests = document.getElementById("guests");
const count = document.getElementById("count");
const dialog = document.getElementById("note");

// setUpPeople returns what the page tells the list: who is logged in.
export function setUpPeople(socket) {
  let name = "";
  const rows = new Map(); // by name; kept, so that the focus stays where it is

  socket.on("connect", () => socket.emit("ready"));
  socket.on("online", (online) => {
    const names = new Set(online.people.map((person) => person.name));
    for (const [who, row] of rows) {
      if (!names.has(who)) {
        row.remove();
        rows.delete(who);
      }
    }
    online.people.forEach((person, i) => {
      const row = rows.get(person.name) ?? newRow(person.name);
      rows.set(person.name, row);
      row.querySelector("small").textContent = where(person);
      if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null);
    });
    guests.textContent = guestsText(online);
    count.textContent = `${online.people.length + online.guests} here`;
    mark();
  });

  function newRow(who) {
    const row = document.createElement("li");
    row.dataset.name = who;
    const label = document.createElement("span");
    label.className = "who";
    const strong = document.createElement("b");
    strong.textContent = who;
    label.append(strong, document.createElement("small"));
    const note = document.createElement("button");
    note.type = "button";
    note.className = "quiet";
    note.textContent = "Note";
    note.ariaLabel = `Write a note to ${who}`;
    note.addEventListener("click", () => openNote(who));
    row.append(avatar(who), label, note);
    return row;
  }

  function mark() {
    for (const [who, row] of rows) {
      row.querySelector("b").textContent = who === name ? `${who} (you)` : who;
      row.querySelector("button").hidden = name === "";
    }
  }

  return {
    setName(now) {
      name = now;
      if (name === "" && dialog.open) dialog.close();
      mark();
    },
  };
}

function where({ tabs, browsers }) {
  const t = tabs === 1 ? "1 tab" : `${tabs} tabs`;
  return browsers === 1 ? t : `${t} in ${browsers} browsers`;
}

function guestsText({ people, guests }) {
  if (guests === 0) return people.length === 0 ? "Nobody yet." : "";
  const reading = guests === 1 ? "1 guest reads along." : `${guests} guests read along.`;
  return people.length === 0 ? `Nobody is logged in. ${reading}` : reading;
}

function openNote(to) {
  dialog.querySelector(".to").textContent = to;
  dialog.querySelector("[name=to]").value = to;
  dialog.querySelector(".problem").hidden = true;
  dialog.showModal();
  dialog.querySelector("[name=text]").focus();
}

document.getElementById("note-cancel").addEventListener("click", () => dialog.close());
dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const to = form.elements.to.value;
  const problem = await post(form);
  const shown = dialog.querySelector(".problem");
  shown.hidden = problem === "";
  shown.textContent = problem;
  if (problem === "") {
    form.elements.text.value = "";
    dialog.close();
    toast("info", "Sent", `${to} has your note.`);
  }
});
