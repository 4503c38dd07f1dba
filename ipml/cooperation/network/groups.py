"""Linked sellers as groups, and groups that share enough to be one.

Links missing between accounts of one network are made up for by what its parts have in common: groups are compared
like sellers, with two differences. A value counts by how many *groups* have it, so that a template all of a large
network uses, and nobody else, says as much as it should. And a value that few members of a group have says less, by
log2 of that share: among many members one shares something with anybody by chance.
All groups that share enough are joined at once, then all are compared again: no order of rows can matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ipml.cooperation.network.holdings import Holdings
from ipml.cooperation.network.links import Links
from ipml.cooperation.network.rarity import HUNDREDTHS, ceilings, needed_to_link, weigh
from ipml.cooperation.network.rules import NetworkRules
from ipml.cooperation.network.sharing import Sharing, add_up_pairs

Codes = npt.NDArray[np.int64]


def group_sellers(holdings: Holdings, links: Links, rules: NetworkRules) -> Codes:
    """Return the group of each seller: the position of its first member (of one who is alone, their own)."""
    group = join(np.arange(holdings.n_sellers), links.first, links.second)
    while True:
        first, second = find_alike(holdings, group, rules)
        if not len(first):
            return group
        group = join(group, first, second)


def join(group: Codes, first: Codes, second: Codes) -> Codes:
    """Return groups after some pairs of them, named by their first members, were joined.

    >>> join(np.arange(5), np.array([3, 1]), np.array([4, 3])).tolist()
    [0, 1, 2, 1, 1]
    """
    n = len(group)
    edges = sparse.coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(n, n))
    _, part = connected_components(edges, directed=False)
    leader: Codes = np.full(n, n, dtype=np.int64)
    np.minimum.at(leader, part, np.arange(n))
    named: Codes = leader[part[group]]
    return named


def find_alike(holdings: Holdings, group: Codes, rules: NetworkRules) -> tuple[Codes, Codes]:
    """Return pairs of groups, at least one of them of several sellers, that share enough to be one."""
    shares = _share_of_groups(holdings, group, rules)
    sizes = np.bincount(group, minlength=len(group))
    needed = needed_to_link(holdings.n_sellers, rules)
    sharing = shares.sharing
    is_near = np.isin(sharing.value, sharing.value[sizes[sharing.who] > 1])
    hopeful = sharing.keep(is_near).without_hopeless(len(group), needed)
    first, second, _ = add_up_pairs(hopeful, needed, among=np.flatnonzero(sizes > 1))
    is_enough = shares.between(first, second) >= needed
    return first[is_enough], second[is_enough]


@dataclass(frozen=True, slots=True)
class _Shares:
    """What groups have, and how much less a value says because few of a group's members have it."""

    sharing: Sharing
    discount: Codes
    n_values: int

    def between(self, first: Codes, second: Codes) -> Codes:
        """Return what pairs of groups share, in hundredths of a bit."""
        sharing = self.sharing
        pair, place = self._values_of(first)
        key = second[pair] * self.n_values + sharing.value[place]
        keys = sharing.who * self.n_values + sharing.value
        other = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
        is_shared = keys[other] == key if len(keys) else np.zeros(0, dtype=bool)
        pair, place, other = pair[is_shared], place[is_shared], other[is_shared]
        value = sharing.value[place]
        worth = np.maximum(sharing.weights[value] - self.discount[place] - self.discount[other], 0)
        n_kinds = len(sharing.ceilings)
        sums = np.bincount(pair * n_kinds + sharing.kinds[value], worth, minlength=len(first) * n_kinds)
        shared: Codes = np.minimum(sums.reshape(-1, n_kinds).astype(np.int64), sharing.ceilings).sum(axis=1)
        return shared

    def _values_of(self, groups: Codes) -> tuple[Codes, Codes]:
        """Return the rows of each of some groups: which of these, and which row."""
        start = np.searchsorted(self.sharing.who, groups)
        count = np.searchsorted(self.sharing.who, groups, side="right") - start
        pair = np.repeat(np.arange(len(groups)), count)
        return pair, np.arange(len(pair)) - np.repeat(np.cumsum(count) - count - start, count)


def _share_of_groups(holdings: Holdings, group: Codes, rules: NetworkRules) -> _Shares:
    n_values = max(len(holdings.values), 1)
    once, members = np.unique(group[holdings.seller] * n_values + holdings.value, return_counts=True)
    who, value = once // n_values, once % n_values
    holders = np.bincount(value, minlength=len(holdings.values))
    weights = weigh(holders, holdings.kinds, holdings.n_sellers, rules)
    sizes = np.bincount(group, minlength=len(group))
    discount = np.rint(np.log2(sizes[who] / members) * HUNDREDTHS).astype(np.int64)
    sharing = Sharing(who, value, holdings.kinds, weights, ceilings(holdings.n_sellers, rules))
    return _Shares(sharing, discount, n_values)
