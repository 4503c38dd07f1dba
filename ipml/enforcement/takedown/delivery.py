"""Delivering what waits in the outbox: take, send, settle; as often as it needs, and any number of senders at once.

A sender may be killed at any moment. What it had in hand is taken by another when its lease runs out, and sent again
under the same key; so each message arrives at least once, and counts once with whoever knows keys.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine

from ipml.enforcement.takedown.answers import Said, Status, note_answer, note_answers
from ipml.storage import audit, outbox
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.outbox import Message

CHANNELS = ("platform", "seller", "holder")
"""Whom these senders reach; the transparency database has one of its own (`ipml.enforcement.statements.batches`)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    Attributes
    ----------
    is_accepted : bool
        Whether the receiver has it now.
    why : str
        Else why not.
    is_final : bool
        Whether there is no use in trying again.
    wait : timedelta or None
        How long the receiver asked to be left alone.
    status : {"accepted", "done", "refused"} or None
        What the receiver said of the matter itself, with `said_at` and `said_why`.
    """

    is_accepted: bool
    why: str = ""
    is_final: bool = False
    wait: timedelta | None = None
    status: Status | None = None
    said_at: datetime | None = None
    said_why: str = ""


class Sink(Protocol):
    """Where messages go."""

    channels: Collection[str]
    """Those it takes; empty: all."""

    at_once: int
    """How many it is handed at a time."""

    def deliver(self, messages: Sequence[Message]) -> Iterator[Outcome]:
        """Give what became of each message, in their order; who stops asking has nothing more sent."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before another attempt: a random part of a span that doubles each time, up to a cap.

    With these figures a message is tried thirty times in about a day before it is given up (full jitter:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

    Examples
    --------
    >>> Backoff().next_try(datetime(2024, 5, 1, tzinfo=UTC), attempts=30, wait=None, share=1.0) is None
    True
    """

    base_seconds: float = 5.0
    cap_seconds: float = 7_200.0
    most_attempts: int = 30

    def next_try(self, now: datetime, attempts: int, wait: timedelta | None, share: float) -> datetime | None:
        """Return when to try again after so many attempts, or None for never.

        Parameters
        ----------
        wait : timedelta or None
            What the receiver asked for; it is heeded up to the cap.
        share : float
            Drawn from 0-1.
        """
        if attempts >= self.most_attempts:
            return None
        cap = timedelta(seconds=self.cap_seconds)
        span = min(self.base_seconds * 2.0 ** min(attempts - 1, 60), self.cap_seconds)
        return now + max(timedelta(seconds=span * share), min(wait or timedelta(), cap))


@dataclass(frozen=True, slots=True)
class Tally:
    """How many messages were delivered, will be tried again, and were given up."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.delivered + other.delivered, self.failed + other.failed, self.dead + other.dead)

    @property
    def total(self) -> int:
        """How many were tried."""
        return self.delivered + self.failed + self.dead


def never() -> bool:
    """Never stop."""
    return False


def deliver_due(
    engine: Engine,
    sink: Sink,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    backoff: Backoff = Backoff(),
    lease: timedelta = timedelta(minutes=5),
    draw: Callable[[], float] = random.random,
    is_stopped: Callable[[], bool] = never,
) -> Iterator[Tally]:
    """Deliver all that is due, and give the tally of each round; ends when nothing is due, or when told to stop.

    Parameters
    ----------
    clock : callable
        Gives the moment.
    lease : timedelta, default=5 minutes
        After which others take what this sender, killed, had in hand.
    is_stopped : callable
        Asked after each message; what was taken and not sent is given back.
    """
    holder = f"sender-{secrets.token_hex(8)}"
    while not is_stopped():
        began = clock()
        with writing(engine) as connection:
            taken = outbox.take(connection, holder, began, lease, channels=sink.channels, at_most=sink.at_once)
        if not taken:
            return
        enough = began + lease / 2  # the rest of the lease is for the message that is being sent by then

        def is_enough() -> bool:
            return is_stopped() or clock() >= enough  # noqa: B023 - asked before the next round only

        yield _send(engine, sink, taken, clock, backoff, draw, is_enough)


def _send(
    engine: Engine,
    sink: Sink,
    taken: Sequence[Message],
    clock: Callable[[], datetime],
    backoff: Backoff,
    draw: Callable[[], float],
    is_enough: Callable[[], bool],
) -> Tally:
    readable = [message for message in taken if message.body is not None]
    outcomes: list[tuple[Message, Outcome]] = []
    try:
        for message, outcome in zip(readable, sink.deliver(readable), strict=True):
            outcomes.append((message, outcome))
            if is_enough():
                break
    finally:
        tally = _settle_all(engine, taken, outcomes, clock(), backoff, draw)
    return tally


def _settle_all(
    engine: Engine,
    taken: Sequence[Message],
    outcomes: Sequence[tuple[Message, Outcome]],
    now: datetime,
    backoff: Backoff,
    draw: Callable[[], float],
) -> Tally:
    tried = {message.message_id for message, _ in outcomes}
    with writing(engine) as connection:
        serialise(connection, Lock.APPEND_TO_AUDIT)  # first, as everywhere that measures may change
        for message in taken:
            if message.body is None:
                outbox.settle_unreadable(connection, message, now)
            elif message.message_id not in tried:
                outbox.give_back(connection, message)
        accepted = [(message, outcome) for message, outcome in outcomes if outcome.is_accepted]
        tally = _settle_accepted(connection, accepted, now)
        for message, outcome in outcomes:
            if not outcome.is_accepted:
                tally += _settle_failed(connection, message, outcome, now, backoff, draw())
    return tally


def _settle_accepted(connection: Connection, accepted: Sequence[tuple[Message, Outcome]], now: datetime) -> Tally:
    settled = outbox.settle_all_delivered(connection, [message for message, _ in accepted], now)
    audit.append_deeds(connection, [_make_deed("delivered", message, now) for message in settled])
    said = [one for message, outcome in accepted if (one := _read_answer(message, outcome))]
    if said:
        note_answers(connection, said, "platform", now)
    return Tally(delivered=len(accepted))


def _read_answer(message: Message, outcome: Outcome) -> Said | None:
    """Return what the platform said of a message, also to a sender that came too late to settle it."""
    if outcome.status:
        return Said(message.key, outcome.status, outcome.said_at, outcome.said_why)
    if message.channel == "platform" and message.last_error:  # it may have read as failed
        return Said(message.key, "accepted")
    return None


def _settle_failed(
    connection: Connection, message: Message, outcome: Outcome, now: datetime, backoff: Backoff, share: float
) -> Tally:
    next_try = None if outcome.is_final else backoff.next_try(now, message.attempts, outcome.wait, share)
    is_mine = outbox.settle_failed(connection, message, now, outcome.why, next_try)
    if next_try is not None:
        return Tally(failed=1)
    if is_mine:
        audit.append_deeds(connection, [_make_deed("given up", message, now)])
        if message.channel == "platform":
            note_answer(connection, message.key, "failed", "ipml", now, why=outcome.why)
    return Tally(dead=1)


def _make_deed(action: str, message: Message, now: datetime) -> audit.Deed:
    payload: dict[str, audit.Value] = {"key": message.key, "attempts": message.attempts}
    return audit.Deed(now, "ipml", action, f"message:{message.message_id}", payload)
