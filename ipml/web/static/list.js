// The list of cases: many rows selected at once, changes shown as they come, and names suggested as one types.

const boxesHere = () => [...document.querySelectorAll(".pick input[name=case]")];
const all = document.querySelector("[data-all]");
let lastBox = boxesHere()[0];

function tellAll() {
  const boxes = boxesHere();
  const selected = boxes.filter((box) => box.checked).length;
  all.checked = selected === boxes.length;
  all.indeterminate = selected > 0 && selected < boxes.length;
}

if (all && lastBox) {
  all.hidden = false;
  all.addEventListener("click", () => {
    boxesHere().forEach((box) => (box.checked = all.checked));
    tellAll();
  });
  document.addEventListener("click", (event) => {
    const boxes = boxesHere();
    const place = boxes.indexOf(event.target);
    if (place < 0) return;
    if (event.shiftKey) {
      const from = Math.max(0, boxes.indexOf(lastBox));
      boxes.slice(Math.min(from, place), Math.max(from, place) + 1).forEach((box) => (box.checked = event.target.checked));
    }
    lastBox = event.target;
    tellAll();
  });
  // Fields that the browser filled in again after its back button.
  window.addEventListener("pageshow", tellAll);
}

// Changes: the rows are asked for again while the page is seen. Selection, focus and place stay.

const EVERY = 20_000; // milliseconds
const table = document.querySelector("table.cases");
const live = document.querySelector(".live");
let mark = "";

const rowsOf = (page) => new Map([...page.querySelectorAll("tr:has([data-row])")].map((row) => [row.querySelector("[data-row]").id, row]));
const contentOf = (cell) => cell.innerHTML.replace(/>[^<]*<\/time>/g, "></time>");
const count = (number, words) => (number ? [`${number} ${words(number)}`] : []);

function changeCells(row, fresh) {
  const focused = row.contains(document.activeElement) ? document.activeElement.id : "";
  const others = [...fresh.cells];
  [...row.cells].forEach((cell, place) => {
    const other = others[place];
    if (cell.classList.contains("pick")) return;
    if (contentOf(cell) !== contentOf(other)) return cell.replaceWith(other);
    const times = other.querySelectorAll("time:not([data-as])");
    cell.querySelectorAll("time:not([data-as])").forEach((time, at) => (time.textContent = times[at].textContent));
  });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

// A row that has the focus stays, marked, when its case leaves the list.
function takeOut(row) {
  if (!row.contains(document.activeElement)) return row.remove();
  row.classList.add("gone");
  row.querySelector(".pick input")?.remove();
}

function changeRows(page) {
  const [old, fresh] = [rowsOf(document), rowsOf(page)];
  const left = [...old.keys()].filter((id) => !fresh.has(id) && !old.get(id).classList.contains("gone"));
  const came = [...fresh.keys()].filter((id) => !old.has(id));
  // Rows that move to or from the next page at the foot of this one are no news.
  const isPaged = document.querySelector(".pages [rel=next]");
  const isNews = (ids, known) => (id) => !isPaged || ids.indexOf(id) < ids.findLastIndex((one) => known.has(one));
  const [nLeft, nCame] = [left.filter(isNews([...old.keys()], fresh)), came.filter(isNews([...fresh.keys()], old))].map((ids) => ids.length);
  left.forEach((id) => takeOut(old.get(id)));
  let last = null;
  fresh.forEach((row, id) => {
    const known = old.get(id);
    if (known) changeCells(known, row);
    else if (last) last.after(row);
    else table.tBodies[0].prepend(row);
    last = known ?? row;
  });
  const tabs = document.querySelector("nav.tabs[aria-label=State]");
  if (!tabs.contains(document.activeElement)) tabs.replaceWith(page.querySelector("nav.tabs[aria-label=State]"));
  if (all) tellAll();
  document.dispatchEvent(new Event("ipml:rows"));
  const said = [...count(nCame, (n) => (n === 1 ? "new case" : "new cases")), ...count(nLeft, () => "no longer in this list")];
  if (said.length) live.textContent = `${said.join(", ")}.`;
}

async function look() {
  if (document.hidden) return;
  const answer = await fetch(`/rows${location.search}`, { headers: { "If-None-Match": mark } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return; // nothing changed, or the session has ended
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!table !== !page.querySelector("table.cases")) return location.reload();
  const change = () => ((mark = answer.headers.get("ETag")), table && changeRows(page));
  // No row moves under the pointer.
  if (table?.matches(":hover")) table.addEventListener("mouseleave", look, { once: true });
  else change();
}

if (live) {
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
}

const PAUSE = 120; // milliseconds without typing before suggestions are requested

document.querySelectorAll("[data-suggest]").forEach((field) => {
  let timer;
  const ask = async () => {
    const text = field.value;
    const query = new URLSearchParams({ field: field.dataset.suggest, text, state: field.form.elements.state?.value ?? "open" });
    const answer = await fetch(`/suggestions.json?${query}`).catch(() => null);
    if (!answer?.ok || answer.redirected || field.value !== text) return;
    const options = (await answer.json()).map((name) => Object.assign(document.createElement("option"), { value: name }));
    field.list.replaceChildren(...options);
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    if (field.value.trim()) timer = setTimeout(ask, PAUSE);
    else field.list.replaceChildren();
  });
});
