"""Appointments: who is a trusted flagger, an authority and the like, by whose word, until when and on what ground.

What a notifier is taken for at their first notice is a guess. A status that others gave (Article 22(2) of the Digital
Services Act: the coordinator of a member state) is noted by a person, with the ground for it. An appointment is a row
of its own, and so is its end: the last row tells, so that what somebody was at any moment stays known. The notices
from then on come in the tier of that kind (`ipml.cooperation.notifiers.lanes`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ipml.errors import NothingToRevoke, SellerErased, UnstorableValue
from ipml.review.snapshot import digest
from ipml.review.texts import check_text
from ipml.storage import audit
from ipml.storage.notifiers import KINDS, Notifier, get_notifier
from ipml.storage.pseudonyms import seal, unseal
from ipml.storage.tables import notifier_appointments

_LONGEST_GROUND = 2000


@dataclass(frozen=True, slots=True)
class Appointment:
    """That a notifier is of a kind, or that they no longer are what they were appointed.

    Attributes
    ----------
    kind : str or None
        A name of `ipml.storage.notifiers.KINDS`; None where the appointment before it was revoked.
    until : datetime or None
        When it ends by itself; None: it does not.
    ground : str or None
        Why; None where the notifier was erased.
    """

    appointment_id: int
    notifier_id: int
    kind: str | None
    made_by: str
    made_at: datetime
    until: datetime | None
    ground: str | None

    @property
    def last_day(self) -> date | None:
        """The last day on which it holds, in UTC; None where it does not end by itself."""
        return None if self.until is None else (self.until - timedelta(microseconds=1)).date()


def appoint(
    connection: Connection,
    notifier_id: int,
    kind: str,
    by: str,
    ground: str,
    now: datetime,
    *,
    until: datetime | None = None,
) -> Appointment:
    """Let a notifier be of a kind from now on; an earlier appointment ends with that.

    Parameters
    ----------
    kind : str
        "rights holder", "trusted flagger", "consumer" or "authority".
    by : str
        The person who notes it.
    ground : str
        Who gave the status, and where that is written; at most 2,000 characters.
    until : datetime, optional
        When it ends by itself.

    Raises
    ------
    NotifierNotFound, UnstorableValue

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> from ipml.storage.notifiers import notifier_of
    >>> engine, now = open_database("sqlite://"), datetime(2026, 5, 1, tzinfo=UTC)
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     number = notifier_of(connection, "flags@ngo.test", "consumer", now).notifier_id
    ...     _ = appoint(connection, number, "trusted flagger", "lea", "Coordinator of Ireland, no. 12", now)
    ...     get_notifier(connection, number, at=now).kind
    'trusted flagger'
    """
    if kind not in KINDS:
        raise UnstorableValue("kind", repr(kind), f"one of {', '.join(KINDS)}")
    if until is not None and until <= now:
        raise UnstorableValue("until", f"{until:%Y-%m-%d}", "a moment that is yet to come")
    return _note(connection, get_notifier(connection, notifier_id, lock=True, at=now), kind, by, ground, now, until)


def revoke(connection: Connection, notifier_id: int, by: str, ground: str, now: datetime) -> Appointment:
    """End the appointment of a notifier, who is again what they were taken for at their first notice.

    Raises
    ------
    NotifierNotFound, UnstorableValue
    NothingToRevoke
        No appointment is in force.
    """
    notifier = get_notifier(connection, notifier_id, lock=True, at=now)
    if find_appointment(connection, notifier_id, now) is None:
        raise NothingToRevoke(notifier_id)
    return _note(connection, notifier, None, by, ground, now, None)


def end_of_day(day: date) -> datetime:
    """Return the moment at which an appointment ends that lasts until a day, that day included (UTC).

    Examples
    --------
    >>> end_of_day(date(2027, 5, 1)).isoformat()
    '2027-05-02T00:00:00+00:00'
    """
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def find_appointment(connection: Connection, notifier_id: int, now: datetime) -> Appointment | None:
    """Return the appointment of a notifier that is in force at a moment, if one is."""
    made = [one for one in list_appointments(connection, notifier_id) if one.made_at <= now]
    last = made[-1] if made else None
    return None if last is None or last.kind is None or (last.until is not None and last.until <= now) else last


def list_appointments(connection: Connection, notifier_id: int) -> list[Appointment]:
    """Return all appointments of a notifier, and their ends, in order."""
    query = select(notifier_appointments).where(notifier_appointments.c.notifier_id == notifier_id)
    rows = connection.execute(query.order_by(notifier_appointments.c.appointment_id)).all()
    whose = get_notifier(connection, notifier_id).pseudonym if rows else ""
    return [_make(connection, row, whose) for row in rows]


def _note(
    connection: Connection,
    notifier: Notifier,
    kind: str | None,
    by: str,
    ground: str,
    at: datetime,
    until: datetime | None,
) -> Appointment:
    check_text("ground", ground, _LONGEST_GROUND)
    if not ground.strip():
        raise UnstorableValue("ground", "nothing", "who gave the status, and where that is written")
    if notifier.address is None:
        raise UnstorableValue("notifier", "one who was erased", "one who is known")
    fields = {"notifier_id": notifier.notifier_id, "kind": kind, "made_by": by, "made_at": at, "until": until}
    sealed = seal(connection, notifier.pseudonym, ground)
    query = insert(notifier_appointments).values(**fields, ground=sealed).returning(notifier_appointments)
    row = connection.execute(query).one()
    noted: dict[str, audit.Value] = {"appointment": row.appointment_id, "kind": kind, "ground": digest(ground)}
    noted["until"] = None if until is None else until.isoformat()
    action = "notifier appointed" if kind else "notifier appointment revoked"
    audit.append(connection, by, action, notifier.subject, noted, at=at)
    return _make(connection, row, notifier.pseudonym)


def _make(connection: Connection, row: Row[Any], whose: str) -> Appointment:
    ground = None
    with suppress(SellerErased):
        ground = unseal(connection, whose, row.ground) if row.ground else None
    return Appointment(row.appointment_id, row.notifier_id, row.kind, row.made_by, row.made_at, row.until, ground)
