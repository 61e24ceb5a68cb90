// Forms that are sent without leaving the page.
import { toast } from "./toasts.js";

// post sends a form to its action and returns what went wrong, "" if nothing did.
export async function post(form) {
  const button = form.querySelector("button:not([type=button])");
  button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    return response.ok ? "" : (await response.text()).trim() || response.statusText;
  } catch {
    return "The server cannot be reached.";
  } finally {
    button.disabled = false;
  }
}

export function setUpForms() {
  const form = document.getElementById("announce");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = await post(form);
    if (problem) {
      toast("error", "Not announced", problem);
    } else {
      form.reset();
    }
  });
}
