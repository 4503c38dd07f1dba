"""What links are made of: the kinds of things that two members share, and since when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ipml.cooperation.network.kinds import KINDS
from ipml.cooperation.network.links import Links
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.rarity import weigh

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Strands:
    """Of each of some links what it is made of.

    Attributes
    ----------
    kinds : array of shape (n_links, n_kinds)
        Whether the two share something of each of `KINDS` that says anything.
    since : array of shape (n_links,)
        When both were first seen with the same thing (microseconds since 1970).
    """

    kinds: npt.NDArray[np.bool_]
    since: Codes


def find_strands(networks: Networks, members: Codes, links: Links) -> Strands:
    """Return what the links between some members are made of.

    Parameters
    ----------
    members : array of shape (n_members,)
        Positions, in order.
    links : Links
        In places of `members`.

    Examples
    --------
    >>> import pandas as pd
    >>> from ipml.cooperation.network.networks import find_networks
    >>> days = pd.Timestamp("1970-01-01", tz="UTC") + pd.to_timedelta([0, 5], unit="D")
    >>> rows = {"seller_id": ["ann", "ben"], "kind": "payout", "value": "x", "seen_at": days}
    >>> networks = find_networks(pd.DataFrame(rows))
    >>> strands = find_strands(networks, np.array([0, 1]), networks.links)
    >>> [KINDS[kind].value for kind in np.flatnonzero(strands.kinds[0])], strands.since / 86_400e6
    (['payout'], array([5.]))
    """
    holdings, n = networks.holdings, len(members)
    weights = weigh(holdings.holders, holdings.kinds, holdings.n_marketplace, networks.rules)
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
    """Return all pairs of places, the earlier first, at which the same value stands; equal values stand together.

    >>> [places.tolist() for places in _pair_up(np.array([7, 7, 7, 9]))]
    [[0, 0, 1], [1, 2, 2]]
    """
    start = np.flatnonzero(np.diff(values, prepend=-1))
    sizes = np.diff(start, append=len(values))
    pairs = [np.stack(np.triu_indices(int(size), 1)) + begin for begin, size in zip(start, sizes, strict=True)]
    one, other = np.concatenate([np.zeros((2, 0), dtype=np.int64), *pairs], axis=1)
    return one, other
