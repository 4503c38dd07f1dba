// Nothing typed is lost: the script sends forms, again where that is harmless, and keeps drafts in this tab until they
// are recorded, also over a login. Times are shown in the reader's zone. From one case to the next the page stays and
// its content changes: scripts set up the new content on the event "ipml:shown".
// Without this script forms are sent by the browser, and times are in UTC.

const { user = "", idle } = document.body.dataset;
const PREFIX = "ipml.draft:";
const USED = "ipml.used";
const PAUSES = [1, 2, 4, 8, 15, 30, 60]; // seconds before a form is sent again

// Times

const two = (number) => String(number).padStart(2, "0");
const dayOf = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const clockOf = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;
const AS = { clock: clockOf, day: dayOf, minute: (at) => `${dayOf(at)} ${clockOf(at)}` };

function showTimes() {
  document.querySelectorAll("time[data-as]").forEach((time) => {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.textContent = AS[time.dataset.as](at);
  });
}

// Ticked listings: the verdict buttons show how many they decide.

const ticked = () => document.querySelectorAll("input[name=spread]:checked").length;

document.addEventListener("change", ({ target }) => {
  if (!target.matches("input[name=spread]")) return;
  const many = 1 + ticked();
  document.querySelectorAll("#decide .many").forEach((said) => (said.textContent = many > 1 ? `, ${many} listings` : ""));
});

// Drafts: text and ticks, by form and user

let keeping = [];
const actionOf = (form) => form.getAttribute("action");
const placeOf = (form) => keeping.filter((one) => actionOf(one) === actionOf(form)).indexOf(form);
const nameOf = (form) => `${PREFIX}${user}:${actionOf(form)}${placeOf(form) > 0 ? `#${placeOf(form)}` : ""}`;
const readDraft = (form) => JSON.parse(sessionStorage.getItem(nameOf(form)) ?? "null");
const textsOf = (form) => [...form.elements].filter((field) => field.name && field.matches("textarea, input[type=text], input:not([type])"));
const boxesOf = (form) => [...form.elements].filter((field) => field.name && field.type === "checkbox");
const nameOfBox = (box) => `${box.name} ${box.value}`;

function keep(form, sent = {}) {
  const texts = Object.fromEntries(textsOf(form).map((field) => [field.name, field.value]));
  const ticks = Object.fromEntries(boxesOf(form).map((box) => [nameOfBox(box), box.checked]));
  sessionStorage.setItem(nameOf(form), JSON.stringify({ texts, ticks, ...sent }));
}

function forget(form) {
  sessionStorage.removeItem(nameOf(form));
}

function restore(form) {
  const draft = readDraft(form);
  if (!draft) return;
  textsOf(form).forEach((field) => {
    if (!("given" in field.dataset) && field.value === field.defaultValue && draft.texts[field.name]) field.value = draft.texts[field.name];
  });
  boxesOf(form).forEach((box) => {
    const isTicked = draft.ticks?.[nameOfBox(box)] ?? box.checked;
    if (isTicked === box.checked) return;
    box.checked = isTicked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  });
  if (!draft.value) return;
  const button = [...form.querySelectorAll("button[name]")].find((one) => one.value === draft.value && one.name === draft.name);
  if (!button) return;
  // Under the key of the first attempt: if only its answer was lost, nothing is recorded twice.
  if (draft.key && form.elements.key) form.elements.key.value = draft.key;
  const said = button.textContent.replace(/\d\s/, "").trim();
  tell(form, `“${said}” was not recorded yet; it is kept as you gave it.`, "Record it now", () => form.requestSubmit(button));
}

function keepForms() {
  keeping = [...document.querySelectorAll("main form[method=post]")].filter((form) => form.querySelector("textarea"));
  keeping.forEach((form) => {
    form.addEventListener("input", () => keep(form));
    restore(form);
    boxesOf(form).forEach((box) => box.addEventListener("change", () => keep(form))); // some are outside of their form
  });
  // A decided case needs no draft.
  const isDecided = document.querySelector(".outcome") && !document.querySelector("#decide");
  if (isDecided) sessionStorage.removeItem(`${PREFIX}${user}:${location.pathname}/decide`);
}

