// Keys of the page: data-key of an element has the keys that press it (or focus a field), data-focus the field focused
// after that, and data-go of a page in the bar the key that opens it after g.
// While a <details data-keys> is open, its own keys come first.

const isField = (element) => element.matches("input:not([type=checkbox]), textarea, select");
const LETTERS = "ipml.letters"; // in the browser's storage: "off" where single letters do nothing
const PATIENCE = 1500; // milliseconds in which a letter follows g
const PLACES = { Slash: ["/", "?"] };
let goesUntil = 0;

// The row whose link or box has the focus.
const rowOf = (element) => element.closest("tr")?.querySelector("[data-row]");

// Names of a key press: its letter; or its place, if the layout has another script, or signs instead of digits.
function namesOf(event) {
  const cased = (letter) => (event.shiftKey ? letter.toUpperCase() : letter.toLowerCase());
  const names = [event.key.length === 1 ? cased(event.key) : event.key];
  const [, letter, digit] = /^(?:Key([A-Z])|Digit([0-9]))$/.exec(event.code) ?? [];
  if (!/^[\x20-\x7e]$/.test(event.key)) {
    if (letter) names.push(cased(letter));
    if (event.code in PLACES) names.push(PLACES[event.code][Number(event.shiftKey)]);
  }
  if (digit && !event.shiftKey) names.push(digit);
  return event.key.length > 1 && event.key !== "Dead" ? [event.key] : names;
}

// Elements of the page precede those of the frame.
function find(key) {
  const open = document.querySelector("details[data-keys][open]");
  const first = open ? open.querySelectorAll("button[data-key]") : [];
  return [...first, ...document.querySelectorAll("main [data-key]"), ...document.querySelectorAll("[data-key]")].find(
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

// The help names the keys that do something on the page as it is now.
function showHelp() {
  const hasRows = document.querySelector("[data-row]");
  const doesSomething = ({ textContent: key }) =>
    key.length > 1 || find(key) || (hasRows && ("jk".includes(key) || ("xX".includes(key) && hasRows.closest("tr").querySelector("td input[type=checkbox]"))));
  for (const line of document.querySelectorAll("#keys .here > div")) {
    line.hidden = ![...line.querySelectorAll("dt kbd")].some(doesSomething);
  }
  document.querySelector("#keys").showModal();
}

function press(key) {
  if (key === "?") return showHelp();
  if (goesUntil > performance.now()) {
    goesUntil = 0;
    const page = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    if (page) return page.click();
  }
  if (key === "g" && document.querySelector("[data-go]")) return void (goesUntil = performance.now() + PATIENCE);
  if ((key === "j" || key === "k") && moveRow(key === "j" ? 1 : -1)) return undefined;
  if ((key === "x" || key === "X") && selectRow(key === "X")) return undefined;
  const element = find(key);
  if (!element) return false;
  if (isField(element)) return element.focus();
  const field = element.dataset.focus && document.querySelector(element.dataset.focus);
  // An opened form stays open, and the next key is typed into it.
  if (!field || !field.checkVisibility()) element.click();
  return field ? field.focus() : undefined;
}

// In a text field Ctrl+Enter presses the button marked for it, else the form's only button.
function sendFrom(field) {
  const buttons = [...(field.form?.querySelectorAll("button:not([type=button])") ?? [])];
  const marked = field.form?.querySelector("button[data-sends]");
  const button = marked ?? (buttons.length === 1 ? buttons[0] : undefined);
  if (button) button.click();
  return button !== undefined;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea") && !event.isComposing && !event.repeat) {
    if (sendFrom(event.target)) event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const active = document.activeElement;
  if (event.key === "Escape") {
    document.querySelectorAll("details[data-keys][open], .more[open]").forEach((details) => (details.open = false));
    if (isField(active)) active.blur();
    return;
  }
  // A held key must not decide one case after another.
  if (event.repeat && event.key !== "j" && event.key !== "k") return;
  if (isField(active) || document.querySelector("dialog[open]") || localStorage.getItem(LETTERS) === "off") return;
  if (namesOf(event).some((name) => press(name) !== false)) event.preventDefault();
});

document.querySelector("button[data-key='?']")?.addEventListener("click", () => press("?"));

// Users who dictate, or press keys by mistake, can turn single letters off (WCAG 2.1.4).

const letters = document.querySelector("#letters");
letters.checked = localStorage.getItem(LETTERS) !== "off";
document.documentElement.classList.toggle("no-letters", !letters.checked);
letters.addEventListener("change", () => {
  localStorage.setItem(LETTERS, letters.checked ? "on" : "off");
  document.documentElement.classList.toggle("no-letters", !letters.checked);
});
