"""Picture of a network on a page: members, links, parts and names in a frame 1,000 wide, and arrivals over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from scipy.spatial import ConvexHull

from ipml.cooperation.networks.attributes import IN_WORDS, KINDS, AttributeKind
from ipml.cooperation.networks.layout import Layout
from ipml.cooperation.networks.links import HUNDREDTHS
from ipml.cooperation.networks.roles import NetworkRole
from ipml.cooperation.networks.view import MemberRecord, NetworkView
from ipml.web.phrases import count

WIDTH = 1000
_LEAST_PART = 4  # smallest part that gets a background
_LABELS = 8
_LONGEST_LABEL = 18
_LETTER, _LINE = 7.8, 13.0  # as wide and as high as letters are drawn
_MOST_COVERED = 1  # members that a name may cover; possible sources are always named


@dataclass(frozen=True, slots=True)
class PictureLabel:
    """A member's name in the picture, with the middle of its baseline."""

    place: int
    x: float
    y: float
    text: str


def _place_labels(view: NetworkView) -> list[PictureLabel]:
    """Name some members where there is space: possible sources, and the best-linked distributor of each part."""
    layout = view.layout
    places = np.searchsorted(view.roles.members, layout.members).tolist()
    is_source = np.array([view.roles.role[one] is NetworkRole.SOURCE for one in places])
    is_distributor = np.array([view.roles.role[one] is NetworkRole.DISTRIBUTOR for one in places])
    labels: list[PictureLabel] = []
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


def _place(layout: Layout, at: int, place: int, text: str, labels: list[PictureLabel]) -> tuple[PictureLabel, int]:
    """Return a name beside a member where it covers fewest members and names, and their number."""
    x, y, r = (float(array[at]) * WIDTH for array in (layout.x, layout.y, layout.radius))
    half = len(text) * _LETTER / 2
    beside = r + half + 7
    best: tuple[PictureLabel, int] | None = None
    for dx, dy in ((0.0, -r - 8), (0.0, r + 6 + _LINE), (beside, _LINE / 3), (-beside, _LINE / 3)):
        middle = min(max(x + dx, half + 4), WIDTH - half - 4)
        label = PictureLabel(place, round(middle, 1), round(y + dy, 1), text)
        covered = _count_covered(layout, at, label, half)
        covered += 9 * sum(abs(one.y - label.y) < _LINE + 2 and abs(one.x - label.x) < 2 * half + 6 for one in labels)
        if best is None or covered < best[1]:
            best = label, covered
    assert best is not None
    return best


def _count_covered(layout: Layout, at: int, label: PictureLabel, half: float) -> int:
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


def _draw_grounds(layout: Layout) -> list[str]:
    """Return a path around the members of each larger part."""
    sizes = np.bincount(layout.part)
    grounds = []
    for part in np.flatnonzero(sizes >= _LEAST_PART).tolist():
        points = (np.stack([layout.x, layout.y], axis=1) * WIDTH)[layout.part == part]
        corners = points[ConvexHull(points, qhull_options="QJ").vertices]  # QJ: members may be in one line
        grounds.append("M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in corners) + "Z")
    return grounds


# The first sort that a link contains decides its colour; the strongest evidence comes first.
SORTS: dict[str, tuple[AttributeKind, ...]] = {
    "money": (AttributeKind.PAYOUT,),
    "hands": (AttributeKind.PHONE, AttributeKind.DEVICE, AttributeKind.ADDRESS, AttributeKind.SHIP_FROM),
    "goods": (AttributeKind.IMAGE, AttributeKind.PHRASE, AttributeKind.TEMPLATE, AttributeKind.TIMING),
}
_SORT_OF = {kind: sort for sort, kinds in SORTS.items() for kind in kinds}
MOST_LINES = 4000  # with more, browsers take longer than a second, and readers see less
MANY_LINES = 1500
_DAY = 86_400_000_000
_BARS = 72


@dataclass(frozen=True, slots=True)
class DrawnMember:
    """A member in the picture.

    `place` is among all members, from 0; `since` is when first seen, in days since 1970. `classes` are CSS classes and
    `says` words for the same facts. `mark` is a path for readers who cannot distinguish the colours; empty without a
    case.
    """

    place: int
    x: float
    y: float
    r: float
    classes: str
    since: int
    says: str
    mark: str


@dataclass(frozen=True, slots=True)
class LinkKind:
    """A kind of shared thing, and the number of drawn links that it is part of."""

    place: int
    words: str
    sort: str
    links: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Arrivals of members: bars of a chart 100 by 100, and its first and last day."""

    bars: tuple[tuple[float, float, float], ...]
    first_day: int
    last_day: int
    most: int

    @property
    def first(self) -> datetime:
        """The first day."""
        return day_of(self.first_day)

    @property
    def last(self) -> datetime:
        """The last day."""
        return day_of(self.last_day)


@dataclass(frozen=True, slots=True)
class NetworkPicture:
    """The drawing of a network; links are lines ready for the page."""

    width: int
    height: int
    grounds: tuple[str, ...]
    lines: Markup
    members: tuple[DrawnMember, ...]
    labels: tuple[PictureLabel, ...]
    kinds: tuple[LinkKind, ...]
    arrivals: Arrivals
    weakest: int
    strongest: int
    undrawn: int
    n_links: int
    legend: tuple[DrawnMember, ...]


def day_of(days: int) -> datetime:
    """Return the day so many days after the first of 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)


