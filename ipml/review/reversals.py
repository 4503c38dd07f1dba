"""What follows from a decision, and how it is taken back: a row is appended that says so, and the case is open again.

Decisions stay where they are, for whoever asks what happened; `stands` is the condition that leaves out those that
were taken back. Several may stand on one case, which a notice brought back, say: whoever takes verdicts for the
truth, or counts cases by them, puts `is_last_verdict` into the query.

What follows from decisions is stored in the same transaction, or none of it is. The queue does not know what that is.
Whoever opens the database for people who decide binds it to the engine, so that no way to a decision, alone, in bulk,
by spreading or by taking back, can forget it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, FromClause, Row, and_, insert, select, update

from ipml.errors import Conflict
from ipml.records import Decision, Reversal, Verdict
from ipml.review.cases import PENDING, change_case, find_cases, find_successor, note_event, pass_on_notices
from ipml.review.ranking.queue_order import rank_again
from ipml.review.snapshot import check_text
from ipml.settings import Settings, get_settings
from ipml.storage.tables import cases, decisions, reversals

Made = tuple[Row[Any], Decision]
"""A decision with its case, as the row was before."""


class Consequences(Protocol):
    """What is done when a case is decided, and when a decision is taken back; an exception undoes both.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing, Verdict
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> class Telling:
    ...     def follow_decisions(self, connection, made, origin):
    ...         for case, decision in made:
    ...             print(case.listing_id, decision.verdict, origin)
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> with writing(engine) as connection:
    ...     _ = decide(connection, claim(connection, "ana"), Verdict.GENUINE, consequences=Telling())
    A7 genuine review
    """

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Act on decisions that were just appended together; `origin` says how they came about."""

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Undo what followed from a decision that was just taken back."""


_LONGEST_WHY = 2000
_LARGEST_NUMBER = 2**63 - 1
_GONE, _LATER = reversals.alias(), decisions.alias()

BY_APPEAL = ("appeal", "clock")
"""Origins of decisions that a person made on appeal, or that follow from a term that ran out."""


def undo(
    connection: Connection,
    decision_id: int,
    reviewer: str,
    *,
    may_undo_others: bool = False,
    why: str = "",
    now: datetime | None = None,
    settings: Settings | None = None,
    consequences: Consequences | None = None,
) -> Reversal:
    """Take a decision back; what was spread from it to near-duplicates is taken back with it.

    Parameters
    ----------
    reviewer : str
        Who asks: within so many minutes whoever made the decision.
    may_undo_others : bool, default=False
        Whether this person may take back anybody's, at any time, as a lead does.
    why : str, default=""
        At most 2,000 characters.
    now : datetime, default=the clock
    settings : Settings, default=those of the process
        Within how many minutes.
    consequences : Consequences, optional
        What undoes what followed from the decision, in the same transaction.

    Raises
    ------
    Conflict
        There is no such decision, it was taken back before, it is another's or too old, or the case was
        decided anew.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import claim, decide, enqueue, get_case
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> with writing(engine) as connection:
    ...     decision = decide(connection, claim(connection, "ana"), Verdict.GENUINE)
    ...     undo(connection, decision.decision_id, "ana").case_id, get_case(connection, 1).state
    (1, 'open')
    """
    check_text("why", why, _LONGEST_WHY)
    now, minutes = now or datetime.now(UTC), (settings or get_settings()).undo_minutes
    wanted = find_decisions(connection, decisions.c.decision_id == decision_id, decision_id)
    if not wanted:
        raise Conflict(f"decision {decision_id}", "it cannot be undone: there is none of that number")
    (first,) = wanted
    spread = find_decisions(connection, decisions.c.spread_from == decision_id)
    locked = find_cases(connection, [row.case_id for row in (first, *spread)], lock=True)
    if obstacle := _find_obstacle(connection, first, reviewer, may_undo_others, now, minutes):
        raise Conflict(f"decision {decision_id}", f"it cannot be undone: {obstacle}")
    following = [row for row in spread if is_reversible(connection, row)]
    return reverse(connection, [first, *following], locked, reviewer, why, now, consequences)[0]


def undo_group(
    connection: Connection,
    group_key: str,
    reviewer: str,
    *,
    may_undo_others: bool = False,
    why: str = "",
    now: datetime | None = None,
    settings: Settings | None = None,
    consequences: Consequences | None = None,
) -> tuple[Reversal, ...]:
    """Take back all decisions that were made as one, in one transaction; otherwise like `undo`.

    Those that were taken back one by one before, or whose case was decided anew since, are left as they are.

    Raises
    ------
    Conflict
        There is no such group, none of it can be taken back any more, or it is another's or too old.
    """
    check_text("why", why, _LONGEST_WHY)
    now, minutes = now or datetime.now(UTC), (settings or get_settings()).undo_minutes
    group = find_decisions(connection, decisions.c.group_key == group_key)
    locked = find_cases(connection, [row.case_id for row in group], lock=True)
    remaining = [row for row in group if is_reversible(connection, row)]
    if not remaining:
        raise Conflict(
            f"decision group {group_key[:80]!r}", "it cannot be undone: there is no decision of it that stands"
        )
    for row in remaining:
        if obstacle := _find_obstacle(connection, row, reviewer, may_undo_others, now, minutes):
            raise Conflict(f"decision {row.decision_id}", f"it cannot be undone: {obstacle}")
    return reverse(connection, remaining, locked, reviewer, why, now, consequences)


@lru_cache(maxsize=32)  # as making a condition takes longer than asking it
def stands(by: datetime | None = None, *, of: FromClause = decisions) -> ColumnElement[bool]:
    """Return the condition that a row of decisions has not been taken back, or not by a moment."""
    taken_back = select(_GONE.c.reversal_id).where(_GONE.c.decision_id == of.c.decision_id)
    if by is not None:
        taken_back = taken_back.where(_GONE.c.reversed_at <= by)
    return ~taken_back.exists()


@lru_cache(maxsize=32)
def is_last_verdict(by: datetime | None = None) -> ColumnElement[bool]:
    """Return the condition that a row of decisions is the last verdict on its case that stands: one row for each case.

    To escalate is no verdict: a case that was decided and waits again keeps its verdict until there is another.

    Parameters
    ----------
    by : datetime, optional
        As things stood then: what was decided or taken back later does not count.
    """
    follows = select(_LATER.c.decision_id).where(
        _LATER.c.case_id == decisions.c.case_id,
        _LATER.c.decision_id > decisions.c.decision_id,
        *_is_verdict(_LATER, by),
    )
    return and_(*_is_verdict(decisions, by), ~follows.exists())


def _is_verdict(rows: FromClause, by: datetime | None) -> tuple[ColumnElement[bool], ...]:
    said = (rows.c.verdict != Verdict.ESCALATE, stands(by, of=rows))
    return said if by is None else (*said, rows.c.decided_at <= by)


def by_people() -> ColumnElement[bool]:
    """Return the condition that a person made a decision, by themselves or with others of its kind, and no policy.

    What a policy decided says nothing of what people found: taken as the truth, it would confirm itself.
    """
    return decisions.c.origin != "policy"


def is_standing(connection: Connection, decision_id: int) -> bool:
    """Say whether a decision is there and was not taken back."""
    query = select(decisions.c.decision_id).where(decisions.c.decision_id == decision_id, stands())
    return connection.scalar(query) is not None


def find_decisions(connection: Connection, condition: ColumnElement[bool], decision_id: int = 1) -> Sequence[Row[Any]]:
    """Return rows of decisions, the first made first."""
    if not 0 < decision_id <= _LARGEST_NUMBER:
        return []
    return connection.execute(select(decisions).where(condition).order_by(decisions.c.decision_id)).all()


def _find_obstacle(
    connection: Connection, row: Row[Any], reviewer: str, may_undo_others: bool, now: datetime, minutes: float
) -> str | None:
    """Return why this person cannot take a decision back now, as a phrase, or None."""
    if row.decision_id not in _find_standing(connection, row.case_id):
        return "it has been undone already"
    if not is_reversible(connection, row):
        return f"case {row.case_id} was decided anew since"
    if row.origin in BY_APPEAL:
        return "it follows from an appeal of the seller"
    if may_undo_others:
        return None
    if row.reviewer != reviewer:
        return f"{row.reviewer} made it; ask a lead"
    if now - row.decided_at > timedelta(minutes=minutes):
        return f"the {minutes:g} minutes for it are over; ask a lead"
    return None


def is_reversible(connection: Connection, row: Row[Any]) -> bool:
    """Say whether a decision is the last on its case that stands."""
    return _find_standing(connection, row.case_id)[-1:] == [row.decision_id]


def _find_standing(connection: Connection, case_id: int) -> list[int]:
    query = select(decisions.c.decision_id).where(decisions.c.case_id == case_id, stands())
    return list(connection.scalars(query.order_by(decisions.c.decision_id)))


def reverse(
    connection: Connection,
    undone: Sequence[Row[Any]],
    locked: dict[int, Row[Any]],
    reviewer: str,
    why: str,
    now: datetime,
    consequences: Consequences | None,
) -> tuple[Reversal, ...]:
    """Take decisions back whose cases, by number in `locked`, are kept from other writers."""
    made = [_append(connection, row, reviewer, why, now) for row in undone]
    successors: dict[int, int] = {}
    for row in undone:
        if locked[row.case_id].erased_at is None:  # what is gone nobody can look at again
            state, successor = _state_after(connection, row.case_id), find_successor(connection, locked[row.case_id])
            if successor and state in PENDING:  # nor at what was changed since
                state, successors[row.case_id] = "superseded", successor
            change_case(connection, row.case_id, state=state)
            rank_again(connection, locked[row.case_id])  # the order may have changed since
    _show_those_without_exemplar(connection, [row.case_id for row in undone if locked[row.case_id].exemplar])
    for row, reversal in zip(undone, made, strict=True):
        payload = {"decision": row.decision_id, "verdict": row.verdict, "reversal": reversal.reversal_id}
        note_event(connection, reviewer, "reversed", row.case_id, now, **payload)
        if consequences is not None:
            consequences.follow_reversal(connection, reversal)
        if successor := successors.get(row.case_id):
            pass_on_notices(connection, row.case_id, successor, now)
            note_event(connection, "ipml", "superseded", row.case_id, now, superseded_by=successor)
    return tuple(made)


def _append(connection: Connection, row: Row[Any], reviewer: str, why: str, now: datetime) -> Reversal:
    fields = {"decision_id": row.decision_id, "reviewer": reviewer, "reversed_at": now, "why": why}
    query = insert(reversals).values(**fields).returning(reversals.c.reversal_id)
    return Reversal(connection.scalars(query).one(), case_id=row.case_id, **fields)


def _state_after(connection: Connection, case_id: int) -> str:
    """Return the state that the decisions still standing give a case."""
    query = select(decisions.c.verdict).where(decisions.c.case_id == case_id, stands())
    verdict = connection.scalar(query.order_by(decisions.c.decision_id.desc()).limit(1))
    if verdict is None:
        return "open"
    return "escalated" if verdict == Verdict.ESCALATE else "decided"


def _show_those_without_exemplar(connection: Connection, case_ids: Sequence[int]) -> None:
    """Let cases that are open again stand for themselves where the case they waited for stays decided."""
    if not case_ids:
        return
    exemplars = cases.alias()
    decided = select(exemplars.c.case_id).where(exemplars.c.state == "decided", exemplars.c.case_id == cases.c.exemplar)
    query = update(cases).where(cases.c.case_id.in_(case_ids), decided.exists())
    connection.execute(query.values(exemplar=None))
