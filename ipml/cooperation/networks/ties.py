"""Ties: the things that two sellers of a network share, and since when.

They give the strands of links, new accounts of a known network on the day they list, and the timeline of a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import networkx as nx
import numpy as np
import numpy.typing as npt

from ipml.cooperation.networks.attributes import IN_WORDS, KINDS, AttributeKind, Holdings
from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.links import HUNDREDTHS, Links, ceilings, compute_weights
from ipml.kit.moments import from_microseconds

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shared:
    """A thing that two sellers share, as a keyed hash.

    `holders` counts all sellers who have it; `bits` is its weight, 0 if it is too common. `first_since` and
    `second_since` are when each of the two was first seen with it.
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
    """Two sellers, the bits they share, and the shared things, strongest first."""

    first: str
    second: str
    bits: float
    shared: tuple[Shared, ...]


def explain_tie(networks: Networks, first: int, second: int) -> Tie:
    """Return the things that two sellers (positions) share, linked or not."""
    holdings, rules = networks.holdings, networks.rules
    one, other = _rows_of(holdings, first), _rows_of(holdings, second)
    values, mine, theirs = np.intersect1d(holdings.value[one], holdings.value[other], return_indices=True)
    weights = compute_weights(holdings.holders[values], holdings.kinds[values], holdings.n_marketplace, rules)
    sums = np.bincount(holdings.kinds[values], weights, minlength=len(KINDS))
    bits = float(np.minimum(sums, ceilings(holdings.n_marketplace, rules)).sum()) / HUNDREDTHS
    shared = [
        Shared(
            KINDS[holdings.kinds[value]],
            str(holdings.values[value]),
            int(holdings.holders[value]),
            weights[place] / HUNDREDTHS,
            from_microseconds(holdings.first_seen[one][mine[place]]),
            from_microseconds(holdings.first_seen[other][theirs[place]]),
        )
        for place, value in enumerate(values.tolist())
    ]
    shared.sort(key=lambda thing: (-thing.bits, thing.kind, thing.value))
    return Tie(str(holdings.seller_ids[first]), str(holdings.seller_ids[second]), bits, tuple(shared))


def strongest_links(links: Links) -> Links:
    """Return a spanning tree of some links, strongest first (of equals, the earlier sellers')."""
    graph = links.as_graph(np.union1d(links.first, links.second).tolist())
    kept = set(nx.maximum_spanning_edges(graph, data=False))
    pairs = zip(links.first.tolist(), links.second.tolist(), strict=True)
    return links.keep(np.array([pair in kept for pair in pairs], dtype=bool))


def _rows_of(holdings: Holdings, seller: int) -> slice:
    first, last = np.searchsorted(holdings.seller, [seller, seller + 1])
    return slice(int(first), int(last))


@dataclass(frozen=True, slots=True)
class Strands:
    """The composition of links: which of `KINDS` each shares, and since when (microseconds since 1970)."""

    kinds: npt.NDArray[np.bool_]
    since: Codes


def find_strands(networks: Networks, members: Codes, links: Links) -> Strands:
    """Return the composition of the links (in places of `members`) between some members (positions, in order)."""
    holdings, n = networks.holdings, len(members)
    weights = compute_weights(holdings.holders, holdings.kinds, holdings.n_marketplace, networks.rules)
    rows = np.flatnonzero(np.isin(holdings.seller, members) & (weights[holdings.value] > 0))
    rows = rows[np.argsort(holdings.value[rows], kind="stable")]
    one, other = _pair_up(holdings.value[rows])
    first, second = (np.searchsorted(members, holdings.seller[rows[place]]) for place in (one, other))
    names = links.first * n + links.second
    pair = first * n + second
    link = np.minimum(np.searchsorted(names, pair), max(len(names) - 1, 0))
    is_link = names[link] == pair if len(names) else np.zeros(len(pair), dtype=bool)
    since_both = np.maximum(holdings.first_seen[rows[one]], holdings.first_seen[rows[other]])
    kinds = np.zeros((len(names), len(KINDS)), dtype=bool)
    kinds[link[is_link], holdings.kinds[holdings.value[rows[one[is_link]]]]] = True
    since = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(since, link[is_link], since_both[is_link])
    return Strands(kinds, since)


