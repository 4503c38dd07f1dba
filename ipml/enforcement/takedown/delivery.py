"""Delivery: sends waiting messages of the outbox, and records the platform's answers (accepted, done, refused).

Any number of senders may run and be killed at any time: expired leases are taken over and messages sent again under
the same key, so each arrives at least once. Answers may be repeated, late or out of order. They count in the order of
their messages: a refusal of an earlier message changes nothing once a later one was answered.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from sqlalchemy import Connection, Engine, bindparam, exists, func, insert, select, update

from ipml.enforcement.takedown.measures import Measure, make_measure
from ipml.errors import NotFound
from ipml.kit.moments import write_moment
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.row_digests import name_rows
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.outbox import Message, encrypt_if_told, make_messages, subject_of
from ipml.storage.tables import measure_messages, measures, platform_answers
from ipml.storage.tables import outbox as messages

Status = Literal["accepted", "done", "refused", "failed"]
SAID: tuple[Status, ...] = ("accepted", "done", "refused")  # "failed" is set by ipml for undelivered messages
_LONGEST_WHY = 2000


@dataclass(frozen=True, slots=True)
class PlatformAnswer:
    """An answer to a message, its author, and whether it was new."""

    key: str
    status: Status
    said_at: datetime
    told_by: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """An answer to a message: `at` is the platform's clock, `why` the reason of a refusal."""

    key: str
    status: Status
    at: datetime | None = None
    why: str = ""


def note_answer(connection: Connection, answer: ReceivedAnswer, told_by: str, now: datetime) -> PlatformAnswer:
    """Record an answer to a message and its effect on measures; a repeated answer changes nothing.

    `told_by` is a user or "platform". The time of the answer is limited to the time from sending until `now`. Raises
    NotFound if no message has this key.
    """
    return note_answers(connection, [answer], told_by, now)[0]


