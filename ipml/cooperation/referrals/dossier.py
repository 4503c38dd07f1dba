"""Dossier: a network joined to the decisions on its listings.

It is unredacted; packages contain only what passes a `Disclosure`. Sales come from a table of sales if there is one,
else from the sales counts and prices of the listings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Column, Connection, Row, Select, func, or_, select

from ipml.cooperation.networks.attributes import KINDS, AttributeKind
from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.links import Links, compute_weights
from ipml.cooperation.networks.roles import Hypothesis, NetworkRole, guess_roles, require_members
from ipml.cooperation.networks.sales import (
    SoldValue,
    estimate_sales,
    estimate_total,
    in_currency,
    list_foreign,
)
from ipml.cooperation.networks.ties import Tie, TieEvent, explain_tie, strongest_links, tell_timeline
from ipml.kit.moments import from_microseconds
from ipml.money import Money, Rates, is_currency
from ipml.records import Verdict
from ipml.review.ranking.queue_order import current_ranking
from ipml.review.reversals import is_last_verdict
from ipml.storage.database import in_batches
from ipml.storage.pseudonyms import notifier_kind_at
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

FROM_LISTINGS = "from the sales counted on the listings x the price shown, as decided on or as last seen"
TABLE_TOO_SMALL = "the table of sales was left aside, as it knows less than was found counterfeit"


def estimate_sold_value(
    networks: Networks, number: int, listings: Sequence[CaseListing], sales: pd.DataFrame | None, rates: Rates
) -> SoldValue:
    """Estimate the sales of a network.

    Without a table of sales, or if it covers less than was found counterfeit, the estimate comes from the listings.
    """
    own = add_up_listings(listings, rates)
    if sales is None:
        return own
    sold = estimate_sales(networks, number, sales, rates)
    confirmed = [listing for listing in listings if listing.is_counterfeit]
    units = sum(listing.sales for listing in confirmed if listing.sales is not None)
    value = own.confirmed_value or Money(0.0, rates.currency)
    if sold.n_listings < len(confirmed) or sold.units.high < units or sold.value.high < value:
        return replace(own, how=f"{FROM_LISTINGS}; {TABLE_TOO_SMALL}")
    return replace(
        sold,
        units=sold.units.raise_to(units),
        value=sold.value.raise_to(value),
        foreign=sold.foreign + tuple(amount for amount in own.foreign if amount.rate is None),
        confirmed_value=own.confirmed_value,
    )


def add_up_listings(listings: Sequence[CaseListing], rates: Rates) -> SoldValue:
    """Estimate the sales of listings from known prices and sales counts, in the currency of the rates.

    Prices without a currency, or in a currency without a rate, count as unknown.
    """
    units = np.array([listing.sales for listing in listings if listing.sales is not None], dtype=np.float64)
    values = [_value(listing, rates) for listing in listings]
    amounts = np.array([value.amount for value in values if value is not None], dtype=np.float64)
    confirmed = [
        value for listing, value in zip(listings, values, strict=True) if listing.is_counterfeit and value is not None
    ]
    return SoldValue(
        len(listings),
        estimate_total(units, len(listings), []),
        in_currency(estimate_total(amounts, len(listings), []), rates.currency),
        list_foreign([listing.asked.currency for listing in listings if listing.asked is not None], rates),
        FROM_LISTINGS,
        sum(confirmed, Money(0.0, rates.currency)) if confirmed else None,
    )


def _value(listing: CaseListing, rates: Rates) -> Money | None:
    price = None if listing.asked is None else rates.exchange(listing.asked)
    return None if listing.sales is None or price is None else price * listing.sales


@dataclass(frozen=True, slots=True)
class CaseListing:
    """A listing of a member, as last decided on, or as last seen.

    `member` is the seller's key in the folder of networks. Verdict and evidence are those in force, else None and "".
    `n_notices` counts upheld notices.
    """

    case_id: int
    member: str
    listing_id: str
    title: str
    brand: str | None
    country: str | None
    price: float | None
    currency: str | None
    sales: float | None
    listed_at: datetime | None
    seen_at: datetime
    verdict: Verdict | None = None
    ground: str = ""
    decided_at: datetime | None = None
    evidence_id: int | None = None
    evidence_digest: str = ""
    is_restricted: bool = False
    n_notices: int = 0

    @property
    def is_counterfeit(self) -> bool:
        """Whether the verdict in force is counterfeit."""
        return self.verdict is Verdict.COUNTERFEIT

    @property
    def asked(self) -> Money | None:
        """The price; None if it or its currency is unknown."""
        if self.price is None or self.currency is None or not is_currency(self.currency):
            return None
        return Money(self.price, self.currency)


@dataclass(frozen=True, slots=True)
class Member:
    """A seller of the network, by the key of the folder of networks.

    `seller_id` is None if the records have no such seller, as after an erasure; `pseudonym` is None before any
    decision. Strikes and penalties exclude those taken back or dismissed.
    """

    key: str
    role: NetworkRole
    first_seen: datetime
    seller_id: str | None
    pseudonym: str | None
    n_strikes: int
    penalties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dossier:
    """A network joined to the marketplace's decisions.

    `ties` are at most 2,000 links, strongest first, of `n_links`; `chain` has those of a spanning tree. `joined` is the
    share of members, 0-1, with a payout account, phone, device or address of another. `notices` counts upheld notices
    by kind of notifier.
    """

    number: int
    members: tuple[Member, ...]
    listings: tuple[CaseListing, ...]
    hypotheses: tuple[Hypothesis, ...]
    ties: tuple[Tie, ...]
    n_links: int
    chain: frozenset[tuple[str, str]]
    events: tuple[TieEvent, ...]
    joined: float
    last_seen: datetime
    notices: dict[str, int]
    sold_value: SoldValue

    @property
    def first_seen(self) -> datetime:
        """When the first member was first seen."""
        return min(member.first_seen for member in self.members)

    @property
    def confirmed(self) -> list[CaseListing]:
        """The listings found counterfeit."""
        return [listing for listing in self.listings if listing.is_counterfeit]

    @property
    def confirmed_members(self) -> set[str]:
        """The members with a listing found counterfeit."""
        return {listing.member for listing in self.confirmed}

    @property
    def brands(self) -> Counter[str]:
        """Number of listings found counterfeit, by brand."""
        return Counter(listing.brand for listing in self.confirmed if listing.brand)

    @property
    def grounds(self) -> Counter[str]:
        """Number of listings found counterfeit, by ground."""
        return Counter(listing.ground or "none given" for listing in self.confirmed)

    def country_of(self) -> dict[str, str]:
        """Return the most frequent country of each member's listings."""
        named: dict[str, Counter[str]] = {}
        for listing in self.listings:
            if listing.country:
                named.setdefault(listing.member, Counter())[listing.country] += 1
        return {member: min(count, key=lambda name: (-count[name], name)) for member, count in named.items()}