def _pair_up(values: Codes) -> tuple[Codes, Codes]:
    """Return all pairs of places, the earlier first, with the same value; equal values are adjacent.

    >>> [places.tolist() for places in _pair_up(np.array([7, 7, 7, 9]))]
    [[0, 0, 1], [1, 2, 2]]
    """
    start = np.flatnonzero(np.diff(values, prepend=-1))
    sizes = np.diff(start, append=len(values))
    pairs = [np.stack(np.triu_indices(int(size), 1)) + begin for begin, size in zip(start, sizes, strict=True)]
    one, other = np.concatenate([np.zeros((2, 0), dtype=np.int64), *pairs], axis=1)
    return one, other


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A seller who came into a known network; `tie` joins them to the member with whom they share most."""

    seller_id: str
    network: int
    seen_at: datetime
    tie: Tie


def find_newcomers(before: Networks, after: Networks) -> list[Newcomer]:
    """Return the sellers without a network who came into a known one, in order of seller.

    They are new accounts, or older ones about which something new was seen. They came into it if they are in it, or if
    a new link joins them to a member: an account that shares a payout with a member is reported even if both share too
    little with the others.

    >>> import pandas as pd
    >>> from ipml.cooperation.networks.detection import add_events, find_networks
    >>> days = pd.Timestamp("2026-03-01", tz="UTC"), pd.Timestamp("2026-03-02", tz="UTC")
    >>> known = find_networks(
    ...     pd.DataFrame({"seller_id": ["ann", "ben"], "kind": "payout", "value": "x", "seen_at": days[0]})
    ... )
    >>> event = pd.DataFrame({"seller_id": ["cid"], "kind": "payout", "value": "x", "seen_at": days[1]})
    >>> [(newcomer.seller_id, newcomer.network) for newcomer in find_newcomers(known, add_events(known, event))]
    [('cid', 1)]
    """
    holdings, number = after.holdings, after.numbering.number
    numbers = np.zeros(holdings.n_sellers, dtype=np.int64)
    moved = np.searchsorted(holdings.seller_ids, before.holdings.seller_ids)
    numbers[moved] = before.numbering.number
    closest = _closest_members(after, before.links.renamed(moved), numbers)
    is_inside = (numbers == 0) & (number > 0) & (number <= before.numbering.given)
    newcomers = []
    for place in np.union1d(np.flatnonzero(is_inside), list(closest)).astype(np.int64).tolist():
        if is_inside[place]:
            network = int(number[place])
            others = np.flatnonzero((number == network) & (numbers > 0)).tolist()
        else:
            network, others = int(numbers[closest[place]]), []
        ties = (explain_tie(after, place, other) for other in ([closest[place]] if place in closest else others))
        tie = max(ties, key=lambda tie: (tie.bits, tie.second))
        newcomers.append(
            Newcomer(str(holdings.seller_ids[place]), network, from_microseconds(holdings.joined[place]), tie)
        )
    return newcomers


def _closest_members(after: Networks, old: Links, known: Codes) -> dict[int, int]:
    """Return for each outside seller the member of a known network with whom they have the strongest new link."""
    links, n = after.links, after.holdings.n_sellers
    links = links.keep(~np.isin(links.first * n + links.second, old.first * n + old.second))
    first, second = np.concatenate([links.first, links.second]), np.concatenate([links.second, links.first])
    rows = np.flatnonzero((known[first] == 0) & (known[second] > 0))
    rows = rows[np.lexsort((second[rows], -np.concatenate([links.weight, links.weight])[rows], first[rows]))]
    sellers, start = np.unique(first[rows], return_index=True)
    return dict(zip(sellers.tolist(), second[rows][start].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class TieEvent:
    """An event of a network; `what` ends with the id of the `other` seller, if there is one."""

    at: datetime
    seller_id: str
    what: str
    other: str = ""


def tell_timeline(networks: Networks, number: int) -> list[TieEvent]:
    """Return when each member was first seen, and first seen with something that another member had before.

    >>> import pandas as pd
    >>> from ipml.cooperation.networks.detection import find_networks
    >>> days = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta([0, 5], unit="D")
    >>> rows = {"seller_id": ["ann", "ben"], "kind": "payout", "value": "x", "seen_at": days}
    >>> for event in tell_timeline(find_networks(pd.DataFrame(rows)), 1):
    ...     print(f"{event.at:%Y-%m-%d} {event.seller_id} {event.what}")
    2026-03-01 ann was first seen
    2026-03-06 ben was first seen
    2026-03-06 ben had the payout account of ann
    """
    holdings, members = networks.holdings, networks.members_of(number)
    names = holdings.seller_ids
    events = [
        TieEvent(from_microseconds(holdings.joined[place]), str(names[place]), "was first seen")
        for place in members.tolist()
    ]
    rows = np.flatnonzero(np.isin(holdings.seller, members))
    rows = rows[np.lexsort((holdings.seller[rows], holdings.first_seen[rows], holdings.value[rows]))]
    first = None
    for row in rows.tolist():
        if first is None or holdings.value[row] != holdings.value[first]:
            first = row
            continue
        thing = IN_WORDS[KINDS[holdings.kinds[holdings.value[row]]]]
        other = str(names[holdings.seller[first]])
        at, who = from_microseconds(holdings.first_seen[row]), str(names[holdings.seller[row]])
        events.append(TieEvent(at, who, f"had the {thing} of {other}", other))
    return sorted(events, key=lambda event: (event.at, event.seller_id, not event.what.startswith("was"), event.what))
