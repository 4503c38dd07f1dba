// Titles in another language are translated after the page has loaded, so that nothing waits for it.

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
  const asked = document.querySelector("form[data-translate]");
  if (asked) translate(asked);
}

begin();
document.addEventListener("ipml:shown", begin);
