"""Appeal: its states, row and outcome, the people who may decide it, and the file they need.

`TRANSITIONS` holds all allowed steps. The outcome is stored once, with encrypted reasons. An appeal is decided by a
person who decided nothing in the matter before and does not sell as the seller: Article 20(6) of the Digital Services
Act requires supervision by qualified staff, not solely automated means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, String, and_, cast, func, insert, literal, or_, select, update

from ipml.enforcement.deadlines.deadlines import Deadline, DeadlineState, find_deadlines
from ipml.enforcement.policy import AppealRules
from ipml.errors import Forbidden, IllegalStep, NotFound, OwnListing, SellerErased
from ipml.records import Case, Decision
from ipml.review.cases import LARGEST_NUMBER, find_case, make_case
from ipml.review.corrections import find_family
from ipml.review.quality.second_person import may_judge, refuse_conflict
from ipml.review.reversals import find_reversible, stands
from ipml.review.worklists.inbox import MessageKind, send_to_decider
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import decrypt, encrypt
from ipml.storage.tables import (
    appeal_outcomes,
    appeals,
    cases,
    deadlines,
    decisions,
    measures,
    reversals,
    second_verdicts,
    users,
)
from ipml.storage.tables import audit as trail


class AppealState(StrEnum):
    """State of an appeal; all but the first three are final."""

    OPEN = "open"
    WITH_HOLDER = "with holder"
    HOLDER_ACTED = "holder acted"
    GRANTED = "granted"
    MEASURE_LIFTED = "measure lifted"
    PARTLY_GRANTED = "partly granted"
    REJECTED = "rejected"
    RESTORED = "restored"
    WITHDRAWN = "withdrawn"


class AppealEvent(StrEnum):
    """Event in an appeal; the first two open it, and only a person causes one of `OUTCOMES`."""

    COMPLAINED = "complained"
    COUNTERED = "countered"
    HOLDER_ACTED = "holder acted"
    HOLDER_WITHDREW = "holder withdrew"
    HOLDER_SILENT = "holder silent"
    GRANTED = "granted"
    MEASURE_LIFTED = "measure lifted"
    PARTLY_GRANTED = "partly granted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


PENDING = (AppealState.OPEN, AppealState.WITH_HOLDER, AppealState.HOLDER_ACTED)
OUTCOMES = (AppealEvent.GRANTED, AppealEvent.MEASURE_LIFTED, AppealEvent.PARTLY_GRANTED, AppealEvent.REJECTED)
"""The verdict was wrong; this measure was, and the verdict right; a milder measure does; nothing was wrong."""
FAVOURABLE = (AppealState.GRANTED, AppealState.MEASURE_LIFTED, AppealState.PARTLY_GRANTED)
"""Outcomes by which a person finds the seller right, wholly or in part."""

TRANSITIONS: Mapping[tuple[AppealState | None, AppealEvent], AppealState] = {
    (None, AppealEvent.COMPLAINED): AppealState.OPEN,
    (None, AppealEvent.COUNTERED): AppealState.WITH_HOLDER,
    (AppealState.WITH_HOLDER, AppealEvent.HOLDER_ACTED): AppealState.HOLDER_ACTED,
    (AppealState.WITH_HOLDER, AppealEvent.HOLDER_SILENT): AppealState.RESTORED,
    (AppealState.WITH_HOLDER, AppealEvent.HOLDER_WITHDREW): AppealState.RESTORED,
    # The holder has sued or complained: the measure stays until they give up, or a person decides by the result.
    (AppealState.HOLDER_ACTED, AppealEvent.HOLDER_WITHDREW): AppealState.RESTORED,
    **{(state, outcome): AppealState(outcome.value) for state in PENDING for outcome in OUTCOMES},
    **{(state, AppealEvent.WITHDRAWN): AppealState.WITHDRAWN for state in PENDING},
}


def next_state(appeal_id: int, state: AppealState | None, event: AppealEvent) -> AppealState:
    """Return the next state; raise IllegalStep if `TRANSITIONS` has none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalStep(f"appeal {appeal_id}", state, event) from None


