"""What happened in a network, in order: who came when, and what went from hand to hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ipml.cooperation.network.evidence import moment_of
from ipml.cooperation.network.kinds import IN_WORDS, KINDS
from ipml.cooperation.network.networks import Networks


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `what` ends with the id of the `other` seller, where there is one."""

    at: datetime
    seller_id: str
    what: str
    other: str = ""


def tell_timeline(networks: Networks, number: int) -> list[Event]:
    """Return when each member was first seen, and first seen with something that a member had before.

    Examples
    --------
    >>> import pandas as pd
    >>> from ipml.cooperation.network.networks import find_networks
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
    told = [Event(moment_of(holdings.joined[place]), str(names[place]), "was first seen") for place in members.tolist()]
    rows = np.flatnonzero(np.isin(holdings.seller, members))
    rows = rows[np.lexsort((holdings.seller[rows], holdings.first_seen[rows], holdings.value[rows]))]
    first = None
    for row in rows.tolist():
        if first is None or holdings.value[row] != holdings.value[first]:
            first = row
            continue
        thing = IN_WORDS[KINDS[holdings.kinds[holdings.value[row]]]]
        other = str(names[holdings.seller[first]])
        at, who = moment_of(holdings.first_seen[row]), str(names[holdings.seller[row]])
        told.append(Event(at, who, f"had the {thing} of {other}", other))
    return sorted(told, key=lambda event: (event.at, event.seller_id, not event.what.startswith("was"), event.what))
