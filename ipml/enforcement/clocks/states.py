"""The states of a clock as a table: whatever is not in it cannot happen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ipml.errors import IllegalStep


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
