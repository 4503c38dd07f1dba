"""Tiers: order and capacity of notices by notifier, notifiers' files and lists, and their erasure.

The tier follows from the record by the rules in `[[notifiers.tiers]]`. It is calculated when needed, so it is never out
of date; only a notice stores the tier it came with. Tiers have no memory (hysteresis): a change affects only the
deadline and the burden of later notices. The lane of a notice sets the deadline, the requirements and a daily limit.
Cases above the limit wait in ordinary order, so no notifier can block the notices of others. Erasing a notifier deletes
the key, and with it all texts encrypted with it, in every table and backup. Listings, decisions and the notifier's
number stay; what has begun continues without messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, func, select, update

from ipml.cooperation.notifiers.misuse import (
    MisuseStep,
    Proposal,
    find_misuse,
    find_suspension,
    find_warning,
    list_in_force,
    list_steps,
    propose,
    refuse_suspended,
)
from ipml.cooperation.notifiers.notifier import (
    Appointment,
    RightsDocument,
    find_appointment,
    list_appointments,
    list_documents,
    list_notifiers,
)
from ipml.cooperation.notifiers.record import NotifierRecord, begin_day, empty_record, list_records, record_of
from ipml.cooperation.policy import CooperationPolicy, NotifierRules, Tier
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.pseudonyms import Notifier, get_notifier
from ipml.storage.remains import overwrite_deleted, sweep
from ipml.storage.tables import (
    notice_items,
    notices,
    notifier_appointments,
    notifier_steps,
    notifiers,
    outbox,
    rights_documents,
    rights_files,
)


def choose_tier(kind: str, record: NotifierRecord | None, rules: NotifierRules) -> Tier:
    """Return the first tier for a notifier's kind and record; the record may be None if `asks_record` is false.

    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> choose_tier("trusted flagger", None, load_cooperation_policy().notifiers).name
    'trusted'
    """
    return next(tier for tier in rules.tiers if _is_for(tier, kind) and (tier.asks_nothing or _meets(tier, record)))


def asks_record(kind: str, rules: NotifierRules) -> bool:
    """Report whether the tier of this kind of notifier depends on the record."""
    first = next(tier for tier in rules.tiers if _is_for(tier, kind))
    return not first.asks_nothing


def _is_for(tier: Tier, kind: str) -> bool:
    return not tier.kinds or kind in tier.kinds


def _meets(tier: Tier, record: NotifierRecord | None) -> bool:
    if record is None or record.counts.settled < tier.least_settled:
        return False
    return (
        (tier.success_at_least is None or record.success.low >= tier.success_at_least)
        and (tier.success_below is None or record.success.high < tier.success_below)
        and (tier.overturned_at_most is None or record.overturned.high <= tier.overturned_at_most)
    )


@dataclass(frozen=True, slots=True)
class Lane:
    """Treatment of a notifier's next notice.

    `hours` is the time from notice to deadline, `burden` a note to the reviewer on how much must be shown. Notices of a
    suspended notifier are stored and open nothing. `left_today` cases still get a deadline today (UTC), for new
    notifiers no more than all of them have left; None means no limit.
    """

    tier: str
    hours: float
    burden: str
    is_suspended: bool = False
    needs_rights_document: bool = True
    least_explanation_letters: int = 0
    left_today: int | None = None

    def due_at(self, received_at: datetime) -> datetime:
        """Return the deadline of a case raised by a notice."""
        return received_at + timedelta(hours=self.hours)


def lane_of(
    connection: Connection,
    notifier_id: int,
    policy: CooperationPolicy,
    now: datetime | None = None,
    *,
    kind: str | None = None,
) -> Lane:
    """Return the lane of a notifier, of another `kind` if they are about to change; raises NotFound.

    Callers that raise cases hold the notifier's lock (`notifier_of`), so all earlier cases are counted.
    """
    rules, now = policy.notifiers, now or datetime.now(UTC)
    notifier = get_notifier(connection, notifier_id, at=now)
    kind = kind or notifier.kind
    # Reading the record is skipped if no tier asks for it.
    record = record_of(connection, notifier_id, rules, now) if asks_record(kind, rules) else None
    tier = choose_tier(kind, record, rules)
    return Lane(
        tier=tier.name,
        hours=tier.deadline_hours,
        burden=tier.burden,
        is_suspended=find_suspension(connection, notifier_id, now) is not None,
        needs_rights_document=tier.needs_rights_document,
        least_explanation_letters=tier.least_explanation_letters,
        left_today=_count_left(connection, notifier, tier, rules, now),
    )


def store_count(connection: Connection, notifier: Notifier, rules: NotifierRules, now: datetime) -> None:
    """Block other new notifiers from raising cases until the transaction ends: they share one limit."""
    if _is_new(notifier, rules, now):
        serialise(connection, Lock.COUNT_OF_NEW)


def _is_new(notifier: Notifier, rules: NotifierRules, now: datetime) -> bool:
    return notifier.created_at > now - timedelta(days=rules.new_days)


def _count_left(
    connection: Connection, notifier: Notifier, tier: Tier, rules: NotifierRules, now: datetime
) -> int | None:
    left: list[int] = []
    if tier.raised_a_day is not None:
        left.append(tier.raised_a_day - _count_raised(connection, notices.c.notifier_id == notifier.notifier_id, now))
    if tier.raised_a_day_by_new is not None and _is_new(notifier, rules, now):
        since = now - timedelta(days=rules.new_days)
        new = select(notifiers.c.notifier_id).where(notifiers.c.created_at > since)
        by_new = (notices.c.tier == tier.name) & notices.c.notifier_id.in_(new)
        left.append(tier.raised_a_day_by_new - _count_raised(connection, by_new, now))
    return max(0, min(left)) if left else None


def _count_raised(connection: Connection, whose: ColumnElement[bool], now: datetime) -> int:
    query = select(func.count()).select_from(notice_items)
    query = query.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    query = query.where(whose, notices.c.received_at >= begin_day(now))
    return connection.scalar(query.where(notice_items.c.case_id.is_not(None), notice_items.c.state != "repeated")) or 0


@dataclass(frozen=True, slots=True)
class NotifierRow:
    """A notifier in a list, with all and unsettled notices, steps in force, and perhaps a proposed step."""

    notifier: Notifier
    tier: str
    record: NotifierRecord
    notices: int
    waiting: int
    suspension: MisuseStep | None
    warning: MisuseStep | None
    proposed: str


@dataclass(frozen=True, slots=True)
class NotifierFile:
    """A notifier with record, lane, documents, appointments and steps; `appointment` is the one in force."""

    notifier: Notifier
    record: NotifierRecord
    lane: Lane
    documents: tuple[RightsDocument, ...]
    appointments: tuple[Appointment, ...]
    appointment: Appointment | None
    steps: tuple[MisuseStep, ...]
    suspension: MisuseStep | None
    warning: MisuseStep | None
    proposal: Proposal | None


def read_notifier(
    connection: Connection, notifier_id: int, policy: CooperationPolicy, *, now: datetime | None = None
) -> NotifierFile:
    """Return a notifier's file; raises NotFound."""
    at = now or datetime.now(UTC)
    return NotifierFile(
        notifier=get_notifier(connection, notifier_id, at=at),
        record=record_of(connection, notifier_id, policy.notifiers, at),
        lane=lane_of(connection, notifier_id, policy, at),
        documents=tuple(list_documents(connection, notifier_id)),
        appointments=tuple(list_appointments(connection, notifier_id)),
        appointment=find_appointment(connection, notifier_id, at),
        steps=tuple(list_steps(connection, notifier_id)),
        suspension=find_suspension(connection, notifier_id, at),
        warning=find_warning(connection, notifier_id, at),
        proposal=propose(connection, notifier_id, policy.notifiers, at),
    )


