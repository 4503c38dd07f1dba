"""Status of notices: receipts for notifiers, notices behind a case for reviewers, and lists for operators.

Only the notifier gets a receipt. It has the outcomes so far and nothing of the seller: only the location of each
listing as the notifier wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, func, literal, select, true

from ipml.cooperation.notices.notice import Notice
from ipml.cooperation.notices.register import StoredNotice, find_offered, find_stored, read_location
from ipml.cooperation.notifiers.notifier import NotifierMessage, decrypt_if_kept, send_to_notifier
from ipml.errors import NotFound
from ipml.kit.moments import write_moment
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage import outbox
from ipml.storage.pseudonyms import Notifier, get_notifier, notifier_kind_at
from ipml.storage.tables import cases, notice_items, notices, notifiers

OUTCOMES: Mapping[str, str] = {
    "unknown": "we could not find this listing yet",
    "waiting": "waits for a person to look at it",
    "upheld": "found counterfeit",
    "rejected": "not found counterfeit",
    "undecided": "closed without a finding",
    "not found": "we could not find it",
}
_MORE_NEEDED = "we have it; a person looks when more buyers say the same"
_TOO_FEW = "too few complaints: not reviewed"
_SUSPENDED = "Your notices are not examined for now, for the reasons we sent you. This one is stored and has no effect."
_RECEIVED = "We have your notice. A person decides on each listing; you will receive the decision and your options."


@dataclass(frozen=True, slots=True)
class ListingStatus:
    """State of one listing in a notice; `position` starts at 1.

    `location` is as the notifier wrote it, None if erased. `state` is a key of `OUTCOMES`, for a repeated listing that
    of the earlier notice. `overturned_at` is when the decision was reversed. `is_short`: the listing is known, but it
    has too few complaints for a person to look.
    """

    position: int
    location: str | None
    state: str
    is_repeated: bool
    settled_at: datetime | None
    overturned_at: datetime | None
    is_short: bool = False

    @property
    def outcome(self) -> str:
        """The state in words."""
        if self.is_short:
            return _TOO_FEW if self.settled_at else _MORE_NEEDED
        return name_outcome(self.state, self.overturned_at)


def name_outcome(state: str, overturned_at: datetime | None) -> str:
    """Return the state of a listing in a notice, in words."""
    return "decided, and taken back since" if overturned_at else OUTCOMES[state]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt with the state of the notice.

    The notifier uses `reference`, which cannot be guessed, to ask for the state. `is_new` is False if the same notice
    came before. Notices of suspended notifiers are only stored. `settled_at` is when the last listing was decided.
    """

    notice_id: int
    reference: str
    kind: str
    received_at: datetime
    is_new: bool
    is_suspended: bool
    settled_at: datetime | None
    listings: tuple[ListingStatus, ...]

    @property
    def says(self) -> str:
        """The message to the notifier."""
        return _SUSPENDED if self.is_suspended else _RECEIVED


def find_receipt(connection: Connection, reference: str, address: str | None = None) -> Receipt:
    """Return the state of a notice by its reference (and the notifier's address, if given); raises NotFound."""
    from_there = select(notifiers.c.notifier_id).where(notifiers.c.address == address)
    is_theirs = true() if address is None else notices.c.notifier_id.in_(from_there)
    notice = _get_notice(connection, reference, notices.c.reference == reference, is_theirs)
    return make_receipt(connection, notice, is_new=False)


def _get_notice(connection: Connection, name: str, *conditions: ColumnElement[bool]) -> StoredNotice:
    if (found := find_stored(connection, *conditions)) is None:
        raise NotFound("notice", name, "Expected the reference that its receipt names.")
    return found


def make_receipt(connection: Connection, notice: StoredNotice, *, is_new: bool) -> Receipt:
    """Return the state of a notice."""
    whose = func.coalesce(notice_items.c.pseudonym, notifiers.c.pseudonym).label("whose")
    said = notice_items.alias()  # the item, or the earlier one that it repeats
    query = (
        select(whose, notice_items.c.location, notice_items.c.position, said.c.state, notice_items.c.repeats)
        .add_columns(said.c.settled_at, said.c.overturned_at, said.c.case_id, cases.c.state.label("case_state"))
        .join(said, said.c.item_id == func.coalesce(notice_items.c.repeats, notice_items.c.item_id))
        .join(notifiers, notifiers.c.notifier_id == notice.notifier_id)
        .outerjoin(cases, cases.c.case_id == said.c.case_id)
        .where(notice_items.c.notice_id == notice.notice_id)
        .order_by(notice_items.c.position)
    )
    rows = connection.execute(query).all()
    noted = [read_location(connection, row.whose, row.location) for row in rows]
    counts = notice.kind == "complaint" and not notice.is_suspended
    named = {one.listing_id for one in noted if one is not None and one.listing_id is not None} if counts else set()
    offered = find_offered(connection, named)
    listings = [
        ListingStatus(
            row.position,
            None if one is None else one.location,
            row.state,
            row.repeats is not None,
            row.settled_at,
            row.overturned_at,
            counts and _is_short(row, one is not None and one.listing_id in offered),
        )
        for row, one in zip(rows, noted, strict=True)
    ]
    return Receipt(
        notice_id=notice.notice_id,
        reference=notice.reference,
        kind=notice.kind,
        received_at=notice.received_at,
        is_new=is_new,
        is_suspended=notice.is_suspended,
        settled_at=notice.settled_at,
        listings=tuple(listings),
    )