// The last verdict, with its ground, as a button of its own: `.` or Ctrl+Enter from the note gives it again.

const LAST = `ipml.last-verdict:${user}`;

function noteVerdict(form, submitter) {
  if (form.id !== "decide" || submitter?.name !== "choice" || submitter.value === "escalate") return;
  const words = submitter.closest(".grounds") ? `Counterfeit: ${wordsOf(submitter)}` : wordsOf(submitter);
  sessionStorage.setItem(LAST, JSON.stringify({ value: submitter.value, words: submitter.dataset.words ?? words }));
}

function wordsOf(button) {
  const copy = button.cloneNode(true);
  copy.querySelectorAll("kbd, .many").forEach((part) => part.remove());
  return copy.textContent.trim();
}

function offerRepeat() {
  const last = JSON.parse(sessionStorage.getItem(LAST) ?? "null");
  if (last) offer(last.value, last.words, "Again: ");
}

// One verdict of those on the page, with its ground, as a button of its own.
function offer(value, words, before = "") {
  const form = document.querySelector("#decide");
  if (!form || ![...form.querySelectorAll("button[name=choice]:not(.repeat)")].some((button) => button.value === value)) return;
  form.querySelector(".repeat")?.remove();
  const button = Object.assign(document.createElement("button"), { className: "plain repeat", name: "choice", value });
  Object.assign(button.dataset, { key: ".", sends: "", words });
  button.append(Object.assign(document.createElement("kbd"), { textContent: "." }), ` ${before}${words}`);
  form.querySelector(".note").before(button);
}

// A template fills the note, after what it has, and offers the verdict on its ground.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-text]");
  if (!button) return;
  event.preventDefault();
  const { form, dataset: { text, ground } } = button;
  const { note } = form.elements;
  note.value = [note.value.trim(), text].filter(Boolean).join("\n").slice(0, note.maxLength);
  note.dispatchEvent(new Event("input", { bubbles: true }));
  button.closest("details").open = false;
  const verdict = ground && form.querySelector(`button[value="counterfeit/${ground}"]:not(.repeat)`);
  if (verdict) offer(verdict.value, `Counterfeit: ${wordsOf(verdict)}`);
});

function begin() {
  showTimes();
  keepForms();
  offerRepeat();
  loadAhead();
}


// Typing during a reload continues in the same field: letters must not become keys.
const FOCUS = "ipml.focus";
window.addEventListener("pagehide", () => {
  const field = document.activeElement;
  if (field?.id && field.matches("textarea, input[type=text]")) sessionStorage.setItem(FOCUS, `${location.pathname} ${field.id}`);
});
const [focusedOn, focused] = (sessionStorage.getItem(FOCUS) ?? "").split(" ");
sessionStorage.removeItem(FOCUS);
if (focusedOn === location.pathname) document.getElementById(focused)?.focus();

const keptNote = document.querySelector("[data-kept]");
if (keptNote) keptNote.hidden = !Object.keys(sessionStorage).some((name) => name.startsWith(PREFIX));

// A file that is too large is not sent: the browser reports it beside the field, and nothing typed is lost.
document.querySelectorAll("input[type=file][data-most]").forEach((field) =>
  field.addEventListener("change", () => {
    const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
    const [size, most] = [[...field.files].reduce((sum, file) => sum + file.size, 0), Number(field.dataset.most)];
    field.setCustomValidity(size > most ? `This file has ${megabytes(size)}; at most ${megabytes(most)} can be sent.` : "");
  }),
);

// Sending

