// Colleagues suggested while @name is typed in a comment: arrows choose, Enter or Tab takes, Esc closes.

const field = document.querySelector("[data-mentions]");
const TYPED = /(^|[^A-Za-z0-9._@-])@([A-Za-z0-9._@-]+)$/;

if (field) {
  const list = document.createElement("ul");
  list.id = "mentioned";
  list.className = "mentioned";
  list.role = "listbox";
  list.ariaLabel = "Colleagues";
  list.hidden = true;
  field.after(list);
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
  let chosen = 0;

  const written = () => TYPED.exec(field.value.slice(0, field.selectionStart))?.[2] ?? "";
  const close = () => {
    list.hidden = true;
    field.removeAttribute("aria-activedescendant");
  };
  const choose = (place) => {
    const options = [...list.children];
    chosen = (place + options.length) % options.length;
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === chosen)));
    field.setAttribute("aria-activedescendant", options[chosen].id);
  };
  const take = (name) => {
    field.setRangeText(`${name} `, field.selectionStart - written().length, field.selectionStart, "end");
    close();
  };

  field.addEventListener("input", async () => {
    const text = written();
    if (!text) return close();
    const answer = await fetch(`/suggestions.json?${new URLSearchParams({ field: "reviewer", text })}`).catch(() => null);
    const names = answer?.ok ? await answer.json() : [];
    if (text !== written()) return; // typed on meanwhile
    if (names.length === 0) return close();
    list.replaceChildren(
      ...names.map((name, number) => {
        const option = Object.assign(document.createElement("li"), { id: `mentioned-${number}`, role: "option", textContent: name });
        option.addEventListener("pointerdown", (event) => {
          event.preventDefault(); // the field keeps the focus
          take(name);
        });
        return option;
      }),
    );
    list.hidden = false;
    choose(0);
  });
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
    if (list.hidden || !isPlain) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    else if (event.key === "Enter" || event.key === "Tab") take(list.children[chosen].textContent);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