def _is_short(row: Row[Any], is_offered: bool) -> bool:
    """Return whether a listing needs more complaints, or needed more until it was closed."""
    if row.state == "waiting":
        return bool(row.case_state == "decided")
    return (row.state == "unknown" and is_offered) or (row.state == "undecided" and row.case_id is None)


def send_receipt(connection: Connection, notifier: Notifier, notice: Notice, receipt: Receipt, now: datetime) -> None:
    """Put the receipt into the outbox: it must be sent without delay (Article 16(4)).

    It names listings by position only, as the notifier's key outlives that of an erased seller.
    """
    said = describe_receipt(receipt)
    said["listings"] = [{name: value for name, value in one.items() if name != "location"} for one in said["listings"]]
    body = {"name": notice.name, "language": notice.language, **said}
    key, subject = outbox.make_key(f"notice-{receipt.notice_id}-receipt"), f"notice:{receipt.notice_id}"
    send_to_notifier(connection, notifier, NotifierMessage(key, "notice_receipt", subject, body), now)


def describe_receipt(receipt: Receipt) -> dict[str, Any]:
    """Return the plain values of a receipt, as they are sent."""
    return {
        "reference": receipt.reference,
        "received_at": write_moment(receipt.received_at),
        "settled_at": receipt.settled_at and write_moment(receipt.settled_at),
        "is_suspended": receipt.is_suspended,
        "says": receipt.says,
        "listings": [
            {
                "position": one.position,
                "location": one.location,
                "state": one.state,
                "outcome": one.outcome,
                "is_repeated": one.is_repeated,
                "settled_at": one.settled_at and write_moment(one.settled_at),
            }
            for one in receipt.listings
        ],
    }


@dataclass(frozen=True, slots=True)
class CaseNotice:
    """A notice behind a case, or behind a near-duplicate (`case_id`) that waits for it.

    `notifier` is a pseudonym; `tier` is that at the time of the notice. `explanation` is hostile text; None once the
    notifier or a seller concerned was erased.
    """

    notice_id: int
    case_id: int
    notifier: str
    notifier_kind: str
    kind: str
    tier: str
    brand: str | None
    received_at: datetime
    state: str
    explanation: str | None


def find_notices(connection: Connection, case_id: int) -> list[CaseNotice]:
    """Return the notices behind a case and its waiting near-duplicates, oldest first.

    Notices during a suspension are left out.
    """
    found = connection.execute(_OF_CASE, {"number": case_id}).all()
    return [
        CaseNotice(**row._asdict() | {"explanation": read_explanation(connection, row.notifier, row.explanation)})
        for row in found
    ]


def _select_of_case() -> Select[Any]:
    number: ColumnElement[Any] = bindparam("number")
    waiting = select(cases.c.case_id).where(cases.c.exemplar == number, cases.c.state == "open")
    return (
        select(notices.c.notice_id, notices.c.kind, notices.c.tier, notices.c.brand, notices.c.received_at)
        .add_columns(notices.c.explanation, notice_items.c.case_id, notice_items.c.state)
        .add_columns(notifiers.c.pseudonym.label("notifier"))
        .add_columns(notifier_kind_at(notices.c.received_at).label("notifier_kind"))
        .join(notice_items, notice_items.c.notice_id == notices.c.notice_id)
        .join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
        .where(notice_items.c.case_id.in_([number]) | notice_items.c.case_id.in_(waiting))
        .where(notice_items.c.state != "repeated")
        .order_by(notices.c.received_at, notices.c.notice_id, notice_items.c.position)
    )


_OF_CASE = _select_of_case()


def read_explanation(connection: Connection, pseudonym: str, encrypted: str) -> str | None:
    """Return the explanation of a notice; None once the notifier or a seller concerned was erased."""
    said = decrypt_if_kept(connection, pseudonym, encrypted)
    return None if said is None else str(json.loads(said)["explanation"])


