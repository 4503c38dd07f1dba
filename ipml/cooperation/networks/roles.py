"""Roles in a network: hypotheses of who is the source, who distributes and who sells, with reasons.

A source makes pictures and sends goods. So it lists pictures first, most others copy from it, and it ships from a place
that members with their own store ship from too. The weights of these signs were fitted on simulated networks
(`experiments/README.md`); real ones may differ, and the source may have no account. The result is a ranked hypothesis
and is called one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ipml.cooperation.networks.attributes import GOODS_KINDS, KINDS, AttributeKind
from ipml.cooperation.networks.detection import Networks, tell_what_became
from ipml.cooperation.networks.links import compute_weights, find_rows
from ipml.cooperation.networks.ties import explain_tie, strongest_links, tell_timeline
from ipml.errors import NotFound
from ipml.kit.moments import from_microseconds

Codes = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]
GOODS = np.array([kind in GOODS_KINDS for kind in KINDS])


@dataclass(frozen=True, slots=True)
class Precedence:
    """The members of a network by who had its pictures, phrases and templates before whom.

    Attributes
    ----------
    had, first : arrays of shape (n_members,)
        How many of the shared things each has, and how many each had first.
    before : array of shape (n_members, n_members)
        How many of them the row's member had before the column's.
    lead_days : array of shape (n_members,)
        Median lead in days in things they had first; NaN without any.
    joined : array of shape (n_members,)
        When each was first seen (microseconds since 1970).
    """

    members: Codes
    had: Codes
    first: Codes
    before: Codes
    lead_days: Array
    joined: Codes
    n_things: int


def _order_members(networks: Networks, members: Codes) -> Precedence:
    """Return which of some sellers had their shared things first."""
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
    return Precedence(members, had, first, before, lead_days, holdings.joined[members], things)


class NetworkRole(StrEnum):
    """The role of a member in a network."""

    SOURCE = "source"
    DISTRIBUTOR = "distributor"
    SELLER = "seller"


# The weights of the signs: see the docstring of the module.
WEIGHTS = {"first": 2.42, "reach": 4.85, "supply": 3.72}
# A seller with so many shared things may be the source, though not linked enough to be a member.
_NEAR = 3
# Probability that the source is no candidate: 3 % in simulated networks, but a real source needs no account.
_ELSEWHERE = 0.1
# Lowest belief at which a member is called the source.
_CALLED_SOURCE = 0.5
# A distributor led in at least so many things among all but the source, and followed in at most this share.
_DISTRIBUTES_FROM = 2
_DISTRIBUTES_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A possible source and the reasons, in sentences.

    `belief` is the probability if real networks are like simulated ones. A seller who is no member shares only
    pictures, phrases or templates with the network.
    """

    seller_id: str
    belief: float
    is_member: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roles:
    """The role of each member, and the hypotheses of the source, likeliest first."""

    members: Codes
    role: tuple[NetworkRole, ...]
    hypotheses: tuple[Hypothesis, ...]


def guess_roles(networks: Networks, number: int) -> Roles:
    """Return the roles in a network, as far as they show.

    >>> import pandas as pd
    >>> from ipml.cooperation.networks.detection import find_networks
    >>> day = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta([0, 3, 9, 0, 2, 8], unit="D")
    >>> sellers = {"seller_id": ["ann", "ben", "cid"] * 2, "kind": ["image"] * 3 + ["payout"] * 3}
    >>> networks = find_networks(pd.DataFrame(sellers | {"value": ["x"] * 3 + ["y"] * 3, "seen_at": day}))
    >>> best = guess_roles(networks, 1).hypotheses[0]
    >>> best.seller_id, best.reasons[0]
    ('ann', 'Listed 1 of 1 shared pictures, phrases and templates first, 3 days ahead on the median.')
    """
    members = networks.members_of(number)
    who = np.union1d(members, find_near(networks, number)[0])
    order, places = _order_members(networks, who), _places_of(networks, who)
    signs, supplied = read_signs(order, places), _supplied(places)
    score = np.sum([WEIGHTS[name] * sign for name, sign in signs.items()], axis=0)
    belief = np.exp(score - score.max())
    belief *= (1 - _ELSEWHERE) / belief.sum()
    ranked = np.lexsort((who, -belief))
    hypotheses = tuple(
        Hypothesis(
            str(networks.holdings.seller_ids[who[place]]),
            float(belief[place]),
            bool(np.isin(who[place], members)),
            _explain(order, int(supplied[place]), place),
        )
        for place in ranked.tolist()
    )
    role = _assign(order, int(ranked[0]), belief[ranked[0]] >= _CALLED_SOURCE)
    return Roles(members, tuple(role[place] for place in np.searchsorted(who, members).tolist()), hypotheses)