@dataclass(frozen=True, slots=True)
class Appeal:
    """A complaint or counter-notice of a seller.

    - `subject`: contested restriction: "measure:12", "penalty:3" or "case:7".
    - `kind`: "complaint" or "counter-notice".
    - `profile`: name of the profile with its deadlines.
    - `holder`, `lease_expires_at`: person who has claimed it, and the end of the claim.
    """

    appeal_id: int
    subject: str
    case_id: int
    decision_id: int
    pseudonym: str
    kind: str
    profile: str
    state: AppealState
    filed_at: datetime
    holder: str | None = None
    lease_expires_at: datetime | None = None

    @property
    def name(self) -> str:
        """Name in the audit trail and subject of its deadlines."""
        return f"appeal:{self.appeal_id}"

    @property
    def is_pending(self) -> bool:
        """Whether it is undecided."""
        return self.state in PENDING

    def holder_at(self, now: datetime) -> str | None:
        """Return the person who holds the claim at a time."""
        return self.holder if self.lease_expires_at is not None and self.lease_expires_at > now else None


def _find_row(connection: Connection, appeal_id: int, *, lock: bool = False) -> Row[Any]:
    """Return the row of an appeal, with `lock` locked for writing; raise NotFound if there is none."""
    query = select(appeals).where(appeals.c.appeal_id == appeal_id)
    row = None
    if 0 < appeal_id <= LARGEST_NUMBER:
        row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound("appeal", appeal_id, "Expected its number, as it was answered when filed.")
    return row


def find_appeal(connection: Connection, appeal_id: int, *, lock: bool = False) -> Appeal:
    """Return an appeal, with `lock` locked for writing; its deadlines must be locked before."""
    return make_appeal(_find_row(connection, appeal_id, lock=lock))


def move(connection: Connection, appeal: Appeal, event: AppealEvent) -> Appeal:
    """Apply an event; raise IllegalStep if it is not allowed."""
    state = next_state(appeal.appeal_id, appeal.state, event)
    change_appeal(connection, appeal.appeal_id, state=state, holder=None, lease_expires_at=None)
    return replace(appeal, state=state, holder=None, lease_expires_at=None)


def change_appeal(connection: Connection, appeal_id: int, **columns: Any) -> None:
    """Update columns of an appeal."""
    connection.execute(update(appeals).where(appeals.c.appeal_id == appeal_id).values(columns))


def make_appeal(row: Row[Any]) -> Appeal:
    """Convert a row of appeals to a record."""
    fields = {name: getattr(row, name) for name in Appeal.__slots__}
    return Appeal(**fields | {"state": AppealState(row.state)})


@dataclass(frozen=True, slots=True)
class AppealOutcome:
    """Outcome of an appeal; `why` is None if the seller was erased."""

    outcome: str
    decided_by: str
    decided_at: datetime
    why: str | None
    measure_kind: str | None = None


def store_outcome(connection: Connection, appeal: Appeal, outcome: AppealOutcome, **payload: audit.Value) -> None:
    """Store the outcome of an appeal, and note it in the audit trail."""
    encrypted = ""
    with suppress(SellerErased):
        encrypted = encrypt(connection, appeal.pseudonym, outcome.why or "")
    fields = {name: getattr(outcome, name) for name in AppealOutcome.__slots__}
    connection.execute(insert(appeal_outcomes).values(fields | {"appeal_id": appeal.appeal_id, "why": encrypted}))
    noted = {"outcome": outcome.outcome, "case": appeal.case_id, "decision": appeal.decision_id, **payload}
    audit.append(connection, outcome.decided_by, f"appeal {appeal.state}", appeal.name, noted, at=outcome.decided_at)
    source = appeal.case_id, appeal.appeal_id
    send_to_decider(connection, appeal.decision_id, MessageKind.OUTCOME, source, at=outcome.decided_at)


def count_outcomes(connection: Connection, start: datetime, end: datetime) -> dict[date, Counter[str]]:
    """Return the number of appeals by outcome for each day (UTC) of a period."""
    query = select(appeal_outcomes.c.decided_at, appeal_outcomes.c.outcome)
    counts: dict[date, Counter[str]] = {}
    for decided_at, outcome in connection.execute(
        query.where(appeal_outcomes.c.decided_at >= start, appeal_outcomes.c.decided_at < end)
    ):
        counts.setdefault(decided_at.date(), Counter())[outcome] += 1
    return counts


def find_outcome(connection: Connection, appeal: Appeal) -> AppealOutcome | None:
    """Return the outcome of an appeal; None while it is pending."""
    query = select(appeal_outcomes).where(appeal_outcomes.c.appeal_id == appeal.appeal_id)
    row = connection.execute(query).first()
    if row is None:
        return None
    why = _decrypt(connection, appeal, row.why)
    return AppealOutcome(row.outcome, row.decided_by, row.decided_at, why, row.measure_kind)


_MACHINES = ("ipml", "policy", "model", "seller", "command line")
_DECIDED = "a person who decided in this matter before may not decide again; another person must"
_OWN = "nobody decides on listings of their own"
_ROLES = ("reviewer", "lead", "admin")


