"""Clocks that go by what is recorded, in the order of its recording, not by what a machine takes for the time.

Every change of a clock is an event that is appended; the row in `clocks` only says what they come to. A term is over
when its expiry is recorded, and not before: what is recorded earlier came in time. Whoever changes a clock locks its
row first, and the row of what it runs for after that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, insert, select, update

from ipml.enforcement.clocks.profiles import Profile
from ipml.enforcement.clocks.states import ENDS, ClockEvent, ClockState, next_state
from ipml.enforcement.clocks.terms import Deadline, Length
from ipml.errors import IllegalStep
from ipml.storage import audit
from ipml.storage.appending import append_rows
from ipml.storage.tables import clock_events, clocks

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
class Start:
    """A clock to be set up for a subject and a stage of a profile, and the event at `since` that it counts from."""

    subject: str
    stage: str
    profile: Profile
    since: datetime


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One thing that happened to a clock; `sequence` is the order that counts, `at` what the machine's clock read."""

    sequence: int
    kind: ClockEvent
    at: datetime
    by: str
    payload: dict[str, Any]


def open_clock(connection: Connection, subject: str, stage: str, profile: Profile, by: str, at: datetime) -> Clock:
    """Set up a clock that waits for the event it counts from; `begin` starts it."""
    clock = _open(connection, subject, stage, profile, by, at)
    audit.append(connection, by, "clock opened", clock.name, {"for": subject, "stage": stage}, at=at)
    return clock


def begin(connection: Connection, clock: Clock, profile: Profile, since: datetime, by: str, at: datetime) -> Clock:
    """Start a clock that waits: its term counts from an event at `since`."""
    return _schedule(connection, replace(clock, since=since), profile, ClockEvent.BEGAN, by, at)


def start_clock(
    connection: Connection, subject: str, stage: str, profile: Profile, since: datetime, by: str, at: datetime
) -> Clock:
    """Set up a clock and start it at once."""
    return start_clocks(connection, [Start(subject, stage, profile, since)], by, at)[0]


def start_clocks(connection: Connection, starts: Sequence[Start], by: str, at: datetime) -> list[Clock]:
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


def resume(connection: Connection, clock: Clock, profile: Profile, by: str, at: datetime) -> Clock:
    """Let a term run on; it ends as many days later as it stood still, and never earlier than it would have."""
    paused_at = clock.paused_at or at
    longer_by = clock.longer_by + _paused_days(profile, _length(clock, profile), paused_at, at)
    return _schedule(
        connection, replace(clock, paused_at=None, longer_by=longer_by), profile, ClockEvent.RESUMED, by, at
    )


def extend(connection: Connection, clock: Clock, profile: Profile, by: str, at: datetime) -> Clock:
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


def _open(connection: Connection, subject: str, stage: str, profile: Profile, by: str, at: datetime) -> Clock:
    state = next_state(f"clock of {subject}", None, ClockEvent.OPENED)
    fields = {"subject": subject, "stage": stage, "profile": profile.name, "state": state, "is_provisional": False}
    query = insert(clocks).values(fields).returning(clocks.c.clock_id)
    clock = Clock(connection.scalars(query).one(), subject, stage, profile.name, state)
    _record(connection, clock, ClockEvent.OPENED, by, at, {"stage": stage, "profile": profile.name})
    return clock


def _schedule(
    connection: Connection, clock: Clock, profile: Profile, event: ClockEvent, by: str, at: datetime
) -> Clock:
    """Reckon anew when a clock is due, and record the event that made it so."""
    scheduled, payload = _reckon(clock, profile, at)
    return _change(connection, scheduled, event, by, at, payload)


def _reckon(clock: Clock, profile: Profile, at: datetime) -> tuple[Clock, dict[str, audit.Value]]:
    """Return a clock with the moments at which it is due, and what is recorded of them."""
    since = clock.since or at
    stage = profile.stage(clock.stage)
    end = _end_of(clock, profile, since)
    latest_at = profile.find_end(stage.latest, since, clock.longer_by).ends_at if stage.latest else None
    due_at = max(end.ends_at, clock.due_at or end.ends_at)
    scheduled = replace(clock, due_at=due_at, latest_at=latest_at, is_provisional=end.is_provisional)
    payload: dict[str, audit.Value] = {
        "since": since.isoformat(),
        "due_at": due_at.isoformat(),
        "longer_by": clock.longer_by,
        "is_provisional": end.is_provisional,
    }
    return scheduled, payload


def _end_of(clock: Clock, profile: Profile, since: datetime) -> Deadline:
    return profile.find_end(_length(clock, profile), since, clock.longer_by)


def _length(clock: Clock, profile: Profile) -> Length:
    stage = profile.stage(clock.stage)
    return stage.longer if clock.is_extended and stage.longer else stage.length


def _paused_days(profile: Profile, length: Length, paused_at: datetime, resumed_at: datetime) -> int:
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
            "payload": json.dumps(payload, separators=(",", ":"), sort_keys=True),
        }
        for clock, event, payload in events
    ]
    return append_rows(connection, clock_events, rows)


def _fields_of(clock: Clock) -> dict[str, Any]:
    return {name: getattr(clock, name) for name in Clock.__slots__ if name != "clock_id"}
