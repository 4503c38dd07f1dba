"""Pairs of sellers who share enough to be linked, and which links a day's events can change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ipml.cooperation.network.holdings import Holdings
from ipml.cooperation.network.kinds import KINDS
from ipml.cooperation.network.rarity import ceilings, needed_to_link, weigh
from ipml.cooperation.network.rules import NetworkRules
from ipml.cooperation.network.sharing import Sharing, add_up_pairs

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of sellers (positions, first below second, in order), and what they share in hundredths of a bit."""

    first: Codes
    second: Codes
    weight: Codes

    def keep(self, is_kept: npt.NDArray[np.bool_]) -> Links:
        """Return some of the links."""
        return Links(self.first[is_kept], self.second[is_kept], self.weight[is_kept])

    def and_also(self, other: Links) -> Links:
        """Return these and other links, in order."""
        first = np.concatenate([self.first, other.first])
        second = np.concatenate([self.second, other.second])
        order = np.lexsort((second, first))
        return Links(first[order], second[order], np.concatenate([self.weight, other.weight])[order])

    def renamed(self, names: Codes) -> Links:
        """Return the same links after positions have moved; the order of sellers stays."""
        return Links(names[self.first], names[self.second], self.weight)


def share_of(holdings: Holdings, rules: NetworkRules) -> Sharing:
    """Return who has what, each value weighed by how many sellers have it."""
    return Sharing(
        holdings.seller,
        holdings.value,
        holdings.kinds,
        weigh(holdings.holders, holdings.kinds, holdings.n_sellers, rules),
        ceilings(holdings.n_sellers, rules),
    )


def find_links(holdings: Holdings, rules: NetworkRules, among: Codes | None = None) -> Links:
    """Return all pairs of sellers who share enough; `among`: both of them are of these sellers."""
    sharing = share_of(holdings, rules)
    if among is not None:
        sharing = sharing.keep(np.isin(sharing.who, among))
    needed = needed_to_link(holdings.n_sellers, rules)
    return Links(*add_up_pairs(sharing.without_hopeless(needed), needed))


def find_touched(holdings: Holdings, rules: NetworkRules) -> Codes:
    """Return the sellers of whom two may share more, or less, since the events added last.

    What a pair shares depends on what both have and on how many others have it. So it changed only for two who both
    have a value that somebody came by; a value that was too common before, and is now, counts for nothing.
    """
    most = np.array([rules.kinds[kind].most for kind in KINDS])[holdings.kinds]
    before = holdings.holders - holdings.newcomers
    is_touched = (holdings.newcomers > 0) & (before <= most)
    return np.unique(holdings.seller[is_touched[holdings.value]])


def update_links(holdings: Holdings, links: Links, rules: NetworkRules) -> Links:
    """Return all links, given those before the events added last (in positions of now)."""
    touched = find_touched(holdings, rules)
    is_open = np.zeros(holdings.n_sellers, dtype=bool)
    is_open[touched] = True
    stay = links.keep(~(is_open[links.first] & is_open[links.second]))
    return stay.and_also(find_links(holdings, rules, among=touched)) if len(touched) else stay