def list_rows(
    connection: Connection,
    policy: CooperationPolicy,
    *,
    now: datetime | None = None,
    within: tuple[datetime, datetime] | None = None,
) -> list[NotifierRow]:
    """Return notifiers, those with a proposed step first, then by waiting notices.

    Records count from one moment to another (`within`), by default in the window that sets the tiers.
    """
    at, rules = now or datetime.now(UTC), policy.notifiers
    proposed = {proposal.notifier.notifier_id: proposal.kind for proposal in find_misuse(connection, rules, at)}
    waiting = func.count().filter(notices.c.settled_at.is_(None))
    query = select(notices.c.notifier_id, func.count(), waiting).group_by(notices.c.notifier_id)
    counts = {number: (n, n_waiting) for number, n, n_waiting in connection.execute(query)}
    notifiers = {notifier.notifier_id: notifier for notifier in list_notifiers(connection, at=at)}
    order = sorted(notifiers, key=lambda number: (number not in proposed, -counts.get(number, (0, 0))[1], number))
    records, unknown = list_records(connection, rules, at), empty_record(connection, rules, at)
    shown = records if within is None else list_records(connection, rules, at, within)
    suspensions, warnings = list_in_force(connection, "suspend", at), list_in_force(connection, "warn", at)
    return [
        NotifierRow(
            notifiers[number],
            choose_tier(notifiers[number].kind, records.get(number, unknown), rules).name,
            shown.get(number, unknown),
            *counts.get(number, (0, 0)),
            suspensions.get(number),
            warnings.get(number),
            proposed.get(number, ""),
        )
        for number in order
    ]


