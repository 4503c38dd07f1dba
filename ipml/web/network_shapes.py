"""Where grounds and names stand in the picture of a network, and the picture as small as in a list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ipml.cooperation.network.drawing import Layout
from ipml.cooperation.network.roles import Role
from ipml.cooperation.network.viewing import NetworkView

Array = npt.NDArray[np.float64]

WIDTH = 1000
_LEAST_PART = 4  # members of a part that gets a ground of its own
_LABELS = 8
_LONGEST_LABEL = 18
_LETTER, _LINE = 7.8, 13.0  # as wide and as high as letters are drawn
_MOST_COVERED = 1  # members that a name may lie on; who may be the source is named even so


@dataclass(frozen=True, slots=True)
class Label:
    """A name in the picture: of whom, and where the middle of its foot stands."""

    place: int
    x: float
    y: float
    text: str


def place_labels(view: NetworkView) -> list[Label]:
    """Name some members where there is room: who may be the source, and of each part the best linked distributor."""
    layout = view.layout
    places = np.searchsorted(view.roles.members, layout.members).tolist()
    is_source = np.array([view.roles.role[one] is Role.SOURCE for one in places])
    is_distributor = np.array([view.roles.role[one] is Role.DISTRIBUTOR for one in places])
    labels: list[Label] = []
    named: set[int] = set()
    for at in np.lexsort((-layout.radius, ~is_distributor, ~is_source)).tolist():
        if len(labels) == _LABELS:
            break
        if layout.part[at] in named:
            continue
        label, covered = _place(layout, at, places[at], shorten(view.seller_ids[places[at]]), labels)
        if covered <= _MOST_COVERED or is_source[at]:
            labels.append(label)
            named.add(int(layout.part[at]))
    return labels


def shorten(name: str, most: int = _LONGEST_LABEL) -> str:
    """Return a name, or its beginning."""
    return name if len(name) <= most else name[: most - 1] + "…"


def _place(layout: Layout, at: int, place: int, text: str, labels: list[Label]) -> tuple[Label, int]:
    """Return a name above, below or beside a member, where it covers fewest members and names, and how many."""
    x, y, r = (float(array[at]) * WIDTH for array in (layout.x, layout.y, layout.radius))
    half = len(text) * _LETTER / 2
    beside = r + half + 7
    best: tuple[Label, int] | None = None
    for dx, dy in ((0.0, -r - 8), (0.0, r + 6 + _LINE), (beside, _LINE / 3), (-beside, _LINE / 3)):
        middle = min(max(x + dx, half + 4), WIDTH - half - 4)
        label = Label(place, round(middle, 1), round(y + dy, 1), text)
        covered = _count_covered(layout, at, label, half)
        covered += 9 * sum(abs(one.y - label.y) < _LINE + 2 and abs(one.x - label.x) < 2 * half + 6 for one in labels)
        if best is None or covered < best[1]:
            best = label, covered
    assert best is not None
    return best


def _count_covered(layout: Layout, at: int, label: Label, half: float) -> int:
    x, y, r = (array * WIDTH for array in (layout.x, layout.y, layout.radius))
    aside = np.maximum(np.abs(x - label.x) - half, 0.0)
    above = np.maximum(np.abs(y - (label.y - _LINE / 3)) - _LINE / 2, 0.0)
    is_covered = np.hypot(aside, above) < r
    is_covered[at] = False
    return int(is_covered.sum())


def draw_small(layout: Layout) -> tuple[str, str, int]:
    """Return a small picture: a path of the strongest links, a path of dots, and its height at a width of 1,000."""
    x, y = (layout.x * WIDTH).round().astype(int).tolist(), (layout.y * WIDTH).round().astype(int).tolist()
    links = layout.links.keep(layout.is_backbone)
    pairs = zip(links.first.tolist(), links.second.tolist(), strict=True)
    lines = "".join(f"M{x[one]} {y[one]}L{x[other]} {y[other]}" for one, other in pairs)
    dots = "".join(f"M{at} {down}h0" for at, down in zip(x, y, strict=True))
    return lines, dots, round(layout.height * WIDTH)


def draw_grounds(layout: Layout) -> list[str]:
    """Return a path around the members of each larger part."""
    sizes = np.bincount(layout.part)
    grounds = []
    for part in np.flatnonzero(sizes >= _LEAST_PART).tolist():
        own = np.flatnonzero(layout.part == part)
        corners = _hull(np.stack([layout.x[own], layout.y[own]], axis=1) * WIDTH)
        grounds.append("M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in corners) + "Z")
    return grounds


def _hull(points: Array) -> list[tuple[float, float]]:
    """Return the corners of the smallest convex shape around some points (Andrew's monotone chain)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(some: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in some:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], (x, y)) <= 0:
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return half(ordered) + half(ordered[::-1]) or ordered


def _turn(one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]) -> float:
    return (two[0] - one[0]) * (three[1] - one[1]) - (two[1] - one[1]) * (three[0] - one[0])