def note_answers(
    connection: Connection, received: Sequence[ReceivedAnswer], told_by: str, now: datetime
) -> list[PlatformAnswer]:
    """Record answers to several messages with different keys, like `note_answer` for one after the other."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    noting = _Noting(connection, received, told_by, now)
    answers = [noting.note(answer) for answer in received]
    noting.finish()
    return answers


class _Noting:
    """Recorder of several answers: reads everything first, and writes all changes last."""

    def __init__(self, connection: Connection, received: Sequence[ReceivedAnswer], told_by: str, now: datetime) -> None:
        self._connection, self._told_by, self._now = connection, told_by, now
        keys = [answer.key for answer in received]
        self._messages = {row.key: row for row in connection.execute(select(messages).where(messages.c.key.in_(keys)))}
        self._last = {answer.key: answer for answer in list_answers(connection, *keys)}
        self._latest = _find_latest_answered(connection, {row.subject for row in self._messages.values()})
        self._effects, self._measures = _find_effects(connection, keys)
        self._answers: list[dict[str, Any]] = []
        self._changes: dict[int, dict[str, Any]] = {}
        self._audit_events: list[audit.AuditEvent] = []

    def note(self, received: ReceivedAnswer) -> PlatformAnswer:
        """Record one answer."""
        key, status = received.key, received.status
        message = self._messages.get(key)
        if message is None:
            raise NotFound("message", key, "Expected the header `webhook-id` of one that was sent.")
        if (last := self._last.get(key)) and last.status == status:
            return last
        said_at = min(max(received.at or self._now, message.put_at), self._now)
        answer = PlatformAnswer(key, status, said_at, self._told_by, is_new=True)
        why = received.why[:_LONGEST_WHY]
        encrypted = encrypt_if_told(self._connection, message.pseudonym, why) if why else None
        fields = {"key": key, "status": status, "said_at": said_at, "told_by": self._told_by}
        self._answers.append(fields | {"received_at": self._now, "why": encrypted})
        thread = message.subject, message.channel
        is_last_word = self._latest.get(thread, 0) <= message.message_id
        if status != "accepted":
            self._latest[thread] = max(self._latest.get(thread, 0), message.message_id)
        concerned = self._effects.get(key, ())
        for measure_id, effect in concerned:
            measure = self._measures[measure_id]
            self._change(measure, _meaning(measure, effect, answer, encrypted, is_last_word))
        payload: dict[str, audit.Value] = {"key": key, "status": status, "said_at": write_moment(said_at)}
        changed = name_rows("measure", [number for number, _ in concerned])
        subject = subject_of(message.message_id)
        self._audit_events.append(audit.AuditEvent(self._now, self._told_by, "answered", subject, payload, changed))
        return answer

    def finish(self) -> None:
        """Write the changes."""
        if self._answers:
            self._connection.execute(insert(platform_answers), self._answers)
        for names in dict.fromkeys(map(tuple, self._changes.values())):
            changed = update(measures).where(measures.c.measure_id == bindparam("number"))
            rows = [
                {"number": number, **{f"new_{name}": value for name, value in fields.items()}}
                for number, fields in self._changes.items()
                if tuple(fields) == names
            ]
            self._connection.execute(changed.values({name: bindparam(f"new_{name}") for name in names}), rows)
        audit.append_events(self._connection, self._audit_events)

    def _change(self, measure: Measure, fields: dict[str, Any]) -> None:
        if fields:
            self._changes.setdefault(measure.measure_id, {}).update(fields)
            own = {name: value for name, value in fields.items() if name in Measure.__slots__}
            self._measures[measure.measure_id] = replace(measure, **own)


def list_messages(connection: Connection, measure_id: int) -> list[Message]:
    """Return the messages to the platform about a measure, in order of sending."""
    query = select(messages).join(measure_messages, measure_messages.c.key == messages.c.key)
    query = query.where(measure_messages.c.measure_id == measure_id).order_by(messages.c.message_id)
    return make_messages(connection, connection.execute(query).all())


def list_answers(connection: Connection, *keys: str) -> list[PlatformAnswer]:
    """Return the answers to messages, in order of arrival."""
    columns = [platform_answers.c[name] for name in ("key", "status", "said_at", "told_by")]
    query = select(*columns).where(platform_answers.c.key.in_(keys)).order_by(platform_answers.c.answer_id)
    return [PlatformAnswer(**row._mapping) for row in connection.execute(query)]


def _meaning(
    measure: Measure, effect: str, answer: PlatformAnswer, why: str | None, is_last_word: bool
) -> dict[str, Any]:
    """Return the columns of a measure that an answer changes."""
    is_of_now = measure.stands == (effect == "imposed")
    fields: dict[str, Any] = {}
    if answer.status == "done":
        column = "done_at" if effect == "imposed" else "undone_at"
        if getattr(measure, column) is None:
            fields[column] = answer.said_at
    if is_last_word and is_of_now:
        is_refusal = answer.status in ("refused", "failed")
        fields |= {"refused_at": answer.said_at if is_refusal else None, "why_refused": why if is_refusal else None}
    return fields


def _find_effects(
    connection: Connection, keys: Sequence[str]
) -> tuple[dict[str, list[tuple[int, str]]], dict[int, Measure]]:
    """Return the effects of messages on measures by key, and these measures."""
    effects: dict[str, list[tuple[int, str]]] = {}
    measures_by_id: dict[int, Measure] = {}
    query = select(measures, measure_messages.c.key, measure_messages.c.effect).join(measure_messages)
    query = query.where(measure_messages.c.key.in_(keys)).order_by(measures.c.measure_id)
    for row in connection.execute(query):
        effects.setdefault(row.key, []).append((row.measure_id, row.effect))
        measures_by_id[row.measure_id] = make_measure(row)
    return effects, measures_by_id


def _find_latest_answered(connection: Connection, subjects: Collection[str]) -> dict[tuple[str, str], int]:
    """Return for each subject and channel the number of the last message done or refused."""
    is_answered = exists().where(platform_answers.c.key == messages.c.key, platform_answers.c.status != "accepted")
    query = select(messages.c.subject, messages.c.channel, func.max(messages.c.message_id).label("latest"))
    query = query.where(messages.c.subject.in_(subjects), is_answered).group_by(messages.c.subject, messages.c.channel)
    return {(row.subject, row.channel): row.latest for row in connection.execute(query)}


CHANNELS = ("platform", "seller", "holder")
"""Channels of these senders; the transparency database has another (`ipml.enforcement.statements.submission`)."""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """Outcome of an attempt.

    - `is_accepted`: whether the receiver has the message now.
    - `why`: reason of a failure, or the answer of a success.
    - `is_final`: whether another attempt is useless.
    - `wait`: pause requested by the receiver.
    - `status`: receiver's answer about the measure itself, with `said_at` and `said_why`.
    """

    is_accepted: bool
    why: str = ""
    is_final: bool = False
    wait: timedelta | None = None
    status: Status | None = None
    said_at: datetime | None = None
    said_why: str = ""


class Sink(Protocol):
    """A destination of messages."""

    channels: Collection[str]
    """Channels it serves; empty: all."""

    at_once: int
    """Number of messages passed at a time."""

    def deliver(self, messages: Sequence[Message]) -> Iterator[DeliveryOutcome]:
        """Yield the outcome of each message in order; nothing more is sent once the caller stops iterating."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pause before another attempt: a random part of a span that doubles each time, up to a cap.

    The defaults give thirty attempts in about a day (full jitter:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). `draw` returns random numbers in 0-1.
    """

    base_seconds: float = 5.0
    cap_seconds: float = 7_200.0
    most_attempts: int = 30
    draw: Callable[[], float] = random.random

    def next_try(self, now: datetime, attempts: int, wait: timedelta | None) -> datetime | None:
        """Return the time of the next attempt, or None for never; a requested `wait` is respected up to the cap."""
        if attempts >= self.most_attempts:
            return None
        cap = timedelta(seconds=self.cap_seconds)
        span = min(self.base_seconds * 2.0 ** min(attempts - 1, 60), self.cap_seconds)
        return now + max(timedelta(seconds=span * self.draw()), min(wait or timedelta(), cap))


@dataclass(frozen=True, slots=True)
class Tally:
    """Number of messages delivered, to be tried again, and given up."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.delivered + other.delivered, self.failed + other.failed, self.dead + other.dead)

    @property
    def total(self) -> int:
        """Messages tried."""
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
    is_stopped: Callable[[], bool] = never,
) -> Iterator[Tally]:
    """Deliver all due messages, and yield the tally of each round.

    After `lease`, other senders may take the messages of a killed one. `is_stopped` is called after each message;
    unsent messages are returned to the outbox then.
    """
    holder = f"sender-{secrets.token_hex(8)}"
    while not is_stopped():
        began = clock()
        with writing(engine) as connection:
            taken = outbox.take(connection, holder, began, lease, channels=sink.channels, at_most=sink.at_once)
        if not taken:
            return
        enough = began + lease / 2  # the rest of the lease is for the message that is being sent by then
        readable = [message for message in taken if message.body is not None]
        outcomes: list[tuple[Message, DeliveryOutcome]] = []
        try:
            for message, outcome in zip(readable, sink.deliver(readable), strict=True):
                outcomes.append((message, outcome))
                if is_stopped() or clock() >= enough:
                    break
        finally:
            tally = _settle_all(engine, taken, outcomes, clock(), backoff)
        yield tally


