"""SVG: writes elements, scales and axes of drawings as text, without script, font or colour.

Elements have classes, which the page's style sheet colours for light and dark screens and for paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10


@dataclass(frozen=True, slots=True)
class Scale:
    """Linear mapping of values to positions: `low` to `start`, `high` to `end`.

    Examples
    --------
    >>> height = Scale(0, 50, 200, 10)  # from the bottom up
    >>> height(0), height(25), height(50)
    (200.0, 105.0, 10.0)
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a value, to a tenth."""
        share = (float(value) - self.low) / (self.high - self.low)
        return round(self.start + (self.end - self.start) * share, 1)


def round_up(number: float) -> int:
    """Return the next round number for the end of an axis of counts: 5, 10, 20, 50, 100 and so on.

    Examples
    --------
    >>> round_up(0), round_up(7), round_up(18), round_up(4300)
    (5, 10, 20, 5000)
    """
    if number <= 5:
        return 5
    size: int = 10 ** floor(log10(number))
    return next(factor * size for factor in (1, 2, 5, 10) if factor * size >= number)


def make_ticks(top: int) -> list[int]:
    """Return the numbers at an axis that ends at a result of `round_up`.

    Examples
    --------
    >>> make_ticks(5), make_ticks(2000)
    ([0, 1, 2, 3, 4, 5], [0, 500, 1000, 1500, 2000])
    """
    step = top // (4 if str(top).startswith("2") else 5)
    return list(range(0, top + 1, step))


def write_element(name: str, *content: str, **attributes: object) -> str:
    """Return an element; attributes are escaped, content is inserted unchanged and must be escaped already.

    In attribute names a final underscore is dropped, and others become hyphens; numbers are written to a tenth.

    Examples
    --------
    >>> write_element("rect", class_="s0", width=12.3456, text_anchor="end")
    '<rect class="s0" width="12.3" text-anchor="end"/>'
    """
    said = "".join(f' {_name(key)}="{_write(value)}"' for key, value in attributes.items())
    return f"<{name}{said}>{''.join(content)}</{name}>" if content else f"<{name}{said}/>"


def write_label(x: float, y: float, text: str, **attributes: object) -> str:
    """Return a text at a point, by default its beginning, else as `text_anchor` says."""
    return write_element("text", escape(text), x=x, y=y, **attributes)


def write_title(text: str) -> str:
    """Return the tooltip of an element."""
    return write_element("title", escape(text))


def write_path(points: Iterable[tuple[float, float]]) -> str:
    """Return the line through points as the attribute `d` of a path.

    Examples
    --------
    >>> write_path([(44.0, 200.0), (350.0, 105.25)])
    'M44 200 L350 105.2'
    """
    return "M" + " L".join(f"{_write(x)} {_write(y)}" for x, y in points)


def draw_axis(top: int, place: Scale, left: float, right: float, unit: str = "") -> list[str]:
    """Return the grid lines of a chart of counts with their numbers at the left."""
    parts = []
    for number in make_ticks(top):
        y = place(number)
        parts.append(write_element("line", class_="grid", x1=left, x2=right, y1=y, y2=y))
        parts.append(write_label(left - 8, y + 4, f"{number:,}{unit}", text_anchor="end"))
    return parts


def write_svg(width: float, height: float, parts: Iterable[str], label: str, **attributes: object) -> str:
    """Return a drawing that scales to its place; `label` describes it for screen readers.

    Examples
    --------
    >>> write_svg(720, 239.5, [], "Months")
    '<svg viewBox="0 0 720 240" role="img" aria-label="Months"></svg>'
    """
    box = f"0 0 {ceil(width)} {ceil(height)}"
    return write_element("svg", "".join(parts), viewBox=box, role="img", aria_label=label, **attributes)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _write(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(str(value))
