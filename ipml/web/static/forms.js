// Forms of queues and lists: a suggested name is added to its lines, and the cases that fit are counted as one types.
// Without this script the form adds the name when it is sent, and a button counts.

const PAUSE = 400; // milliseconds without typing before the cases are counted

document.querySelectorAll("[data-adds-to]").forEach((field) =>
  field.addEventListener("change", () => {
    const lines = document.getElementById(field.dataset.addsTo);
    if (field.value.trim()) lines.value = [...lines.value.split("\n").filter(Boolean), field.value.trim()].join("\n");
    field.value = "";
  }),
);

document.querySelectorAll("[data-preview]").forEach((form) => {
  const fit = document.getElementById(form.dataset.preview);
  let timer;
  const count = async () => {
    const typed = new URLSearchParams(new FormData(form));
    typed.set("preview", "1");
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: typed }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const counted = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(fit.id);
    if (!counted) return;
    fit.replaceChildren(...counted.childNodes);
    fit.hidden = counted.hidden;
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(count, PAUSE);
  });
});
