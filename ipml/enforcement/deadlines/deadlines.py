"""Clocks that go by what is recorded, in the order of its recording, not by what a machine takes for the time.

Every change of a clock is an event that is appended; the row in `clocks` only says what they come to. A term is over
when its expiry is recorded, and not before: what is recorded earlier came in time. Whoever changes a clock locks its
row first, and the row of what it runs for after that. The states are a table: whatever is not in it cannot happen.

Terms run out in two recorded steps, so that a clock that is wrong for a while ends nobody's time early. The first
reading past a term only marks it. A later reading that is still past it, and later than the mark by `confirm`, records
the expiry, in one transaction with all that follows. A reading earlier than the mark withdraws it: one of the two was
wrong. Ticks may come from several machines at once, and be killed anywhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BindParameter, Connection, Engine, Row, and_, bindparam, insert, or_, select, update

from ipml.enforcement.deadlines.terms import Deadline, Length, TermsProfile
from ipml.errors import IllegalStep
from ipml.kit.canonical_json import canonical_json
from ipml.kit.moments import write_moment
from ipml.storage import audit
from ipml.storage.database import reading, writing
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import clock_events, clocks


class ClockState(StrEnum):
    """How a clock stands; the last two are ends."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    MARKED = "marked"
    EXPIRED = "expired"
    STOPPED = "stopped"


class ClockEvent(StrEnum):
    """What is recorded of a clock."""

    OPENED = "opened"
    BEGAN = "began"
    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENDED = "extended"
    MARKED = "marked"
    UNMARKED = "unmarked"
    EXPIRED = "expired"
    STOPPED = "stopped"


TRANSITIONS: Mapping[tuple[ClockState | None, ClockEvent], ClockState] = {
    (None, ClockEvent.OPENED): ClockState.WAITING,
    (ClockState.WAITING, ClockEvent.BEGAN): ClockState.RUNNING,
    (ClockState.WAITING, ClockEvent.STOPPED): ClockState.STOPPED,
    (ClockState.RUNNING, ClockEvent.PAUSED): ClockState.PAUSED,
    (ClockState.RUNNING, ClockEvent.EXTENDED): ClockState.RUNNING,
    (ClockState.RUNNING, ClockEvent.MARKED): ClockState.MARKED,
    (ClockState.RUNNING, ClockEvent.STOPPED): ClockState.STOPPED,
    (ClockState.PAUSED, ClockEvent.RESUMED): ClockState.RUNNING,
    (ClockState.PAUSED, ClockEvent.STOPPED): ClockState.STOPPED,
    # A mark says that one reading found the term over. Until it is confirmed everything is as if it were running.
    (ClockState.MARKED, ClockEvent.UNMARKED): ClockState.RUNNING,
    (ClockState.MARKED, ClockEvent.PAUSED): ClockState.PAUSED,
    (ClockState.MARKED, ClockEvent.EXTENDED): ClockState.RUNNING,
    (ClockState.MARKED, ClockEvent.STOPPED): ClockState.STOPPED,
    (ClockState.MARKED, ClockEvent.EXPIRED): ClockState.EXPIRED,
}

ENDS = frozenset({ClockState.EXPIRED, ClockState.STOPPED})


def next_state(name: str, state: ClockState | None, event: ClockEvent) -> ClockState:
    """Return the state that follows; IllegalStep, naming the clock, where the table has none.

    Examples
    --------
    >>> str(next_state("clock:1", ClockState.MARKED, ClockEvent.EXPIRED))
    'expired'
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalStep(name, state, event) from None


_DAY = timedelta(days=1)
_NEW: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in ("state", "marked_at")}


@dataclass(frozen=True, slots=True)
class Clock:
    """A term that runs for something.

    Attributes
    ----------
    subject, stage : str
        What it runs for, and which stage of the profile it measures; a subject has one clock a stage.
    since : datetime or None
        The event it counts from; None until that has happened.
    due_at : datetime or None
        The first moment after the term.
    latest_at : datetime or None
        By when what follows must be done.
    marked_at : datetime or None
        The reading that found it past its term, as long as that is not confirmed.
    longer_by : int
        Days by which it was paused in all.
    """

    clock_id: int
    subject: str
    stage: str
    profile: str
    state: ClockState
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
        """Its name in the audit trail."""
        return f"clock:{self.clock_id}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.state in ENDS


@dataclass(frozen=True, slots=True)
class DeadlineStart:
    """A clock to be set up for a subject and a stage of a profile, and the event at `since` that it counts from."""

    subject: str
    stage: str
    profile: TermsProfile
    since: datetime


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One thing that happened to a clock; `sequence` is the order that counts, `at` what the machine's clock read."""

    sequence: int
    kind: ClockEvent
    at: datetime
    by: str
    payload: dict[str, Any]


