"""Statements on their way to the transparency database: a hundred in a request, and each with its own end.

The database takes a batch as a whole or, where one statement of it is at fault or known already, not at all, and says
which. So those are settled and the others sent again at once: one bad statement holds up nobody, and one that is known
(because an answer was lost) counts as taken. An outage is no fault of a statement: it is tried again, later and later.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, func, or_, select, update

from ipml.enforcement.statements.checking import BATCH_LIMIT
from ipml.storage import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import outbox

CHANNEL = "transparency"
_ACTOR = "ipml"
_LEASE = timedelta(minutes=10)
_LONGEST_PAUSE_MINUTES = 60
_LONGEST_ERROR = 300
_REFUSED, _TOO_LARGE = 422, 413

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database said to a batch.

    Attributes
    ----------
    status : int or None
        Of the HTTP answer; None where there was none.
    refused : mapping of int to str
        Places in the batch, from 0, of statements at fault, and why.
    known : frozenset of str
        Puids that the database has already.
    words : str
        What was answered, or why there was no answer.
    """

    status: int | None
    refused: Mapping[int, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    words: str = ""


Post = Callable[[Sequence[Payload]], Answer]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one statement: "delivered", "dead" or "waiting", and why."""

    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Statements that one sender has in hand; another's hands are told from these by the `holder`."""

    holder: str
    numbers: tuple[int, ...]
    payloads: tuple[Payload, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """How many statements were taken, refused for good, and left for later; and what was last said of these."""

    delivered: int = 0
    dead: int = 0
    waiting: int = 0
    words: str = ""


def send_waiting(engine: Engine, post: Post, *, now: datetime, most: int = BATCH_LIMIT) -> Sent:
    """Send all statements that are due, batch by batch, until none is left or the database cannot be reached.

    Parameters
    ----------
    post : callable
        Sends one batch; see `ipml.enforcement.statements.sending.post_to`.
    most : int, default=100
        Statements in a request; the database takes no more than 100.
    """
    counts: Counter[str] = Counter()
    words = ""
    while batch := take_batch(engine, now=now, most=most):
        outcomes = deliver(batch.payloads, post)
        settle_batch(engine, batch, outcomes, now=now)
        counts.update(outcome.state for outcome in outcomes)
        words = next((outcome.why for outcome in outcomes if outcome.why), words)
        if all(outcome.state == "waiting" for outcome in outcomes):
            break
    return Sent(counts["delivered"], counts["dead"], counts["waiting"], words)


def count_waiting(engine: Engine) -> int:
    """Return how many statements have not reached the database yet."""
    query = select(func.count()).where(outbox.c.channel == CHANNEL, outbox.c.state == "waiting")
    with reading(engine) as connection:
        return connection.scalar(query) or 0


def take_batch(engine: Engine, *, now: datetime, most: int = BATCH_LIMIT) -> Batch | None:
    """Take the oldest statements that are due and in nobody's hands; None where there is none.

    Who takes them has ten minutes, after which another may.
    """
    is_free = or_(outbox.c.lease_expires_at.is_(None), outbox.c.lease_expires_at <= now)
    due = select(outbox).where(outbox.c.channel == CHANNEL, outbox.c.state == "waiting", outbox.c.next_try_at <= now)
    query = due.where(is_free).order_by(outbox.c.message_id).limit(min(most, BATCH_LIMIT))
    with writing(engine) as connection:
        rows = connection.execute(query.with_for_update(skip_locked=True)).all()
        if not rows:
            return None
        numbers = tuple(row.message_id for row in rows)
        holder = uuid4().hex
        taken = update(outbox).where(outbox.c.message_id.in_(numbers))
        held = {"holder": holder, "lease_expires_at": now + _LEASE, "attempts": outbox.c.attempts + 1}
        connection.execute(taken.values(held))
    return Batch(holder, numbers, tuple(json.loads(row.body) for row in rows))


def settle_batch(engine: Engine, batch: Batch, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """Write down what became of each statement of a batch, as far as it is still in the sender's hands."""
    delivered = [
        number for number, outcome in zip(batch.numbers, outcomes, strict=True) if outcome == Outcome("delivered")
    ]
    with writing(engine) as connection:
        _settle_delivered(connection, batch.holder, delivered, now)
        for number, outcome in zip(batch.numbers, outcomes, strict=True):
            if number not in delivered:
                _settle(connection, batch.holder, number, outcome, now)


def deliver(payloads: Sequence[Payload], post: Post) -> list[Outcome]:
    """Send statements, and return what became of each.

    Examples
    --------
    >>> def post(batch):  # a database that dislikes one of them, and so takes none of the batch
    ...     bad = {place: "no" for place, payload in enumerate(batch) if payload["puid"] == "b"}
    ...     return Answer(422 if bad else 201, bad)
    >>> [outcome.state for outcome in deliver([{"puid": "a"}, {"puid": "b"}, {"puid": "c"}], post)]
    ['delivered', 'dead', 'delivered']
    """
    answer = post(payloads)
    if answer.status is not None and 200 <= answer.status < 300:
        return [Outcome("delivered") for _ in payloads]
    if answer.status not in (_REFUSED, _TOO_LARGE):
        return [Outcome("waiting", _say(answer)) for _ in payloads]
    settled = {place: outcome for place in range(len(payloads)) if (outcome := _judge(payloads[place], place, answer))}
    if not settled:
        return _halve(payloads, post, answer)
    left = [place for place in range(len(payloads)) if place not in settled]
    if left:
        again = deliver([payloads[place] for place in left], post)
        settled |= dict(zip(left, again, strict=True))
    return [settled[place] for place in range(len(payloads))]


def _judge(payload: Payload, place: int, answer: Answer) -> Outcome | None:
    if payload["puid"] in answer.known:
        return Outcome("delivered")
    if place in answer.refused:
        return Outcome("dead", answer.refused[place][:_LONGEST_ERROR])
    return None


def _halve(payloads: Sequence[Payload], post: Post, answer: Answer) -> list[Outcome]:
    """Find out by halves which statements are at fault where the answer does not say."""
    if len(payloads) == 1:
        return [Outcome("dead", _say(answer))]
    middle = len(payloads) // 2
    return [*deliver(payloads[:middle], post), *deliver(payloads[middle:], post)]


def _settle_delivered(connection: Connection, holder: str, numbers: Sequence[int], now: datetime) -> None:
    mine = outbox.c.message_id.in_(numbers), outbox.c.holder == holder, outbox.c.state == "waiting"
    fields = {"state": "delivered", "settled_at": now, "last_error": None, "holder": None, "lease_expires_at": None}
    audit.change_rows(connection, update(outbox).where(*mine).values(fields), _ACTOR, "delivered", at=now)


def _settle(connection: Connection, holder: str, number: int, outcome: Outcome, now: datetime) -> None:
    mine = outbox.c.message_id == number, outbox.c.holder == holder, outbox.c.state == "waiting"
    fields: dict[str, Any] = {"state": outcome.state, "holder": None, "lease_expires_at": None}
    fields["last_error"] = outcome.why or None
    if outcome.state == "waiting":
        attempts = connection.scalar(select(outbox.c.attempts).where(*mine)) or 1
        fields["next_try_at"] = now + timedelta(minutes=min(2 ** min(attempts - 1, 10), _LONGEST_PAUSE_MINUTES))
    else:
        fields["settled_at"] = now
    change = update(outbox).where(*mine).values(fields)
    if outcome.state == "waiting":
        connection.execute(change)
    else:
        audit.change_rows(
            connection, change, _ACTOR, "delivered" if outcome.state == "delivered" else "given up", at=now
        )


def _say(answer: Answer) -> str:
    return f"{answer.status or 'no answer'}: {answer.words}"[:_LONGEST_ERROR].rstrip(": ")
