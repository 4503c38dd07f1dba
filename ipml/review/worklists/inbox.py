"""Inbox: messages to a person about their work: mentions, escalations, appeals, and second reviews that differ.

A message names its source by number and holds no text, so erasing a seller leaves nothing in it. Messages about a case
that the person has for blind second review are hidden until that review is over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, delete, exists, func, insert, select, update

from ipml.records import Decision, Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.reversals import by_people, stands
from ipml.storage.tables import appeal_outcomes, cases, decisions, inbox_messages, reversals, second_reviews
from ipml.storage.tables import second_verdicts as verdicts


class MessageKind(StrEnum):
    """A kind of message; its source is a comment, a decision, an appeal (twice) or a second verdict."""

    MENTION = "mention"
    ESCALATION = "escalation"
    APPEAL = "appeal"
    OUTCOME = "outcome"
    SECOND_REVIEW = "second review"


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a person.

    `by` is the author of the comment or verdict, `said` their verdict or the outcome of the appeal, which may have been
    taken back; `own` is the person's own last verdict on the case. All are empty where they do not apply.
    """

    message_id: int
    kind: MessageKind
    case_id: int
    source_id: int
    at: datetime
    is_read: bool
    title: str
    by: str
    said: str
    own: str
    is_taken_back: bool


def send(
    connection: Connection, to: Iterable[str], kind: MessageKind, source: tuple[int, int], *, at: datetime | None = None
) -> None:
    """Send people a message about a case and its source, given by their numbers."""
    fields = {"kind": kind, "case_id": source[0], "source_id": source[1], "sent_at": at or datetime.now(UTC)}
    if rows := [{"user_name": name, **fields} for name in sorted(set(to))]:
        connection.execute(insert(inbox_messages), rows)


def send_to_decider(
    connection: Connection, decision_id: int | None, kind: MessageKind, source: tuple[int, int], *, at: datetime
) -> None:
    """Send the person who made a decision a message; a decision without review has none."""
    to = select(decisions.c.reviewer).where(decisions.c.decision_id == decision_id, by_people())
    send(connection, connection.scalars(to), kind, source, at=at)


def send_escalation_results(connection: Connection, made: Iterable[Decision]) -> None:
    """Send those who escalated cases what others decided on them."""
    by_case = {decision.case_id: decision for decision in made if decision.verdict is not Verdict.ESCALATE}
    escalated = decisions.c.case_id.in_(by_case), decisions.c.verdict == Verdict.ESCALATE, stands(), by_people()
    query = select(decisions.c.case_id, decisions.c.reviewer).where(*escalated).distinct()
    for case_id, reviewer in connection.execute(query).all():
        result = by_case[case_id]
        if reviewer != result.reviewer:
            source = case_id, result.decision_id
            send(connection, [reviewer], MessageKind.ESCALATION, source, at=result.decided_at)


def retract(connection: Connection, kind: MessageKind, source_id: int) -> None:
    """Delete the messages about a source that was withdrawn."""
    is_about = inbox_messages.c.kind == kind, inbox_messages.c.source_id == source_id
    connection.execute(delete(inbox_messages).where(*is_about))


def _is_shown() -> ColumnElement[bool]:
    return ~exists().where(
        second_reviews.c.case_id == inbox_messages.c.case_id,
        second_reviews.c.holder == inbox_messages.c.user_name,
        second_reviews.c.ended_at.is_(None),
    )


def count_unread(user_name: ColumnElement[str]) -> ScalarSelect[int]:
    """Return the number of unread messages of a user as a subquery, so that it costs no statement of its own."""
    is_unread = inbox_messages.c.user_name == user_name, inbox_messages.c.read_at.is_(None), _is_shown()
    return select(func.count()).select_from(inbox_messages).where(*is_unread).scalar_subquery()


def list_messages(connection: Connection, user_name: str, limit: int = 100) -> list[Message]:
    """Return the last messages of a user, the latest first."""
    kind, source_id = inbox_messages.c.kind, inbox_messages.c.source_id
    own = (
        select(decisions.c.verdict)
        .where(decisions.c.case_id == inbox_messages.c.case_id, decisions.c.reviewer == user_name)
        .order_by(decisions.c.decision_id.desc())
        .limit(1)
        .correlate(inbox_messages)
        .scalar_subquery()
    )
    first = (
        select(verdicts.c.verdict)
        .where(verdicts.c.case_id == inbox_messages.c.case_id, verdicts.c.reviewer == user_name)
        .order_by(verdicts.c.verdict_id.desc())
        .limit(1)
        .correlate(inbox_messages)
        .scalar_subquery()
    )
    said: dict[str, ColumnElement[Any]] = {
        "by": func.coalesce(decisions.c.reviewer, verdicts.c.reviewer, appeal_outcomes.c.decided_by, ""),
        "said": func.coalesce(decisions.c.verdict, verdicts.c.verdict, appeal_outcomes.c.outcome, ""),
        "own": func.coalesce(own, first, ""),
        "is_taken_back": reversals.c.reversal_id.is_not(None),
    }
    query = (
        select(inbox_messages, cases.c.snapshot, *(value.label(name) for name, value in said.items()))
        .join(cases, cases.c.case_id == inbox_messages.c.case_id)
        .outerjoin(decisions, and_(kind == MessageKind.ESCALATION, decisions.c.decision_id == source_id))
        .outerjoin(reversals, reversals.c.decision_id == decisions.c.decision_id)
        .outerjoin(verdicts, and_(kind == MessageKind.SECOND_REVIEW, verdicts.c.verdict_id == source_id))
        .outerjoin(appeal_outcomes, and_(kind == MessageKind.OUTCOME, appeal_outcomes.c.appeal_id == source_id))
        .where(inbox_messages.c.user_name == user_name, _is_shown())
        .order_by(inbox_messages.c.message_id.desc())
        .limit(limit)
    )
    return [
        Message(
            row.message_id,
            MessageKind(row.kind),
            row.case_id,
            row.source_id,
            row.sent_at,
            row.read_at is not None,
            decode_listing(row.snapshot).title,
            row.by,
            row.said,
            row.own,
            bool(row.is_taken_back),
        )
        for row in connection.execute(query)
    ]


def mark_read(connection: Connection, user_name: str, numbers: Collection[int], *, now: datetime | None = None) -> None:
    """Mark messages of a user as read."""
    theirs = inbox_messages.c.user_name == user_name, inbox_messages.c.message_id.in_(numbers)
    unread = update(inbox_messages).where(*theirs, inbox_messages.c.read_at.is_(None))
    connection.execute(unread.values(read_at=now or datetime.now(UTC)))


def list_differing(connection: Connection, user_name: str, since: datetime) -> list[int]:
    """Return the cases on which somebody's second review since a moment differs from the user's."""
    theirs = inbox_messages.c.user_name == user_name, inbox_messages.c.kind == MessageKind.SECOND_REVIEW
    query = select(inbox_messages.c.case_id).where(*theirs, inbox_messages.c.sent_at >= since, _is_shown())
    return sorted(connection.scalars(query.distinct()))