def open_clock(connection: Connection, subject: str, stage: str, profile: TermsProfile, by: str, at: datetime) -> Clock:
    """Set up a clock that waits for the event it counts from; `begin` starts it."""
    clock = _open(connection, subject, stage, profile, by, at)
    audit.append(connection, by, "clock opened", clock.name, {"for": subject, "stage": stage}, at=at)
    return clock


def begin(connection: Connection, clock: Clock, profile: TermsProfile, since: datetime, by: str, at: datetime) -> Clock:
    """Start a clock that waits: its term counts from an event at `since`."""
    return _schedule(connection, replace(clock, since=since), profile, ClockEvent.BEGAN, by, at)


def start_clock(
    connection: Connection, subject: str, stage: str, profile: TermsProfile, since: datetime, by: str, at: datetime
) -> Clock:
    """Set up a clock and start it at once."""
    return start_clocks(connection, [DeadlineStart(subject, stage, profile, since)], by, at)[0]


def start_clocks(connection: Connection, starts: Sequence[DeadlineStart], by: str, at: datetime) -> list[Clock]:
    """Set up clocks and start them at once, all of them with the same few queries."""
    if not starts:
        return []
    opened = [next_state(f"clock of {one.subject}", None, ClockEvent.OPENED) for one in starts]
    reckoned = [
        _reckon(Clock(0, one.subject, one.stage, one.profile.name, state, one.since), one.profile, at)
        for one, state in zip(starts, opened, strict=True)
    ]
    running = [replace(clock, state=next_state(clock.name, clock.state, ClockEvent.BEGAN)) for clock, _ in reckoned]
    numbers = append_rows(connection, clocks, [_fields_of(clock) for clock in running])
    begun = [replace(clock, clock_id=number) for clock, number in zip(running, numbers, strict=True)]
    _record_all(
        connection,
        [(one, ClockEvent.OPENED, {"stage": one.stage, "profile": one.profile}) for one in begun],
        *(by, at),
    )
    payloads = [payload for _, payload in reckoned]
    told = [(one, ClockEvent.BEGAN, payload) for one, payload in zip(begun, payloads, strict=True)]
    sequences = _record_all(connection, told, by, at)
    noted = [
        (one.name, {"sequence": sequence, "for": one.subject, "stage": one.stage, **payload})
        for one, sequence, payload in zip(begun, sequences, payloads, strict=True)
    ]
    audit.append_all(connection, by, f"clock {ClockEvent.BEGAN}", noted, at=at)
    return begun


def pause(connection: Connection, clock: Clock, by: str, at: datetime) -> Clock:
    """Let a term stand still until `resume`."""
    return _change(connection, replace(clock, paused_at=at, marked_at=None), ClockEvent.PAUSED, by, at, {})


def resume(connection: Connection, clock: Clock, profile: TermsProfile, by: str, at: datetime) -> Clock:
    """Let a term run on; it ends as many days later as it stood still, and never earlier than it would have."""
    paused_at = clock.paused_at or at
    longer_by = clock.longer_by + _paused_days(profile, _length(clock, profile), paused_at, at)
    return _schedule(
        connection, replace(clock, paused_at=None, longer_by=longer_by), profile, ClockEvent.RESUMED, by, at
    )


def extend(connection: Connection, clock: Clock, profile: TermsProfile, by: str, at: datetime) -> Clock:
    """Give whoever must act the longer term of the profile, once; IllegalStep where it has none."""
    if clock.is_extended or profile.stage(clock.stage).longer is None:
        raise IllegalStep(clock.name, clock.state, ClockEvent.EXTENDED)
    return _schedule(connection, replace(clock, is_extended=True, marked_at=None), profile, ClockEvent.EXTENDED, by, at)