def may_decide(connection: Connection, appeal: Appeal, by: str) -> str | None:
    """Return why a person may not decide an appeal, as a phrase; None if they may."""
    if not is_person(by):
        return "a person must decide it, never a model, a policy or a clock alone"
    if obstacle := _find_role(connection, by):
        return obstacle
    if _fold(by) in {_fold(name) for name in find_deciders(connection, appeal)}:
        return _DECIDED
    try:
        refuse_conflict(connection, find_case(connection, appeal.case_id), by)
    except OwnListing:
        return _OWN
    except Forbidden:
        return "a person who gave one of the verdicts it is about may not decide"
    return None


def find_obstacles(connection: Connection, some: Sequence[Appeal], by: str) -> dict[int, str]:
    """Return for a lead the obstacles of several appeals by number, like `may_decide`; others are omitted."""
    numbers = {appeal.case_id for appeal in some}
    own = set(connection.scalars(select(cases.c.case_id).where(cases.c.case_id.in_(numbers), ~may_judge(by))))
    deciders = find_deciders_of(connection, some)
    obstacles = {appeal.appeal_id: _OWN for appeal in some if appeal.case_id in own}
    before = [number for number, names in deciders.items() if _fold(by) in map(_fold, names)]
    return obstacles | dict.fromkeys(before, _DECIDED)


def find_deciders(connection: Connection, appeal: Appeal) -> frozenset[str]:
    """Return the people who took any decision in the matter of an appeal before.

    They gave a verdict or second verdict on the case, reversed or not; made the decision that was spread to it;
    changed its measures or the penalty; or decided an earlier appeal.
    """
    return find_deciders_of(connection, [appeal])[appeal.appeal_id]


def find_deciders_of(connection: Connection, some: Sequence[Appeal]) -> dict[int, frozenset[str]]:
    """Return the earlier deciders for each of several appeals, by number."""
    on_case = _find_on_cases(connection, {appeal.case_id for appeal in some})
    on_subject = _find_on_subjects(connection, {appeal.subject for appeal in some})
    deciders = {
        appeal.appeal_id: on_case.get(appeal.case_id, set()) | on_subject.get(appeal.subject, set()) for appeal in some
    }
    return {number: frozenset(filter(is_person, names)) for number, names in deciders.items()}


def _find_on_cases(connection: Connection, numbers: Collection[int]) -> dict[int, set[str]]:
    first = decisions.alias("first")
    queries = (
        select(decisions.c.case_id, decisions.c.reviewer),
        select(decisions.c.case_id, first.c.reviewer).join(first, first.c.decision_id == decisions.c.spread_from),
        select(second_verdicts.c.case_id, second_verdicts.c.reviewer),
        select(decisions.c.case_id, reversals.c.reviewer).join(
            reversals, reversals.c.decision_id == decisions.c.decision_id
        ),
        select(measures.c.case_id, measures.c.imposed_by),
        select(measures.c.case_id, measures.c.lifted_by),
        select(appeals.c.case_id, appeal_outcomes.c.decided_by).join(appeal_outcomes),
    )
    return _collect(connection, [query.where(query.selected_columns[0].in_(numbers)) for query in queries])


def _find_on_subjects(connection: Connection, subjects: Collection[str]) -> dict[str, set[str]]:
    """Return the people who decided earlier appeals on the same subject, or changed a penalty."""
    earlier = select(appeals.c.subject, appeal_outcomes.c.decided_by).join(appeal_outcomes)
    changed = select(trail.c.subject, trail.c.actor)
    penalties = [subject for subject in subjects if subject.startswith("penalty:")]
    queries = [earlier.where(appeals.c.subject.in_(subjects)), changed.where(trail.c.subject.in_(penalties))]
    return _collect(connection, queries)


def _collect(connection: Connection, queries: Iterable[Select[Any]]) -> dict[Any, set[str]]:
    names: dict[Any, set[str]] = {}
    for query in queries:
        for key, name in connection.execute(query):
            if name:
                names.setdefault(key, set()).add(name)
    return names


def is_person(name: str) -> bool:
    """Return whether a name can be a person's, rather than a component's.

    >>> is_person("ana"), is_person("policy:1f3a9c02"), is_person("ipml deadlines"), is_person(" ")
    (True, False, False, False)
    """
    word = _fold(name).partition(":")[0]
    return bool(word) and word not in _MACHINES and not word.startswith("ipml ")


def _find_role(connection: Connection, by: str) -> str | None:
    """Return why a user may not decide; a name without a user is an operator on the command line."""
    row = connection.execute(select(users).where(users.c.name == by)).first()
    if row is None:
        return None
    if not row.is_active:
        return "they may not log in any more"
    return None if row.role in _ROLES else "they may only look"


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()


