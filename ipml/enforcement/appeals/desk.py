"""What is shown of appeals: the list with what is due, and one with all that its decision needs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, String, and_, cast, func, literal, or_, select

from ipml.enforcement.appeals.appeal import Appeal, find_row, make_appeal
from ipml.enforcement.appeals.deciders import find_deciders
from ipml.enforcement.appeals.outcomes import Outcome, find_outcome
from ipml.enforcement.appeals.rules import AppealRules
from ipml.enforcement.appeals.states import PENDING, AppealState
from ipml.enforcement.clocks.clocks import Clock, find_clocks
from ipml.enforcement.clocks.states import ClockState
from ipml.errors import SellerErased
from ipml.records import Case, Decision
from ipml.review.cases import find_case, make_case
from ipml.review.corrections import find_family
from ipml.review.decisions import make_decision
from ipml.review.reversals import is_reversible, stands
from ipml.storage import audit
from ipml.storage.database import reading
from ipml.storage.pseudonyms import unseal
from ipml.storage.tables import appeals, clocks, decisions

_MOST_TOGETHER = 200
_IS_ITS_CLOCK = clocks.c.subject == literal("appeal:") + cast(appeals.c.appeal_id, String)


@dataclass(frozen=True, slots=True)
class Due:
    """An appeal in the list, and by when somebody must act; None where nothing runs."""

    appeal: Appeal
    due_at: datetime | None

    def is_overdue(self, now: datetime) -> bool:
        """Say whether it should have been dealt with by a moment."""
        return self.appeal.is_pending and self.due_at is not None and self.due_at <= now


@dataclass(frozen=True, slots=True)
class AppealFile:
    """All that whoever decides an appeal must see.

    Attributes
    ----------
    text : str or None
        What the seller says, hostile as any; None where the seller was erased.
    reference : str or None
        Of what the rights holder filed.
    case : Case
        The listing as it was seen, with score and reasons.
    decision : Decision
        Against which it is.
    alike : tuple of int
        Cases of near-duplicates that would be put right with it.
    together : tuple of int
        Other cases that were decided with it by one act, at most 200: a lead may want to look at them again.
    windows, clocks : tuple of Clock
        Until when the seller may appeal, and the terms of this appeal.
    deciders : frozenset of str
        Who may not decide it, having decided before.
    """

    appeal: Appeal
    text: str | None
    reference: str | None
    case: Case
    decision: Decision
    alike: tuple[int, ...]
    together: tuple[int, ...]
    windows: tuple[Clock, ...]
    clocks: tuple[Clock, ...]
    outcome: Outcome | None
    deciders: frozenset[str]
    history: tuple[audit.AuditRow, ...]


def list_appeals(engine: Engine, state: str | None = None, limit: int = 200) -> list[Due]:
    """Return appeals, those first that are due first; of a state, or those that are pending.

    Parameters
    ----------
    state : str, optional
        One of `AppealState`, or "all"; by default those that wait for somebody.
    """
    query = select(appeals, func.min(clocks.c.due_at).label("due_at")).outerjoin(clocks, _IS_ITS_CLOCK)
    if state != "all":
        query = query.where(appeals.c.state.in_(PENDING if state is None else [AppealState(state)]))
    order = func.min(clocks.c.due_at)
    query = query.group_by(appeals.c.appeal_id).order_by(order.is_(None), order, appeals.c.appeal_id).limit(limit)
    with reading(engine) as connection:
        return [Due(make_appeal(row), row.due_at) for row in connection.execute(query)]


def get_appeal(engine: Engine, appeal_id: int, *, now: datetime | None = None) -> AppealFile:
    """Return an appeal with all that its decision needs; AppealNotFound if there is none of that number."""
    with reading(engine) as connection:
        row = find_row(connection, appeal_id)
        appeal = make_appeal(row)
        family = find_family(connection, appeal.decision_id)
        return AppealFile(
            appeal=appeal,
            text=_unseal(connection, appeal, row.text),
            reference=_unseal(connection, appeal, row.reference),
            case=make_case(find_case(connection, appeal.case_id), now or datetime.now(UTC)),
            decision=make_decision(family[0]),
            alike=tuple(kin.case_id for kin in family[1:] if is_reversible(connection, kin)),
            together=_find_together(connection, [row.case_id for row in family], family[0].group_key),
            windows=tuple(find_clocks(connection, appeal.subject).values()),
            clocks=tuple(find_clocks(connection, appeal.name).values()),
            outcome=find_outcome(connection, appeal),
            deciders=find_deciders(connection, appeal),
            history=tuple(audit.list_rows(connection, appeal.name)),
        )


def _find_together(connection: Connection, but: Sequence[int], group_key: str | None) -> tuple[int, ...]:
    if group_key is None:
        return ()
    query = select(decisions.c.case_id).where(
        decisions.c.group_key == group_key, decisions.c.case_id.not_in(but), stands()
    )
    return tuple(connection.scalars(query.order_by(decisions.c.case_id).limit(_MOST_TOGETHER)))


def list_of_case(connection: Connection, case_id: int) -> Sequence[Appeal]:
    """Return the appeals on a case, in order."""
    query = select(appeals).where(appeals.c.case_id == case_id).order_by(appeals.c.appeal_id)
    return [make_appeal(row) for row in connection.execute(query)]


def count_pending(connection: Connection) -> int:
    """Return how many appeals wait for somebody."""
    return connection.scalar(select(func.count()).where(appeals.c.state.in_(PENDING))) or 0


def count_overdue(connection: Connection, rules: AppealRules, now: datetime) -> int:
    """Return how many appeals should have been dealt with: undecided in time, or not yet with the rights holder."""
    is_late = or_(
        and_(clocks.c.stage == "decision", clocks.c.due_at <= now),
        and_(clocks.c.stage == "holder", clocks.c.due_at <= now - 2 * rules.confirm),
        clocks.c.latest_at <= now,
        and_(clocks.c.state == ClockState.WAITING, appeals.c.filed_at <= now - timedelta(days=rules.unreached_days)),
    )
    query = select(func.count(appeals.c.appeal_id.distinct())).join(clocks, _IS_ITS_CLOCK)
    return (
        connection.scalar(query.where(appeals.c.state.in_([AppealState.OPEN, AppealState.WITH_HOLDER]), is_late)) or 0
    )


def _unseal(connection: Connection, appeal: Appeal, sealed: str | None) -> str | None:
    with suppress(SellerErased):
        return unseal(connection, appeal.pseudonym, sealed) if sealed else None
    return None
