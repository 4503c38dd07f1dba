"""Why two sellers are in one network: what they share, since when, and by whom they are joined if not directly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ipml.cooperation.network.holdings import Holdings
from ipml.cooperation.network.kinds import IN_WORDS, KINDS, AttributeKind
from ipml.cooperation.network.links import Links
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.rarity import HUNDREDTHS, ceilings, weigh

Codes = npt.NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shared:
    """One thing that two sellers share.

    Attributes
    ----------
    kind, value : what it is; the value is a keyed hash.
    holders : int
        How many sellers have it in all.
    bits : float
        What it says; 0 where so many have it that it says nothing.
    first_since, second_since : datetime
        When each of the two was first seen with it.
    """

    kind: AttributeKind
    value: str
    holders: int
    bits: float
    first_since: datetime
    second_since: datetime

    def __str__(self) -> str:
        others = self.holders - 2
        whose = "nobody else's" if not others else f"{others} other{'s have' if others > 1 else ' has'} it"
        since = f"since {self.first_since:%Y-%m-%d} and {self.second_since:%Y-%m-%d}"
        return f"the same {IN_WORDS[self.kind]} ({since}; {whose})"


@dataclass(frozen=True, slots=True)
class Tie:
    """Two sellers, how much they share (bits), and what; strongest first."""

    first: str
    second: str
    bits: float
    shared: tuple[Shared, ...]


def moment_of(microseconds: int) -> datetime:
    """Return a moment from microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(microseconds))


def explain_tie(networks: Networks, first: int, second: int) -> Tie:
    """Return what two sellers (positions) share, linked or not."""
    holdings, rules = networks.holdings, networks.rules
    one, other = _rows_of(holdings, first), _rows_of(holdings, second)
    values, mine, theirs = np.intersect1d(holdings.value[one], holdings.value[other], return_indices=True)
    weights = weigh(holdings.holders[values], holdings.kinds[values], holdings.n_marketplace, rules)
    sums = np.bincount(holdings.kinds[values], weights, minlength=len(KINDS))
    bits = float(np.minimum(sums, ceilings(holdings.n_marketplace, rules)).sum()) / HUNDREDTHS
    shared = [
        Shared(
            KINDS[holdings.kinds[value]],
            str(holdings.values[value]),
            int(holdings.holders[value]),
            weights[place] / HUNDREDTHS,
            moment_of(holdings.first_seen[one][mine[place]]),
            moment_of(holdings.first_seen[other][theirs[place]]),
        )
        for place, value in enumerate(values.tolist())
    ]
    shared.sort(key=lambda thing: (-thing.bits, thing.kind, thing.value))
    return Tie(str(holdings.seller_ids[first]), str(holdings.seller_ids[second]), bits, tuple(shared))


def strongest_path(networks: Networks, first: int, second: int) -> list[Tie]:
    """Return the ties that join two members of one network, such that the weakest of them is as strong as can be.

    Empty where no chain of links joins them: then it is what their groups have in common that does.

    Examples
    --------
    >>> import pandas as pd
    >>> from ipml.cooperation.network.networks import find_networks
    >>> moment = pd.Timestamp("2026-03-01", tz="UTC")
    >>> rows = {"seller_id": ["ann", "ben", "ben", "cid"], "kind": "payout", "value": ["x", "x", "y", "y"]}
    >>> networks = find_networks(pd.DataFrame(rows | {"seen_at": moment}))
    >>> [(tie.first, tie.second, str(tie.shared[0])) for tie in strongest_path(networks, 0, 2)][1:]
    [('ben', 'cid', "the same payout account (since 2026-03-01 and 2026-03-01; nobody else's)")]
    """
    links = networks.links_of(int(networks.numbering.number[first]))
    places = _walk(strongest_links(links), first, second)
    return [explain_tie(networks, *pair) for pair in pairwise(places)]


def strongest_links(links: Links) -> Links:
    """Return as few of some links as join the same sellers, the strongest first (of equals, the earlier sellers')."""
    leader: dict[int, int] = {}

    def find(seller: int) -> int:
        while (above := leader.setdefault(seller, seller)) != seller:
            leader[seller] = leader[above]
            seller = above
        return seller

    is_kept = np.zeros(len(links.first), dtype=bool)
    for place in np.lexsort((links.second, links.first, -links.weight)).tolist():
        one, other = find(int(links.first[place])), find(int(links.second[place]))
        is_kept[place] = one != other
        leader[one] = other
    return links.keep(is_kept)


def _walk(tree: Links, start: int, goal: int) -> list[int]:
    """Return the only way through a tree; empty where there is none."""
    neighbours: dict[int, list[int]] = {}
    for one, other in zip(tree.first.tolist(), tree.second.tolist(), strict=True):
        neighbours.setdefault(one, []).append(other)
        neighbours.setdefault(other, []).append(one)
    came_from, waiting = {start: start}, [start]
    while waiting:
        here = waiting.pop()
        for there in neighbours.get(here, ()):
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    if goal not in came_from or start == goal:
        return []
    way = [goal]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def _rows_of(holdings: Holdings, seller: int) -> slice:
    first, last = np.searchsorted(holdings.seller, [seller, seller + 1])
    return slice(int(first), int(last))
