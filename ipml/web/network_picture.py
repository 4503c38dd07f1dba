"""A network as shapes on a page: members, links and parts in a frame 1,000 wide, and who came when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from ipml.cooperation.network.kinds import IN_WORDS, KINDS, AttributeKind
from ipml.cooperation.network.members import MemberRecord
from ipml.cooperation.network.rarity import HUNDREDTHS
from ipml.cooperation.network.roles import Role
from ipml.cooperation.network.viewing import NetworkView
from ipml.web.network_shapes import WIDTH, Label, draw_grounds, place_labels, shorten
from ipml.web.wording import count

# What is followed first of all, and what tells least, decides the colour of a link.
SORTS: dict[str, tuple[AttributeKind, ...]] = {
    "money": (AttributeKind.PAYOUT,),
    "hands": (AttributeKind.PHONE, AttributeKind.DEVICE, AttributeKind.ADDRESS, AttributeKind.SHIP_FROM),
    "goods": (AttributeKind.IMAGE, AttributeKind.PHRASE, AttributeKind.TEMPLATE, AttributeKind.TIMING),
}
_SORT_OF = {kind: sort for sort, kinds in SORTS.items() for kind in kinds}
MOST_LINES = 4000  # of more, a browser would take longer than a second, and an eye tell less
MANY_LINES = 1500
_DAY = 86_400_000_000
_BARS = 72


@dataclass(frozen=True, slots=True)
class DrawnMember:
    """A member in the picture.

    Attributes
    ----------
    place : int
        Among all members, from 0.
    x, y, r : float
        Where and how large.
    classes : str
        What is known of them, as CSS classes.
    since : int
        When first seen, in days since 1970.
    says : str
        The same in words.
    """

    place: int
    x: float
    y: float
    r: float
    classes: str
    since: int
    says: str


@dataclass(frozen=True, slots=True)
class LinkKind:
    """A kind of thing that members share, and how many of the drawn links it is part of."""

    place: int
    words: str
    sort: str
    links: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who came when: bars of a chart 100 wide and 100 high, and the days between which they stand."""

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
    """What is drawn of a network; links as lines ready to be put into the page."""

    width: int
    height: int
    grounds: tuple[str, ...]
    lines: Markup
    members: tuple[DrawnMember, ...]
    labels: tuple[Label, ...]
    kinds: tuple[LinkKind, ...]
    arrivals: Arrivals
    weakest: int
    strongest: int
    undrawn: int
    n_links: int


def day_of(days: int) -> datetime:
    """Return the day so many days after the first of 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)


def draw_network(view: NetworkView, records: Mapping[str, MemberRecord]) -> NetworkPicture:
    """Draw a network, with what the review database knows of its members."""
    layout, bits = view.layout, view.layout.links.weight // HUNDREDTHS
    return NetworkPicture(
        width=WIDTH,
        height=round(layout.height * WIDTH),
        grounds=tuple(draw_grounds(layout)),
        lines=draw_lines(view),
        members=tuple(_draw_members(view, records)),
        labels=tuple(place_labels(view)),
        kinds=tuple(_count_kinds(view)),
        arrivals=_chart_arrivals(view),
        weakest=int(bits.min()) if len(bits) else 0,
        strongest=int(bits.max(initial=0)),
        undrawn=len(view.roles.members) - len(layout.members),
        n_links=int(view.degree.sum()) // 2,
    )


def draw_lines(view: NetworkView) -> Markup:
    """Return the links as lines, each with the places of its ends, kinds (a bit each), strength and first day."""
    layout, strands = view.layout, view.strands
    x, y = (layout.x * WIDTH).round(1).tolist(), (layout.y * WIDTH).round(1).tolist()
    place = np.searchsorted(view.roles.members, layout.members).tolist()
    mask = (strands.kinds @ (1 << np.arange(len(KINDS)))).tolist()
    bits, since = (layout.links.weight // HUNDREDTHS).tolist(), (strands.since // _DAY).tolist()
    sorts = _sorts_of(strands.kinds)
    order = np.lexsort((layout.links.weight, layout.is_backbone))[-MOST_LINES:].tolist()  # the strongest lie on top
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
        drawn.append(
            DrawnMember(
                one,
                round(float(layout.x[at]) * WIDTH, 1),
                round(float(layout.y[at]) * WIDTH, 1),
                round(float(layout.radius[at]) * WIDTH, 1),
                " ".join(_classes(role, record, is_new=name in view.newcomers)),
                since,
                _say(view, one, record, since),
            )
        )
    return drawn


def _classes(role: Role, record: MemberRecord | None, *, is_new: bool) -> list[str]:
    state = "unknown"
    if record is not None:
        state = "confirmed" if record.confirmed else "open" if record.open else "cleared"
    return [role.value, state, *(["new"] if is_new else [])]


def _say(view: NetworkView, place: int, record: MemberRecord | None, since: int) -> str:
    said = [shorten(view.seller_ids[place], 60), name_role(view.roles.role[place])]
    if view.seller_ids[place] in view.newcomers:
        said.append("newcomer")
    said.append(f"first seen {day_of(since):%Y-%m-%d}")
    said.append(count(int(view.degree[place]), "link"))
    if record is not None:
        said.append(f"{record.confirmed} confirmed and {record.open} open of {count(record.cases, 'case')}")
    return ", ".join(said)


def name_role(role: Role) -> str:
    """Name a role as a page should: nobody knows it.

    >>> name_role(Role.SOURCE), name_role(Role.SELLER)
    ('perhaps the source', 'seller')
    """
    return "seller" if role is Role.SELLER else f"perhaps {'the source' if role is Role.SOURCE else 'a distributor'}"


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
