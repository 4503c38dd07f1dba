"""Networks found in what sellers share: all at once, or day by day with the same result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ipml.cooperation.network.groups import group_sellers
from ipml.cooperation.network.holdings import Holdings, hold
from ipml.cooperation.network.links import Links, find_links, update_links
from ipml.cooperation.network.numbers import Numbering, first_numbers, keep_numbers
from ipml.cooperation.network.rarity import marketplace_bits
from ipml.cooperation.network.rules import NetworkRules, load_network_rules

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of a marketplace.

    Attributes
    ----------
    holdings : Holdings
        What sellers have in common.
    links : Links
        Pairs of sellers who share enough.
    group : array of shape (n_sellers,)
        The group of each seller, named by the position of its first member.
    numbering : Numbering
        The number of each network, which stays while it grows, and what became of networks.
    rules : NetworkRules
        By which they were found.
    """

    holdings: Holdings
    links: Links
    group: Codes
    numbering: Numbering
    rules: NetworkRules

    def members_of(self, number: int) -> Codes:
        """Return the positions of a network's members, in order; none where there is no such network."""
        return np.flatnonzero(self.numbering.number == number)

    def links_of(self, number: int) -> Links:
        """Return the links within a network."""
        number_of = self.numbering.number
        return self.links.keep((number_of[self.links.first] == number) & (number_of[self.links.second] == number))


def find_networks(events: pd.DataFrame | pa.Table | Path, rules: NetworkRules | None = None) -> Networks:
    """Find the networks behind sellers in all that is known of them.

    Parameters
    ----------
    events : DataFrame, Table or Path of a Parquet file
        As for `hold`: seller_id, kind, value, seen_at.
    rules : NetworkRules, optional
        How much shared things say; the bundled ones where not given.

    Examples
    --------
    >>> moment = pd.Timestamp("2026-03-01", tz="UTC")
    >>> rows = {"seller_id": ["ann", "ben", "cid"], "kind": "payout", "value": ["x", "x", "y"], "seen_at": moment}
    >>> networks = find_networks(pd.DataFrame(rows))
    >>> networks.numbering.number.tolist()
    [1, 1, 0]
    """
    rules = rules or load_network_rules()
    holdings = hold(events)
    links = find_links(holdings, rules)
    group = group_sellers(holdings, links, rules)
    return Networks(holdings, links, group, first_numbers(group), rules)


def add_events(networks: Networks, events: pd.DataFrame | pa.Table | Path) -> Networks:
    """Return the networks after more events, such as those of a day: the same groups as if all were found anew.

    Only pairs of whom the events can have changed something are compared again. When the number of sellers passes a
    power of two all weights change, and all pairs are.
    """
    before, rules = networks.holdings, networks.rules
    holdings = hold(events, known=before.held)
    moved = np.searchsorted(holdings.seller_ids, before.seller_ids)
    if marketplace_bits(holdings.n_sellers) == marketplace_bits(before.n_sellers):
        links = update_links(holdings, networks.links.renamed(moved), rules)
    else:
        links = find_links(holdings, rules)
    group = group_sellers(holdings, links, rules)
    numbering = keep_numbers(networks.numbering, moved, group, holdings.last_day)
    return Networks(holdings, links, group, numbering, rules)