def draw_network(view: NetworkView, records: Mapping[str, MemberRecord]) -> NetworkPicture:
    """Draw a network with its members' records."""
    layout, bits = view.layout, view.layout.links.weight // HUNDREDTHS
    return NetworkPicture(
        width=WIDTH,
        height=round(layout.height * WIDTH),
        grounds=tuple(_draw_grounds(layout)),
        lines=draw_lines(view),
        members=tuple(_draw_members(view, records)),
        labels=tuple(_place_labels(view)),
        kinds=tuple(_count_kinds(view)),
        arrivals=_chart_arrivals(view),
        weakest=int(bits.min()) if len(bits) else 0,
        strongest=int(bits.max(initial=0)),
        undrawn=len(view.roles.members) - len(layout.members),
        n_links=int(view.degree.sum()) // 2,
        legend=tuple(_draw_legend(has_newcomers=bool(view.newcomers))),
    )


def draw_lines(view: NetworkView) -> Markup:
    """Return the links as lines, each with the places of its ends, kinds (a bit each), strength and first day."""
    layout, strands = view.layout, view.strands
    x, y = (layout.x * WIDTH).round(1).tolist(), (layout.y * WIDTH).round(1).tolist()
    place = np.searchsorted(view.roles.members, layout.members).tolist()
    mask = (strands.kinds @ (1 << np.arange(len(KINDS)))).tolist()
    bits, since = (layout.links.weight // HUNDREDTHS).tolist(), (strands.since // _DAY).tolist()
    sorts = _sorts_of(strands.kinds)
    order = np.lexsort((layout.links.weight, layout.is_backbone))[-MOST_LINES:].tolist()  # the strongest on top
    first, second, backbone = layout.links.first.tolist(), layout.links.second.tolist(), layout.is_backbone.tolist()
    return Markup("\n").join(
        Markup(  # noqa: S704  nothing but numbers and names of ours
            f'<line class="{sorts[row]}{" back" if backbone[row] else ""}" x1="{x[first[row]]}" y1="{y[first[row]]}" '
            f'x2="{x[second[row]]}" y2="{y[second[row]]}" '
            f'data-l="{place[first[row]]} {place[second[row]]} {mask[row]} {bits[row]} {since[row]}"/>'
        )
        for row in order
    )


def _sorts_of(kinds: npt.NDArray[np.bool_]) -> list[str]:
    names = list(SORTS)
    has = np.stack([kinds[:, [KINDS.index(kind) for kind in SORTS[name]]].any(axis=1) for name in names], axis=1)
    return [names[place] for place in has.argmax(axis=1).tolist()]


def _draw_members(view: NetworkView, records: Mapping[str, MemberRecord]) -> list[DrawnMember]:
    layout, members, joined = view.layout, view.roles.members, view.networks.holdings.joined
    names, place = view.seller_ids, np.searchsorted(view.roles.members, view.layout.members).tolist()
    drawn = []
    for at, one in enumerate(place):
        name, role = names[one], view.roles.role[one]
        record = records.get(name)
        since = int(joined[members[one]] // _DAY)
        x, y, r = (round(float(array[at]) * WIDTH, 1) for array in (layout.x, layout.y, layout.radius))
        state = _name_state(record)
        classes = " ".join([role.value, state, *(["new"] if name in view.newcomers else [])])
        drawn.append(DrawnMember(one, x, y, r, classes, since, _say(view, one, record, since), _mark(state, x, y, r)))
    return drawn


_LEGEND = {
    "seller confirmed": "confirmed counterfeit",
    "seller open": "open cases",
    "seller cleared": "cases, nothing confirmed",
    "seller unknown": "no case here",
    "distributor unknown": "perhaps a distributor",
    "source unknown": "perhaps the source",
    "seller unknown new": "newcomer",
}
_LEGEND_MIDDLE, _LEGEND_RADIUS = 20.0, 12.0


def _draw_legend(*, has_newcomers: bool) -> Iterator[DrawnMember]:
    for classes, words in _LEGEND.items():
        if has_newcomers or "new" not in classes.split():
            x, r = _LEGEND_MIDDLE, _LEGEND_RADIUS
            yield DrawnMember(0, x, x, r, classes, 0, words, _mark(classes.split()[1], x, x, r))


def _name_state(record: MemberRecord | None) -> str:
    if record is None:
        return "unknown"
    return "confirmed" if record.confirmed else "open" if record.open else "cleared"


def _mark(state: str, x: float, y: float, r: float) -> str:
    """Return a cross for a confirmed member, a dot for open cases, a tick if nothing was confirmed."""
    half = 0.4 * r
    left, right, up, down = (f"{round(at, 1):g}" for at in (x - half, x + half, y - half, y + half))
    marks = {
        "confirmed": f"M{left} {up}L{right} {down}M{right} {up}L{left} {down}",
        "open": f"M{x:g} {y:g}h0",
        "cleared": f"M{left} {y:g}L{round(x - half / 4, 1):g} {down}L{right} {up}",
    }
    return marks.get(state, "")


def _say(view: NetworkView, place: int, record: MemberRecord | None, since: int) -> str:
    said = [shorten(view.seller_ids[place], 60), name_role(view.roles.role[place])]
    if view.seller_ids[place] in view.newcomers:
        said.append("newcomer")
    said.append(f"first seen {day_of(since):%Y-%m-%d}")
    said.append(count(int(view.degree[place]), "link"))
    if record is not None:
        said.append(f"{record.confirmed} confirmed and {record.open} open of {count(record.cases, 'case')}")
    return ", ".join(said)


def name_role(role: NetworkRole) -> str:
    """Return a role in words; all but sellers are uncertain."""
    return {NetworkRole.SELLER: "seller", NetworkRole.SOURCE: "perhaps the source"}.get(role, "perhaps a distributor")


def _count_kinds(view: NetworkView) -> list[LinkKind]:
    counts = view.strands.kinds.sum(axis=0)
    order = [kind for kinds in SORTS.values() for kind in kinds]
    return [
        LinkKind(KINDS.index(kind), IN_WORDS[kind], _SORT_OF[kind], int(counts[KINDS.index(kind)]))
        for kind in order
        if counts[KINDS.index(kind)]
    ]


def _chart_arrivals(view: NetworkView) -> Arrivals:
    days = view.networks.holdings.joined[view.roles.members] // _DAY
    first = int(days.min())
    last = max(int(days.max()), int(view.networks.holdings.last_day // _DAY), first + 1)
    counts, _ = np.histogram(days, bins=_BARS, range=(first, last))
    most = int(counts.max())
    bars = tuple(
        (round(100 * place / _BARS, 3), round(100 / _BARS * 0.8, 3), round(100 * came / most, 1))
        for place, came in enumerate(counts.tolist())
        if came
    )
    return Arrivals(bars, first, last, most)
