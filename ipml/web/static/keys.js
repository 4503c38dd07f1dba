// Every key on the page: an element says with data-key which keys press it (or, for a field, focus it), and with
// data-focus which field has the focus after that.
// While a <details data-keys> is open, its own keys come first.

const isField = (element) => element.matches("input:not([type=checkbox]), textarea, select");

// The row that has the focus, be it on its link or on its box.
const rowOf = (element) => element.closest("tr")?.querySelector("[data-row]");

function find(key) {
  const open = document.querySelector("details[data-keys][open]");
  const first = open ? open.querySelectorAll("button[data-key]") : [];
  return [...first, ...document.querySelectorAll("[data-key]")].find(
    (element) => element.dataset.key.split(" ").includes(key) && element.checkVisibility(),
  );
}

function moveRow(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const here = rows.indexOf(rowOf(document.activeElement));
  const next = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : here + step];
  next?.focus();
  next?.closest("tr").scrollIntoView({ block: "nearest" });
  return rows.length > 0;
}

// With shift, like a click with shift: all rows from the one selected before to this one.
function selectRow(shiftKey) {
  const box = document.activeElement.closest("tr")?.querySelector("td input[type=checkbox]");
  box?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey }));
  return box !== undefined && box !== null;
}

function press(key) {
  if (key === "?") return document.querySelector("#keys").showModal();
  if ((key === "j" || key === "k") && moveRow(key === "j" ? 1 : -1)) return undefined;
  if ((key === "x" || key === "X") && selectRow(key === "X")) return undefined;
  const element = find(key);
  if (!element) return false;
  if (isField(element)) return element.focus();
  const field = document.querySelector(element.dataset.focus);
  // What is folded out to be filled in stays so, and the next key is typed into it.
  if (!field?.checkVisibility()) element.click();
  return field?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const active = document.activeElement;
  if (event.key === "Escape") {
    document.querySelectorAll("details[data-keys][open]").forEach((details) => (details.open = false));
    if (isField(active)) active.blur();
    return;
  }
  // A held key must not decide one case after another.
  if (event.repeat && event.key !== "j" && event.key !== "k") return;
  if (isField(active) || document.querySelector("dialog[open]")) return;
  if (press(event.key) !== false) event.preventDefault();
});

document.querySelector("button[data-key='?']")?.addEventListener("click", () => press("?"));

// A form is sent once, however fast the fingers are.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || "download" in event.target.dataset) return;
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "yes";
});

// A page that the browser kept may be shown again by its back button.
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});
