// avatar is a round mark for a person: initials, in a colour that follows from the name.
export function avatar(name) {
  const mark = document.createElement("span");
  mark.className = "avatar";
  mark.ariaHidden = "true";
  mark.textContent = initials(name);
  mark.style.setProperty("--hue", hue(name));
  return mark;
}

function initials(name) {
  const parts = name.split(/\s+/);
  const first = ([part]) => part; // the first character, not the first half of one
  const letters = parts.length > 1 ? [first([...parts[0]]), first([...parts.at(-1)])] : [...name].slice(0, 1);
  return letters.join("").toUpperCase();
}

function hue(name) {
  let sum = 7;
  for (const c of name) sum = (sum * 31 + c.codePointAt(0)) % 360;
  return sum;
}
