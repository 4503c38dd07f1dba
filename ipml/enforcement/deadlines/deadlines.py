"""Deadlines: records events in order and expires terms by recorded events, not by a machine's clock alone.

Each change appends an event; the row in `deadlines` is their result, and `TRANSITIONS` holds all allowed steps. A term
is over only when its expiry is recorded; earlier records are in time. Lock the deadline first, then its subject.

Expiry takes two steps, so that a clock that is wrong for a while ends no term early. The first reading past a term
marks it. A reading later than the mark by `confirm` and still past the term records the expiry, in one transaction
with its effect. A reading earlier than the mark removes the mark. Runs may overlap and be killed anywhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, Connection, Engine, Row, and_, bindparam, or_, select, update

from ipml.enforcement.deadlines.terms import Length, TermsProfile
from ipml.errors import IllegalStep
from ipml.kit.canonical_json import canonical_json
from ipml.kit.moments import write_moment
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.row_numbers import append_rows
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import deadline_events, deadlines


class DeadlineState(StrEnum):
    """State of a deadline; the last two are final."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    MARKED = "marked"
    EXPIRED = "expired"
    STOPPED = "stopped"


class DeadlineEvent(StrEnum):
    """Recorded event of a deadline."""

    OPENED = "opened"
    BEGAN = "began"
    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENDED = "extended"
    MARKED = "marked"
    UNMARKED = "unmarked"
    EXPIRED = "expired"
    STOPPED = "stopped"


TRANSITIONS: Mapping[tuple[DeadlineState | None, DeadlineEvent], DeadlineState] = {
    (None, DeadlineEvent.OPENED): DeadlineState.WAITING,
    (DeadlineState.WAITING, DeadlineEvent.BEGAN): DeadlineState.RUNNING,
    (DeadlineState.WAITING, DeadlineEvent.STOPPED): DeadlineState.STOPPED,
    (DeadlineState.RUNNING, DeadlineEvent.PAUSED): DeadlineState.PAUSED,
    (DeadlineState.RUNNING, DeadlineEvent.EXTENDED): DeadlineState.RUNNING,
    (DeadlineState.RUNNING, DeadlineEvent.MARKED): DeadlineState.MARKED,
    (DeadlineState.RUNNING, DeadlineEvent.STOPPED): DeadlineState.STOPPED,
    (DeadlineState.PAUSED, DeadlineEvent.RESUMED): DeadlineState.RUNNING,
    (DeadlineState.PAUSED, DeadlineEvent.STOPPED): DeadlineState.STOPPED,
    # A mark notes one reading past the term. Until it is confirmed, the deadline behaves as running.
    (DeadlineState.MARKED, DeadlineEvent.UNMARKED): DeadlineState.RUNNING,
    (DeadlineState.MARKED, DeadlineEvent.PAUSED): DeadlineState.PAUSED,
    (DeadlineState.MARKED, DeadlineEvent.EXTENDED): DeadlineState.RUNNING,
    (DeadlineState.MARKED, DeadlineEvent.STOPPED): DeadlineState.STOPPED,
    (DeadlineState.MARKED, DeadlineEvent.EXPIRED): DeadlineState.EXPIRED,
}

ENDS = frozenset({DeadlineState.EXPIRED, DeadlineState.STOPPED})


def next_state(name: str, state: DeadlineState | None, event: DeadlineEvent) -> DeadlineState:
    """Return the next state; raise IllegalStep if `TRANSITIONS` has none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalStep(name, state, event) from None


_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A term that runs for a subject.

    - `subject`, `stage`: subject and stage of the profile; a subject has one deadline per stage.
    - `since`: event from which it counts; None until it occurs.
    - `due_at`: first moment after the term.
    - `latest_at`: latest time for its effect.
    - `marked_at`: first reading past the term, while unconfirmed.
    - `longer_by`: total days of pauses.
    """

    deadline_id: int
    subject: str
    stage: str
    profile: str
    state: DeadlineState
    since: datetime | None = None
    due_at: datetime | None = None
    latest_at: datetime | None = None
    is_provisional: bool = False
    marked_at: datetime | None = None
    paused_at: datetime | None = None
    longer_by: int = 0
    is_extended: bool = False

    @property
    def name(self) -> str:
        """Name in the audit trail."""
        return f"deadline:{self.deadline_id}"

    @property
    def has_ended(self) -> bool:
        """Whether its state is final."""
        return self.state in ENDS


