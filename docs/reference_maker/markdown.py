"""Markdown for the reference pages: tables, code, links, and types in words."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo


def write_page(title: str, about: str, parts: Iterable[str]) -> str:
    """Return a page: its title, what the reader finds there, and its parts."""
    opening = [f"# {title}", f"{about} This page is made from the code."]
    return "\n\n".join([*opening, *filter(None, (part.strip("\n") for part in parts))]) + "\n"


def write_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without the columns in which no row says anything; "" where there are no rows."""
    cells = [[escape_cell(cell) for cell in row] for row in rows]
    used = [place for place in range(len(head)) if any(row[place] for row in cells)]
    lines = [[head[place] for place in used], ["---"] * len(used), *([row[place] for place in used] for row in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if cells else ""


def escape_cell(text: str) -> str:
    """Return a text as a cell of a table: on one line, with pipes escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def escape_html(text: str) -> str:
    """Return a text in which no angle bracket outside code opens a tag."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def write_code(text: str, language: str = "") -> str:
    """Return a block of code."""
    return f"```{language}\n{text.strip()}\n```"


def write_json(value: object) -> str:
    """Return a value as a block of JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return write_code(
        "".join(one if one.isprintable() or one == "\n" else f"\\u{ord(one):04x}" for one in text), "json"
    )


def as_code(value: object) -> str:
    """Return a value as code within a line; "" where there is none."""
    return f"`{value}`" if value not in (None, "") else ""


def as_sentence(text: str) -> str:
    """Return a phrase with a capital letter and a full stop."""
    text = escape_html(" ".join(text.split()))
    if text.startswith(("http:", "https:", "file:")):
        return text
    return text and text[0].upper() + text[1:] + ("" if text.endswith((".", "…", ":")) else ".")


def name_anchor(heading: str) -> str:
    """Return the anchor that Markdown makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(heading: str) -> str:
    """Return a link to a heading of the same page."""
    return f"[{heading}](#{name_anchor(heading)})"


def name_type(hint: Any) -> str:
    """Return what a type holds, in words."""
    arguments = get_args(hint)
    origin = get_origin(hint)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        names = list(dict.fromkeys(name_type(one) for one in arguments if one is not type(None)))
        names = [name for name in names if name != "integer" or "number" not in names]
        return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    if origin in (tuple, list):
        return f"list of {name_type(arguments[0])}"
    if origin is dict:
        return f"table of {name_type(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{one.value}`" for one in hint)
    return _TYPE_NAMES.get(getattr(hint, "__name__", ""), getattr(hint, "__name__", str(hint)))


_TYPE_NAMES = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "Path": "path",
    "datetime": "moment",
    "Source": "source",
}


def name_bounds(field: FieldInfo) -> str:
    """Return the bounds of a field of a model, such as "≥ 0, < 1"."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = [(sign, getattr(rule, name, None)) for rule in field.metadata for name, sign in signs.items()]
    return ", ".join(f"{sign} {bound}" for sign, bound in found if bound is not None)


def show_default(value: object) -> str:
    """Return a default as a cell; "" where it is nothing."""
    if value in (None, "", (), [], {}) or value is ...:
        return ""
    if isinstance(value, bool):
        return as_code(str(value).lower())
    return as_code(value.value if isinstance(value, Enum) else value)


def split_docstring(model: type) -> dict[str, str]:
    """Return what the section "Attributes" of a class's docstring says of each attribute."""
    found: dict[str, str] = {}
    _, _, attributes = (inspect.getdoc(model) or "").partition("Attributes\n----------\n")
    names: list[str] = []
    for line in attributes.splitlines():
        if line.startswith(" "):
            found |= {name: f"{found.get(name, '')} {line.strip()}".strip() for name in names}
        elif not line or line.startswith("---"):
            break
        else:
            names = line.partition(" : ")[0].split(", ")
    return found
