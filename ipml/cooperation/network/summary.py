"""A network in words: its members and roles, what joins them, what happened, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ipml.cooperation.network.evidence import explain_tie, moment_of, strongest_links
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.numbers import tell_what_became
from ipml.cooperation.network.roles import Role, guess_roles
from ipml.cooperation.network.timeline import tell_timeline
from ipml.errors import NetworkNotFound

_HYPOTHESES = 3


def describe_network(networks: Networks, number: int, most: int = 20) -> Iterator[str]:
    """Yield a network in lines of text; of members, links and events so many at most.

    Raises
    ------
    NetworkNotFound
        There is no network of that number, or no longer.
    """
    members = require_members(networks, number)
    joined = networks.holdings.joined[members]
    first, last = moment_of(joined.min()), moment_of(joined.max())
    yield f"Network {number}: {len(members)} sellers, first seen from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    yield from _describe_roles(networks, number, most)
    yield from _describe_links(networks, number, most)
    yield "\nTimeline"
    events = tell_timeline(networks, number)
    yield from (f"  {event.at:%Y-%m-%d}  {event.seller_id} {event.what}" for event in events[:most])
    yield from _how_many_more(len(events), most, "events")


def require_members(networks: Networks, number: int) -> npt.NDArray[np.int64]:
    """Return the positions of a network's members; NetworkNotFound where there is none, and what became of it."""
    members = networks.members_of(number)
    if not len(members):
        raise NetworkNotFound(number, tell_what_became(networks.numbering, number))
    return members


def _describe_roles(networks: Networks, number: int, most: int) -> Iterator[str]:
    roles = guess_roles(networks, number)
    yield "\nWho may be the source (a hypothesis from what is seen here; the source may have no account)"
    for hypothesis in roles.hypotheses[:_HYPOTHESES]:
        who = hypothesis.seller_id + ", not linked enough to be a member" * (not hypothesis.is_member)
        yield f"  {who}, {hypothesis.belief:.0%}: {' '.join(hypothesis.reasons)}"
    yield f"  somebody else, {1 - sum(one.belief for one in roles.hypotheses[:_HYPOTHESES]):.0%}"
    yield "\nMembers"
    order = sorted(range(len(roles.members)), key=lambda place: (list(Role).index(roles.role[place]), place))
    for place in order[:most]:
        member = roles.members[place]
        since = moment_of(networks.holdings.joined[member])
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