def erase_notifier(engine: Engine, notifier_id: int, by: str, *, now: datetime | None = None) -> tuple[str, ...]:
    """Erase a notifier, then all traces in the files of the database; call it again to finish.

    The result lists, in sentences, what a database server retains and for how long.

    Raises
    ------
    NotFound
    Conflict
        A suspension is in force: erasing would also erase the warning.
    DatabaseBusy
        They are erased, but older data is still being read; call it again.
    """
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        overwrite_deleted(connection)
        notifier = get_notifier(connection, notifier_id, lock=True)
        refuse_suspended(connection, notifier_id, now)
        if notifier.address is not None:
            _erase(connection, notifier, by, now)
            audit.append(connection, by, "notifier erased", notifier.subject, {}, at=now)
    tables = (notices, notifier_appointments, notifier_steps, notifiers, outbox, rights_documents, rights_files)
    return sweep(engine, [table.name for table in tables])


def _erase(connection: Connection, notifier: Notifier, by: str, now: datetime) -> None:
    """Delete the key, empty all texts it opened, and drop waiting messages."""
    number, is_theirs = notifier.notifier_id, outbox.c.pseudonym == notifier.pseudonym
    dropped = {"state": "dead", "settled_at": now, "dropped_by": "ipml", "dropped_at": now}
    passed_on = outbox.c.subject.like(f"counter-notice:%:notifier:{number}")  # encrypted for the seller, sent to them
    for mine in (is_theirs, passed_on):
        connection.execute(update(outbox).where(mine, outbox.c.state == "waiting").values(dropped))
        emptied = update(outbox).where(mine).values(body="", last_error=None, why_dropped=None)
        audit.change_rows(connection, emptied, by, "erased", at=now)
    for table, blanks in (
        (notices, {"encrypted": "", "explanation": "", "key": None}),
        (rights_documents, {"reference": "", "details": None}),
        (notifier_appointments, {"ground": ""}),
        (notifier_steps, {"why": ""}),
        (notifiers, {"address": None, "key": None}),
    ):
        blanked = update(table).where(table.c.notifier_id == number).values(blanks)
        audit.change_rows(connection, blanked, by, "erased", at=now)
    documents = select(rights_documents.c.document_id).where(rights_documents.c.notifier_id == number)
    connection.execute(update(rights_files).where(rights_files.c.document_id.in_(documents)).values(content=""))