def keep_brand(dossier: Dossier, brand: str, rates: Rates) -> Dossier:
    """Return the dossier with the listings of one brand only, and their sales."""
    kept = tuple(
        listing for listing in dossier.listings if listing.brand and listing.brand.casefold() == brand.casefold()
    )
    notices = {"all": sum(listing.n_notices for listing in kept)} if any(listing.n_notices for listing in kept) else {}
    return replace(dossier, listings=kept, notices=notices, sold_value=add_up_listings(kept, rates))


def latest_of_each(listings: Iterable[CaseListing]) -> tuple[CaseListing, ...]:
    """Return each listing once, as last decided on, else as last seen, in the order of cases."""
    best: dict[tuple[str, str], CaseListing] = {}
    for listing in sorted(listings, key=lambda listing: (listing.verdict is not None, listing.case_id)):
        best[listing.member, listing.listing_id] = listing
    return tuple(sorted(best.values(), key=lambda listing: listing.case_id))


_MOST_TIES = 2_000
# These belong to a person; a picture or a phrase may be copied by anyone.
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
    """Return the dossier of a network; raises NotFound.

    Members are found by id, or by pseudonym if the folder holds pseudonyms. Values are in the currency of the ranking
    policy in force, at its rates. `sales` has seller_id (as in the folder), units, value and currency of each listing.
    `with_ties=False` leaves ties and events empty; ranking needs neither.
    """
    places = require_members(networks, number)
    roles, holdings = guess_roles(networks, number), networks.holdings
    keys = [str(holdings.seller_ids[place]) for place in places.tolist()]
    sellers = find_sellers(connection, keys)
    struck, punished = _read_standing(connection, [pseudonym for _, pseudonym in sellers.values() if pseudonym])
    members = []
    for place, (key, role) in enumerate(zip(keys, roles.role, strict=True)):
        seller_id, pseudonym = sellers.get(key, (None, None))
        standing = struck[pseudonym], tuple(punished.get(pseudonym, ()))
        members.append(
            Member(key, role, from_microseconds(holdings.joined[places[place]]), seller_id, pseudonym, *standing)
        )
    links = networks.links_of(number)
    tree = strongest_links(links)
    listings, given = _read_listings(connection, {seller: key for key, (seller, _) in sellers.items() if seller})
    is_row = np.isin(holdings.seller, places)
    return Dossier(
        number=number,
        members=tuple(members),
        listings=listings,
        hypotheses=roles.hypotheses[:3],
        ties=tuple(_explain_ties(networks, links, tree)) if with_ties else (),
        n_links=len(links.first),
        chain=frozenset(zip(holdings.seller_ids[tree.first], holdings.seller_ids[tree.second], strict=True)),
        events=tuple(tell_timeline(networks, number)) if with_ties else (),
        joined=_find_joined(networks, places),
        last_seen=from_microseconds(holdings.last_seen[is_row].max(initial=holdings.joined[places].max())),
        notices=given,
        sold_value=estimate_sold_value(
            networks, number, listings, sales, current_ranking(connection).policy.exchange_rates
        ),
    )