def _settle_all(
    engine: Engine,
    taken: Sequence[Message],
    outcomes: Sequence[tuple[Message, DeliveryOutcome]],
    now: datetime,
    backoff: Backoff,
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
                tally += _settle_failed(connection, message, outcome, now, backoff)
    return tally


def _settle_accepted(
    connection: Connection, accepted: Sequence[tuple[Message, DeliveryOutcome]], now: datetime
) -> Tally:
    settled = outbox.settle_all_delivered(connection, [message for message, _ in accepted], now)
    audit.append_events(connection, [_make_audit_event("delivered", message, now) for message in settled])
    answers = [answer for message, outcome in accepted if (answer := _read_answer(message, outcome))]
    if answers:
        note_answers(connection, answers, "platform", now)
    return Tally(delivered=len(accepted))


def _read_answer(message: Message, outcome: DeliveryOutcome) -> ReceivedAnswer | None:
    """Return the platform's answer to a message, even for a sender that is too late to settle it."""
    if outcome.status:
        return ReceivedAnswer(message.key, outcome.status, outcome.said_at, outcome.said_why)
    if message.channel == "platform" and message.last_error:  # it may have read as failed
        return ReceivedAnswer(message.key, "accepted")
    return None


def _settle_failed(
    connection: Connection, message: Message, outcome: DeliveryOutcome, now: datetime, backoff: Backoff
) -> Tally:
    next_try = None if outcome.is_final else backoff.next_try(now, message.attempts, outcome.wait)
    is_mine = outbox.settle_failed(connection, message, now, outcome.why, next_try)
    if next_try is not None:
        return Tally(failed=1)
    if is_mine:
        audit.append_events(connection, [_make_audit_event("given up", message, now)])
        if message.channel == "platform":
            note_answer(connection, ReceivedAnswer(message.key, "failed", why=outcome.why), "ipml", now)
    return Tally(dead=1)


def _make_audit_event(action: str, message: Message, now: datetime) -> audit.AuditEvent:
    payload: dict[str, audit.Value] = {"key": message.key, "attempts": message.attempts}
    return audit.AuditEvent(now, "ipml", action, f"message:{message.message_id}", payload)
