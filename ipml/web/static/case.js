// What a case page loads after it is shown, so that nothing waits for it: confirmed cases that share a reason, when it
// is opened, and the translation of a title in another language.

// The page behind the link comes into the list of reasons, and goes again.
async function openReason(link) {
  const line = link.closest("li");
  const open = line.querySelector(".sharing");
  link.setAttribute("aria-expanded", String(!open));
  if (open) return open.remove();
  const place = Object.assign(document.createElement("div"), { className: "sharing" });
  place.append(Object.assign(document.createElement("p"), { className: "quiet", textContent: "Loading …" }));
  place.setAttribute("role", "status");
  line.append(place);
  const answer = await fetch(link.href).catch(() => null);
  const page = answer?.ok && !answer.redirected ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  const cases = page?.querySelector("#sharing");
  if (cases) place.replaceChildren(...cases.childNodes);
  else place.firstChild.textContent = "The confirmed cases cannot be shown just now.";
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-opens]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openReason(link);
});


function writeTranslation(text, language) {
  const line = document.createElement("p");
  line.className = "read-as translation";
  const by = document.createElement("span");
  by.className = "quiet";
  by.textContent = language ? `Machine translation from ${language} ` : "Machine translation ";
  const words = document.createElement("bdi");
  words.textContent = text;
  line.append(by, words);
  return line;
}

async function translate(form) {
  const body = new URLSearchParams(new FormData(form));
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    const { text, language, message } = await answer.json();
    if (text) form.replaceWith(writeTranslation(text, language));
    else if (message) form.querySelector("span").textContent = message;
    else form.remove();
  } catch {
    form.querySelector("span").textContent = "No translation just now. ";
  }
}

function begin() {
  document.querySelectorAll("a[data-opens]").forEach((link) => link.setAttribute("aria-expanded", "false"));
  const asked = document.querySelector("form[data-translate]");
  if (asked) translate(asked);
}

begin();
document.addEventListener("ipml:shown", begin);
