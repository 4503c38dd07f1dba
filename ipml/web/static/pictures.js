// Large pictures, one after another, and copying a listing's id. Without this script each picture is a link.

const linksHere = () => [...document.querySelectorAll("[data-picture]")];
const zoomHere = () => document.querySelector("#zoom");
let shown = 0;

function show(at) {
  const [links, zoom] = [linksHere(), zoomHere()];
  shown = (at + links.length) % links.length;
  const picture = new Image();
  picture.referrerPolicy = "no-referrer";
  picture.alt = links[shown].querySelector("img").alt;
  picture.src = links[shown].href;
  zoom.querySelector(".canvas").replaceChildren(picture);
  zoom.querySelector("#zoom-name").textContent = picture.alt;
  if (!zoom.open) zoom.showModal();
}

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
  if (button) copy(button);
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
  else if (to !== undefined) show(to);
  else return;
  event.preventDefault();
  event.stopPropagation(); // `z` would open it again
}, true);
