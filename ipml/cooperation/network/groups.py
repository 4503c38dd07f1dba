"""Sellers who share enough as groups, and groups that share enough to be one.

Who is linked is not simply joined, or one chance link would make one network of two. Groups are compared, sellers who
are alone among them, by all that their members have in common; those that share most are joined first. Groups are
compared like sellers, with four differences:

- A value counts by how many *groups* have it: a template all of a large network uses, and nobody else, says as much
  as it should. What more sellers have than its kind allows still says nothing, unless several in each group have it:
  the customers of a phone agent are strewn over groups, the users of a network's template are not.
- A value that few members of a group have says less, by log2 of that share: among many members one has something in
  common with anybody by chance.
- A value that suffices alone, such as a payout account, keeps its full worth: a larger group is as much likelier to
  be where somebody belongs.
- Two groups need more, by log2 of the members of the smaller: each of them, if they belonged, would have had a chance
  to share something.

All groups that share enough are joined at once, then all are compared again: no order of rows can matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ipml.cooperation.network.holdings import Holdings
from ipml.cooperation.network.kinds import KINDS
from ipml.cooperation.network.links import Links
from ipml.cooperation.network.rarity import HUNDREDTHS, ceilings, needed_to_link, weigh
from ipml.cooperation.network.rules import NetworkRules
from ipml.cooperation.network.sharing import Sharing, add_up_pairs

Codes = npt.NDArray[np.int64]


# Bits above what is needed, from which groups are joined, one step after the other.
_STEPS = (16, 12, 8, 4, 0)
# From how many sellers a group on, on average, a value that many have is one of groups.
_HOLDERS_IN_A_GROUP = 3


def group_sellers(holdings: Holdings, links: Links, rules: NetworkRules) -> Codes:
    """Return the group of each seller: the position of its first member (of one who is alone, their own)."""
    group = np.arange(holdings.n_sellers)
    needed = needed_to_link(holdings.n_sellers, rules)
    for step in _STEPS:
        while True:
            first, second = find_alike(holdings, group, links, rules, needed + step * HUNDREDTHS)
            if not len(first):
                break
            group = join(group, first, second)
    return group


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


def find_alike(holdings: Holdings, group: Codes, links: Links, rules: NetworkRules, needed: int) -> tuple[Codes, Codes]:
    """Return pairs of groups, linked or at least one of them of several sellers, that share enough to be one."""
    shares = _share_of_groups(holdings, group, links, rules)
    sizes = np.bincount(group, minlength=len(group))
    sharing = shares.sharing
    is_near = np.isin(sharing.value, sharing.value[sizes[sharing.who] > 1])
    hopeful = sharing.keep(is_near).without_hopeless(needed)
    first, second, _ = add_up_pairs(hopeful, needed, among=np.flatnonzero(sizes > 1))
    pairs = np.concatenate(
        [np.stack([first, second]), np.sort(np.stack([group[links.first], group[links.second]]), 0)], 1
    )
    first, second = np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)
    more = np.rint(np.log2(np.minimum(sizes[first], sizes[second])) * HUNDREDTHS)
    is_enough = shares.between(first, second) >= needed + more
    return first[is_enough], second[is_enough]


@dataclass(frozen=True, slots=True)
class _Shares:
    """What groups have, and how much less a value says because few of a group's members have it."""

    sharing: Sharing
    discount: Codes
    n_values: int
    needed: int

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
        weight, discount = sharing.weights[value], self.discount[place] + self.discount[other]
        worth = np.where(weight >= self.needed, weight, np.maximum(weight - discount, 0))
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


def _share_of_groups(holdings: Holdings, group: Codes, links: Links, rules: NetworkRules) -> _Shares:
    n_values = max(len(holdings.values), 1)
    sizes = np.bincount(group, minlength=len(group))
    rows = _rows_that_matter(holdings, sizes[group] > 1, links, rules)
    once, members = np.unique(group[holdings.seller[rows]] * n_values + holdings.value[rows], return_counts=True)
    who, value = once // n_values, once % n_values
    holders = np.bincount(value, minlength=len(holdings.values))
    is_hub = weigh(holdings.holders, holdings.kinds, holdings.n_sellers, rules) == 0
    is_strewn = holdings.holders < _HOLDERS_IN_A_GROUP * holders
    weights = weigh(holders, holdings.kinds, holdings.n_sellers, rules)
    weights[is_hub & is_strewn] = 0
    discount = np.rint(np.log2(sizes[who] / members) * HUNDREDTHS).astype(np.int64)
    sharing = Sharing(who, value, holdings.kinds, weights, ceilings(holdings.n_sellers, rules))
    return _Shares(sharing, discount, n_values, needed_to_link(holdings.n_sellers, rules))


def _rows_that_matter(
    holdings: Holdings, is_grouped: npt.NDArray[np.bool_], links: Links, rules: NetworkRules
) -> npt.NDArray[np.bool_]:
    """Leave out values that nobody linked has, and those that too many have who are alone: they say nothing."""
    is_active = is_grouped.copy()
    is_active[links.first] = is_active[links.second] = True
    is_row_active = is_active[holdings.seller]
    n_values = len(holdings.values)
    most = np.array([rules.kinds[kind].most for kind in KINDS])[holdings.kinds]
    alone = np.bincount(holdings.value[~is_row_active], minlength=n_values)
    matters = (np.bincount(holdings.value[is_row_active], minlength=n_values) > 0) & (alone <= most)
    is_row: npt.NDArray[np.bool_] = matters[holdings.value]
    return is_row