function tell(form, words, label, act) {
  form.querySelector(".unsent")?.remove();
  if (!words) return;
  const said = Object.assign(document.createElement("p"), { className: "message unsent", textContent: `${words} ` });
  said.setAttribute("role", "alert");
  if (label) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.addEventListener("click", act);
    said.append(button);
  }
  form.prepend(said);
}

// A request may be repeated if it has a key, or is marked as repeatable.
const mayRepeat = (form) => Boolean(form.elements.key) || "again" in form.dataset;

// The parts that differ between the pages of two cases.
const CHANGING = ["header .steps", ".who .progress", "main", "#keys .here"];
const IS_CASE = /^\/cases\/[0-9]+$/;
const filesOf = (page) => [...page.head.querySelectorAll("link[rel=stylesheet], script")].map((one) => one.getAttribute("href") ?? one.getAttribute("src")).join();
let here = location.pathname + location.search;
let asked = 0;

async function read(to) {
  const answer = await fetch(to).catch(() => null);
  return answer?.ok && !answer.redirected ? answer.text().catch(() => null) : null;
}

// Shows another case in place of this one, and returns whether it did. Unusual answers are left to the browser.
async function showInPlace(to, given) {
  if (!IS_CASE.test(location.pathname) || !IS_CASE.test(to.pathname) || to.pathname === location.pathname || to.hash) return false;
  asked += 1;
  const mine = asked;
  const text = given || (await read(to));
  if (mine !== asked) return true; // the user went elsewhere meanwhile
  if (text === null) return false;
  const page = new DOMParser().parseFromString(text, "text/html");
  const parts = CHANGING.map((name) => [document.querySelector(name), page.querySelector(name)]);
  if (filesOf(page) !== filesOf(document) || page.body.dataset.user !== user || parts.some(([old, other]) => !old !== !other)) return false;
  history.pushState(null, "", to);
  here = location.pathname + location.search;
  document.title = page.title;
  parts.forEach(([old, other]) => old?.replaceWith(other));
  scrollTo(0, 0);
  document.querySelector("main").focus({ preventScroll: true }); // reading starts at the top, as on a loaded page
  document.dispatchEvent(new Event("ipml:shown"));
  return true;
}

// The pictures of the case that probably follows are loaded ahead; its page comes with the answer to the verdict, as it
// is then.
let aheadOf = "";

function loadAhead() {
  if (!document.querySelector("#decide") || aheadOf === here) return;
  aheadOf = here;
  const whenIdle = window.requestIdleCallback ?? ((act) => setTimeout(act, 200));
  whenIdle(async () => {
    const { trail, within } = document.querySelector("#decide")?.elements ?? {};
    if (!trail || aheadOf !== here) return;
    const query = new URLSearchParams({ trail: trail.value, within: within.value });
    const answer = await fetch(`${location.pathname}/ahead.json?${query}`, { priority: "low" }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const isLarge = document.documentElement.classList.contains("pictures-first");
    (await answer.json()).forEach(({ thumbnail, view }, place) => {
      const picture = Object.assign(new Image(), { referrerPolicy: "no-referrer", fetchPriority: "low" });
      picture.src = isLarge && place === 0 ? view : thumbnail;
    });
  });
}

begin();
document.addEventListener("ipml:shown", begin);
document.addEventListener("ipml:rows", showTimes);

// Going back shows the server's current state.
window.addEventListener("popstate", () => {
  if (location.pathname + location.search !== here) location.reload();
});

// `given` is the page at the address, if it came with the answer.
async function arrive(address, given) {
  const to = new URL(address, location.href);
  if (await showInPlace(to, given)) return undefined;
  if (to.pathname + to.search !== location.pathname + location.search) return location.assign(to);
  if (to.href !== location.href) history.replaceState(null, "", to);
  return location.reload();
}

function sendByBrowser(form, submitter) {
  if (submitter?.name) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: submitter.name, value: submitter.value }));
  }
  HTMLFormElement.prototype.submit.call(form);
}

function wait(seconds) {
  return new Promise((go) => {
    setTimeout(go, 1000 * seconds);
    addEventListener("online", go, { once: true });
  });
}

