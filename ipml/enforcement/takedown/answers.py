"""What the platform says of a message: that it has accepted it, has done it, or will not; that closes the loop.

Answers may come twice, late, and in any order. They count in the order of the messages they answer, not of their
arrival: a refusal of what was asked first changes nothing once the platform has answered what was asked after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, exists, insert, select, update

from ipml.enforcement.takedown.finding import Measure, make_measure
from ipml.errors import MessageNotFound
from ipml.storage import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.outbox import Message, find_message, make_message, seal_if_told
from ipml.storage.tables import measure_messages, measures, outbox, platform_answers

Status = Literal["accepted", "done", "refused", "failed"]
SAID: tuple[Status, ...] = ("accepted", "done", "refused")  # "failed" is ours: it never reached the platform
_LONGEST_WHY = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a message, and whether it was new."""

    key: str
    status: Status
    said_at: datetime
    is_new: bool


def note_answer(
    connection: Connection,
    key: str,
    status: Status,
    told_by: str,
    now: datetime,
    *,
    at: datetime | None = None,
    why: str = "",
) -> Answer:
    """Note what was said of a message, and what that means for its measures; the same again changes nothing.

    Parameters
    ----------
    told_by : str
        A user, or "platform".
    at : datetime, default=`now`
        When it was done by the clock of the platform. Before the message was put down and after `now` nothing was.
    why : str, default=""
        Why it was refused.

    Raises
    ------
    MessageNotFound
        There was never a message of this key.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    message = find_message(connection, key)
    if message is None:
        raise MessageNotFound(key)
    said_at = min(max(at or now, message.put_at), now)
    if (last := _last_answer(connection, key)) and last.status == status:
        return Answer(key, status, last.said_at, is_new=False)
    fields = {"key": key, "status": status, "said_at": said_at, "received_at": now, "told_by": told_by}
    fields["why"] = seal_if_told(connection, message.pseudonym, why[:_LONGEST_WHY]) if why else None
    is_last_word = not _is_answered_later(connection, message)
    connection.execute(insert(platform_answers).values(fields))
    for measure, effect in _find_measures(connection, key):
        _change(connection, measure, _meaning(measure, effect, status, said_at, fields["why"], is_last_word))
    payload: dict[str, audit.Value] = {"key": key, "status": status, "said_at": said_at.isoformat()}
    audit.append(connection, told_by, "answered", f"message:{message.message_id}", payload, at=now)
    return Answer(key, status, said_at, is_new=True)


def list_messages(connection: Connection, measure_id: int) -> list[Message]:
    """Return the messages that told the platform of a measure, in the order in which they were put."""
    query = select(outbox).join(measure_messages, measure_messages.c.key == outbox.c.key)
    query = query.where(measure_messages.c.measure_id == measure_id).order_by(outbox.c.message_id)
    return [make_message(connection, row) for row in connection.execute(query).all()]


def list_answers(connection: Connection, key: str) -> list[Row[Any]]:
    """Return what was said of a message, in the order in which it came."""
    query = select(platform_answers).where(platform_answers.c.key == key).order_by(platform_answers.c.answer_id)
    return list(connection.execute(query))


def _meaning(
    measure: Measure, effect: str, status: Status, said_at: datetime, why: Any, is_last_word: bool
) -> dict[str, Any]:
    """Return the columns of a measure that an answer changes."""
    is_of_now = measure.stands == (effect == "imposed")
    fields: dict[str, Any] = {}
    if status == "done":
        column = "done_at" if effect == "imposed" else "undone_at"
        if getattr(measure, column) is None:
            fields[column] = said_at
    if is_last_word and is_of_now:
        is_refusal = status in ("refused", "failed")
        fields |= {"refused_at": said_at if is_refusal else None, "why_refused": why if is_refusal else None}
    return fields


def _change(connection: Connection, measure: Measure, fields: dict[str, Any]) -> None:
    if fields:
        connection.execute(update(measures).where(measures.c.measure_id == measure.measure_id).values(fields))


def _find_measures(connection: Connection, key: str) -> list[tuple[Measure, str]]:
    query = select(measures, measure_messages.c.effect).join(measure_messages)
    query = query.where(measure_messages.c.key == key).order_by(measures.c.measure_id)
    return [(make_measure(row), row.effect) for row in connection.execute(query)]


def _last_answer(connection: Connection, key: str) -> Row[Any] | None:
    query = select(platform_answers).where(platform_answers.c.key == key)
    return connection.execute(query.order_by(platform_answers.c.answer_id.desc()).limit(1)).first()


def _is_answered_later(connection: Connection, message: Message) -> bool:
    """Say whether a later message on the same subject has been done or refused."""
    later = select(outbox.c.message_id).where(
        outbox.c.subject == message.subject,
        outbox.c.channel == message.channel,
        outbox.c.message_id > message.message_id,
        exists().where(platform_answers.c.key == outbox.c.key, platform_answers.c.status != "accepted"),
    )
    return connection.scalar(later.limit(1)) is not None
