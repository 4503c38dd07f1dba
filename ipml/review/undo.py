"""Undo: takes decisions back with all their actions, so that their cases wait again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ipml.errors import Conflict
from ipml.records import Reversal, Verdict
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import PENDING, StoredCase, change_case, find_case, find_cases, note_event
from ipml.review.near_duplicates.clusters import hand_over, lock_clusters
from ipml.review.near_duplicates.relistings import refresh_matches
from ipml.review.pictures.stored import fetch_left
from ipml.review.ranking.queue_order import rank_again
from ipml.review.reversals import (
    BY_APPEAL,
    DEFAULT_CONTEXT,
    DecisionActions,
    ReviewContext,
    StoredDecision,
    find_decisions,
    find_reversible,
    stands,
)
from ipml.storage.tables import cases, decisions, reversals

_LONGEST_WHY = 2000


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """A wish to take decisions back.

    Reviewers can take back their own decision for the `undo_minutes` of the settings; with `may_undo_others`, as for
    leads, any decision at any time. `why` has at most 2,000 characters.
    """

    reviewer: str
    why: str = ""
    may_undo_others: bool = False


def undo(
    connection: Connection,
    decision_id: int,
    request: UndoRequest,
    *,
    now: datetime | None = None,
    context: ReviewContext = DEFAULT_CONTEXT,
) -> Reversal:
    """Take a decision back, with the decisions spread from it to near-duplicates and all actions, in one transaction.

    Raises Conflict if there is no such decision, it was taken back before, it is another's or too old, or the case was
    decided anew.
    """
    check_text("why", request.why, _LONGEST_WHY)
    now = now or datetime.now(UTC)
    numbered = find_decisions(connection, decisions.c.decision_id == decision_id, decision_id)
    if not numbered:
        raise Conflict(f"decision {decision_id}", "it cannot be undone: there is no decision of that number")
    (first,) = numbered
    spread = find_decisions(connection, decisions.c.spread_from == decision_id)
    locked, reversible = _lock_reversible(connection, [first, *spread])
    if first not in reversible:
        is_standing = find_decisions(connection, (decisions.c.decision_id == decision_id) & stands())
        anew = f"case {first.case_id} was decided anew since" if is_standing else "it has been undone already"
        raise Conflict(f"decision {decision_id}", f"it cannot be undone: {anew}")
    _refuse_others(first, request, now, context.settings.undo_minutes)
    return reverse(connection, reversible, locked, ReversalOrder(request.reviewer, request.why, now, context.actions))[
        0
    ]


def undo_group(
    connection: Connection,
    group_key: str,
    request: UndoRequest,
    *,
    now: datetime | None = None,
    context: ReviewContext = DEFAULT_CONTEXT,
) -> tuple[Reversal, ...]:
    """Take back all decisions of a group in one transaction; otherwise like `undo`.

    Decisions that were taken back before, or whose case was decided anew since, are left as they are.

    Raises Conflict if there is no such group, none of it can be taken back any more, or it is another's or too old.
    """
    check_text("why", request.why, _LONGEST_WHY)
    now = now or datetime.now(UTC)
    group = find_decisions(connection, decisions.c.group_key == group_key)
    locked, remaining = _lock_reversible(connection, group)
    if not remaining:
        raise Conflict(f"decision group {group_key[:80]!r}", "it cannot be undone: no decision of it is in force")
    for row in remaining:
        _refuse_others(row, request, now, context.settings.undo_minutes)
    return reverse(connection, remaining, locked, ReversalOrder(request.reviewer, request.why, now, context.actions))


def _lock_reversible(
    connection: Connection, some: Sequence[StoredDecision]
) -> tuple[dict[int, StoredCase], list[StoredDecision]]:
    """Lock the cases of some decisions; return them, and the decisions that can be taken back."""
    locked = find_cases(connection, [row.case_id for row in some], lock=True)
    return locked, find_reversible(connection, some)


def _refuse_others(row: StoredDecision, request: UndoRequest, now: datetime, undo_minutes: float) -> None:
    if row.origin in BY_APPEAL:
        obstacle = "it follows from an appeal of the seller"
    elif request.may_undo_others:
        return
    elif row.reviewer != request.reviewer:
        obstacle = f"{row.reviewer} made it; ask a lead"
    elif now - row.decided_at > timedelta(minutes=undo_minutes):
        obstacle = f"the {undo_minutes:g} minutes for it are over; ask a lead"
    else:
        return
    raise Conflict(f"decision {row.decision_id}", f"it cannot be undone: {obstacle}")


@dataclass(frozen=True, slots=True)
class ReversalOrder:
    """Author, reason and moment of reversals, and the actions to undo.

    With `decides_anew` the caller decides the cases at once: they stay decided, and no other case takes their place.
    """

    reviewer: str
    why: str
    at: datetime
    actions: DecisionActions | None
    decides_anew: bool = False


def reverse(
    connection: Connection, undone: Sequence[StoredDecision], locked: dict[int, StoredCase], order: ReversalOrder
) -> tuple[Reversal, ...]:
    """Take decisions back whose cases, by number in `locked`, are locked.

    A case waits again, unless its listing changed since: then the case of the newest version replaces it, whether that
    case waits or was decided.
    """
    now = order.at
    made = [_append(connection, row, order) for row in undone]
    successors: dict[int, int] = {}
    returned: list[StoredCase] = []
    closed: list[int] = []
    for row in undone:
        # Erased cases cannot be reviewed again, and cases decided anew at once need not wait.
        if locked[row.case_id].erased_at is None and not order.decides_anew:
            state = _state_after(connection, row.case_id)
            if state in PENDING and (newest := _lock_newer(connection, locked[row.case_id])):  # it was changed since
                state, successors[row.case_id] = "superseded", newest
            change_case(connection, row.case_id, state=state, successor=successors.get(row.case_id))
            if state in PENDING:
                fetch_left(connection, row.case_id, now)
            else:
                closed.append(row.case_id)
            returned.append(locked[row.case_id])
    rank_again(connection, returned)  # the order may have changed since
    if closed:  # near-duplicates may have waited for an escalated case
        lock_clusters(connection, closed)
        hand_over(connection, closed)
    _show_those_without_exemplar(connection, [row.case_id for row in undone if locked[row.case_id].exemplar])
    if not order.decides_anew:
        refresh_matches(connection, [row.case_id for row in undone])
    for row, reversal in zip(undone, made, strict=True):
        payload = {"decision": row.decision_id, "verdict": row.verdict.value, "reversal": reversal.reversal_id}
        note_event(connection, order.reviewer, "reversed", row.case_id, now, **payload)
        if order.actions is not None:
            order.actions.apply_reversal(connection, reversal)
        if successor := successors.get(row.case_id):
            note_event(connection, "ipml", "superseded", row.case_id, now, superseded_by=successor)
    return tuple(made)


def _append(connection: Connection, row: StoredDecision, order: ReversalOrder) -> Reversal:
    fields: dict[str, Any] = {
        "decision_id": row.decision_id,
        "reviewer": order.reviewer,
        "reversed_at": order.at,
        "why": order.why,
    }
    query = insert(reversals).values(**fields).returning(reversals.c.reversal_id)
    return Reversal(connection.scalars(query).one(), case_id=row.case_id, **fields)


def _lock_newer(connection: Connection, case: StoredCase) -> int | None:
    """Return the case of a newer version of the listing, locked, if there is one."""
    is_of_it = cases.c.listing_id == case.listing_id, cases.c.state != "superseded"
    newest: int | None = connection.scalar(select(func.max(cases.c.case_id)).where(*is_of_it))
    if newest is None or newest <= case.case_id:
        return None
    find_case(connection, newest, lock=True)  # a concurrent decision on it must see the cases that come to wait for it
    return newest


def _state_after(connection: Connection, case_id: int) -> str:
    query = select(decisions.c.verdict).where(decisions.c.case_id == case_id, stands())
    verdict = connection.scalar(query.order_by(decisions.c.decision_id.desc()).limit(1))
    if verdict is None:
        return "open"
    return "escalated" if verdict == Verdict.ESCALATE else "decided"


def _show_those_without_exemplar(connection: Connection, case_ids: Sequence[int]) -> None:
    """List one reopened case of each group whose exemplar is closed; the others wait for it."""
    if not case_ids:
        return
    exemplars = cases.alias()
    query = select(exemplars.c.case_id).join(cases, cases.c.exemplar == exemplars.c.case_id).distinct()
    is_closed = cases.c.case_id.in_(case_ids), exemplars.c.state.not_in(PENDING)
    for exemplar in connection.scalars(query.where(*is_closed)).all():
        is_waiting = cases.c.case_id.in_(case_ids), cases.c.exemplar == exemplar, cases.c.state != "open"
        connection.execute(update(cases).where(*is_waiting).values(exemplar=None))
        hand_over(connection, [exemplar])