_MOST_TOGETHER = 200
_IS_ITS_DEADLINE = deadlines.c.subject == literal("appeal:") + cast(appeals.c.appeal_id, String)


@dataclass(frozen=True, slots=True)
class PendingAppeal:
    """An appeal in the list; `due_at` is None if no deadline runs."""

    appeal: Appeal
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class AppealFile:
    """Everything needed to decide an appeal.

    - `text`: the seller's statement (untrusted text); None if the seller was erased.
    - `reference`: reference of the rights holder's suit or complaint.
    - `alike`: cases of near-duplicates decided with it, if those decisions are in force.
    - `together`: other cases decided in the same bulk action, at most 200: a lead may want to review them.
    - `windows`, `deadlines`: deadlines for filing, and deadlines of this appeal.
    - `deciders`: people excluded because they decided before.
    """

    appeal: Appeal
    text: str | None
    reference: str | None
    case: Case
    decision: Decision
    alike: tuple[int, ...]
    together: tuple[int, ...]
    windows: tuple[Deadline, ...]
    deadlines: tuple[Deadline, ...]
    outcome: AppealOutcome | None
    deciders: frozenset[str]
    history: tuple[audit.AuditRow, ...]


def list_appeals(connection: Connection, state: str | None = None, limit: int = 200) -> list[PendingAppeal]:
    """Return appeals ordered by deadline: pending ones, those of a state in `AppealState`, or "all"."""
    query = select(appeals, func.min(deadlines.c.due_at).label("due_at")).outerjoin(deadlines, _IS_ITS_DEADLINE)
    if state != "all":
        query = query.where(appeals.c.state.in_(PENDING if state is None else [AppealState(state)]))
    order = func.min(deadlines.c.due_at)
    query = query.group_by(appeals.c.appeal_id).order_by(order.is_(None), order, appeals.c.appeal_id).limit(limit)
    return [PendingAppeal(make_appeal(row), row.due_at) for row in connection.execute(query)]


def get_appeal(connection: Connection, appeal_id: int, *, now: datetime | None = None) -> AppealFile:
    """Return the file of an appeal; raise NotFound if there is none."""
    row = _find_row(connection, appeal_id)
    appeal = make_appeal(row)
    family = find_family(connection, appeal.decision_id)
    return AppealFile(
        appeal=appeal,
        text=_decrypt(connection, appeal, row.text),
        reference=_decrypt(connection, appeal, row.reference),
        case=make_case(find_case(connection, appeal.case_id), now or datetime.now(UTC)),
        decision=family[0],
        alike=tuple(kin.case_id for kin in find_reversible(connection, family[1:])),
        together=_find_together(connection, [row.case_id for row in family], family[0].group_key),
        windows=tuple(find_deadlines(connection, appeal.subject).values()),
        deadlines=tuple(find_deadlines(connection, appeal.name).values()),
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
    """Return the appeals on a case, oldest first."""
    query = select(appeals).where(appeals.c.case_id == case_id).order_by(appeals.c.appeal_id)
    return [make_appeal(row) for row in connection.execute(query)]


def count_pending(connection: Connection) -> int:
    """Return the number of pending appeals."""
    return connection.scalar(select_pending()) or 0


def select_pending() -> Select[Any]:
    """Return the query of `count_pending`."""
    return select(func.count()).where(appeals.c.state.in_(PENDING))


def count_overdue(connection: Connection, rules: AppealRules, now: datetime) -> int:
    """Return the number of appeals that are undecided in time or not delivered to the rights holder in time."""
    is_late = or_(
        and_(deadlines.c.stage == "decision", deadlines.c.due_at <= now),
        and_(deadlines.c.stage == "holder", deadlines.c.due_at <= now - 2 * rules.confirm),
        deadlines.c.latest_at <= now,
        and_(
            deadlines.c.state == DeadlineState.WAITING, appeals.c.filed_at <= now - timedelta(days=rules.unreached_days)
        ),
    )
    query = select(func.count(appeals.c.appeal_id.distinct())).join(deadlines, _IS_ITS_DEADLINE)
    return (
        connection.scalar(query.where(appeals.c.state.in_([AppealState.OPEN, AppealState.WITH_HOLDER]), is_late)) or 0
    )


def _decrypt(connection: Connection, appeal: Appeal, encrypted: str | None) -> str | None:
    with suppress(SellerErased):
        return decrypt(connection, appeal.pseudonym, encrypted) if encrypted else None
    return None
