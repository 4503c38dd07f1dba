"""Accessibility of a page in Chromium: what axe finds, and what its accessibility tree lacks."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from axe_playwright_python.sync_playwright import Axe

from support.browser import OVERHANGING

CONTROLS = {
    "button",
    "checkbox",
    "combobox",
    "link",
    "listbox",
    "menuitem",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
}
CONTROLS |= {"switch", "tab", "textbox", "DisclosureTriangle", "PopUpButton"}
LANDMARKS = {"banner", "complementary", "contentinfo", "main", "navigation", "region", "search", "form"}
GROUPS = LANDMARKS | {"Date", "article", "definition", "dialog", "group", "listitem", "radiogroup", "row"}
COLOURS = ("color-contrast", "link-in-text-block")
UNFOLD = """
(place) => [...document.querySelectorAll(place)].filter((details) => {
  details.open = true;
  const floats = [...details.children].some((part) => ["absolute", "fixed"].includes(getComputedStyle(part).position));
  details.open = !floats;
  details.classList.toggle("floats", floats);
  return floats;
}).length
"""
"""Unfolds what moves the page, and returns how many panels would lie over it instead; these get a class."""
OPEN = "(place) => document.querySelectorAll('details.floats').forEach((one, at) => { one.open = at === place })"
_AXE = Axe()


def run_axe(page: Any, rules: Sequence[str] = (), within: str = "html") -> list[str]:
    """Return rule, element and remedy of all that axe finds within an element, by some of its rules or by all."""
    options: dict[str, Any] = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    violations = _AXE.run(page, context=within, options=options).response["violations"]
    return [f"{one['id']}: {node['target']}: {node['failureSummary']}" for one in violations for node in one["nodes"]]


def find_faults(page: Any, place: str = "main details") -> list[str]:
    """Return what is wrong with an open page: folded and unfolded, in each size and with each set of colours."""
    page.emulate_media(color_scheme="light", forced_colors="none")
    page.set_viewport_size({"width": 1280, "height": 800})
    faults = []
    for panel in range(page.evaluate(UNFOLD, place)):
        page.evaluate(OPEN, panel)
        faults += [*run_axe(page, within="details.floats[open]"), *Tree(page).find_faults()]
    page.evaluate(OPEN, -1)
    faults += [*run_axe(page), *Tree(page).find_faults()]
    for scheme, forced in (("dark", "none"), ("light", "active")):
        page.emulate_media(color_scheme=scheme, forced_colors=forced)
        faults += run_axe(page, COLOURS)
    page.emulate_media(color_scheme="dark", forced_colors="none")
    for width, height in ((360, 740), (640, 400)):  # a telephone, and 1280 by 800 at 200 %
        page.set_viewport_size({"width": width, "height": height})
        faults += [*run_axe(page), *page.evaluate(OVERHANGING)]
    return faults


class Tree:
    """The accessibility tree of a page, as Chromium hands it to screen readers."""

    def __init__(self, page: Any) -> None:
        session = page.context.new_cdp_session(page)
        session.send("Accessibility.enable")
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        session.detach()
        self._nodes = {node["nodeId"]: node for node in nodes}
        self._shown = [node for node in self._walk_down(nodes[0]) if not node["ignored"]]

    def find_faults(self) -> list[str]:
        """Return controls without a name or with that of another, headings out of order, and missing landmarks."""
        return [*self._find_nameless(), *self._find_namesakes(), *self._check_headings(), *self._check_landmarks()]

    def _find_nameless(self) -> Iterator[str]:
        for node in self._shown:
            if _role(node) in CONTROLS and not _name(node):
                yield f"no name: {_role(node)} in {self._group(node)}"

    def _find_namesakes(self) -> Iterator[str]:
        """Yield controls of one group that have one name and do different things."""
        doings: Mapping[tuple[str, str, str], list[str]] = defaultdict(list)
        for node in self._shown:
            if _role(node) in CONTROLS and _name(node):
                doings[self._group(node), _role(node), _name(node)].append(_property(node, "url") or node["nodeId"])
        for (group, role, name), targets in doings.items():
            if len(set(targets)) > 1:
                yield f"{len(set(targets))} of one name: {role} {name!r} in {group}"

    def _check_headings(self) -> Iterator[str]:
        """Yield headings that skip a level; what is complementary, as the verdict, may come before the first."""
        nodes = [node for node in self._shown if _role(node) == "heading" and not self._is_aside(node)]
        headings = [(_name(node), _property(node, "level")) for node in nodes]
        for (_, level), (name, deeper) in pairwise([("", 0), *headings]):
            if deeper > level + 1:
                yield f"heading {name!r} of level {deeper} follows one of level {level}"
        if [level for _, level in headings].count(1) != 1:
            yield f"not one heading of level 1: {headings}"

    def _check_landmarks(self) -> Iterator[str]:
        marks = Counter((_role(node), _name(node)) for node in self._shown if _role(node) in LANDMARKS)
        del marks["form", ""]  # is no landmark
        if [role for role, _ in marks.elements() if role in ("main", "banner")] != ["banner", "main"]:
            yield f"landmarks other than one banner and then one main: {list(marks)}"
        yield from (f"{n} landmarks {role} named {name!r}" for (role, name), n in marks.items() if n > 1)

    def _group(self, node: Mapping[str, Any]) -> str:
        """Return role, name and place of the nearest group around a node."""
        groups = (one for one in self._walk_up(node) if not one["ignored"] and _role(one) in GROUPS)
        return next((f"{_role(one)} {_name(one)!r} ({one['nodeId']})" for one in groups), "the page")

    def _is_aside(self, node: Mapping[str, Any]) -> bool:
        return any(_role(one) == "complementary" for one in self._walk_up(node))

    def _walk_down(self, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield a node and all below it in the order in which they are read."""
        yield node
        for child in node.get("childIds", ()):
            if child in self._nodes:
                yield from self._walk_down(self._nodes[child])

    def _walk_up(self, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        while parent := self._nodes.get(node.get("parentId", "")):
            yield (node := parent)


def _role(node: Mapping[str, Any]) -> str:
    return str(node.get("role", {}).get("value", ""))


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("name", {}).get("value", "")).strip()


def _property(node: Mapping[str, Any], name: str) -> Any:
    return next((one["value"]["value"] for one in node.get("properties", ()) if one["name"] == name), None)
