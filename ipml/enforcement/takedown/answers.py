"""What the platform says of a message: that it has accepted it, has done it, or will not; that closes the loop.

Answers may come twice, late, and in any order. They count in the order of the messages they answer, not of their
arrival: a refusal of what was asked first changes nothing once the platform has answered what was asked after it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, exists, func, insert, select, update

from ipml.enforcement.takedown.finding import Measure, make_measure
from ipml.errors import MessageNotFound
from ipml.storage import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.outbox import Message, make_messages, seal_if_told, subject_of
from ipml.storage.row_digests import name_rows
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
    (answer,) = note_answers(connection, [Said(key, status, at, why)], told_by, now)
    return answer


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of a message; see `note_answer`."""

    key: str
    status: Status
    at: datetime | None = None
    why: str = ""


def note_answers(connection: Connection, said: Sequence[Said], told_by: str, now: datetime) -> list[Answer]:
    """Do what `note_answer` does for several messages, each of another key, as if it were done one after the other."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    noting = _Noting(connection, said, told_by, now)
    answers = [noting.note(one) for one in said]
    noting.finish()
    return answers


class _Noting:
    """Notes answers that came together: reads all they are about first, and writes all they change last."""

    def __init__(self, connection: Connection, said: Sequence[Said], told_by: str, now: datetime) -> None:
        self._connection, self._told_by, self._now = connection, told_by, now
        keys = [one.key for one in said]
        self._messages = {row.key: row for row in connection.execute(select(outbox).where(outbox.c.key.in_(keys)))}
        self._last = _find_last_answers(connection, keys)
        self._latest = _find_latest_answered(connection, {row.subject for row in self._messages.values()})
        self._effects, self._measures = _find_effects(connection, keys)
        self._answers: list[dict[str, Any]] = []
        self._changes: dict[int, dict[str, Any]] = {}
        self._deeds: list[audit.Deed] = []

    def note(self, said: Said) -> Answer:
        """Note one answer."""
        message = self._messages.get(said.key)
        if message is None:
            raise MessageNotFound(said.key)
        said_at = min(max(said.at or self._now, message.put_at), self._now)
        if (last := self._last.get(said.key)) and last.status == said.status:
            return Answer(said.key, said.status, last.said_at, is_new=False)
        fields = {"key": said.key, "status": said.status, "said_at": said_at}
        why = seal_if_told(self._connection, message.pseudonym, said.why[:_LONGEST_WHY]) if said.why else None
        self._answers.append(fields | {"received_at": self._now, "told_by": self._told_by, "why": why})
        thread = message.subject, message.channel
        is_last_word = self._latest.get(thread, 0) <= message.message_id
        if said.status != "accepted":
            self._latest[thread] = max(self._latest.get(thread, 0), message.message_id)
        concerned = self._effects.get(said.key, ())
        for measure_id, effect in concerned:
            measure = self._measures[measure_id]
            self._change(measure, _meaning(measure, effect, said.status, said_at, why, is_last_word))
        payload: dict[str, audit.Value] = {"key": said.key, "status": said.status, "said_at": said_at.isoformat()}
        changed = name_rows("measure", [number for number, _ in concerned])
        subject = subject_of(message.message_id)
        self._deeds.append(audit.Deed(self._now, self._told_by, "answered", subject, payload, changed))
        return Answer(said.key, said.status, said_at, is_new=True)

    def finish(self) -> None:
        """Write down what was noted."""
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
        audit.append_deeds(self._connection, self._deeds)

    def _change(self, measure: Measure, fields: dict[str, Any]) -> None:
        if fields:
            self._changes.setdefault(measure.measure_id, {}).update(fields)
            known = {name: value for name, value in fields.items() if name in Measure.__slots__}
            self._measures[measure.measure_id] = replace(measure, **known)


def list_messages(connection: Connection, measure_id: int) -> list[Message]:
    """Return the messages that told the platform of a measure, in the order in which they were put."""
    query = select(outbox).join(measure_messages, measure_messages.c.key == outbox.c.key)
    query = query.where(measure_messages.c.measure_id == measure_id).order_by(outbox.c.message_id)
    return make_messages(connection, connection.execute(query).all())


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


def _find_effects(
    connection: Connection, keys: Sequence[str]
) -> tuple[dict[str, list[tuple[int, str]]], dict[int, Measure]]:
    """Return what is true of which measures once a message is done, by its key; and these measures."""
    effects: dict[str, list[tuple[int, str]]] = {}
    found: dict[int, Measure] = {}
    query = select(measures, measure_messages.c.key, measure_messages.c.effect).join(measure_messages)
    query = query.where(measure_messages.c.key.in_(keys)).order_by(measures.c.measure_id)
    for row in connection.execute(query):
        effects.setdefault(row.key, []).append((row.measure_id, row.effect))
        found[row.measure_id] = make_measure(row)
    return effects, found


def _find_last_answers(connection: Connection, keys: Sequence[str]) -> dict[str, Row[Any]]:
    query = select(platform_answers).where(platform_answers.c.key.in_(keys)).order_by(platform_answers.c.answer_id)
    return {row.key: row for row in connection.execute(query)}


def _find_latest_answered(connection: Connection, subjects: Collection[str]) -> dict[tuple[str, str], int]:
    """Return for each subject and channel the number of its last message that has been done or refused."""
    is_answered = exists().where(platform_answers.c.key == outbox.c.key, platform_answers.c.status != "accepted")
    query = select(outbox.c.subject, outbox.c.channel, func.max(outbox.c.message_id).label("latest"))
    query = query.where(outbox.c.subject.in_(subjects), is_answered).group_by(outbox.c.subject, outbox.c.channel)
    return {(row.subject, row.channel): row.latest for row in connection.execute(query)}
