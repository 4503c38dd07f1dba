"""Who in a network had what first, and who took it over after them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ipml.cooperation.network.kinds import GOODS_KINDS, KINDS
from ipml.cooperation.network.networks import Networks

Codes = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]
GOODS = np.array([kind in GOODS_KINDS for kind in KINDS])


@dataclass(frozen=True, slots=True)
class Order:
    """The members of a network by who had its pictures, phrases and templates before whom.

    Attributes
    ----------
    members : array of shape (n_members,)
        Their positions.
    had, first : arrays of shape (n_members,)
        How many of the things that several of them have each has, and how many of these each had first.
    before : array of shape (n_members, n_members)
        How many of these things the one (row) had before the other (column).
    lead_days : array of shape (n_members,)
        By how many days each was ahead of the next, on the median, in what they had first; NaN without any.
    joined : array of shape (n_members,)
        When each was first seen (microseconds since 1970).
    n_things : int
        How many such things there are.
    """

    members: Codes
    had: Codes
    first: Codes
    before: Codes
    lead_days: Array
    joined: Codes
    n_things: int


def order_members(networks: Networks, members: Codes) -> Order:
    """Return who of some sellers had first what several of them have."""
    holdings = networks.holdings
    rows = np.flatnonzero(np.isin(holdings.seller, members) & GOODS[holdings.kinds[holdings.value]])
    rows = rows[np.lexsort((holdings.seller[rows], holdings.first_seen[rows], holdings.value[rows]))]
    place = np.searchsorted(members, holdings.seller[rows])
    n = len(members)
    had, first, before = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros((n, n), np.int64)
    leads: list[list[float]] = [[] for _ in members]
    things = 0
    cuts = np.flatnonzero(np.diff(holdings.value[rows], prepend=-1))
    for users, since in zip(np.split(place, cuts), np.split(holdings.first_seen[rows], cuts), strict=True):
        if len(users) < 2:
            continue
        things += 1
        had[users] += 1
        for rank, user in enumerate(users.tolist()):
            before[user, users[rank + 1 :]] += since[rank + 1 :] > since[rank]
        if since[1] > since[0]:
            first[users[0]] += 1
            leads[int(users[0])].append((since[1] - since[0]) / 86_400e6)
    lead_days = np.array([float(np.median(days)) if days else np.nan for days in leads])
    return Order(members, had, first, before, lead_days, holdings.joined[members], things)