@dataclass(frozen=True, slots=True)
class DeadlineStart:
    """A deadline to create; it counts from the event at `since`, or waits for it if that is None."""

    subject: str
    stage: str
    profile: TermsProfile
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event of a deadline; `sequence` decides the order, `at` is the clock's reading."""

    sequence: int
    kind: DeadlineEvent
    at: datetime
    by: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    """An event to record, with its actor and time."""

    event: DeadlineEvent
    by: str
    at: datetime


def open_deadline(connection: Connection, start: DeadlineStart, by: str, at: datetime) -> Deadline:
    """Create a deadline that waits for its event; `begin` starts it."""
    (deadline,) = _store(connection, [_open(start)])
    _record_opening(connection, [deadline], by, at)
    content: dict[str, audit.Value] = {"for": deadline.subject, "stage": deadline.stage}
    audit.append(connection, by, "deadline opened", deadline.name, content, at=at)
    return deadline


def begin(
    connection: Connection, deadline: Deadline, profile: TermsProfile, since: datetime, by: str, at: datetime
) -> Deadline:
    """Start a waiting deadline from an event at `since`."""
    return _schedule(connection, replace(deadline, since=since), profile, _Entry(DeadlineEvent.BEGAN, by, at))


def start_deadlines(connection: Connection, starts: Sequence[DeadlineStart], by: str, at: datetime) -> list[Deadline]:
    """Create and start deadlines, with the same few queries for any number."""
    if not starts:
        return []
    scheduled = [_compute_due_times(_open(start), start.profile, at) for start in starts]
    began = DeadlineEvent.BEGAN
    running = [replace(deadline, state=next_state(deadline.name, deadline.state, began)) for deadline, _ in scheduled]
    begun = _store(connection, running)
    _record_opening(connection, begun, by, at)
    _record_and_note(connection, begun, _Entry(began, by, at), [payload for _, payload in scheduled])
    return begun


def _open(start: DeadlineStart) -> Deadline:
    """Return a deadline in its first state, without a number yet."""
    state = next_state(f"deadline of {start.subject}", None, DeadlineEvent.OPENED)
    return Deadline(0, start.subject, start.stage, start.profile.name, state, start.since)


def _store(connection: Connection, new: Sequence[Deadline]) -> list[Deadline]:
    """Store deadlines, and return them with their numbers."""
    numbers = append_rows(connection, deadlines, [_fields_of(deadline) for deadline in new])
    return [replace(deadline, deadline_id=number) for deadline, number in zip(new, numbers, strict=True)]


def _record_opening(connection: Connection, opened: Sequence[Deadline], by: str, at: datetime) -> None:
    payloads: list[Mapping[str, audit.Value]] = [
        {"stage": deadline.stage, "profile": deadline.profile} for deadline in opened
    ]
    _record(connection, opened, _Entry(DeadlineEvent.OPENED, by, at), payloads)


def pause(connection: Connection, deadline: Deadline, by: str, at: datetime) -> Deadline:
    """Pause a term until `resume`."""
    paused = replace(deadline, paused_at=at, marked_at=None)
    return _change(connection, paused, _Entry(DeadlineEvent.PAUSED, by, at))


def resume(connection: Connection, deadline: Deadline, profile: TermsProfile, by: str, at: datetime) -> Deadline:
    """Resume a term; it ends later by the days of the pause, never earlier than before."""
    paused_at = deadline.paused_at or at
    longer_by = deadline.longer_by + _paused_days(profile, _length(deadline, profile), paused_at, at)
    resumed = replace(deadline, paused_at=None, longer_by=longer_by)
    return _schedule(connection, resumed, profile, _Entry(DeadlineEvent.RESUMED, by, at))


