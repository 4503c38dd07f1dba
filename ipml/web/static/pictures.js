// Large pictures, one after another, and copying a listing's id. Without this script each picture is a link.

const linksHere = () => [...document.querySelectorAll("[data-picture]")];
const zoomHere = () => document.querySelector("#zoom");
const VERDICT_KEYS = ["1", "2", "3", "4", "e", "."];
let shown = 0;

function enlarge(link) {
  const picture = new Image();
  picture.referrerPolicy = "no-referrer";
  picture.alt = link.querySelector("img").alt;
  picture.src = link.href;
  return picture;
}

// Beside the picture, if comparing, the first of genuine goods.
function show(at) {
  const [links, zoom] = [linksHere(), zoomHere()];
  shown = (at + links.length) % links.length;
  const genuine = isComparing() && document.querySelector(".references [data-picture]");
  const pictures = [links[shown], ...(genuine && genuine !== links[shown] ? [genuine] : [])].map(enlarge);
  zoom.querySelector(".canvas").replaceChildren(...pictures);
  zoom.querySelector("#zoom-name").textContent = pictures.map((picture) => picture.alt).join("; ");
  if (!zoom.open) zoom.showModal();
}

const isComparing = () => zoomHere().querySelector("[data-compare]")?.getAttribute("aria-pressed") === "true";

function compare() {
  const button = zoomHere().querySelector("[data-compare]");
  if (!button) return;
  button.setAttribute("aria-pressed", String(!isComparing()));
  show(shown);
}

// Two pictures side by side, or the picture alone, under the pointer twice as large.
function magnify(event) {
  const picture = event.target.closest?.(".canvas img");
  if (!picture) return;
  const isLarge = picture.classList.toggle("magnified");
  const { left, top, width, height } = picture.getBoundingClientRect();
  if (isLarge) picture.style.transformOrigin = `${(100 * (event.clientX - left)) / width}% ${(100 * (event.clientY - top)) / height}%`;
}

// Pictures first: the case's and the genuine one large, above title and strongest reasons.
const MODE = "ipml.pictures-first";

function setMode(isOn) {
  document.documentElement.classList.toggle("pictures-first", isOn);
  document.querySelectorAll("[data-pictures-first]").forEach((button) => button.setAttribute("aria-pressed", String(isOn)));
  if (!isOn) return;
  document.querySelectorAll(".strip li:first-child [data-picture]").forEach((link) => (link.querySelector("img").src = link.href));
}

const applyMode = () => setMode(localStorage.getItem(MODE) === "on");

function switchMode() {
  localStorage.setItem(MODE, localStorage.getItem(MODE) === "on" ? "off" : "on");
  applyMode();
}

applyMode();
document.addEventListener("ipml:shown", applyMode);

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.firstChild.textContent = "Copied ";
  } catch {
    // No clipboard without TLS: the id is selected instead.
    getSelection().selectAllChildren(source);
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-picture]");
  const step = event.target.closest("#zoom [data-step]");
  const button = event.target.closest("[data-copy]");
  if (event.target.closest("[data-pictures-first]")) switchMode();
  else if (event.target.closest("[data-compare]")) compare();
  else if (event.target.closest(".canvas img")) magnify(event);
  else if (button) copy(button);
  else if (step) show(shown + Number(step.dataset.step));
  else if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { // else a new tab, as with any link
    event.preventDefault();
    show(linksHere().indexOf(link));
  }
});

// A host may refuse a picture, some before this script runs.
const tellOfFailure = (picture) => (picture.alt += ": could not be loaded");
[...document.querySelectorAll(".strip img")].filter((one) => one.complete && one.src && !one.naturalWidth).forEach(tellOfFailure);
document.addEventListener("error", ({ target }) => target.matches?.(".strip img") && tellOfFailure(target), true);

// On the document and before all others: just after closing, the focus is still in the dialog, and a quick `z` belongs
// to the page.
document.addEventListener("keydown", (event) => {
  const zoom = zoomHere();
  if (!zoom?.open || event.ctrlKey || event.metaKey || event.altKey) return;
  const to = { ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: linksHere().length - 1 }[event.key];
  // Escape, too: a browser may close a moment later, after `z` has opened it again.
  if (event.key === "z" || event.key === "Escape") event.repeat || zoom.close();
  else if (event.key === "c") compare();
  else if (to !== undefined) show(to);
  else if (VERDICT_KEYS.includes(event.key)) return zoom.close(); // the page presses the verdict
  else return;
  event.preventDefault();
  event.stopPropagation(); // `z` would open it again
}, true);
