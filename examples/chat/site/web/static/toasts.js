// What the site has to say to this person, in a corner of the page.
const stay = 8000; // milliseconds; notes stay until they are closed
const most = 5;
const corner = document.getElementById("toasts");

// toast shows a title and a text; kind is note, announcement, hello, info or error.
export function toast(kind, title, text) {
  const box = document.createElement("div");
  box.className = "toast";
  box.dataset.kind = kind;
  if (kind === "error") box.role = "alert";
  const head = document.createElement("h3");
  head.textContent = title;
  const body = document.createElement("p");
  body.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.ariaLabel = "Close";
  close.textContent = "×";
  close.addEventListener("click", () => box.remove());
  box.append(head, close, body);
  corner.append(box);
  if (corner.children.length > most) {
    (corner.querySelector(".toast:not([data-kind=note])") ?? corner.firstElementChild).remove();
  }
  if (kind !== "note") expire(box);
}

// expire removes a box after a while, but not under the pointer or the focus.
function expire(box) {
  setTimeout(() => {
    if (box.matches(":hover, :focus-within")) expire(box);
    else box.remove();
  }, stay);
}
