"""Notifiers with all that hangs on them, for those who look after notices: record, lane, documents, proposals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, select

from ipml.cooperation.notifiers.appointments import Appointment, find_appointment, list_appointments
from ipml.cooperation.notifiers.documents import RightsDocument, list_documents
from ipml.cooperation.notifiers.finding import list_notifiers
from ipml.cooperation.notifiers.lanes import Lane, lane_of
from ipml.cooperation.notifiers.misuse import Proposal, find_misuse, propose
from ipml.cooperation.notifiers.record import Record, empty_record, list_records, record_of
from ipml.cooperation.notifiers.steps import Step, find_suspension, find_warning, list_steps
from ipml.cooperation.notifiers.tiers import choose_tier
from ipml.cooperation.policy import CooperationPolicy
from ipml.storage.database import reading
from ipml.storage.notifiers import Notifier, get_notifier
from ipml.storage.tables import notices


@dataclass(frozen=True, slots=True)
class NotifierRow:
    """A notifier in a list.

    Attributes
    ----------
    notices, waiting : int
        Given in all, and not settled yet.
    suspension, warning : Step or None
        In force now.
    proposed : str
        "warn" or "suspend" where a lead may do so, else empty.
    """

    notifier: Notifier
    tier: str
    record: Record
    notices: int
    waiting: int
    suspension: Step | None
    warning: Step | None
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
    record: Record
    lane: Lane
    documents: tuple[RightsDocument, ...]
    appointments: tuple[Appointment, ...]
    appointment: Appointment | None
    steps: tuple[Step, ...]
    suspension: Step | None
    warning: Step | None
    proposal: Proposal | None


def read_notifier(
    engine: Engine, notifier_id: int, policy: CooperationPolicy, *, now: datetime | None = None
) -> NotifierFile:
    """Return a notifier; NotifierNotFound if there is none of that number."""
    at = now or datetime.now(UTC)
    with reading(engine) as connection:
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
    engine: Engine,
    policy: CooperationPolicy,
    at_most: int,
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
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> list_rows(engine, load_cooperation_policy(), 50)
    []
    """
    at, rules = now or datetime.now(UTC), policy.notifiers
    with reading(engine) as connection:
        proposed = {one.notifier.notifier_id: one.kind for one in find_misuse(connection, rules, at)}
        counts = _count_notices(connection)
        known = {one.notifier_id: one for one in list_notifiers(connection, at=at)}
        order = sorted(known, key=lambda number: (number not in proposed, -counts.get(number, (0, 0))[1], number))
        records, unknown = list_records(connection, rules, at), empty_record(connection, rules, at)
        shown = records if within is None else list_records(connection, rules, at, within)
        return [
            NotifierRow(
                known[number],
                choose_tier(known[number].kind, records.get(number, unknown), rules).name,
                shown.get(number, unknown),
                *counts.get(number, (0, 0)),
                find_suspension(connection, number, at),
                find_warning(connection, number, at),
                proposed.get(number, ""),
            )
            for number in order[:at_most]
        ]


def _count_notices(connection: Connection) -> dict[int, tuple[int, int]]:
    waiting = func.count().filter(notices.c.settled_at.is_(None))
    query = select(notices.c.notifier_id, func.count(), waiting).group_by(notices.c.notifier_id)
    return {number: (total, open_ones) for number, total, open_ones in connection.execute(query)}
