"""Who gives notice: how people find them, how they are told something, what rights they showed, what others made them.

Messages to notifiers go through the same outbox as those to sellers, encrypted with the notifier's own key. A document
of rights is what a notifier says that they hold in a brand, and whether a person has found it to be so.

What a notifier is taken for at their first notice is a guess. A status that others gave (trusted flagger, Article 22(2)
of the Digital Services Act: the coordinator of a member state) is noted by a person, with the ground for it. An
appointment is a row of its own, and so is its end: the last row tells, so that what somebody was at any moment stays
known. The notices from then on come in the tier of that kind (`ipml.cooperation.notifiers.tiers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ipml.errors import Conflict, NotFound, SellerErased, UnstorableValue
from ipml.kit.canonical_json import digest
from ipml.kit.moments import write_moment
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import (
    NOTIFIER_KINDS,
    Notifier,
    decrypt,
    encrypt,
    get_notifier,
    make_notifier,
    select_notifiers,
)
from ipml.storage.tables import notifier_appointments, notifiers, rights_documents


def find_notifier(connection: Connection, name: str) -> Notifier:
    """Return the notifier of a number, an address or a pseudonym.

    Raises
    ------
    NotFound
    """
    if name.isascii() and name.isdecimal() and len(name) < 20:
        return get_notifier(connection, int(name))
    is_it = notifiers.c.address == name.lower() if "@" in name else notifiers.c.pseudonym == name
    row = connection.execute(select_notifiers().where(is_it)).first()
    if row is None:
        raise NotFound("notifier", name, "`ipml cooperate notifier list` shows those there are.")
    return make_notifier(row)


def list_notifiers(connection: Connection, kind: str | None = None, *, at: datetime | None = None) -> list[Notifier]:
    """Return all notifiers as they are at a moment (now), or those of a kind, in order."""
    rows = connection.execute(select_notifiers(at).order_by(notifiers.c.notifier_id))
    return [one for one in map(make_notifier, rows) if kind in (None, one.kind)]


def decrypt_if_kept(connection: Connection, pseudonym: str, encrypted: str) -> str | None:
    """Return what was encrypted; None where it was emptied, or the key of whom it tells is gone: they were erased."""
    try:
        return decrypt(connection, pseudonym, encrypted) if encrypted else None
    except SellerErased:
        return None


CHANNEL = "holder"


def tell_notifier(
    connection: Connection,
    notifier: Notifier,
    *,
    key: str,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    at: datetime,
    encrypted_for: str | None = None,
) -> bool:
    """Put a message to a notifier into the outbox; False where they were erased, and nobody is left to tell.

    Parameters
    ----------
    key : str
        See `ipml.storage.outbox.make_key`.
    encrypted_for : str, default=the notifier
        Pseudonym of the seller whom the message tells of, if it does: then it goes when that seller is forgotten.
    """
    if notifier.address is None:
        return False
    outbox.put(
        connection,
        key=key,
        channel=CHANNEL,
        kind=kind,
        subject=subject,
        body={"to": notifier.address, **body},
        pseudonym=encrypted_for or notifier.pseudonym,
        now=at,
    )
    return True


_WORDS = {
    True: "We have accepted the document of your rights in this brand; you need not send it again.",
    False: "We could not accept the document of your rights in this brand. Send another, or its right number.",
}


@dataclass(frozen=True, slots=True)
class RightsDocument:
    """A document as it was filed; `is_accepted` is None until somebody has looked, `reference` where it was erased.

    `details` is what `ipml.cooperation.notifiers.registrations` stores, None where it was only named in a notice.
    """

    document_id: int
    notifier_id: int
    brand: str
    reference: str | None
    filed_at: datetime
    checked_by: str | None
    checked_at: datetime | None
    is_accepted: bool | None
    details: str | None
    valid_until: datetime | None


def check_document(
    connection: Connection, document_id: int, by: str, *, is_accepted: bool, now: datetime | None = None
) -> RightsDocument:
    """Record whether a document shows the rights it is to show, and tell the notifier.

    Parameters
    ----------
    by : str
        Who has looked at it.

    Raises
    ------
    NotFound
    """
    now = now or datetime.now(UTC)
    row = _find(connection, document_id)
    fields = {"is_accepted": is_accepted, "checked_by": by, "checked_at": now}
    is_it = rights_documents.c.document_id == document_id
    connection.execute(update(rights_documents).where(is_it).values(fields))
    outcome, notifier = "accepted" if is_accepted else "rejected", get_notifier(connection, row.notifier_id)
    audit.append(connection, by, f"rights {outcome}", notifier.subject, {"document": document_id}, at=now)
    body = {"brand": row.brand, "is_accepted": is_accepted, "words": _WORDS[is_accepted]}
    key = outbox.make_key(f"document-{document_id}-{outcome}")
    tell_notifier(connection, notifier, key=key, kind="rights_document", subject=notifier.subject, body=body, at=now)
    return _make_document(connection, _find(connection, document_id), notifier.pseudonym)


def list_documents(connection: Connection, notifier_id: int) -> list[RightsDocument]:
    """Return the documents of a notifier, in order."""
    whose = get_notifier(connection, notifier_id).pseudonym
    query = select(rights_documents).where(rights_documents.c.notifier_id == notifier_id)
    rows = connection.execute(query.order_by(rights_documents.c.document_id)).all()
    return [_make_document(connection, row, whose) for row in rows]


def _find(connection: Connection, document_id: int) -> Row[Any]:
    query = select(rights_documents).where(rights_documents.c.document_id == document_id)
    row = connection.execute(query).first() if 0 < document_id <= LARGEST_NUMBER else None
    if row is None:
        raise NotFound("document", document_id, "`ipml cooperate notifier show NOTIFIER` lists those of a notifier.")
    return row


def _make_document(connection: Connection, row: Row[Any], whose: str) -> RightsDocument:
    said = {name: decrypt_if_kept(connection, whose, getattr(row, name) or "") for name in ("reference", "details")}
    return RightsDocument(**row._asdict() | said)


_LONGEST_GROUND = 2000


@dataclass(frozen=True, slots=True)
class Appointment:
    """That a notifier is of a kind, or that they no longer are what they were appointed.

    Attributes
    ----------
    kind : str or None
        A name of `ipml.storage.pseudonyms.NOTIFIER_KINDS`; None where the appointment before it was revoked.
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
    NotFound, UnstorableValue

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> from ipml.storage.pseudonyms import notifier_of
    >>> engine, now = open_database("sqlite://"), datetime(2026, 5, 1, tzinfo=UTC)
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     number = notifier_of(connection, "flags@ngo.test", "consumer", now).notifier_id
    ...     _ = appoint(connection, number, "trusted flagger", "lea", "Coordinator of Ireland, no. 12", now)
    ...     get_notifier(connection, number, at=now).kind
    'trusted flagger'
    """
    if kind not in NOTIFIER_KINDS:
        raise UnstorableValue("kind", repr(kind), f"one of {', '.join(NOTIFIER_KINDS)}")
    if until is not None and until <= now:
        raise UnstorableValue("until", f"{until:%Y-%m-%d}", "a moment that is yet to come")
    return _note(connection, get_notifier(connection, notifier_id, lock=True, at=now), kind, by, ground, now, until)


def revoke(connection: Connection, notifier_id: int, by: str, ground: str, now: datetime) -> Appointment:
    """End the appointment of a notifier, who is again what they were taken for at their first notice.

    Raises
    ------
    NotFound, UnstorableValue
    Conflict
        No appointment is in force.
    """
    notifier = get_notifier(connection, notifier_id, lock=True, at=now)
    if find_appointment(connection, notifier_id, now) is None:
        raise Conflict(f"notifier {notifier_id}", "found no appointment in force", "There is no need.")
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
    return [_make_appointment(connection, row, whose) for row in rows]


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
    encrypted = encrypt(connection, notifier.pseudonym, ground)
    query = insert(notifier_appointments).values(**fields, ground=encrypted).returning(notifier_appointments)
    row = connection.execute(query).one()
    noted: dict[str, audit.Value] = {"appointment": row.appointment_id, "kind": kind, "ground": digest(ground)}
    noted["until"] = None if until is None else write_moment(until)
    action = "notifier appointed" if kind else "notifier appointment revoked"
    audit.append(connection, by, action, notifier.subject, noted, at=at)
    return _make_appointment(connection, row, notifier.pseudonym)


def _make_appointment(connection: Connection, row: Row[Any], whose: str) -> Appointment:
    return Appointment(**row._asdict() | {"ground": decrypt_if_kept(connection, whose, row.ground)})
