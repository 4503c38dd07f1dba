// Exploring the picture of a network. Without this script every member and link still has its address.

const graph = document.querySelector("svg.graph");
const about = document.querySelector("#about");
const members = new Map([...graph.querySelectorAll(".member")].map((one) => [Number(one.dataset.p), one]));
const labels = [...graph.querySelectorAll(".labels text")];
const rows = new Map([...document.querySelectorAll("#members tbody tr")].map((row) => [Number(row.dataset.p), row]));
const links = [...graph.querySelectorAll(".lines line")].map((line) => {
  const [one, other, kinds, bits, since] = line.dataset.l.split(" ").map(Number);
  const [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map((name) => Number(line.getAttribute(name)));
  return { line, one, other, kinds, bits, since, x1, y1, x2, y2, shown: true };
});
const places = new Map([...members].map(([place, one]) => {
  const circle = one.querySelector("circle:not(.halo)");
  return [place, { x: Number(circle.getAttribute("cx")), y: Number(circle.getAttribute("cy")), since: Number(one.dataset.since) }];
}));
const until = document.querySelector("#until");
const strength = document.querySelector("#strength");
const boxes = [...document.querySelectorAll(".sieve input[type=checkbox]")];
const shown = document.querySelector("#shown");
const play = document.querySelector("#play");
const overview = [...about.childNodes];
const path = `/networks/${graph.dataset.number}`;
let chosen = null; // shown beside the picture: { ends: places, link? }
let asking = null;

// Visible: members seen by a day, and the links between them that pass the filters.

function applyFilters() {
  const day = Number(until.value);
  const least = Number(strength.value);
  const kinds = boxes.reduce((mask, box) => (box.checked ? mask | (1 << Number(box.value)) : mask), 0);
  let count = 0;
  for (const [place, one] of members) {
    const is = places.get(place).since <= day;
    one.classList.toggle("off", !is);
    rows.get(place)?.classList.toggle("away", !is);
    count += is;
  }
  for (const label of labels) label.classList.toggle("off", places.get(Number(label.dataset.p)).since > day);
  for (const link of links) {
    const is = link.since <= day && link.bits >= least && (link.kinds & kinds) !== 0;
    if (is !== link.shown) link.line.classList.toggle("off", !is);
    link.shown = is;
  }
  document.querySelector("#least").value = least;
  shown.textContent = day < Number(until.max) ? `· ${count} by ${new Date(day * 864e5).toISOString().slice(0, 10)}` : "";
}

// Highlighted: some members, their links, and the other ends.

function light(ends, only) {
  const near = new Set(ends);
  graph.classList.toggle("has-focus", ends.length > 0);
  for (const link of links) {
    const is = only ? link === only : ends.includes(link.one) || ends.includes(link.other);
    link.line.classList.toggle("on", is);
    if (is && link.shown) near.add(link.one).add(link.other);
  }
  for (const [place, one] of members) {
    one.classList.toggle("near", near.has(place));
    one.classList.toggle("here", ends.includes(place));
    rows.get(place)?.classList.toggle("here", ends.includes(place));
  }
}

const relight = () => light(chosen?.ends ?? [], chosen?.link);

// Details: the page of a member or a link, without its frame.

async function tell(address) {
  asking?.abort();
  asking = new AbortController();
  try {
    const answer = await fetch(address, { signal: asking.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const told = page.querySelector("#about");
    if (!answer.ok || !told) return location.assign(address);
    about.replaceChildren(...told.childNodes, closer());
    about.scrollTop = 0;
  } catch (error) {
    if (error.name !== "AbortError") location.assign(address);
  }
  return undefined;
}

function closer() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "Close";
  button.addEventListener("click", forget);
  return button;
}

function choose(place) {
  chosen = { ends: [place] };
  relight();
  rove(place);
  return tell(`${path}/members/${place + 1}`);
}

function chooseLink(one, other) {
  const link = links.find((each) => each.one === Math.min(one, other) && each.other === Math.max(one, other));
  chosen = { ends: [one, other], link };
  relight();
  return tell(`${path}/ties/${one + 1}/${other + 1}`);
}

function forget() {
  asking?.abort();
  chosen = null;
  about.replaceChildren(...overview);
  relight();
}

// By pointer.

function at(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(graph.getScreenCTM().inverse());
  return { x: point.x, y: point.y, scale: graph.getScreenCTM().a };
}

function linkAt(event) {
  const { x, y, scale } = at(event);
  let best = null;
  let least = 7 / scale;
  for (const link of links) {
    if (!link.shown) continue;
    const [dx, dy] = [link.x2 - link.x1, link.y2 - link.y1];
    const share = Math.min(1, Math.max(0, ((x - link.x1) * dx + (y - link.y1) * dy) / (dx * dx + dy * dy || 1)));
    const away = Math.hypot(link.x1 + share * dx - x, link.y1 + share * dy - y);
    if (away < least) [best, least] = [link, away];
  }
  return best;
}

graph.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const member = event.target.closest(".member");
  event.preventDefault();
  if (member) return choose(Number(member.dataset.p));
  const link = linkAt(event);
  return link ? chooseLink(link.one, link.other) : forget();
});

