"""The receipt of a notice, and what became of each of its listings so far: for who gave it, and nobody else.

Nothing in it tells of the seller: only where the listing is, as the notifier wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ipml.cooperation.notices.keeping import read_location
from ipml.cooperation.notices.notice import Notice
from ipml.errors import NoticeNotFound
from ipml.storage import outbox
from ipml.storage.notifiers import Notifier
from ipml.storage.tables import notice_items, notices, notifiers

OUTCOMES: Mapping[str, str] = {
    "unknown": "not known here yet: it is looked at once it is",
    "waiting": "waits for a person to look at it",
    "upheld": "found counterfeit",
    "rejected": "not found counterfeit",
    "undecided": "closed without a finding",
    "not found": "we could not find it",
}
_SUSPENDED = "Your notices are not looked at for now: you were told why. This one is kept, and nothing follows from it."
_RECEIVED = (
    "We have your notice. A person decides on each listing, and you are told what was decided, and what you can do."
)
_CHANNEL = "holder"


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
    """

    position: int
    location: str | None
    state: str
    is_repeated: bool
    settled_at: datetime | None
    overturned_at: datetime | None

    @property
    def outcome(self) -> str:
        """The state in words."""
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
    """Return how a notice stands; NoticeNotFound if there is none of that reference, or, with `address`, from there."""
    query = select(notices).where(notices.c.reference == reference)
    if address is not None:
        query = query.where(notices.c.notifier_id == notifiers.c.notifier_id, notifiers.c.address == address)
    row = connection.execute(query).first()
    if row is None:
        raise NoticeNotFound(reference)
    return make_receipt(connection, row, is_new=False)


def make_receipt(connection: Connection, row: Row[Any], *, is_new: bool) -> Receipt:
    """Return how the notice in a row stands."""
    theirs = connection.scalar(select(notifiers.c.pseudonym).where(notifiers.c.notifier_id == row.notifier_id))
    earlier = notice_items.alias()
    query = (
        select(notice_items, earlier.c.state.label("earlier"), earlier.c.settled_at.label("earlier_settled"))
        .add_columns(earlier.c.overturned_at.label("earlier_overturned"))
        .outerjoin(earlier, earlier.c.item_id == notice_items.c.repeats)
        .where(notice_items.c.notice_id == row.notice_id)
        .order_by(notice_items.c.position)
    )
    listings = tuple(_make_status(connection, item, str(theirs)) for item in connection.execute(query))
    known = (row.notice_id, row.reference, row.kind, row.received_at, is_new, row.is_suspended, row.settled_at)
    return Receipt(*known, listings)


def _make_status(connection: Connection, item: Row[Any], theirs: str) -> ListingStatus:
    noted = read_location(connection, item, theirs)
    location = None if noted is None else noted.location
    if item.repeats is None:
        return ListingStatus(item.position, location, item.state, False, item.settled_at, item.overturned_at)
    settled = item.earlier, True, item.earlier_settled, item.earlier_overturned
    return ListingStatus(item.position, location, *settled)


def send_receipt(connection: Connection, notifier: Notifier, notice: Notice, receipt: Receipt, now: datetime) -> None:
    """Put the receipt into the outbox: whoever gives notice electronically is told so without delay (Article 16(4)).

    It names listings by their place in the notice alone: the notifier's key stays when a seller is forgotten.
    """
    said = describe_receipt(receipt)
    said["listings"] = [{name: value for name, value in one.items() if name != "location"} for one in said["listings"]]
    outbox.put(
        connection,
        key=outbox.make_key(f"notice-{receipt.notice_id}-receipt"),
        channel=_CHANNEL,
        kind="notice_receipt",
        subject=f"notice:{receipt.notice_id}",
        body={"to": notifier.address, "name": notice.name, "language": notice.language, **said},
        pseudonym=notifier.pseudonym,
        now=now,
    )


def describe_receipt(receipt: Receipt) -> dict[str, Any]:
    """Return the plain values of a receipt, as they are sent."""
    return {
        "reference": receipt.reference,
        "received_at": receipt.received_at.isoformat(),
        "settled_at": receipt.settled_at and receipt.settled_at.isoformat(),
        "is_suspended": receipt.is_suspended,
        "says": receipt.says,
        "listings": [
            {
                "position": one.position,
                "location": one.location,
                "state": one.state,
                "outcome": one.outcome,
                "is_repeated": one.is_repeated,
                "settled_at": one.settled_at and one.settled_at.isoformat(),
            }
            for one in receipt.listings
        ],
    }
