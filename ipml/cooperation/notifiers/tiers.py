"""What follows from who a notifier is: their tier, and the lane their notices come in; all of it in one file.

A tier is what follows from a notifier's record, as data (`[[notifiers.tiers]]` of the policy). It is kept nowhere,
but with each notice the one it came with: it follows from the record whenever it is asked for, so that none is out of
date. Nothing holds somebody in a tier once their record is another (hysteresis). It would need a memory, and gain
little: what changes with a tier is a deadline and a burden, for the notices that come from then on.

The lane of a notice says how soon its listings are looked at, what it must bring, and how much of it a day. However
much somebody sends, only so many cases a day get a deadline for it; what is more waits in ordinary order, so that no
notifier can keep reviewers from what others gave notice of.

When a notifier is forgotten the key goes, and with it all that was encrypted with it, in every table and every backup.
What their notices led to stays: listings, decisions, and that a notifier of this number gave notice. What has begun
goes on, and nobody is told how it ends.
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
    """Return the first tier that a notifier of a kind belongs to.

    Parameters
    ----------
    record : NotifierRecord or None
        None is for those of whom no tier asks anything (`asks_record`).

    Examples
    --------
    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> choose_tier("trusted flagger", None, load_cooperation_policy().notifiers).name
    'trusted'
    """
    return next(tier for tier in rules.tiers if _is_for(tier, kind) and (tier.asks_nothing or _meets(tier, record)))


def asks_record(kind: str, rules: NotifierRules) -> bool:
    """Say whether the tier of a notifier of a kind depends on their record."""
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
    """How the next notice of a notifier is dealt with.

    Attributes
    ----------
    tier : str
        The name of their tier.
    hours : float
        From the notice to the deadline of the cases that it raises.
    burden : str
        What the reviewer reads of how much must be shown.
    is_suspended : bool
        Whether what they send is kept and opens nothing.
    left_today : int or None
        How many more cases of theirs get a deadline today (UTC); None: as many as there are. While they are new, no
        more than are left of what all get who are new.
    """

    tier: str
    hours: float
    burden: str
    is_suspended: bool = False
    needs_rights_document: bool = True
    least_explanation_letters: int = 0
    left_today: int | None = None

    def due_at(self, received_at: datetime) -> datetime:
        """Return by when a case raised by a notice must be decided."""
        return received_at + timedelta(hours=self.hours)


def lane_of(
    connection: Connection,
    notifier_id: int,
    policy: CooperationPolicy,
    now: datetime | None = None,
    *,
    kind: str | None = None,
) -> Lane:
    """Return the lane of a notifier.

    Whoever then raises cases has kept them from other writers (`notifier_of`), and so has counted all that came before.

    Parameters
    ----------
    now : datetime, default=the clock
    kind : str, default=the notifier's
        What they are about to become.

    Raises
    ------
    NotFound
        There is none of that number.
    """
    rules, now = policy.notifiers, now or datetime.now(UTC)
    notifier = get_notifier(connection, notifier_id, at=now)
    kind = kind or notifier.kind
    # The record is looked up only where it matters.
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
    """Let no other new notifier raise cases before the transaction ends: all of them have one count."""
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
    """Return how many cases some notices of today raised."""
    query = select(func.count()).select_from(notice_items)
    query = query.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    query = query.where(whose, notices.c.received_at >= begin_day(now))
    return connection.scalar(query.where(notice_items.c.case_id.is_not(None), notice_items.c.state != "repeated")) or 0


@dataclass(frozen=True, slots=True)
class NotifierRow:
    """A notifier in a list.

    Attributes
    ----------
    notices, waiting : int
        Given in all, and not settled yet.
    suspension, warning : MisuseStep or None
        In force now.
    proposed : str
        "warn" or "suspend" where a lead may do so, else empty.
    """

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
    """A notifier with all that hangs on them.

    Attributes
    ----------
    appointment : Appointment or None
        That is in force.
    proposal : Proposal or None
        What speaks for a step about misuse, if anything does.
    """

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
    """Return a notifier; NotFound if there is none of that number."""
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
    """Return notifiers: those first about whom a step is proposed, then those with the most notices that wait.

    Parameters
    ----------
    within : tuple of two datetimes, optional
        From when until when their records are counted; in the window of the rules, by which tiers go, if not given.

    Examples
    --------
    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     list_rows(connection, load_cooperation_policy())
    []
    """
    at, rules = now or datetime.now(UTC), policy.notifiers
    proposed = {one.notifier.notifier_id: one.kind for one in find_misuse(connection, rules, at)}
    waiting = func.count().filter(notices.c.settled_at.is_(None))
    query = select(notices.c.notifier_id, func.count(), waiting).group_by(notices.c.notifier_id)
    counts = {number: (n, n_waiting) for number, n, n_waiting in connection.execute(query)}
    known = {one.notifier_id: one for one in list_notifiers(connection, at=at)}
    order = sorted(known, key=lambda number: (number not in proposed, -counts.get(number, (0, 0))[1], number))
    records, unknown = list_records(connection, rules, at), empty_record(connection, rules, at)
    shown = records if within is None else list_records(connection, rules, at, within)
    suspensions, warnings = list_in_force(connection, "suspend", at), list_in_force(connection, "warn", at)
    return [
        NotifierRow(
            known[number],
            choose_tier(known[number].kind, records.get(number, unknown), rules).name,
            shown.get(number, unknown),
            *counts.get(number, (0, 0)),
            suspensions.get(number),
            warnings.get(number),
            proposed.get(number, ""),
        )
        for number in order
    ]


def erase_notifier(engine: Engine, notifier_id: int, by: str, *, now: datetime | None = None) -> tuple[str, ...]:
    """Erase a notifier, and then all traces of them in the files of the database; called again it finishes.

    Returns
    -------
    tuple of str
        What a database server keeps all the same, and for how long, in sentences.

    Raises
    ------
    NotFound
    Conflict
        Erased, they would be nobody who was ever warned; the suspension must end first.
    DatabaseBusy
        They are erased, but somebody went on reading what was there before: call it again.
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
    """Take the key away, and empty what it opened; messages on them that wait go to nobody any more."""
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
