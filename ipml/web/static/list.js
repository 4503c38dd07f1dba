// The list of cases: many rows selected at once, and names suggested as one types.

const boxes = [...document.querySelectorAll(".pick input[name=case]")];
const all = document.querySelector("[data-all]");
let lastBox = boxes[0];

function tellAll() {
  const selected = boxes.filter((box) => box.checked).length;
  all.checked = selected === boxes.length;
  all.indeterminate = selected > 0 && selected < boxes.length;
}

if (all && boxes.length > 0) {
  all.hidden = false;
  all.addEventListener("click", () => {
    boxes.forEach((box) => (box.checked = all.checked));
    tellAll();
  });
  document.addEventListener("click", (event) => {
    const place = boxes.indexOf(event.target);
    if (place < 0) return;
    if (event.shiftKey) {
      const from = boxes.indexOf(lastBox);
      boxes.slice(Math.min(from, place), Math.max(from, place) + 1).forEach((box) => (box.checked = event.target.checked));
    }
    lastBox = event.target;
    tellAll();
  });
  // Fields that the browser filled in again after its back button.
  window.addEventListener("pageshow", tellAll);
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
