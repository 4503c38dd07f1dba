// The command palette (Ctrl+K): pages, saved views of the list, cases by number, brands. A combobox as the ARIA authoring practices have it.

const MOST = 8;
const PAUSE = 120; // milliseconds without typing before brands are looked up
const opener = document.querySelector("[data-palette]");

function make(name, given, ...children) {
  const element = Object.assign(document.createElement(name), given);
  element.append(...children);
  return element;
}

const input = make("input", { type: "text", id: "palette-words", autocomplete: "off", spellcheck: false, maxLength: 200 });
input.placeholder = "Page, view, case number or brand";
const list = make("ul", { id: "palette-list" });
const count = make("p", { className: "hidden" });
const dialog = make("dialog", { id: "palette" }, make("label", { htmlFor: input.id, textContent: "Go to" }), input, list, count);
dialog.setAttribute("aria-label", "Go to");
input.setAttribute("role", "combobox");
input.setAttribute("aria-expanded", "true");
input.setAttribute("aria-controls", list.id);
input.setAttribute("aria-autocomplete", "list");
list.setAttribute("role", "listbox");
list.setAttribute("aria-label", "Results");
count.setAttribute("role", "status");
document.body.append(dialog);

let options = [];
let chosen = 0;
let timer = null;
let asked = 0;

const pages = () =>
  [...document.querySelectorAll("[data-go]")].map((link) => ({
    name: link.firstChild.textContent.trim(),
    keys: `g ${link.dataset.go}`,
    act: () => link.click(),
  }));

// Saved views of the list, requested once on pages without them.
let views = document.querySelector("#views") ? [] : null;

async function loadViews() {
  views = [];
  const answer = await fetch("/views.json").catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  views = (await answer.json()).map(({ name, address }) => ({ name, keys: "view", act: goTo(address) }));
  if (dialog.open && views.length) lookUp();
}

// Actions: the buttons of the page that have a key.
const actions = () =>
  [...document.querySelectorAll("header [data-key], main :is(button, a, summary)[data-key]")]
    .filter((element) => element.checkVisibility() && !element.closest("#decide"))
    .map((element) => ({ name: element.textContent.replace(/\s+\S+\s*$/, "").trim(), keys: element.dataset.key, act: () => element.click() }));

const goTo = (address) => () => location.assign(address);

function ofWords(words) {
  const number = /^(?:case\s*)?#?([1-9][0-9]{0,17})$/i.exec(words)?.[1];
  const wanted = words.toLowerCase();
  const named = [...pages(), ...(views ?? []), ...(words ? actions() : [])].filter(({ name }) => name.toLowerCase().includes(wanted));
  const search = words && !number ? [{ name: `Search cases for “${words}”`, act: goTo(`/?${new URLSearchParams({ words })}`) }] : [];
  return [...(number ? [{ name: `Case ${number}`, act: goTo(`/cases/${number}`) }] : []), ...named, ...search];
}

async function ofBrands(words) {
  const answer = await fetch(`/suggestions.json?${new URLSearchParams({ field: "brand", text: words, state: "open" })}`).catch(() => null);
  if (!answer?.ok || answer.redirected) return [];
  return (await answer.json()).slice(0, 4).flatMap((brand) => [
    { name: `Open cases of ${brand}`, act: goTo(`/?${new URLSearchParams({ brand })}`) },
    { name: `Figures of ${brand}`, act: goTo(`/brands/view?${new URLSearchParams({ name: brand })}`) },
  ]);
}

function choose(place) {
  chosen = (place + options.length) % (options.length || 1);
  [...list.children].forEach((row, at) => row.setAttribute("aria-selected", String(at === chosen)));
  if (options.length) input.setAttribute("aria-activedescendant", `palette-${chosen}`);
  else input.removeAttribute("aria-activedescendant");
  list.children[chosen]?.scrollIntoView({ block: "nearest" });
}

function show(found) {
  options = found;
  list.replaceChildren(
    ...options.map(({ name, keys = "" }, at) => {
      const row = make("li", { id: `palette-${at}` }, make("bdi", { textContent: name }), ...(keys ? [make("kbd", { textContent: keys })] : []));
      row.setAttribute("role", "option");
      row.addEventListener("click", () => run(at));
      return row;
    }),
  );
  count.textContent = options.length === 1 ? "One result" : `${options.length} results`;
  choose(0);
}

function run(place) {
  const option = options[place];
  if (!option) return;
  dialog.close();
  option.act();
}

async function lookUp() {
  const words = input.value.trim();
  const found = ofWords(words).slice(0, words ? MOST : undefined);
  show(found);
  clearTimeout(timer);
  if (!words) return;
  asked += 1;
  const mine = asked;
  timer = setTimeout(async () => {
    const brands = await ofBrands(words);
    if (mine === asked && brands.length) {
      const place = chosen;
      show([...found, ...brands]);
      choose(place);
    }
  }, PAUSE);
}

function open() {
  if (document.querySelector("dialog[open]")) return;
  input.value = "";
  if (!views) loadViews();
  lookUp();
  dialog.showModal();
  input.focus();
}

const MOVES = { ArrowDown: 1, ArrowUp: -1 };
input.addEventListener("input", lookUp);
input.addEventListener("keydown", (event) => {
  if (event.key in MOVES) choose(chosen + MOVES[event.key]);
  else if (event.key === "Enter" && !event.isComposing) run(chosen);
  else return;
  event.preventDefault();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
opener.hidden = false;
opener.addEventListener("click", open);
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  if (event.key.toLowerCase() !== "k" && event.code !== "KeyK") return;
  event.preventDefault();
  open();
});
