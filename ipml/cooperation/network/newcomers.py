"""New accounts of known networks, on the day they list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from ipml.cooperation.network.evidence import Tie, explain_tie, moment_of
from ipml.cooperation.network.links import Links
from ipml.cooperation.network.networks import Networks

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A seller who came into a network that was known before.

    Attributes
    ----------
    seller_id : str
        Who.
    network : int
        Its number.
    seen_at : datetime
        When the seller was first seen: for a new account, on the day.
    tie : Tie
        What joins them to the member with whom they share most.
    """

    seller_id: str
    network: int
    seen_at: datetime
    tie: Tie


def find_newcomers(before: Networks, after: Networks) -> list[Newcomer]:
    """Return the sellers who were in no network and came into one that was known, in order of seller.

    New accounts most of all, and older ones of which something was seen only now. They came into it if they are in it,
    or if a new link joins them to who was in it before: an account that shares a payout with a member is named even
    while the two together share too little with the others.

    Examples
    --------
    >>> import pandas as pd
    >>> from ipml.cooperation.network.networks import add_events, find_networks
    >>> days = pd.Timestamp("2026-03-01", tz="UTC"), pd.Timestamp("2026-03-02", tz="UTC")
    >>> known = find_networks(
    ...     pd.DataFrame({"seller_id": ["ann", "ben"], "kind": "payout", "value": "x", "seen_at": days[0]})
    ... )
    >>> event = pd.DataFrame({"seller_id": ["cid"], "kind": "payout", "value": "x", "seen_at": days[1]})
    >>> [(newcomer.seller_id, newcomer.network) for newcomer in find_newcomers(known, add_events(known, event))]
    [('cid', 1)]
    """
    holdings, number = after.holdings, after.numbering.number
    known = np.zeros(holdings.n_sellers, dtype=np.int64)
    moved = np.searchsorted(holdings.seller_ids, before.holdings.seller_ids)
    known[moved] = before.numbering.number
    closest = _closest_members(after, before.links.renamed(moved), known)
    is_inside = (known == 0) & (number > 0) & (number <= before.numbering.given)
    found = []
    for place in np.union1d(np.flatnonzero(is_inside), list(closest)).astype(np.int64).tolist():
        if is_inside[place]:
            network = int(number[place])
            others = np.flatnonzero((number == network) & (known > 0)).tolist()
        else:
            network, others = int(known[closest[place]]), []
        tie = _closest_tie(after, place, [closest[place]] if place in closest else others)
        found.append(Newcomer(str(holdings.seller_ids[place]), network, moment_of(holdings.joined[place]), tie))
    return found


def _closest_members(after: Networks, old: Links, known: Codes) -> dict[int, int]:
    """Return for each seller outside the member of a known network with whom they have the strongest new link."""
    links, n = after.links, after.holdings.n_sellers
    links = links.keep(~np.isin(links.first * n + links.second, old.first * n + old.second))
    first, second = np.concatenate([links.first, links.second]), np.concatenate([links.second, links.first])
    rows = np.flatnonzero((known[first] == 0) & (known[second] > 0))
    rows = rows[np.lexsort((second[rows], -np.concatenate([links.weight, links.weight])[rows], first[rows]))]
    sellers, start = np.unique(first[rows], return_index=True)
    return dict(zip(sellers.tolist(), second[rows][start].tolist(), strict=True))


def _closest_tie(networks: Networks, seller: int, others: list[int]) -> Tie:
    """Return what a seller shares with the one of some others with whom they share most."""
    ties = (explain_tie(networks, seller, other) for other in others)
    return max(ties, key=lambda tie: (tie.bits, tie.second))
