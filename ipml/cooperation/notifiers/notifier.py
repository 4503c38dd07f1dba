"""Notifiers: lookup, messages, documents of rights, and appointments.

Messages use the outbox, encrypted with the notifier's own key. A document of rights is a notifier's claim to a brand,
which a person accepts or not. The kind at the first notice is a guess. A person records a status that others gave
(trusted flagger, Article 22(2) of the Digital Services Act: by a member state's coordinator) with its ground. An
appointment and its end are rows, and the last row decides, so the status at any moment stays known. It sets the tier of
later notices (`ipml.cooperation.notifiers.tiers`).
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
    """Return the notifier of a number, an address or a pseudonym; raises NotFound."""
    if name.isascii() and name.isdecimal() and len(name) < 20:
        return get_notifier(connection, int(name))
    is_it = notifiers.c.address == name.lower() if "@" in name else notifiers.c.pseudonym == name
    row = connection.execute(select_notifiers().where(is_it)).first()
    if row is None:
        raise NotFound("notifier", name, "The page Reporters lists them.")
    return make_notifier(row)


def list_notifiers(connection: Connection, kind: str | None = None, *, at: datetime | None = None) -> list[Notifier]:
    """Return all notifiers (or those of a kind) as they are at a moment, by default now."""
    rows = connection.execute(select_notifiers(at).order_by(notifiers.c.notifier_id))
    return [notifier for notifier in map(make_notifier, rows) if kind in (None, notifier.kind)]


def decrypt_if_kept(connection: Connection, pseudonym: str, encrypted: str) -> str | None:
    """Decrypt a text; None if it was emptied or its key is gone, as after an erasure."""
    try:
        return decrypt(connection, pseudonym, encrypted) if encrypted else None
    except SellerErased:
        return None


CHANNEL = "holder"


@dataclass(frozen=True, slots=True)
class NotifierMessage:
    """A message to a notifier.

    `encrypted_for` is the pseudonym of the seller it concerns, if any: the message is lost when that seller is erased.
    `key` comes from `ipml.storage.outbox.make_key`.
    """

    key: str
    kind: str
    subject: str
    body: Mapping[str, Any]
    encrypted_for: str | None = None


def send_to_notifier(connection: Connection, notifier: Notifier, message: NotifierMessage, at: datetime) -> bool:
    """Put a message to a notifier into the outbox; False if the notifier was erased."""
    if notifier.address is None:
        return False
    draft = outbox.Draft(
        key=message.key,
        channel=CHANNEL,
        kind=message.kind,
        subject=message.subject,
        body={"to": notifier.address, **message.body},
        pseudonym=message.encrypted_for or notifier.pseudonym,
        now=at,
    )
    outbox.put_all(connection, [draft])
    return True


_WORDS = {
    True: "We have accepted the document of your rights in this brand; you need not send it again.",
    False: "We could not accept the document of your rights in this brand. Send another, or its right number.",
}


@dataclass(frozen=True, slots=True)
class RightsDocument:
    """A document of rights as filed; `is_accepted` is None until it was checked, `reference` if it was erased.

    `details` is what `ipml.cooperation.notifiers.registrations` stores; None if a notice only named the document.
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
    """Record whether a document shows the rights, and notify the notifier; raises NotFound."""
    now = now or datetime.now(UTC)
    row = _find(connection, document_id)
    fields = {"is_accepted": is_accepted, "checked_by": by, "checked_at": now}
    is_it = rights_documents.c.document_id == document_id
    connection.execute(update(rights_documents).where(is_it).values(fields))
    outcome, notifier = "accepted" if is_accepted else "rejected", get_notifier(connection, row.notifier_id)
    audit.append(connection, by, f"rights {outcome}", notifier.subject, {"document": document_id}, at=now)
    body = {"brand": row.brand, "is_accepted": is_accepted, "words": _WORDS[is_accepted]}
    key = outbox.make_key(f"document-{document_id}-{outcome}")
    send_to_notifier(connection, notifier, NotifierMessage(key, "rights_document", notifier.subject, body), now)
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
        raise NotFound("document", document_id, "The page of a notifier lists theirs.")
    return row


def _make_document(connection: Connection, row: Row[Any], whose: str) -> RightsDocument:
    texts = {name: decrypt_if_kept(connection, whose, getattr(row, name) or "") for name in ("reference", "details")}
    return RightsDocument(**row._asdict() | texts)


_LONGEST_GROUND = 2000


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment of a notifier to a kind (one of `NOTIFIER_KINDS`), or its revocation (None).

    `until` is when it ends; None means no end. `ground` is None if the notifier was erased.
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
        """The last day on which it is in force, in UTC; None if it has no end."""
        return None if self.until is None else (self.until - timedelta(microseconds=1)).date()


@dataclass(frozen=True, slots=True)
class AppointmentOrder:
    """An order to appoint a notifier to a kind, optionally until a moment; `kind` None revokes the appointment.

    `ground` names who gave the status and where this is written, in at most 2,000 characters.
    """

    kind: str | None
    by: str
    ground: str
    at: datetime
    until: datetime | None = None


def appoint(connection: Connection, notifier_id: int, order: AppointmentOrder) -> Appointment:
    """Appoint a notifier to a kind; an earlier appointment ends. Raises NotFound and UnstorableValue."""
    kind, now, until = order.kind, order.at, order.until
    if kind not in NOTIFIER_KINDS:
        raise UnstorableValue("kind", repr(kind), f"one of {', '.join(NOTIFIER_KINDS)}")
    if until is not None and until <= now:
        raise UnstorableValue("until", f"{until:%Y-%m-%d}", "a moment that is yet to come")
    return _note(connection, get_notifier(connection, notifier_id, lock=True, at=now), order)


def revoke(connection: Connection, notifier_id: int, by: str, ground: str, now: datetime) -> Appointment:
    """End a notifier's appointment; they are again of the kind of their first notice.

    Raises NotFound, UnstorableValue, and Conflict if no appointment is in force.
    """
    notifier = get_notifier(connection, notifier_id, lock=True, at=now)
    if find_appointment(connection, notifier_id, now) is None:
        raise Conflict(f"notifier {notifier_id}", "found no appointment in force", "There is no need.")
    return _note(connection, notifier, AppointmentOrder(None, by, ground, now))


def end_of_day(day: date) -> datetime:
    """Return the end of an appointment whose last day is this one (UTC).

    >>> end_of_day(date(2027, 5, 1)).isoformat()
    '2027-05-02T00:00:00+00:00'
    """
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def find_appointment(connection: Connection, notifier_id: int, now: datetime) -> Appointment | None:
    """Return the appointment in force at a moment, if any."""
    made = [appointment for appointment in list_appointments(connection, notifier_id) if appointment.made_at <= now]
    last = made[-1] if made else None
    return None if last is None or last.kind is None or (last.until is not None and last.until <= now) else last


def list_appointments(connection: Connection, notifier_id: int) -> list[Appointment]:
    """Return all appointments of a notifier and their ends, in order."""
    query = select(notifier_appointments).where(notifier_appointments.c.notifier_id == notifier_id)
    rows = connection.execute(query.order_by(notifier_appointments.c.appointment_id)).all()
    whose = get_notifier(connection, notifier_id).pseudonym if rows else ""
    return [_make_appointment(connection, row, whose) for row in rows]


def _note(connection: Connection, notifier: Notifier, order: AppointmentOrder) -> Appointment:
    kind, by, ground, at, until = order.kind, order.by, order.ground, order.at, order.until
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