graph.addEventListener("pointerover", (event) => {
  const member = event.target.closest(".member");
  if (member && event.pointerType === "mouse") light([Number(member.dataset.p)]);
});
graph.addEventListener("pointerout", (event) => {
  if (event.target.closest(".member") && event.pointerType === "mouse") relight();
});
graph.addEventListener("pointermove", (event) => {
  graph.style.cursor = event.target.closest(".member") || linkAt(event) ? "pointer" : "";
});

// By keyboard: one member of the picture can be reached by Tab, the others by arrows.

let stop = null;

function rove(place) {
  if (stop !== null) members.get(stop)?.setAttribute("tabindex", "-1");
  stop = place;
  members.get(place)?.setAttribute("tabindex", "0");
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function next(from, [dx, dy]) {
  const here = places.get(from);
  let best = null;
  let least = Infinity;
  for (const [place, there] of places) {
    const along = (there.x - here.x) * dx + (there.y - here.y) * dy;
    const aside = Math.abs((there.x - here.x) * dy) + Math.abs((there.y - here.y) * dx);
    if (along <= 0 || members.get(place).classList.contains("off")) continue;
    if (along + 2.5 * aside < least) [best, least] = [place, along + 2.5 * aside];
  }
  return best;
}

graph.addEventListener("keydown", (event) => {
  const way = ARROWS[event.key];
  const here = event.target.closest(".member");
  if (!way || !here) return;
  event.preventDefault();
  const place = next(Number(here.dataset.p), way);
  if (place === null) return;
  rove(place);
  members.get(place).focus();
});
graph.addEventListener("focusin", (event) => {
  const member = event.target.closest(".member");
  if (member?.matches(":focus-visible")) light([Number(member.dataset.p)]);
});
graph.addEventListener("focusout", relight);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) forget();
});

// Names beside and below the picture are shown in it.

about.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const [, kind, ...numbers] = event.target.closest("a")?.pathname.match(/^\/networks\/\d+\/(members|ties)\/(\d+)(?:\/(\d+))?$/) ?? [];
  if (!kind) return;
  event.preventDefault();
  const [one, other] = numbers.map((number) => Number(number) - 1);
  if (kind === "members") choose(one);
  else chooseLink(one, other);
});

const table = document.querySelector("#members");
table.addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  choose(Number(row.dataset.p)).then(() => {
    if (about.getBoundingClientRect().bottom < 0) about.scrollIntoView({ block: "nearest" });
  });
});
table.addEventListener("focusin", (event) => {
  const row = event.target.closest("tbody tr");
  if (row) light([Number(row.dataset.p)]);
});
table.addEventListener("focusout", relight);

for (const head of table.querySelectorAll("th[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => sort(head));
}

function sort(head) {
  const column = [...head.parentElement.children].indexOf(head);
  const isNumber = head.dataset.sort === "number";
  const before = head.getAttribute("aria-sort");
  const up = before ? before === "descending" : !isNumber;
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = (row) => {
    const cell = row.children[column];
    const text = cell.dataset.v ?? cell.textContent;
    return isNumber ? (Number.isNaN(Number(text)) ? -1 : Number(text)) : text;
  };
  const keyed = [...rows.values()].map((row) => [value(row), row]);
  keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}

// Filters and days.

for (const input of [until, strength, ...boxes]) input.addEventListener("input", applyFilters);
boxes.forEach((box) => (box.disabled = false));
document.querySelectorAll(".until, .strength").forEach((part) => (part.hidden = false));
document.querySelector(".strength").hidden = Number(strength.max) <= Number(strength.min);

let playing = null;
const SECONDS = 8;

function step(started, from) {
  const now = Math.min(1, (performance.now() - started) / 1000 / SECONDS);
  until.value = from + (Number(until.max) - from) * now;
  applyFilters();
  playing = now < 1 ? requestAnimationFrame(() => step(started, from)) : null;
  if (playing === null) name();
}

function name() {
  play.firstChild.textContent = playing === null ? "Play " : "Stop ";
}

play.addEventListener("click", () => {
  if (playing !== null) {
    cancelAnimationFrame(playing);
    playing = null;
  } else {
    const from = Number(until.value) < Number(until.max) ? Number(until.value) : Number(until.min);
    step(performance.now(), from);
  }
  name();
});
play.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;

for (const one of members.values()) one.setAttribute("tabindex", "-1");
if (members.size) rove(members.keys().next().value);
