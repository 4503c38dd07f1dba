"""How notices stand, for each who reads them.

- Who gave a notice, and nobody else, gets its receipt, and what became of each of its listings so far. Nothing in it
  tells of the seller: only where the listing is, as the notifier wrote it.
- A reviewer reads which notices are behind a case, and what they say, whoever wrote it.
- Who looks through notices sees which wait, for whom, and by when their cases are due.
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
from ipml.cooperation.notifiers.notifier import decrypt_if_kept, tell_notifier
from ipml.errors import NotFound
from ipml.kit.moments import write_moment
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage import outbox
from ipml.storage.pseudonyms import Notifier, get_notifier, notifier_kind_at
from ipml.storage.tables import cases, notice_items, notices, notifiers

OUTCOMES: Mapping[str, str] = {
    "unknown": "not known here yet: it is looked at once it is",
    "waiting": "waits for a person to look at it",
    "upheld": "found counterfeit",
    "rejected": "not found counterfeit",
    "undecided": "closed without a finding",
    "not found": "we could not find it",
}
_MORE_NEEDED = "we have it; a person looks when more buyers say the same"
_TOO_FEW = "too few complaints: nobody looked at it"
_SUSPENDED = "Your notices are not looked at for now: you were told why. This one is kept, and nothing follows from it."
_RECEIVED = (
    "We have your notice. A person decides on each listing, and you are told what was decided, and what you can do."
)


@dataclass(frozen=True, slots=True)
class ListingStatus:
    """What became of one listing of a notice.

    Attributes
    ----------
    position : int
        In the notice, from 1.
    location : str or None
        As the notifier wrote it; None once it was erased.
    state : str
        A key of `OUTCOMES`; of a listing that the notifier gave notice of before, that of the earlier notice.
    is_repeated : bool
        Whether the notifier gave notice of it before.
    overturned_at : datetime or None
        When what was decided was taken back.
    is_short : bool
        Whether the listing is known here, but fewer complaints have come than it takes for a person to look.
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
        return "decided, and taken back since" if self.overturned_at else OUTCOMES[self.state]


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a notice was received, and how it stands.

    Attributes
    ----------
    reference : str
        What the notifier asks by; nobody guesses it.
    is_new : bool
        False where the same notice had been given before.
    is_suspended : bool
        Whether it is only kept, as the notifier is suspended.
    settled_at : datetime or None
        When the last of its listings was decided on.
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
        """What a notifier is to know, in words."""
        return _SUSPENDED if self.is_suspended else _RECEIVED


def find_receipt(connection: Connection, reference: str, address: str | None = None) -> Receipt:
    """Return how a notice stands; NotFound if there is none of that reference, or, with `address`, from there."""
    from_there = select(notifiers.c.notifier_id).where(notifiers.c.address == address)
    is_theirs = true() if address is None else notices.c.notifier_id.in_(from_there)
    notice = _get_notice(connection, reference, notices.c.reference == reference, is_theirs)
    return make_receipt(connection, notice, is_new=False)


def _get_notice(connection: Connection, name: str, *conditions: ColumnElement[bool]) -> StoredNotice:
    if (found := find_stored(connection, *conditions)) is None:
        raise NotFound("notice", name, "Expected the reference that its receipt names.")
    return found


def make_receipt(connection: Connection, notice: StoredNotice, *, is_new: bool) -> Receipt:
    """Return how a notice stands."""
    whose = func.coalesce(notice_items.c.pseudonym, notifiers.c.pseudonym).label("whose")
    said = notice_items.alias()  # the item itself, or the earlier one that it repeats
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
    """Say whether it takes more complaints for a person to look at a listing, or took more until it was closed."""
    if row.state == "waiting":
        return bool(row.case_state == "decided")
    return (row.state == "unknown" and is_offered) or (row.state == "undecided" and row.case_id is None)


def send_receipt(connection: Connection, notifier: Notifier, notice: Notice, receipt: Receipt, now: datetime) -> None:
    """Put the receipt into the outbox: whoever gives notice electronically is told so without delay (Article 16(4)).

    It names listings by their place in the notice alone: the notifier's key stays when a seller is forgotten.
    """
    said = describe_receipt(receipt)
    said["listings"] = [{name: value for name, value in one.items() if name != "location"} for one in said["listings"]]
    body = {"name": notice.name, "language": notice.language, **said}
    key, subject = outbox.make_key(f"notice-{receipt.notice_id}-receipt"), f"notice:{receipt.notice_id}"
    tell_notifier(connection, notifier, key=key, kind="notice_receipt", subject=subject, body=body, at=now)


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
    """A notice about the listing of a case, or of one that waits for it.

    Attributes
    ----------
    case_id : int
        The case itself, or its near-duplicate that was noted.
    notifier : str
        Pseudonym.
    notifier_kind : str
        "rights holder", "trusted flagger", "consumer" or "authority".
    kind : str
        "counterfeit" or "complaint".
    tier : str
        Of the notifier, when it came.
    explanation : str or None
        Hostile, as any text from outside; None once the notifier or a seller it is about was erased.
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
    """Return the notices behind a case and behind its near-duplicates that wait for it, the first that came first.

    Those of notifiers who were suspended when they gave notice are behind nothing.
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
    """Return what a notice says of its listings; None once the notifier or a seller it is about was erased."""
    said = decrypt_if_kept(connection, pseudonym, encrypted)
    return None if said is None else str(json.loads(said)["explanation"])


STATES = ("waiting", "settled", "all")


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice in a list.

    Attributes
    ----------
    waiting, unknown : int
        Listings that wait for a person, and those that nobody knows yet.
    due_at : datetime or None
        When the first of its cases that are not decided is due.
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
    """A notice with what it says, for those who look after notices."""

    row: NoticeRow
    receipt: Receipt
    notifier_id: int
    notifier: str
    notifier_kind: str
    explanation: str | None
    case_ids: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class WaitingTier:
    """How many listings of notices wait for a person in a tier, and of these how many are overdue."""

    tier: str
    kind: str
    listings: int
    overdue: int
    unknown: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class NoticeSearch:
    """Which notices to list, and in what order.

    Attributes
    ----------
    state : str, default="waiting"
        "waiting", "settled" or "all".
    words : str
        A notice's number or reference, or words all of which are in its brand and tier; "" finds all.
    order : str
        A key of `NOTICE_ORDERS`; "": those that wait by when they are due, else the newest first.
    notice_id : int, optional
        Of the only one that is wanted.
    """

    state: str = "waiting"
    words: str = ""
    order: str = ""
    is_descending: bool = False
    notice_id: int | None = None


NOTICE_ORDERS = ("due", "notice", "brand", "tier", "listings", "waiting", "received")
"""By what a list of notices can be sorted."""


def count_notices(connection: Connection, search: NoticeSearch) -> int:
    """Return how many notices a search finds."""
    return connection.scalar(select(func.count()).select_from(notices).where(*_conditions(search))) or 0


def list_notices(
    connection: Connection, search: NoticeSearch | None = None, limit: int = 100, skip: int = 0
) -> list[NoticeRow]:
    """Return the notices that a search finds; those that wait by when they are due, if none is given.

    Parameters
    ----------
    skip : int, default=0
        How many of the first ones are left out, as on the second page of a list.
    """
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
    """Return a notice by its number or its reference; NotFound if there is none."""
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
    """Return how many listings of notices wait in each tier: for a person, or to become known."""
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