STATES = ("waiting", "settled", "all")


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice in a list, with its waiting and unknown listings.

    `due_at` is the earliest deadline of its undecided cases.
    """

    notice_id: int
    received_at: datetime
    kind: str
    brand: str | None
    tier: str
    is_suspended: bool
    listings: int
    waiting: int
    unknown: int
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class NoticeFile:
    """A notice with its content, for operators."""

    row: NoticeRow
    receipt: Receipt
    notifier_id: int
    notifier: str
    notifier_kind: str
    explanation: str | None
    case_ids: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class WaitingTier:
    """Listings of notices that wait for a person in a tier, and how many are overdue."""

    tier: str
    kind: str
    listings: int
    overdue: int
    unknown: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class NoticeSearch:
    """Filter and order of a list of notices.

    `state` is one of `STATES`. `words` are a number, a reference, or words of brand and tier. `order` is a key of
    `NOTICE_ORDERS`; by default waiting notices come by deadline, others newest first.
    """

    state: str = "waiting"
    words: str = ""
    order: str = ""
    is_descending: bool = False
    notice_id: int | None = None


NOTICE_ORDERS = ("due", "notice", "brand", "tier", "listings", "waiting", "received")
"""Keys by which a list of notices can be sorted."""


def count_notices(connection: Connection, search: NoticeSearch) -> int:
    """Return the number of notices that a search finds."""
    return connection.scalar(select(func.count()).select_from(notices).where(*_conditions(search))) or 0


def list_notices(
    connection: Connection, search: NoticeSearch | None = None, limit: int = 100, skip: int = 0
) -> list[NoticeRow]:
    """Return a page of the notices that a search finds; by default those waiting."""
    search = search or NoticeSearch()
    is_waiting = notice_items.c.state == "waiting"
    due_at = func.min(case((is_waiting, cases.c.due_at)))
    n_listings, n_waiting = func.count(), func.count().filter(is_waiting)
    query = (
        select(
            *(notices.c.notice_id, notices.c.received_at, notices.c.kind, notices.c.brand, notices.c.tier),
            notices.c.is_suspended,
            n_listings,
            n_waiting,
            func.count().filter(notice_items.c.state == "unknown"),
            due_at,
        )
        .select_from(notices.join(notice_items).outerjoin(cases, cases.c.case_id == notice_items.c.case_id))
        .where(*_conditions(search))
        .group_by(notices.c.notice_id)
        .limit(limit)
        .offset(skip)
    )
    by_name = {
        "due": due_at,
        "notice": notices.c.notice_id,
        "brand": notices.c.brand,
        "tier": notices.c.tier,
        "listings": n_listings,
        "waiting": n_waiting,
        "received": notices.c.received_at,
    }
    usual, is_descending = ("due", False) if search.state == "waiting" else ("notice", True)
    by = by_name[search.order or usual]
    is_descending = search.is_descending if search.order else is_descending
    order = (by.is_(None), by.desc() if is_descending else by.asc(), notices.c.notice_id)
    return [NoticeRow(*row) for row in connection.execute(query.order_by(*order))]


def _conditions(search: NoticeSearch) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if search.state in ("waiting", "settled"):
        is_waiting = notices.c.settled_at.is_(None)
        found.append(is_waiting if search.state == "waiting" else ~is_waiting)
    if search.notice_id is not None:
        found.append(notices.c.notice_id == search.notice_id)
    if search.words:
        text = notices.c.tier + literal(" ") + func.coalesce(notices.c.brand, "")
        words = [func.lower(text).contains(word.lower(), autoescape=True) for word in search.words.split()]
        is_number = search.words.isdecimal() and len(search.words) < len(str(LARGEST_NUMBER))
        number = int(search.words) if is_number else 0
        is_named = (notices.c.reference == search.words) | (notices.c.notice_id == number)
        found.append(and_(*words) | is_named)
    return found


def get_notice_file(connection: Connection, notice: int | str) -> NoticeFile:
    """Return a notice by its number or reference; raises NotFound."""
    is_number = isinstance(notice, int) or notice.isdecimal()
    number = int(notice) if is_number and len(str(notice)) < len(str(LARGEST_NUMBER)) else 0
    is_it = notices.c.notice_id == number if is_number else notices.c.reference == notice
    stored = _get_notice(connection, str(notice), is_it)
    notifier = get_notifier(connection, stored.notifier_id, at=stored.received_at)
    joined = select(notice_items.c.case_id).where(notice_items.c.notice_id == stored.notice_id)
    (shown,) = list_notices(connection, NoticeSearch("all", notice_id=stored.notice_id))
    return NoticeFile(
        row=shown,
        receipt=make_receipt(connection, stored, is_new=False),
        notifier_id=notifier.notifier_id,
        notifier=notifier.pseudonym,
        notifier_kind=notifier.kind,
        explanation=read_explanation(connection, notifier.pseudonym, stored.explanation),
        case_ids=tuple(connection.scalars(joined.order_by(notice_items.c.position))),
    )


def count_waiting_by_tier(connection: Connection, *, now: datetime | None = None) -> list[WaitingTier]:
    """Return the listings of notices that wait in each tier, for a person or to become known."""
    now = now or datetime.now(UTC)
    is_waiting = notice_items.c.state == "waiting"
    query = (
        select(
            notices.c.tier,
            notices.c.kind,
            func.count().filter(is_waiting),
            func.count().filter(is_waiting & (cases.c.due_at < now)),
            func.count().filter(~is_waiting),
            func.min(notices.c.received_at),
        )
        .select_from(notices.join(notice_items).outerjoin(cases, cases.c.case_id == notice_items.c.case_id))
        .where(notices.c.settled_at.is_(None), notice_items.c.state.in_(["waiting", "unknown"]))
        .group_by(notices.c.tier, notices.c.kind)
        .order_by(notices.c.tier, notices.c.kind)
    )
    return [WaitingTier(*row) for row in connection.execute(query)]