def _find_joined(networks: Networks, places: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """Return the share of some sellers who have a payout account, phone, device or address of another of them."""
    holdings = networks.holdings
    says = compute_weights(holdings.holders, holdings.kinds, holdings.n_marketplace, networks.rules) > 0
    says &= np.isin(holdings.kinds, [KINDS.index(kind) for kind in HARD_KINDS])
    rows = np.isin(holdings.seller, places) & says[holdings.value]
    is_shared = np.bincount(holdings.value[rows], minlength=len(holdings.values)) > 1
    return len(np.unique(holdings.seller[rows & is_shared[holdings.value]])) / max(len(places), 1)


def find_sellers(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[str | None, str | None]]:
    """Return id and pseudonym of each member in the database."""
    sellers: dict[str, tuple[str | None, str | None]] = {}
    for batch in in_batches(keys):
        with_cases = select(cases.c.seller_id).where(cases.c.seller_id.in_(batch)).distinct()
        sellers |= {seller: (seller, None) for seller in connection.scalars(with_cases)}
        query = select(seller_keys.c.seller_id, seller_keys.c.pseudonym)
        named = or_(seller_keys.c.seller_id.in_(batch), seller_keys.c.pseudonym.in_(batch))
        for row in connection.execute(query.where(named)):
            sellers[row.seller_id if row.seller_id in batch else row.pseudonym] = (row.seller_id, row.pseudonym)
    return sellers


def _read_standing(
    connection: Connection, pseudonyms: Sequence[str]
) -> tuple[Counter[str | None], dict[str | None, list[str]]]:
    struck: Counter[str | None] = Counter()
    punished: dict[str | None, list[str]] = {}
    for batch in in_batches(pseudonyms):
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
    of_case = cases.c.case_id, cases.c.seller_id, cases.c.listing_id, cases.c.snapshot
    seen = select(*of_case, cases.c.observed_at, cases.c.enqueued_at).where(cases.c.erased_at.is_(None))
    of_decision = decisions.c.verdict, decisions.c.ground, decisions.c.decided_at
    decided = select(decisions.c.decision_id, decisions.c.case_id, *of_decision).where(is_last_verdict())
    proofs = select(evidence.c.evidence_id, evidence.c.case_id, evidence.c.decision_id, evidence.c.digest)
    in_force = select(measures.c.case_id).where(measures.c.lifted_at.is_(None))
    kind = notifier_kind_at(notices.c.received_at).label("kind")
    upheld = select(notice_items.c.case_id, notice_items.c.notice_id, kind).select_from(
        notice_items.join(notices, notices.c.notice_id == notice_items.c.notice_id).join(
            notifiers, notifiers.c.notifier_id == notices.c.notifier_id
        )
    )
    upheld = upheld.where(notice_items.c.state == "upheld", notice_items.c.overturned_at.is_(None))
    rows = list(_read(connection, seen.order_by(cases.c.case_id), cases.c.seller_id, list(key_of)))
    by_case: list[dict[int, list[Row[Any]]]] = []
    for query, case_id in (
        (decided, decisions.c.case_id),
        (proofs, evidence.c.case_id),
        (in_force, measures.c.case_id),
        (upheld, notice_items.c.case_id),
    ):
        by_case.append({})
        for row in _read(connection, query, case_id, [row.case_id for row in rows]):
            by_case[-1].setdefault(row.case_id, []).append(row)
    kinds = {item.notice_id: item.kind for items in by_case[-1].values() for item in items}
    listings = (_make(row, key_of, *(each.get(row.case_id, []) for each in by_case)) for row in rows)
    return latest_of_each(listings), dict(sorted(Counter(kinds.values()).items()))


def _read(connection: Connection, query: Select[Any], column: Column[Any], keys: Sequence[Any]) -> Iterator[Row[Any]]:
    for batch in in_batches(keys):
        yield from connection.execute(query.where(column.in_(batch)))


def _make(
    row: Row[Any],
    key_of: dict[str, str],
    verdicts: list[Row[Any]],
    kept: list[Row[Any]],
    restricted: list[Row[Any]],
    noticed: list[Row[Any]],
) -> CaseListing:
    listing = json.loads(row.snapshot)["listing"]
    last = verdicts[-1] if verdicts else None
    proof = next((piece for piece in kept if last and piece.decision_id == last.decision_id), None)
    return CaseListing(
        case_id=row.case_id,
        member=key_of[row.seller_id],
        listing_id=row.listing_id,
        title=listing["title"],
        listed_at=datetime.fromisoformat(listing["listed_at"]) if "listed_at" in listing else None,
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


def _explain_ties(networks: Networks, links: Links, tree: Links) -> Iterator[Tie]:
    """Yield the links of the spanning tree, then others up to the limit, strongest first."""
    pairs = dict.fromkeys(_places(tree)) | dict.fromkeys(_places(links))
    explained = [explain_tie(networks, *pair) for pair in list(pairs)[:_MOST_TIES]]
    yield from sorted(explained, key=lambda tie: (-tie.bits, tie.first, tie.second))


def _places(links: Links) -> Iterator[tuple[int, int]]:
    for place in np.lexsort((links.second, links.first, -links.weight)).tolist():
        yield int(links.first[place]), int(links.second[place])
