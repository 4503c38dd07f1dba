"""Letting terms run out, in two recorded steps, so that a clock that is wrong for a while ends nobody's time early.

The first reading past a term only marks it. A later reading that is still past it, and later than the mark by
`confirm`, records the expiry, in one transaction with all that follows. A reading earlier than the mark withdraws it:
one of the two was wrong. Ticks may come from several machines at once, and be killed anywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, and_, or_, select

from ipml.enforcement.clocks.clocks import Clock, expire, expire_all, make_clock, mark, mark_all, unmark
from ipml.enforcement.clocks.states import ClockState
from ipml.storage.database import reading, writing
from ipml.storage.tables import clocks

TICKER = "ipml clock"
"""Who lets terms run out. It judges nothing: it records that nobody acted, and what the rules say follows."""

_AT_ONCE = 500
_log = logging.getLogger(__name__)

Follow = Callable[[Connection, Clock, datetime], None]


IsFollowed = Callable[[Clock], bool]


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one tick did: how many clocks it marked, withdrew the mark of, let expire, and could not let expire."""

    marked: int = 0
    unmarked: int = 0
    expired: int = 0
    failed: tuple[str, ...] = ()

    def __add__(self, other: Ticked) -> Ticked:
        return Ticked(
            self.marked + other.marked,
            self.unmarked + other.unmarked,
            self.expired + other.expired,
            self.failed + other.failed,
        )


def tick_clocks(
    engine: Engine, now: datetime, confirm: timedelta, follow: Follow, is_followed: IsFollowed = lambda _: True
) -> Ticked:
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
    done, after = Ticked(), 0
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
) -> tuple[Ticked, set[int]]:
    """Take the steps from which nothing follows, and return what was done and with which clocks."""
    query = select(clocks).where(clocks.c.clock_id.in_(numbers)).order_by(clocks.c.clock_id)
    with writing(engine) as connection:
        found = [make_clock(row) for row in connection.execute(query.with_for_update(skip_locked=True))]
        over = [clock for clock in found if clock.due_at is not None and clock.due_at <= now]
        marked = [clock for clock in over if clock.state is ClockState.RUNNING]
        expired = [clock for clock in over if _is_confirmed(clock, now, confirm) and not is_followed(clock)]
        mark_all(connection, marked, TICKER, now)
        expire_all(connection, expired, TICKER, now)
    return Ticked(marked=len(marked), expired=len(expired)), {clock.clock_id for clock in (*marked, *expired)}


def _is_confirmed(clock: Clock, now: datetime, confirm: timedelta) -> bool:
    """Say whether a reading confirms the one that found a clock past its term."""
    return (
        clock.state is ClockState.MARKED
        and clock.marked_at is not None
        and now >= clock.marked_at + max(confirm, timedelta())
    )


def _tick_one(engine: Engine, number: int, now: datetime, confirm: timedelta, follow: Follow) -> Ticked:
    try:
        with writing(engine) as connection:
            query = select(clocks).where(clocks.c.clock_id == number)
            row = connection.execute(query.with_for_update(skip_locked=True)).first()
            return Ticked() if row is None else _step(connection, make_clock(row), now, confirm, follow)
    except Exception as error:  # what is wrong with one must not keep the others waiting
        _log.warning("clock %d could not be let expire: %s", number, error)
        return Ticked(failed=(f"clock {number}: {error}",))


def _step(connection: Connection, clock: Clock, now: datetime, confirm: timedelta, follow: Follow) -> Ticked:
    """Take the one or two steps that a reading of the time allows a clock."""
    done = Ticked()
    is_over = clock.due_at is not None and clock.due_at <= now
    if clock.state is ClockState.MARKED and (marked_at := clock.marked_at) is not None:
        if now < marked_at:
            clock, done = unmark(connection, clock, TICKER, now), Ticked(unmarked=1)
        elif is_over and now >= marked_at + confirm:
            follow(connection, clock, now)  # first, as all who append to the audit trail must hold their rows already
            expire(connection, clock, TICKER, now)
            return Ticked(expired=1)
    if clock.state is ClockState.RUNNING and is_over:
        mark(connection, clock, TICKER, now)
        done += Ticked(marked=1)
    return done
