"""Who gives notice, known by their address, with a pseudonym and a key of their own as sellers have.

Whoever keeps a notifier from other writers does so before cases: in that order all who need both wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, insert, or_, select

from ipml.errors import NotifierNotFound
from ipml.storage import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import make_pseudonym
from ipml.storage.tables import notifier_appointments, notifiers

KINDS = ("rights holder", "trusted flagger", "consumer", "authority")
_LARGEST_NUMBER = 2**63 - 1  # that a database counts to
_MADE, _TOLD = notifier_appointments.alias(), notifier_appointments.alias()


@dataclass(frozen=True, slots=True)
class Notifier:
    """Who gives notice.

    Attributes
    ----------
    address : str or None
        E-mail in small letters; None once erased.
    kind : str
        "rights holder", "trusted flagger", "consumer" or "authority": as appointed, else as guessed at first.
    """

    notifier_id: int
    address: str | None
    pseudonym: str
    kind: str
    created_at: datetime

    @property
    def subject(self) -> str:
        """Their name in the audit trail and in the outbox."""
        return f"notifier:{self.notifier_id}"


def notifier_of(connection: Connection, address: str, kind: str, now: datetime) -> Notifier:
    """Return who writes from an address, kept from other writers; one who is new gets a key, and is of this kind.

    Call `note_added` later in the transaction.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine, now = open_database("sqlite://"), datetime(2026, 5, 1, tzinfo=UTC)
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     first, again = (notifier_of(connection, a, "consumer", now) for a in ("Ann@shop.test", "ann@shop.test"))
    >>> first == again, first.kind
    (True, 'consumer')
    """
    address = address.lower()
    if known := _find(connection, address, now):
        return known
    serialise(connection, Lock.ADD_NOTIFIER)
    if known := _find(connection, address, now):
        return known  # another made it while we waited
    pseudonym, key = make_pseudonym(address)
    fields = {"address": address, "pseudonym": pseudonym, "key": key, "kind": kind, "created_at": now}
    row = connection.execute(insert(notifiers).values(fields).returning(notifiers)).one()
    return make_notifier(row)


def note_added(connection: Connection, notifier: Notifier, actor: str, now: datetime) -> None:
    """Note in the trail that a notifier was added, if it was at this moment; after all other locks were taken."""
    if notifier.created_at == now:
        audit.append(connection, actor, "notifier added", notifier.subject, {}, at=now)


def get_notifier(
    connection: Connection, notifier_id: int, *, lock: bool = False, at: datetime | None = None
) -> Notifier:
    """Return the notifier of a number as they are at a moment (now), with `lock` kept from other writers.

    Raises
    ------
    NotifierNotFound
    """
    query = select_notifiers(at).where(notifiers.c.notifier_id == notifier_id)
    query = query.with_for_update(of=notifiers) if lock else query
    row = connection.execute(query).first() if 0 < notifier_id <= _LARGEST_NUMBER else None
    if row is None:
        raise NotifierNotFound(notifier_id)
    return make_notifier(row)


def kind_at(moment: datetime | ColumnElement[datetime]) -> ColumnElement[str]:
    """Return what a row of notifiers is at a moment: as appointed then, else as guessed at their first notice.

    Parameters
    ----------
    moment : datetime or column
        Such as when a notice came: what its notifier became later changes nothing about it.
    """
    last = select(func.max(_MADE.c.appointment_id)).where(
        _MADE.c.notifier_id == notifiers.c.notifier_id, _MADE.c.made_at <= moment
    )
    query = select(_TOLD.c.kind).where(
        _TOLD.c.appointment_id == last.correlate_except(_MADE).scalar_subquery(),
        or_(_TOLD.c.until.is_(None), _TOLD.c.until > moment),
    )
    return func.coalesce(query.correlate_except(_TOLD).scalar_subquery(), notifiers.c.kind)


def select_notifiers(at: datetime | None = None) -> Select[Any]:
    """Return the query for all notifiers as they are at a moment; for `make_notifier`."""
    own = [notifiers.c[name] for name in Notifier.__slots__ if name != "kind"]
    return select(*own, kind_at(at or datetime.now(UTC)).label("kind"))


def _find(connection: Connection, address: str, at: datetime) -> Notifier | None:
    query = select_notifiers(at).where(notifiers.c.address == address)
    row = connection.execute(query.with_for_update(of=notifiers)).first()
    return None if row is None else make_notifier(row)


def make_notifier(row: Row[Any]) -> Notifier:
    """Make the record of a row of notifiers."""
    return Notifier(**{name: getattr(row, name) for name in Notifier.__slots__})