def stop(connection: Connection, clock: Clock, by: str, at: datetime) -> Clock:
    """End a clock because what it waited for has happened."""
    return _change(connection, replace(clock, marked_at=None), ClockEvent.STOPPED, by, at, {})


def mark(connection: Connection, clock: Clock, by: str, at: datetime) -> Clock:
    """Note that a reading of the clock found the term over."""
    return _change(connection, replace(clock, marked_at=at), ClockEvent.MARKED, by, at, {})


def unmark(connection: Connection, clock: Clock, by: str, at: datetime) -> Clock:
    """Withdraw a mark: a later reading was earlier, so one of the two was wrong."""
    return _change(connection, replace(clock, marked_at=None), ClockEvent.UNMARKED, by, at, {})


def expire(connection: Connection, clock: Clock, by: str, at: datetime) -> Clock:
    """Record that the term is over: from here on it is."""
    return _change(connection, clock, ClockEvent.EXPIRED, by, at, {})


def mark_all(connection: Connection, some: Sequence[Clock], by: str, at: datetime) -> None:
    """Mark clocks as `mark` does one."""
    _change_all(connection, [replace(clock, marked_at=at) for clock in some], ClockEvent.MARKED, by, at)


def expire_all(connection: Connection, some: Sequence[Clock], by: str, at: datetime) -> None:
    """Record that terms are over, as `expire` does of one."""
    _change_all(connection, some, ClockEvent.EXPIRED, by, at)


def find_clocks(connection: Connection, subject: str, *, lock: bool = False) -> dict[str, Clock]:
    """Return the clocks of a subject by stage, with `lock` kept from other writers."""
    query = select(clocks).where(clocks.c.subject == subject).order_by(clocks.c.clock_id)
    rows = connection.execute(query.with_for_update() if lock else query)
    return {row.stage: make_clock(row) for row in rows}


def list_events(connection: Connection, clock: Clock) -> Sequence[RecordedEvent]:
    """Return what happened to a clock, in the order in which it was recorded."""
    query = select(clock_events).where(clock_events.c.clock_id == clock.clock_id).order_by(clock_events.c.sequence)
    return [
        RecordedEvent(row.sequence, ClockEvent(row.kind), row.at, row.by, json.loads(row.payload))
        for row in connection.execute(query)
    ]


def make_clock(row: Row[Any]) -> Clock:
    """Make the record of a row of clocks."""
    return Clock(**row._asdict() | {"state": ClockState(row.state)})


def _open(connection: Connection, subject: str, stage: str, profile: TermsProfile, by: str, at: datetime) -> Clock:
    state = next_state(f"clock of {subject}", None, ClockEvent.OPENED)
    fields = {"subject": subject, "stage": stage, "profile": profile.name, "state": state, "is_provisional": False}
    query = insert(clocks).values(fields).returning(clocks.c.clock_id)
    clock = Clock(connection.scalars(query).one(), subject, stage, profile.name, state)
    _record(connection, clock, ClockEvent.OPENED, by, at, {"stage": stage, "profile": profile.name})
    return clock


def _schedule(
    connection: Connection, clock: Clock, profile: TermsProfile, event: ClockEvent, by: str, at: datetime
) -> Clock:
    """Reckon anew when a clock is due, and record the event that made it so."""
    scheduled, payload = _reckon(clock, profile, at)
    return _change(connection, scheduled, event, by, at, payload)


def _reckon(clock: Clock, profile: TermsProfile, at: datetime) -> tuple[Clock, dict[str, audit.Value]]:
    """Return a clock with the moments at which it is due, and what is recorded of them."""
    since = clock.since or at
    stage = profile.stage(clock.stage)
    end = _end_of(clock, profile, since)
    latest_at = profile.find_end(stage.latest, since, clock.longer_by).ends_at if stage.latest else None
    due_at = max(end.ends_at, clock.due_at or end.ends_at)
    scheduled = replace(clock, due_at=due_at, latest_at=latest_at, is_provisional=end.is_provisional)
    payload: dict[str, audit.Value] = {
        "since": write_moment(since),
        "due_at": write_moment(due_at),
        "longer_by": clock.longer_by,
        "is_provisional": end.is_provisional,
    }
    return scheduled, payload


