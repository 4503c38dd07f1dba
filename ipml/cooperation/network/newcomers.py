"""New accounts of known networks, on the day they list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ipml.cooperation.network.evidence import Tie, explain_tie, moment_of
from ipml.cooperation.network.networks import Networks


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A seller seen for the first time, and the network that was known before.

    Attributes
    ----------
    seller_id : str
        Who.
    network : int
        Its number.
    seen_at : datetime
        When the seller was first seen.
    tie : Tie
        What joins them to the member with whom they share most.
    """

    seller_id: str
    network: int
    seen_at: datetime
    tie: Tie


def find_newcomers(before: Networks, after: Networks) -> list[Newcomer]:
    """Return the sellers that nobody knew before, and who are in a network that was known; in order of seller.

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
    is_new = np.ones(holdings.n_sellers, dtype=bool)
    is_new[np.searchsorted(holdings.seller_ids, before.holdings.seller_ids)] = False
    is_known = (number > 0) & (number <= before.numbering.given)
    found = []
    for place in np.flatnonzero(is_new & is_known).tolist():
        tie = _closest_tie(after, place, np.flatnonzero((number == number[place]) & ~is_new))
        found.append(
            Newcomer(str(holdings.seller_ids[place]), int(number[place]), moment_of(holdings.joined[place]), tie)
        )
    return found


def _closest_tie(networks: Networks, seller: int, others: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tie:
    """Return what a seller shares with the one of some others with whom they share most."""
    ties = (explain_tie(networks, seller, other) for other in others.tolist())
    return max(ties, key=lambda tie: (tie.bits, tie.second))
