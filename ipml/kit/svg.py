"""SVG: writes the elements of drawings as text, without script; style sheets colour their classes."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from math import ceil


def write_element(name: str, *content: str, **attributes: object) -> str:
    """Return an element; attributes are escaped, content is inserted unchanged and must be escaped already.

    In attribute names a final underscore is dropped, and others become hyphens; numbers are written to a tenth.

    >>> write_element("rect", class_="s0", width=12.3456, text_anchor="end")
    '<rect class="s0" width="12.3" text-anchor="end"/>'
    """
    written = "".join(f' {_name(key)}="{_write(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(content)}</{name}>" if content else f"<{name}{written}/>"


def write_label(x: float | str, y: float, text: str, **attributes: object) -> str:
    """Return a text that begins at a point, or is anchored there by the attribute text_anchor."""
    return write_element("text", escape(text), x=x, y=y, **attributes)


def write_title(text: str) -> str:
    """Return the tooltip of an element."""
    return write_element("title", escape(text))


def write_svg(width: float, height: float, parts: Iterable[str], label: str, **attributes: object) -> str:
    """Return a drawing that scales to its place; `label` describes it for screen readers.

    >>> write_svg(720, 239.5, [], "Months")
    '<svg viewBox="0 0 720 240" role="img" aria-label="Months"></svg>'
    """
    box = f"0 0 {ceil(width)} {ceil(height)}"
    return write_element("svg", "".join(parts), viewBox=box, role="img", aria_label=label, **attributes)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _write(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(str(value))
