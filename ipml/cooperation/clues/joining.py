"""From a network in a folder to its dossier: its members found in the database, and what was decided on them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Row, func, or_, select

from ipml.cooperation.clues.dossier import CaseListing, Dossier, Member, latest_of_each
from ipml.cooperation.clues.worth import estimate_worth
from ipml.cooperation.network.evidence import Tie, explain_tie, moment_of, strongest_links
from ipml.cooperation.network.kinds import KINDS, AttributeKind
from ipml.cooperation.network.links import Links
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.rarity import weigh
from ipml.cooperation.network.roles import guess_roles
from ipml.cooperation.network.summary import require_members
from ipml.cooperation.network.timeline import tell_timeline
from ipml.records import Verdict
from ipml.review.ranking.ranking import current_ranking
from ipml.review.reversals import is_last_verdict
from ipml.storage.notifiers import kind_at
from ipml.storage.tables import (
    cases,
    decisions,
    evidence,
    measures,
    notice_items,
    notices,
    notifiers,
    penalties,
    seller_keys,
    strikes,
    strikes_taken_back,
)

_AT_ONCE = 500
_MOST_TIES = 2_000
# What belongs to a person, where a picture or a phrase is only taken over.
HARD_KINDS = (AttributeKind.PAYOUT, AttributeKind.PHONE, AttributeKind.DEVICE, AttributeKind.ADDRESS)
_GIVEN_UP = ("taken back", "dismissed")


def join_network(
    connection: Connection,
    networks: Networks,
    number: int,
    sales: pd.DataFrame | None = None,
    *,
    with_ties: bool = True,
) -> Dossier:
    """Return the dossier of a network.

    Members are found by their id, or by their pseudonym where the folder holds pseudonyms. Value is in the currency of
    the ranking policy in force, at its rates.

    Parameters
    ----------
    sales : DataFrame, optional
        seller_id (as in the folder), units, value, currency of each listing; see `ipml.cooperation.network.sales`.

    with_ties : bool, default=True
        Without, ties and events stay empty: a package tells them, and ranking needs neither.

    Raises
    ------
    NetworkNotFound
        There is no network of that number, or no longer.
    """
    places = require_members(networks, number)
    roles, holdings = guess_roles(networks, number), networks.holdings
    keys = [str(holdings.seller_ids[place]) for place in places.tolist()]
    known = _find_sellers(connection, keys)
    struck, punished = _read_standing(connection, [pseudonym for _, pseudonym in known.values() if pseudonym])
    members = []
    for place, (key, role) in enumerate(zip(keys, roles.role, strict=True)):
        seller_id, pseudonym = known.get(key, (None, None))
        standing = struck[pseudonym], tuple(punished.get(pseudonym, ()))
        members.append(Member(key, role, moment_of(holdings.joined[places[place]]), seller_id, pseudonym, *standing))
    links, tree = networks.links_of(number), strongest_links(networks.links_of(number))
    listings, given = _read_listings(connection, {seller: key for key, (seller, _) in known.items() if seller})
    is_row = np.isin(holdings.seller, places)
    return Dossier(
        number=number,
        members=tuple(members),
        listings=listings,
        hypotheses=roles.hypotheses[:3],
        ties=tuple(_explain_ties(networks, links, tree)) if with_ties else (),
        n_links=len(links.first),
        chain=frozenset(_pairs(networks, tree)),
        events=tuple(tell_timeline(networks, number)) if with_ties else (),
        joined=find_joined(networks, places),
        last_seen=moment_of(holdings.last_seen[is_row].max(initial=holdings.joined[places].max())),
        notices=given,
        worth=estimate_worth(networks, number, listings, sales, current_ranking(connection).policy.exchange_rates),
    )


def find_joined(networks: Networks, places: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """Return the part of some sellers who have a payout account, phone, device or address that another of them has."""
    holdings = networks.holdings
    says = weigh(holdings.holders, holdings.kinds, holdings.n_marketplace, networks.rules) > 0
    says &= np.isin(holdings.kinds, [KINDS.index(kind) for kind in HARD_KINDS])
    rows = np.isin(holdings.seller, places) & says[holdings.value]
    is_shared = np.bincount(holdings.value[rows], minlength=len(holdings.values)) > 1
    return len(np.unique(holdings.seller[rows & is_shared[holdings.value]])) / max(len(places), 1)


def _find_sellers(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[str | None, str | None]]:
    """Return id and pseudonym of each member that the database knows."""
    found: dict[str, tuple[str | None, str | None]] = {}
    for batch in _batches(keys):
        with_cases = select(cases.c.seller_id).where(cases.c.seller_id.in_(batch)).distinct()
        found |= {seller: (seller, None) for seller in connection.scalars(with_cases)}
        query = select(seller_keys.c.seller_id, seller_keys.c.pseudonym)
        named = or_(seller_keys.c.seller_id.in_(batch), seller_keys.c.pseudonym.in_(batch))
        for row in connection.execute(query.where(named)):
            found[row.seller_id if row.seller_id in batch else row.pseudonym] = (row.seller_id, row.pseudonym)
    return found


def _read_standing(
    connection: Connection, pseudonyms: Sequence[str]
) -> tuple[Counter[str | None], dict[str | None, list[str]]]:
    """Return how many strikes of each seller stand, and which penalties."""
    struck: Counter[str | None] = Counter()
    punished: dict[str | None, list[str]] = {}
    for batch in _batches(pseudonyms):
        gone = select(strikes_taken_back.c.strike_id).where(strikes_taken_back.c.strike_id == strikes.c.strike_id)
        count = select(strikes.c.pseudonym, func.count().label("n")).where(
            strikes.c.pseudonym.in_(batch), ~gone.exists()
        )
        struck.update({row.pseudonym: row.n for row in connection.execute(count.group_by(strikes.c.pseudonym))})
        imposed = penalties.c.pseudonym.in_(batch), penalties.c.imposed_at.is_not(None)
        stood = or_(penalties.c.ended_as.is_(None), penalties.c.ended_as.not_in(_GIVEN_UP))
        query = select(penalties.c.pseudonym, penalties.c.kind).where(*imposed, stood)
        for pseudonym, kind in connection.execute(query.order_by(penalties.c.penalty_id)):
            punished.setdefault(pseudonym, []).append(kind)
    return struck, punished


def _read_listings(connection: Connection, key_of: dict[str, str]) -> tuple[tuple[CaseListing, ...], dict[str, int]]:
    """Return the listings of some sellers, and how many notices on them were upheld, by who gave them."""
    rows = [row for batch in _batches(list(key_of)) for row in connection.execute(_cases_of(batch))]
    numbers = [row.case_id for row in rows]
    verdicts = _by_case(connection, numbers, _decisions_on)
    kept = _by_case(connection, numbers, _evidence_of)
    restricted = _by_case(connection, numbers, _measures_on)
    noticed = _by_case(connection, numbers, _notices_on)
    found = [_make(row, key_of, verdicts, kept, restricted, noticed) for row in rows]
    upheld = {item.notice_id: item.kind for items in noticed.values() for item in items}
    return latest_of_each(found), dict(sorted(Counter(upheld.values()).items()))


def _make(row: Row[Any], key_of: dict[str, str], *found: dict[int, list[Row[Any]]]) -> CaseListing:
    verdicts, kept, restricted, noticed = (each.get(row.case_id, []) for each in found)
    listing = json.loads(row.snapshot)["listing"]
    last = verdicts[-1] if verdicts else None
    proof = next((one for one in kept if last and one.decision_id == last.decision_id), None)
    return CaseListing(
        case_id=row.case_id,
        member=key_of[row.seller_id],
        listing_id=row.listing_id,
        title=listing["title"],
        listed_at=_moment(listing.get("listed_at")),
        seen_at=row.observed_at or row.enqueued_at,
        sales=listing.get("listing_sales"),
        **{name: listing.get(name) for name in ("brand", "country", "price", "currency")},
        verdict=Verdict(last.verdict) if last else None,
        ground=last.ground if last else "",
        decided_at=last.decided_at if last else None,
        evidence_id=proof.evidence_id if proof else None,
        evidence_digest=proof.digest if proof else "",
        is_restricted=bool(restricted),
        n_notices=len({item.notice_id for item in noticed}),
    )


def _cases_of(sellers: Sequence[str]) -> Any:
    known = cases.c.case_id, cases.c.seller_id, cases.c.listing_id, cases.c.snapshot
    query = select(*known, cases.c.observed_at, cases.c.enqueued_at).order_by(cases.c.case_id)
    return query.where(cases.c.seller_id.in_(sellers), cases.c.erased_at.is_(None))


def _decisions_on(numbers: Sequence[int]) -> Any:
    said = decisions.c.verdict, decisions.c.ground, decisions.c.decided_at
    query = select(decisions.c.decision_id, decisions.c.case_id, *said)
    return query.where(decisions.c.case_id.in_(numbers), is_last_verdict())


def _evidence_of(numbers: Sequence[int]) -> Any:
    columns = evidence.c.evidence_id, evidence.c.case_id, evidence.c.decision_id, evidence.c.digest
    return select(*columns).where(evidence.c.case_id.in_(numbers))


def _measures_on(numbers: Sequence[int]) -> Any:
    return select(measures.c.case_id).where(measures.c.case_id.in_(numbers), measures.c.lifted_at.is_(None))


def _notices_on(numbers: Sequence[int]) -> Any:
    joined = notice_items.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    joined = joined.join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
    query = select(
        notice_items.c.case_id, notice_items.c.notice_id, kind_at(notices.c.received_at).label("kind")
    ).select_from(joined)
    return query.where(
        notice_items.c.case_id.in_(numbers), notice_items.c.state == "upheld", notice_items.c.overturned_at.is_(None)
    )


def _by_case(
    connection: Connection, numbers: Sequence[int], make_query: Callable[[Sequence[int]], Any]
) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for batch in _batches(numbers):
        for row in connection.execute(make_query(batch)):
            found.setdefault(row.case_id, []).append(row)
    return found


def _explain_ties(networks: Networks, links: Links, tree: Links) -> Iterator[Tie]:
    """Give the links that join all who are linked, then as many of the others, strongest first."""
    pairs = dict.fromkeys(_places(tree)) | dict.fromkeys(_places(links))
    found = [explain_tie(networks, *pair) for pair in list(pairs)[:_MOST_TIES]]
    yield from sorted(found, key=lambda tie: (-tie.bits, tie.first, tie.second))


def _places(links: Links) -> Iterator[tuple[int, int]]:
    for place in np.lexsort((links.second, links.first, -links.weight)).tolist():
        yield int(links.first[place]), int(links.second[place])


def _pairs(networks: Networks, links: Links) -> Iterator[tuple[str, str]]:
    ids = networks.holdings.seller_ids
    return ((str(ids[one]), str(ids[other])) for one, other in _places(links))


def _moment(text: str | None) -> datetime | None:
    moment = datetime.fromisoformat(text) if text else None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _batches(things: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (things[start : start + _AT_ONCE] for start in range(0, len(things), _AT_ONCE))