def extend(connection: Connection, deadline: Deadline, profile: TermsProfile, by: str, at: datetime) -> Deadline:
    """Extend a term once to the longer one of the profile; raise IllegalStep if there is none."""
    if deadline.is_extended or profile.stage(deadline.stage).longer is None:
        raise IllegalStep(deadline.name, deadline.state, DeadlineEvent.EXTENDED)
    extended = replace(deadline, is_extended=True, marked_at=None)
    return _schedule(connection, extended, profile, _Entry(DeadlineEvent.EXTENDED, by, at))


def stop(connection: Connection, deadline: Deadline, by: str, at: datetime) -> Deadline:
    """End a deadline because the awaited act has occurred."""
    return _change(connection, replace(deadline, marked_at=None), _Entry(DeadlineEvent.STOPPED, by, at))


def mark(connection: Connection, some: Sequence[Deadline], by: str, at: datetime) -> None:
    """Note a reading of the clock past the terms."""
    _change_all(
        connection, [replace(deadline, marked_at=at) for deadline in some], _Entry(DeadlineEvent.MARKED, by, at)
    )


def _unmark(connection: Connection, deadline: Deadline, by: str, at: datetime) -> Deadline:
    """Remove a mark: a later reading was earlier, so one of the two was wrong."""
    return _change(connection, replace(deadline, marked_at=None), _Entry(DeadlineEvent.UNMARKED, by, at))


def expire(connection: Connection, some: Sequence[Deadline], by: str, at: datetime) -> None:
    """Record the expiry of terms, which are over from now on."""
    _change_all(connection, some, _Entry(DeadlineEvent.EXPIRED, by, at))


def find_deadlines(connection: Connection, subject: str, *, lock: bool = False) -> dict[str, Deadline]:
    """Return the deadlines of a subject by stage, with `lock` locked for writing."""
    query = select(deadlines).where(deadlines.c.subject == subject).order_by(deadlines.c.deadline_id)
    rows = connection.execute(query.with_for_update() if lock else query)
    return {row.stage: make_deadline(row) for row in rows}


def find_all_deadlines(connection: Connection, subjects: Collection[str]) -> dict[str, dict[str, Deadline]]:
    """Return the deadlines of several subjects by stage."""
    by_subject: dict[str, dict[str, Deadline]] = {subject: {} for subject in subjects}
    if not by_subject:
        return by_subject
    query = select(deadlines).where(deadlines.c.subject.in_(by_subject)).order_by(deadlines.c.deadline_id)
    for row in connection.execute(query):
        by_subject[row.subject][row.stage] = make_deadline(row)
    return by_subject


def list_events(connection: Connection, deadline: Deadline) -> Sequence[RecordedEvent]:
    """Return the events of a deadline in recorded order."""
    query = (
        select(deadline_events)
        .where(deadline_events.c.deadline_id == deadline.deadline_id)
        .order_by(deadline_events.c.sequence)
    )
    return [
        RecordedEvent(row.sequence, DeadlineEvent(row.kind), row.at, row.by, json.loads(row.payload))
        for row in connection.execute(query)
    ]


def make_deadline(row: Row[Any]) -> Deadline:
    """Convert a row of deadlines to a record."""
    return Deadline(**row._asdict() | {"state": DeadlineState(row.state)})


def _schedule(connection: Connection, deadline: Deadline, profile: TermsProfile, entry: _Entry) -> Deadline:
    scheduled, payload = _compute_due_times(deadline, profile, entry.at)
    return _change_all(connection, [scheduled], entry, [payload])[0]


def _compute_due_times(
    deadline: Deadline, profile: TermsProfile, at: datetime
) -> tuple[Deadline, dict[str, audit.Value]]:
    """Return a deadline with its due times, and their record."""
    since = deadline.since or at
    stage = profile.stage(deadline.stage)
    end = profile.find_end(_length(deadline, profile), since, deadline.longer_by)
    latest_at = profile.find_end(stage.latest, since, deadline.longer_by).ends_at if stage.latest else None
    due_at = max(end.ends_at, deadline.due_at or end.ends_at)
    scheduled = replace(deadline, due_at=due_at, latest_at=latest_at, is_provisional=end.is_provisional)
    payload: dict[str, audit.Value] = {
        "since": write_moment(since),
        "due_at": write_moment(due_at),
        "longer_by": deadline.longer_by,
        "is_provisional": end.is_provisional,
    }
    return scheduled, payload


