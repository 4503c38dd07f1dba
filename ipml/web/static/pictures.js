// Pictures large, one after another, and a listing's number to copy. Without this each picture is a link.

const zoom = document.querySelector("#zoom");
const links = [...document.querySelectorAll("[data-picture]")];
let shown = 0;

function show(at) {
  shown = (at + links.length) % links.length;
  const picture = new Image();
  picture.referrerPolicy = "no-referrer";
  picture.alt = links[shown].querySelector("img").alt;
  picture.src = links[shown].href;
  zoom.querySelector(".canvas").replaceChildren(picture);
  zoom.querySelector("#zoom-name").textContent = picture.alt;
  if (!zoom.open) zoom.showModal();
}

links.forEach((link, at) =>
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab, as with any link
    event.preventDefault();
    show(at);
  }),
);

// A host may refuse what the worker would have said a word about.
document.querySelectorAll(".strip img").forEach((picture) => {
  const tell = () => (picture.alt += ": could not be loaded");
  if (picture.complete && picture.src && !picture.naturalWidth) tell();
  else picture.addEventListener("error", tell, { once: true });
});

zoom?.querySelectorAll("[data-step]").forEach((button) =>
  button.addEventListener("click", () => show(shown + Number(button.dataset.step))),
);

// On the document and before all others: for a moment after it was closed the focus is still in the dialog, and then a
// quick `z` belongs to the page.
document.addEventListener("keydown", (event) => {
  if (!zoom?.open || event.ctrlKey || event.metaKey || event.altKey) return;
  const to = { ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: links.length - 1 }[event.key];
  // Escape, too: a browser may close a moment later, and then what `z` has opened again.
  if (event.key === "z" || event.key === "Escape") event.repeat || zoom.close();
  else if (to !== undefined) show(to);
  else return;
  event.preventDefault();
  event.stopPropagation(); // `z` would open it again
}, true);

document.querySelectorAll("[data-copy]").forEach((button) =>
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.firstChild.textContent = "Copied ";
    } catch {
      // No clipboard without TLS: what is to be copied is selected.
      getSelection().selectAllChildren(source);
    }
  }),
);
