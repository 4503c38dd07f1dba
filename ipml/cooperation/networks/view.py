"""Network view: one network with its members' records, roles, ties and layout.

The folder of networks may name sellers by id or by pseudonym; both are found in the review database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, func, select

from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.layout import Layout, lay_out
from ipml.cooperation.networks.links import HUNDREDTHS, needed_to_link
from ipml.cooperation.networks.roles import Roles, guess_roles
from ipml.cooperation.networks.store import NewMember, load_network, read_newcomers
from ipml.cooperation.networks.ties import Strands, Tie, explain_tie, find_strands
from ipml.enforcement.privacy.erased_list import ErasedList
from ipml.records import Verdict
from ipml.review.arrivals.snapshot import is_storable
from ipml.review.reversals import is_last_verdict
from ipml.storage.database import in_batches
from ipml.storage.tables import cases, decisions, seller_keys, strikes, strikes_taken_back


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A member's record in the review database.

    `case_id` is the newest case, which links to the seller's page. `confirmed` counts cases whose verdict in force is
    counterfeit, `strikes` those not taken back. Brands of the cases come most frequent first.
    """

    seller_id: str
    case_id: int
    cases: int
    open: int
    confirmed: int
    strikes: int
    brands: tuple[str, ...]


def read_members(
    connection: Connection, names: Sequence[str], *, hidden: Collection[int] = frozenset()
) -> dict[str, MemberRecord]:
    """Return the records of sellers with cases, by their names (ids or pseudonyms) in the network."""
    members = {}
    for some in in_batches(list(filter(is_storable, names))):
        known_as = _find_names(connection, some)
        for record in _read(connection, list(known_as), hidden):
            members[known_as[record.seller_id]] = record
    return members


def _find_names(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Return the ids that cases may use, with the name in the network."""
    keys = select(seller_keys.c.pseudonym, seller_keys.c.seller_id).where(seller_keys.c.pseudonym.in_(names))
    by_pseudonym = {row.seller_id: row.pseudonym for row in connection.execute(keys)}
    erased = {f"erased:{name}": name for name in names}
    return erased | by_pseudonym | {name: name for name in names}


def _read(connection: Connection, ids: list[str], hidden: Collection[int]) -> Iterator[MemberRecord]:
    shown = cases.c.seller_id.in_(ids), cases.c.case_id.not_in(hidden)
    is_open = func.count().filter(cases.c.state == "open").label("open")
    counted = select(
        cases.c.seller_id,
        cases.c.brand,
        func.count().label("cases"),
        is_open,
        func.max(cases.c.case_id).label("newest"),
    ).where(*shown)
    rows: dict[str, list[tuple[int, int, int, str | None]]] = {}
    for row in connection.execute(counted.group_by(cases.c.seller_id, cases.c.brand)):
        rows.setdefault(row.seller_id, []).append((row.cases, row.open, row.newest, row.brand))
    confirmed, struck = _count_confirmed(connection, ids, hidden), _count_strikes(connection, ids, hidden)
    for seller_id, parts in rows.items():
        parts.sort(key=lambda part: (-part[0], part[3] or ""))
        yield MemberRecord(
            seller_id,
            max(part[2] for part in parts),
            sum(part[0] for part in parts),
            sum(part[1] for part in parts),
            confirmed.get(seller_id, 0),
            struck.get(seller_id, 0),
            tuple(part[3] for part in parts if part[3]),
        )


def _count_confirmed(connection: Connection, ids: list[str], hidden: Collection[int]) -> dict[str, int]:
    query = (
        select(cases.c.seller_id, func.count(cases.c.case_id.distinct()))
        .join(decisions, decisions.c.case_id == cases.c.case_id)
        .where(cases.c.seller_id.in_(ids), cases.c.case_id.not_in(hidden), cases.c.state == "decided")
        .where(decisions.c.verdict == Verdict.COUNTERFEIT, is_last_verdict())
        .group_by(cases.c.seller_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _count_strikes(connection: Connection, ids: list[str], hidden: Collection[int]) -> dict[str, int]:
    is_back = select(strikes_taken_back.c.strike_id).where(strikes_taken_back.c.strike_id == strikes.c.strike_id)
    query = (
        select(cases.c.seller_id, func.count())
        .join(strikes, strikes.c.case_id == cases.c.case_id)
        .where(cases.c.seller_id.in_(ids), cases.c.case_id.not_in(hidden), ~is_back.exists())
        .group_by(cases.c.seller_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network as shown on its page.

    `roles.members` are all members, and `degree` has the number of their links; layout and strands cover the drawn
    ones. `newcomers` joined with the last events.
    """

    number: int
    networks: Networks
    roles: Roles
    layout: Layout
    strands: Strands
    degree: Codes
    newcomers: Mapping[str, NewMember]

    @property
    def seller_ids(self) -> list[str]:
        """The members, in order."""
        return [str(name) for name in self.networks.holdings.seller_ids[self.roles.members]]

    @property
    def needed(self) -> float:
        """The bits that link two sellers."""
        return needed_to_link(self.networks.holdings.n_marketplace, self.networks.rules) / HUNDREDTHS

    def neighbours_of(self, place: int) -> list[int]:
        """Return the linked members (places), strongest link first."""
        links, members = self.networks.links_of(self.number), self.roles.members
        own = members[place]
        is_own = (links.first == own) | (links.second == own)
        other = np.where(links.first == own, links.second, links.first)[is_own]
        order = np.lexsort((other, -links.weight[is_own]))
        return [int(place) for place in np.searchsorted(members, other[order])]

    def tie(self, one: int, other: int) -> Tie:
        """Return the things that two members (places) share."""
        return explain_tie(self.networks, int(self.roles.members[one]), int(self.roles.members[other]))


def view_network(folder: Path, number: int, erased: ErasedList | None = None) -> NetworkView:
    """Read one network of a folder for its page; raises NotFound.

    Sellers in `erased` are named by a number alone, though the folder may still hold their name.
    """
    networks = load_network(folder, number)
    newcomers = read_newcomers(folder, number)
    if erased is not None:
        every = enumerate(map(str, networks.holdings.seller_ids), start=1)
        names = [f"(erased {place})" if erased.find(name, name) else name for place, name in every]
        is_shown = set(names)
        newcomers = {
            name: newcomer for name, newcomer in newcomers.items() if name in is_shown and newcomer.closest in is_shown
        }
        holdings = replace(networks.holdings, seller_ids=np.array(names, dtype=object))
        networks = replace(networks, holdings=holdings)
    layout = lay_out(networks, number)
    strands = find_strands(networks, layout.members, layout.links)
    members, links = networks.members_of(number), networks.links_of(number)
    ends = np.searchsorted(members, np.concatenate([links.first, links.second]))
    degree = np.bincount(ends, minlength=len(members))
    roles = guess_roles(networks, number)
    return NetworkView(number, networks, roles, layout, strands, degree, newcomers)