def read_signs(order: Precedence, places: npt.NDArray[np.bool_]) -> dict[str, Array]:
    """Return the signs of a source for each member, in 0-1."""
    n = len(order.members)
    return {
        "first": (order.first + 0.3) / (order.had + 1.0),
        "reach": (order.before > 0).sum(axis=1) / n,
        "supply": (_supplied(places) > 0).astype(np.float64),
    }


def find_near(networks: Networks, number: int | None = None) -> tuple[Codes, Codes]:
    """Return sellers outside networks who have three or more shared things of a network, and that network.

    A source may share so little else with the accounts it supplies that it is not linked to them.
    """
    holdings, network_of, base = networks.holdings, networks.numbering.number, networks.numbering.given + 1
    weights = compute_weights(holdings.holders, holdings.kinds, holdings.n_marketplace, networks.rules)
    rows = np.flatnonzero((GOODS[holdings.kinds] & (weights > 0))[holdings.value])
    value, network = holdings.value[rows], network_of[holdings.seller[rows]]
    is_member = network > 0 if number is None else network == number
    used, count = np.unique(value[is_member] * base + network[is_member], return_counts=True)
    used = used[count > 1]
    alone = rows[(network == 0) & np.isin(value, used // base)]
    alone = alone[np.argsort(holdings.value[alone], kind="stable")]
    pair, place = find_rows(holdings.value[alone], used // base)
    near, count = np.unique(holdings.seller[alone[place]] * base + (used % base)[pair], return_counts=True)
    near = near[count >= _NEAR]
    return near // base, near % base


def _places_of(networks: Networks, members: Codes) -> npt.NDArray[np.bool_]:
    """Return who ships from which shared place of dispatch: shape (n_members, n_places)."""
    holdings = networks.holdings
    is_place = holdings.kinds[holdings.value] == KINDS.index(AttributeKind.SHIP_FROM)
    rows = np.flatnonzero(is_place & np.isin(holdings.seller, members))
    values, place = np.unique(holdings.value[rows], return_inverse=True)
    ships = np.zeros((len(members), len(values)), dtype=bool)
    ships[np.searchsorted(members, holdings.seller[rows]), place] = True
    shared: npt.NDArray[np.bool_] = ships[:, ships.sum(axis=0) > 1]
    return shared


def _supplied(places: npt.NDArray[np.bool_]) -> Codes:
    """Return how many members ship both from the one place of a member and from another."""
    count = places.sum(axis=1)
    together = places.astype(np.int64) @ places.T.astype(np.int64)
    supplied: Codes = np.where(count == 1, (together * (count > 1)).sum(axis=1), 0)
    return supplied


def _assign(order: Precedence, source: int, is_called_source: bool) -> tuple[NetworkRole, ...]:
    """Return the likeliest role of each; those who lead among all but the source are distributors."""
    before = order.before.copy()
    before[source, :] = before[:, source] = 0
    led, followed = before.sum(axis=1), before.sum(axis=0)
    is_distributor = (led >= _DISTRIBUTES_FROM) & (followed <= _DISTRIBUTES_SHARE * (led + followed))
    is_distributor &= (before > 0).sum(axis=1) >= _DISTRIBUTES_FROM
    roles = [NetworkRole.DISTRIBUTOR if leads else NetworkRole.SELLER for leads in is_distributor.tolist()]
    if is_called_source:
        roles[source] = NetworkRole.SOURCE
    return tuple(roles)


def _explain(order: Precedence, supplied: int, place: int) -> tuple[str, ...]:
    reasons = []
    if order.had[place]:
        ahead = f", {_days(order.lead_days[place])} ahead on the median" if order.first[place] else ""
        reasons.append(
            f"Listed {order.first[place]} of {order.had[place]} shared pictures, phrases and templates first{ahead}."
        )
    if followers := int((order.before[place] > 0).sum()):
        others = len(order.members) - 1
        reasons.append(f"{followers} of the {others} others listed some of them later.")
    if supplied:
        reasons.append(f"Ships from where {supplied} who have another place of dispatch ship from too.")
    return tuple(reasons) or ("Nothing shared shows who came first.",)


def _days(days: float) -> str:
    return "less than a day" if days < 1 else f"{days:.0f} day{'s' * (round(days) != 1)}"


_HYPOTHESES = 3


def describe_network(networks: Networks, number: int, most: int = 20) -> Iterator[str]:
    """Yield a network in lines of text, with at most `most` members, links and events; raises NotFound."""
    members = require_members(networks, number)
    joined = networks.holdings.joined[members]
    first, last = from_microseconds(joined.min()), from_microseconds(joined.max())
    yield f"Network {number}: {len(members)} sellers, first seen from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    yield from _describe_roles(networks, number, most)
    yield from _describe_links(networks, number, most)
    yield "\nTimeline"
    events = tell_timeline(networks, number)
    yield from (f"  {event.at:%Y-%m-%d}  {event.seller_id} {event.what}" for event in events[:most])
    yield from _how_many_more(len(events), most, "events")


def require_members(networks: Networks, number: int) -> npt.NDArray[np.int64]:
    """Return the positions of a network's members; raises NotFound, which reports how the network ended."""
    members = networks.members_of(number)
    if not len(members):
        raise NotFound("network", number, tell_what_became(networks.numbering, number))
    return members


def _describe_roles(networks: Networks, number: int, most: int) -> Iterator[str]:
    roles = guess_roles(networks, number)
    yield "\nWho may be the source (a hypothesis from what is seen here; the source may have no account)"
    for hypothesis in roles.hypotheses[:_HYPOTHESES]:
        who = hypothesis.seller_id + ", not linked enough to be a member" * (not hypothesis.is_member)
        yield f"  {who}, {hypothesis.belief:.0%}: {' '.join(hypothesis.reasons)}"
    yield f"  somebody else, {1 - sum(hypothesis.belief for hypothesis in roles.hypotheses[:_HYPOTHESES]):.0%}"
    yield "\nMembers"
    order = sorted(range(len(roles.members)), key=lambda place: (list(NetworkRole).index(roles.role[place]), place))
    for place in order[:most]:
        member = roles.members[place]
        since = from_microseconds(networks.holdings.joined[member])
        yield f"  {networks.holdings.seller_ids[member]}  {roles.role[place]}, since {since:%Y-%m-%d}"
    yield from _how_many_more(len(order), most, "members")


def _describe_links(networks: Networks, number: int, most: int) -> Iterator[str]:
    links = networks.links_of(number)
    tree = strongest_links(links)
    yield f"\nLinks ({len(links.first)}; the strongest that join all who are linked)"
    for place in np.argsort(-tree.weight, kind="stable")[:most].tolist():
        tie = explain_tie(networks, int(tree.first[place]), int(tree.second[place]))
        yield f"  {tie.first} and {tie.second}, {tie.bits:.0f} bits: {'; '.join(map(str, tie.shared[:3]))}"
    yield from _how_many_more(len(tree.first), most, "links")


def _how_many_more(count: int, most: int, what: str) -> Iterator[str]:
    if count > most:
        yield f"  … and {count - most:,} more {what}"