async function ask(form, body) {
  try {
    return await fetch(form.getAttribute("action"), { method: "POST", body, headers: { "X-Sent-By": "script" }, redirect: "manual" });
  } catch {
    return null; // no answer, or an interrupted one
  }
}

async function send(form, submitter) {
  const said = new FormData(form, submitter);
  const body = form.enctype === "multipart/form-data" ? said : new URLSearchParams(said); // files are sent as they are
  for (let attempt = 0; ; attempt += 1) {
    const answer = await ask(form, body);
    if (answer?.ok && answer.headers.has("Location")) {
      forget(form);
      return arrive(answer.headers.get("Location"), await answer.text().catch(() => ""));
    }
    if (answer?.status === 401) return location.assign(`/login?then=${encodeURIComponent(location.pathname + location.search)}`);
    if (answer && answer.status < 500) return sendByBrowser(form, submitter); // refused: its page gives the reason
    const why = answer ? `The server does not answer as it should (${answer.status}).` : "The connection is gone.";
    if (!mayRepeat(form) || attempt === PAUSES.length) {
      delete form.dataset.sent;
      const kept = mayRepeat(form) ? "Nothing is lost: it is kept in this tab." : "Look whether it was done before you send it again.";
      return tell(form, `${why} ${kept}`, "Send it again", () => form.requestSubmit(submitter));
    }
    tell(form, `${why} Nothing is lost: it is sent again in ${PAUSES[attempt]} seconds.`);
    await wait(PAUSES[attempt]);
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || "download" in form.dataset) return;
  if (form.getAttribute("action") === "/logout") {
    Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX) || name === LAST).forEach((name) => sessionStorage.removeItem(name));
  }
  // A form is sent once, however often it is pressed.
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  noteVerdict(form, event.submitter);
  if ("plain" in form.dataset) return;
  // A step of a form records nothing, and its page is the answer.
  if (event.submitter && "step" in event.submitter.dataset) return keep(form);
  event.preventDefault();
  if (keeping.includes(form)) {
    keep(form, { name: event.submitter?.name, value: event.submitter?.value, key: form.elements.key?.value });
  }
  send(form, event.submitter);
});

// The back button may show a page from the browser's cache.
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

// The end of an unused session, shared by all tabs

if (idle) {
  const bar = Object.assign(document.createElement("p"), { className: "ending", hidden: true });
  bar.setAttribute("role", "alert");
  document.body.append(bar);
  const noteUse = () => localStorage.setItem(USED, String(Date.now()));
  const span = 1000 * Number(idle);
  const grain = Math.min(60_000, span / 10); // use is recorded at this interval, so the session may end that much earlier
  const warnFor = Math.min(300_000, span / 3);
  let state = "";
  const show = (next, words, made) => {
    if (state === next) return;
    state = next;
    bar.hidden = !words;
    bar.replaceChildren(words ?? "", made ?? "");
  };
  const goOn = async () => {
    const answer = await fetch("/session", { method: "POST", redirect: "manual" }).catch(() => null);
    if (answer?.ok) noteUse();
    look();
  };
  const look = () => {
    const endsAt = Number(localStorage.getItem(USED)) + span - grain;
    const left = endsAt - Date.now();
    if (left > warnFor) return show("");
    if (left > 0) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Stay logged in" });
      button.addEventListener("click", goOn);
      return show(`until ${endsAt}`, `You will be logged out at ${clockOf(new Date(endsAt))}, as nothing was asked for. What you typed is kept. `, button);
    }
    const link = Object.assign(document.createElement("a"), { textContent: "Log in" });
    link.href = `/login?then=${encodeURIComponent(location.pathname + location.search)}`;
    return show("over", "Your session has ended. What you typed is kept in this tab. ", link);
  };
  noteUse();
  document.addEventListener("ipml:shown", noteUse);
  setInterval(look, Math.min(10_000, span / 20));
}