def _length(deadline: Deadline, profile: TermsProfile) -> Length:
    stage = profile.stage(deadline.stage)
    return stage.longer if deadline.is_extended and stage.longer else stage.length


def _paused_days(profile: TermsProfile, length: Length, paused_at: datetime, resumed_at: datetime) -> int:
    if length.hours:
        return max(0, -((paused_at - resumed_at) // _DAY))
    counting = profile.counting
    first, last = (moment.astimezone(counting.zone).date() for moment in (paused_at, resumed_at))
    return counting.calendar.count_working_days(first, last) if length.working_days else max(0, (last - first).days)


def _change(connection: Connection, deadline: Deadline, entry: _Entry) -> Deadline:
    return _change_all(connection, [deadline], entry)[0]


def _change_all(
    connection: Connection,
    some: Sequence[Deadline],
    entry: _Entry,
    payloads: Sequence[Mapping[str, audit.Value]] = (),
) -> list[Deadline]:
    changed = [replace(deadline, state=next_state(deadline.name, deadline.state, entry.event)) for deadline in some]
    if changed:
        rows = [{f"new_{name}": value for name, value in _fields_of(deadline).items()} for deadline in changed]
        values: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in _fields_of(changed[0])}
        query = update(deadlines).where(deadlines.c.deadline_id == bindparam("which")).values(values)
        connection.execute(
            query, [row | {"which": deadline.deadline_id} for row, deadline in zip(rows, changed, strict=True)]
        )
        _record_and_note(connection, changed, entry, payloads or [{}] * len(changed))
    return changed


def _record_and_note(
    connection: Connection, some: Sequence[Deadline], entry: _Entry, payloads: Sequence[Mapping[str, audit.Value]]
) -> None:
    """Append one event for several deadlines, and note it in the audit trail."""
    sequences = _record(connection, some, entry, payloads)
    noted: list[tuple[str, dict[str, audit.Value]]] = [
        (deadline.name, {"sequence": sequence, "for": deadline.subject, "stage": deadline.stage, **payload})
        for deadline, sequence, payload in zip(some, sequences, payloads, strict=True)
    ]
    audit.append_all(connection, entry.by, f"deadline {entry.event}", noted, at=entry.at)


def _record(
    connection: Connection, some: Sequence[Deadline], entry: _Entry, payloads: Sequence[Mapping[str, audit.Value]]
) -> list[int]:
    """Append one event for several deadlines; return their sequence numbers."""
    same = {"kind": entry.event, "at": entry.at, "by": entry.by}
    rows = [
        {"deadline_id": deadline.deadline_id, **same, "payload": canonical_json(payload)}
        for deadline, payload in zip(some, payloads, strict=True)
    ]
    return append_rows(connection, deadline_events, rows)


def _fields_of(deadline: Deadline) -> dict[str, Any]:
    return {name: getattr(deadline, name) for name in Deadline.__slots__ if name != "deadline_id"}


DEADLINES = "ipml deadlines"
"""Actor of expiries; it makes no judgement, but records the missing act and its effect by the rules."""

_AT_ONCE = 500  # looked for in one query
_log = logging.getLogger(__name__)

Follow = Callable[[Connection, Deadline, datetime], None]
IsFollowed = Callable[[Deadline], bool]


@dataclass(frozen=True, slots=True)
class DeadlineResult:
    """Number of deadlines marked, unmarked and expired by a run, and error messages of the failed."""

    marked: int = 0
    unmarked: int = 0
    expired: int = 0
    failed: tuple[str, ...] = ()

    def __add__(self, other: DeadlineResult) -> DeadlineResult:
        return DeadlineResult(
            self.marked + other.marked,
            self.unmarked + other.unmarked,
            self.expired + other.expired,
            self.failed + other.failed,
        )


def run_deadlines(
    engine: Engine, now: datetime, confirm: timedelta, follow: Follow, is_followed: IsFollowed = lambda _: True
) -> DeadlineResult:
    """Mark, unmark and expire deadlines by a reading of the clock.

    A reading later than the mark by `confirm` confirms it. `follow` applies the effect of an expiry in its
    transaction; if it raises, the expiry is not recorded and the next run tries again. Deadlines without an effect by
    `is_followed` expire together.
    """
    done, after = DeadlineResult(), 0
    while numbers := _find_due(engine, now, after):
        together = partial(_run_together, now=now, confirm=confirm, is_followed=is_followed)
        handled = set[int]()
        for some, ids in change_in_turns(engine, numbers, together):
            done, handled = done + some, handled | ids
        for number in numbers:
            if number not in handled:
                done += _run_one(engine, number, now, confirm, follow)
        after = numbers[-1]
    return done


def _find_due(engine: Engine, now: datetime, after: int) -> list[int]:
    is_over = and_(deadlines.c.state.in_([DeadlineState.RUNNING, DeadlineState.MARKED]), deadlines.c.due_at <= now)
    is_marked_later = and_(deadlines.c.state == DeadlineState.MARKED, deadlines.c.marked_at > now)
    query = select(deadlines.c.deadline_id).where(or_(is_over, is_marked_later), deadlines.c.deadline_id > after)
    with reading(engine) as connection:
        return list(connection.scalars(query.order_by(deadlines.c.deadline_id).limit(_AT_ONCE)))


def _run_together(
    connection: Connection,
    numbers: Sequence[int],
    now: datetime,
    confirm: timedelta,
    is_followed: IsFollowed,
) -> tuple[DeadlineResult, set[int]]:
    """Apply the steps without effect; return the result and the ids of these deadlines."""
    query = select(deadlines).where(deadlines.c.deadline_id.in_(numbers)).order_by(deadlines.c.deadline_id)
    due = [make_deadline(row) for row in connection.execute(query.with_for_update(skip_locked=True))]
    over = [deadline for deadline in due if deadline.due_at is not None and deadline.due_at <= now]
    marked = [deadline for deadline in over if deadline.state is DeadlineState.RUNNING]
    expired = [deadline for deadline in over if _is_confirmed(deadline, now, confirm) and not is_followed(deadline)]
    mark(connection, marked, DEADLINES, now)
    expire(connection, expired, DEADLINES, now)
    return DeadlineResult(marked=len(marked), expired=len(expired)), {
        deadline.deadline_id for deadline in (*marked, *expired)
    }


def _is_confirmed(deadline: Deadline, now: datetime, confirm: timedelta) -> bool:
    return (
        deadline.state is DeadlineState.MARKED
        and deadline.marked_at is not None
        and now >= deadline.marked_at + max(confirm, timedelta())
    )


def _run_one(engine: Engine, number: int, now: datetime, confirm: timedelta, follow: Follow) -> DeadlineResult:
    try:
        with writing(engine) as connection:
            query = select(deadlines).where(deadlines.c.deadline_id == number)
            row = connection.execute(query.with_for_update(skip_locked=True)).first()
            return DeadlineResult() if row is None else _step(connection, make_deadline(row), now, confirm, follow)
    except Exception as error:  # one faulty deadline must not delay the others
        _log.warning("deadline %d could not be let expire: %s", number, error)
        return DeadlineResult(failed=(f"deadline {number}: {error}",))


def _step(
    connection: Connection, deadline: Deadline, now: datetime, confirm: timedelta, follow: Follow
) -> DeadlineResult:
    done = DeadlineResult()
    is_over = deadline.due_at is not None and deadline.due_at <= now
    if deadline.state is DeadlineState.MARKED and (marked_at := deadline.marked_at) is not None:
        if now < marked_at:
            deadline, done = _unmark(connection, deadline, DEADLINES, now), DeadlineResult(unmarked=1)
        elif is_over and now >= marked_at + confirm:
            # First: rows must be locked before the audit trail is appended to.
            follow(connection, deadline, now)
            expire(connection, [deadline], DEADLINES, now)
            return DeadlineResult(expired=1)
    if deadline.state is DeadlineState.RUNNING and is_over:
        mark(connection, [deadline], DEADLINES, now)
        done += DeadlineResult(marked=1)
    return done