def _end_of(clock: Clock, profile: TermsProfile, since: datetime) -> Deadline:
    return profile.find_end(_length(clock, profile), since, clock.longer_by)


def _length(clock: Clock, profile: TermsProfile) -> Length:
    stage = profile.stage(clock.stage)
    return stage.longer if clock.is_extended and stage.longer else stage.length


def _paused_days(profile: TermsProfile, length: Length, paused_at: datetime, resumed_at: datetime) -> int:
    if length.hours:
        return max(0, -((paused_at - resumed_at) // _DAY))
    counting = profile.counting
    first, last = (moment.astimezone(counting.zone).date() for moment in (paused_at, resumed_at))
    return counting.calendar.count_working_days(first, last) if length.working_days else max(0, (last - first).days)


def _change(
    connection: Connection, clock: Clock, event: ClockEvent, by: str, at: datetime, payload: dict[str, audit.Value]
) -> Clock:
    """Take a step of the table, and record it."""
    changed = replace(clock, state=next_state(clock.name, clock.state, event))
    connection.execute(update(clocks).where(clocks.c.clock_id == clock.clock_id).values(_fields_of(changed)))
    sequence = _record(connection, changed, event, by, at, payload)
    noted = {"sequence": sequence, "for": clock.subject, "stage": clock.stage, **payload}
    audit.append(connection, by, f"clock {event}", clock.name, noted, at=at)
    return changed


def _change_all(connection: Connection, some: Sequence[Clock], event: ClockEvent, by: str, at: datetime) -> None:
    """Take the same step with several clocks, of which nothing more is recorded, and record it."""
    changed = [replace(clock, state=next_state(clock.name, clock.state, event)) for clock in some]
    if not changed:
        return
    rows = [{"which": one.clock_id, "new_state": one.state, "new_marked_at": one.marked_at} for one in changed]
    connection.execute(update(clocks).where(clocks.c.clock_id == bindparam("which")).values(_NEW), rows)
    sequences = _record_all(connection, [(one, event, {}) for one in changed], by, at)
    noted: list[tuple[str, dict[str, audit.Value]]] = [
        (one.name, {"sequence": sequence, "for": one.subject, "stage": one.stage})
        for one, sequence in zip(changed, sequences, strict=True)
    ]
    audit.append_all(connection, by, f"clock {event}", noted, at=at)


def _record(
    connection: Connection, clock: Clock, event: ClockEvent, by: str, at: datetime, payload: dict[str, audit.Value]
) -> int:
    """Append an event, and return its place in the order."""
    return _record_all(connection, [(clock, event, payload)], by, at)[0]


def _record_all(
    connection: Connection,
    events: Sequence[tuple[Clock, ClockEvent, Mapping[str, audit.Value]]],
    by: str,
    at: datetime,
) -> Sequence[int]:
    """Append events of several clocks, and return the place of each in the order."""
    rows = [
        {
            **{"clock_id": clock.clock_id, "kind": event, "at": at, "by": by},
            "payload": canonical_json(payload),
        }
        for clock, event, payload in events
    ]
    return append_rows(connection, clock_events, rows)


def _fields_of(clock: Clock) -> dict[str, Any]:
    return {name: getattr(clock, name) for name in Clock.__slots__ if name != "clock_id"}


TICKER = "ipml clock"
"""Who lets terms run out. It judges nothing: it records that nobody acted, and what the rules say follows."""

_AT_ONCE = 500
_log = logging.getLogger(__name__)

Follow = Callable[[Connection, Clock, datetime], None]


IsFollowed = Callable[[Clock], bool]


@dataclass(frozen=True, slots=True)
class DeadlineResult:
    """What one tick did: how many clocks it marked, withdrew the mark of, let expire, and could not let expire."""

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


def tick_clocks(
    engine: Engine, now: datetime, confirm: timedelta, follow: Follow, is_followed: IsFollowed = lambda _: True
) -> DeadlineResult:
    """Look at every clock that may be past its term.

    Parameters
    ----------
    confirm : timedelta
        How much later than the mark a reading must be to confirm it.
    follow : function of a connection, the clock and the moment
        Does what follows from an expiry, in its transaction; where it raises, the expiry is not recorded either, and
        the next tick tries again.
    is_followed : function of a clock
        Whether anything follows from its expiry. The others are let expire together.
    """
    done, after = DeadlineResult(), 0
    while numbers := _find_due(engine, now, after):
        together, handled = _tick_together(engine, numbers, now, confirm, is_followed)
        done += together
        for number in numbers:
            if number not in handled:
                done += _tick_one(engine, number, now, confirm, follow)
        after = numbers[-1]
    return done


def _find_due(engine: Engine, now: datetime, after: int) -> list[int]:
    is_over = and_(clocks.c.state.in_([ClockState.RUNNING, ClockState.MARKED]), clocks.c.due_at <= now)
    is_marked_later = and_(clocks.c.state == ClockState.MARKED, clocks.c.marked_at > now)
    query = select(clocks.c.clock_id).where(or_(is_over, is_marked_later), clocks.c.clock_id > after)
    with reading(engine) as connection:
        return list(connection.scalars(query.order_by(clocks.c.clock_id).limit(_AT_ONCE)))


def _tick_together(
    engine: Engine, numbers: Sequence[int], now: datetime, confirm: timedelta, is_followed: IsFollowed
) -> tuple[DeadlineResult, set[int]]:
    """Take the steps from which nothing follows, and return what was done and with which clocks."""
    query = select(clocks).where(clocks.c.clock_id.in_(numbers)).order_by(clocks.c.clock_id)
    with writing(engine) as connection:
        found = [make_clock(row) for row in connection.execute(query.with_for_update(skip_locked=True))]
        over = [clock for clock in found if clock.due_at is not None and clock.due_at <= now]
        marked = [clock for clock in over if clock.state is ClockState.RUNNING]
        expired = [clock for clock in over if _is_confirmed(clock, now, confirm) and not is_followed(clock)]
        mark_all(connection, marked, TICKER, now)
        expire_all(connection, expired, TICKER, now)
    return DeadlineResult(marked=len(marked), expired=len(expired)), {clock.clock_id for clock in (*marked, *expired)}


def _is_confirmed(clock: Clock, now: datetime, confirm: timedelta) -> bool:
    """Say whether a reading confirms the one that found a clock past its term."""
    return (
        clock.state is ClockState.MARKED
        and clock.marked_at is not None
        and now >= clock.marked_at + max(confirm, timedelta())
    )


def _tick_one(engine: Engine, number: int, now: datetime, confirm: timedelta, follow: Follow) -> DeadlineResult:
    try:
        with writing(engine) as connection:
            query = select(clocks).where(clocks.c.clock_id == number)
            row = connection.execute(query.with_for_update(skip_locked=True)).first()
            return DeadlineResult() if row is None else _step(connection, make_clock(row), now, confirm, follow)
    except Exception as error:  # what is wrong with one must not keep the others waiting
        _log.warning("clock %d could not be let expire: %s", number, error)
        return DeadlineResult(failed=(f"clock {number}: {error}",))


def _step(connection: Connection, clock: Clock, now: datetime, confirm: timedelta, follow: Follow) -> DeadlineResult:
    """Take the one or two steps that a reading of the time allows a clock."""
    done = DeadlineResult()
    is_over = clock.due_at is not None and clock.due_at <= now
    if clock.state is ClockState.MARKED and (marked_at := clock.marked_at) is not None:
        if now < marked_at:
            clock, done = unmark(connection, clock, TICKER, now), DeadlineResult(unmarked=1)
        elif is_over and now >= marked_at + confirm:
            follow(connection, clock, now)  # first, as all who append to the audit trail must hold their rows already
            expire(connection, clock, TICKER, now)
            return DeadlineResult(expired=1)
    if clock.state is ClockState.RUNNING and is_over:
        mark(connection, clock, TICKER, now)
        done += DeadlineResult(marked=1)
    return done
