"""Decisions: verdicts on cases, appended and never changed, each with its audit event in one transaction.

A counterfeit verdict names its ground, a key of `GROUNDS`. A verdict that can be undone is identified by its case and
claim, so that a reviewer cannot tell a decision from the answer to a blind re-review.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, literal, null, select, union_all
from sqlalchemy.exc import IntegrityError

from ipml.errors import Conflict, KeyReused, Overtaken, Refused
from ipml.kit.canonical_json import digest
from ipml.records import Claim, Decision, Reversal, Verdict
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import LARGEST_NUMBER, StoredCase, close_cases, is_held, subject_of
from ipml.review.claims import require_holder
from ipml.review.near_duplicates.clusters import hand_over, lock_cluster
from ipml.review.near_duplicates.confirmed import remember_confirmed
from ipml.review.near_duplicates.relistings import refresh_matches
from ipml.review.quality.blind_reviews import (
    Feedback,
    answer_second_review,
    control_feedback,
    find_held_second_review,
    request_second_reviews,
)
from ipml.review.quality.second_person import (
    combine_two_verdicts,
    find_halves,
    refuse_conflicts,
    withdraw_second_verdict,
)
from ipml.review.reversals import DEFAULT_CONTEXT, CaseDecision, DecisionActions, ReviewContext, stands
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.inbox import send_escalation_results
from ipml.settings import DEFAULT_SETTINGS
from ipml.storage.audit_trail import audit
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import decisions, reversals, second_verdicts

# Keys are stored with decisions: add grounds, reword sentences, but never change or drop a key.
GROUNDS = {
    "declared_replica": "The listing itself says that the goods are a replica, a copy or of replica grade.",
    "disguised_brand": "The brand is written in disguise, so that its owner does not find the listing.",
    "wrong_features": "What is shown or described differs from the genuine goods.",
    "price_and_seller": "Price, quantity and seller together fit no genuine source of such goods.",
    "known_goods": "The same goods of this seller have been found counterfeit before.",
    "rights_holder": "The rights holder has stated that the goods are counterfeit.",
    "test_purchase": "A test purchase was examined and found counterfeit.",
}


def check_ground(verdict: Verdict, ground: str) -> None:
    """Raise Refused unless a counterfeit verdict has a ground of `GROUNDS` and any other verdict has none."""
    if verdict is Verdict.COUNTERFEIT and ground not in GROUNDS:
        raise Refused(f"verdict '{verdict}'", f"ground {ground!r}", f"one of {', '.join(GROUNDS)}")
    if verdict is not Verdict.COUNTERFEIT and ground:
        raise Refused(f"verdict '{verdict}'", f"ground {ground!r}", "none")


_LONGEST_NOTE, _LONGEST_KEY = 2000, 255


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a decision.

    `origin` is "review", "bulk" (with others), "spread" (from a near-duplicate), "policy" (no person), "notice"
    (reopened for a notice), "appeal" (of the seller) or "deadline" (a deadline passed, or the rights holder withdrew).
    The first decision of a request stores its `key`.
    """

    origin: str = "review"
    group_key: str | None = None
    spread_from: int | None = None
    key: str | None = None

    @property
    def is_by_reviewer(self) -> bool:
        """Whether a reviewer judged the case: such a verdict may need a second person and gets second reviews."""
        return self.origin in ("review", "bulk")

    @property
    def spreads(self) -> bool:
        """Whether the same request decides near-duplicates next."""
        return self.origin == "review" and self.group_key is not None


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """A verdict on the case held under a claim.

    `note` has at most 2,000 characters. `key` identifies the request, at most 255 characters; an empty key is ignored.
    """

    claim: Claim
    verdict: Verdict
    ground: str = ""
    note: str = ""
    key: str | None = None


def decide(
    connection: Connection,
    request: DecisionRequest,
    *,
    now: datetime | None = None,
    context: ReviewContext = DEFAULT_CONTEXT,
) -> Decision:
    """Decide the case held under a claim, or escalate it to a lead.

    A request sent again with its key returns the same decision. The number of the decision is 0 if it closes no case:
    in a second review, or as the first of two verdicts.

    Raises Overtaken or NotFound if the claim does not hold the case, or no longer; Forbidden if the case is not for
    this reviewer; Refused or UnstorableValue if ground, note or key is not acceptable; KeyReused if the key came before
    with different content.
    """
    return decide_claimed(connection, request, Origin(key=request.key or None), now or datetime.now(UTC), context)[1]


def check_decision(verdict: Verdict, ground: str, note: str, key: str | None) -> None:
    """Raise Refused or UnstorableValue unless a decision can be stored as it is."""
    check_ground(verdict, ground)
    check_text("note", note, _LONGEST_NOTE)
    check_text("key", key or "", _LONGEST_KEY)


def decide_claimed(
    connection: Connection, request: DecisionRequest, origin: Origin, now: datetime, context: ReviewContext
) -> CaseDecision:
    """Record the decision of a request, and return it with its case; a repeated key gives the earlier decision."""
    claim, key = request.claim, origin.key
    content = (request.verdict, request.ground, request.note)
    check_decision(*content, key)
    row = lock_cluster(connection, claim.case_id)
    decision = Decision(0, row.case_id, row.listing_id, *content, claim.reviewer, now)
    if key and (sent_before := connection.execute(_BY_KEY, {"key": key}).first()):
        earlier = make_decision(sent_before)
        if _content(earlier) != _content(decision):
            raise KeyReused(key, f"decision, on case {earlier.case_id}")
        return row, earlier
    if second_review := find_held_second_review(connection, row, claim):
        with _one_use_of(key):
            return row, answer_second_review(connection, row, second_review, decision, key)
    require_holder(row, claim)
    if not is_held(row, decision.decided_at):
        raise Overtaken(
            f"case {claim.case_id}", f"the claim on it ran out at {claim.expires_at:%H:%M} UTC", "Claim it again."
        )
    with _one_use_of(key):
        (stored,) = record_all(connection, [(row, decision)], origin, context)
    return row, stored


@contextmanager
def _one_use_of(key: str | None) -> Iterator[None]:
    """Raise KeyReused if another decision with the same key was stored meanwhile."""
    try:
        yield
    except IntegrityError as error:
        if key and any(f"uq_{table.name}_key" in str(error.orig) for table in (decisions, second_verdicts)):
            raise KeyReused(key, "decision, made at the same moment") from error
        raise


_CONTENT = [name for name in Decision.__slots__ if name != "decision_id"]
# A second verdict has number 0, as `decide` returned it.
_BY_KEY = union_all(
    *(
        select(number.label("decision_id"), *(said.c[name] for name in _CONTENT)).where(said.c.key == bindparam("key"))
        for said, number in ((decisions, decisions.c.decision_id), (second_verdicts, literal(0)))
    )
)


def _content(decision: Decision) -> Decision:
    """Return a decision without number and moment, which differ when it is sent again."""
    return replace(decision, decision_id=0, decided_at=datetime.min)


def record_all(
    connection: Connection, asked: Sequence[CaseDecision], origin: Origin, context: ReviewContext = DEFAULT_CONTEXT
) -> list[Decision]:
    """Close or escalate cases, all as if decided one after another; those that need a second person stay open.

    It raises if any case is not for its reviewer. The cases and those that wait for them must be locked
    (`lock_clusters`). One of the cases waiting for a decided case becomes their exemplar, unless the decision spreads;
    then the caller does that. `asked` holds different cases. The decisions come back in order; number 0 means no case
    was closed.
    """
    if not asked:
        return []
    settings = context.settings
    halves = find_halves(connection, [row.case_id for row, _ in asked])
    # A deadline is not a judgement: the recorder may have judged the case before, but is not its seller.
    judged = dict.fromkeys(halves, ()) if origin.origin == "deadline" else halves
    refuse_conflicts(connection, [(row, decision.reviewer) for row, decision in asked], judged)
    finals: list[Decision | None] = [decision for _, decision in asked]
    if origin.is_by_reviewer:
        keys = [origin.key, *[None] * (len(asked) - 1)]
        finals = [
            combine_two_verdicts(connection, row, decision, its_key, halves[row.case_id], settings.second_person)
            for (row, decision), its_key in zip(asked, keys, strict=True)
        ]
    closing = [(row, final) for (row, _), final in zip(asked, finals, strict=True) if final is not None]
    if not origin.spreads:
        passed_on = {row.case_id for row, final in closing if final.verdict is Verdict.ESCALATE}
        hand_over(connection, [row.case_id for row, _ in closing], passed_on)
    is_own = [decision is final for (_, decision), final in zip(asked, finals, strict=True)]
    stored = _append(connection, closing, origin if is_own[0] else replace(origin, key=None), context.actions)
    if origin.is_by_reviewer:
        request_second_reviews(connection, stored, settings)
    if confirmed := [row for row, made in stored if made.verdict is Verdict.COUNTERFEIT]:
        remember_confirmed(connection, *(((), confirmed) if origin.spread_from is not None else (confirmed,)))
    refresh_matches(connection, [row.case_id for row, _ in stored])
    numbered = {made.case_id: made for _, made in stored}
    return [
        numbered[decision.case_id] if is_same else decision
        for (_, decision), is_same in zip(asked, is_own, strict=True)
    ]


def _append(
    connection: Connection, closing: Sequence[CaseDecision], origin: Origin, actions: DecisionActions | None
) -> list[CaseDecision]:
    """Append decisions, close or escalate the cases, record audit events, and apply the actions."""
    if not closing:
        return []
    made_as = {name: getattr(origin, name) for name in Origin.__slots__}
    rows = [_columns(row, decision) | made_as for row, decision in closing]
    for row in rows[1:]:
        row["key"] = None
    numbers = append_rows(connection, decisions, rows)
    made = [(row, replace(final, decision_id=number)) for number, (row, final) in zip(numbers, closing, strict=True)]
    for state in ("decided", "escalated"):
        close_cases(connection, [row.case_id for row, decision in made if _state_after(decision) == state], state)
    with audit.collect(connection) as batch:
        audit.append_events(batch, [_make_audit_event(row, decision, origin) for row, decision in made])
        if actions is not None:
            actions.apply_decisions(batch, made, origin.origin)
    if escalated := [decision for row, decision in made if row.state == "escalated"]:
        send_escalation_results(connection, escalated)
    return made


def _columns(row: StoredCase, decision: Decision) -> dict[str, Any]:
    fields = {name: getattr(decision, name) for name in _CONTENT}
    return fields | {"sampling_probability": row.sampling_probability, "lane": row.lane, "token": row.token}


def _state_after(decision: Decision) -> str:
    return "escalated" if decision.verdict is Verdict.ESCALATE else "decided"


def _make_audit_event(row: StoredCase, decision: Decision, origin: Origin) -> audit.AuditEvent:
    payload: dict[str, audit.Value] = {
        "token": row.token,
        "decision": decision.decision_id,
        "verdict": decision.verdict.value,
        "ground": decision.ground,
        "note": digest(decision.note),
        "snapshot": digest(row.snapshot),
        **({} if origin.origin == "review" else {"origin": origin.origin, "spread_from": origin.spread_from}),
    }
    by, action = decision.reviewer, _state_after(decision)
    return audit.AuditEvent(decision.decided_at, by, action, subject_of(row.case_id), payload)


def list_decisions(connection: Connection, case_id: int, *, with_reversed: bool = False) -> list[Decision]:
    """Return the decisions on a case, in order, with those taken back if asked; empty for an unknown case.

    More than one is in force only if the case was escalated.
    """
    if not 0 < case_id <= LARGEST_NUMBER:
        return []
    query = select(decisions).where(decisions.c.case_id == case_id).order_by(decisions.c.decision_id)
    if not with_reversed:
        query = query.where(stands())
    return [make_decision(row) for row in connection.execute(query)]


def make_decision(row: Row[Any]) -> Decision:
    """Make the record of a row of decisions."""
    return Decision(
        decision_id=row.decision_id,
        case_id=row.case_id,
        listing_id=row.listing_id,
        verdict=Verdict(row.verdict),
        ground=row.ground,
        note=row.note,
        reviewer=row.reviewer,
        decided_at=row.decided_at,
    )


@dataclass(frozen=True, slots=True)
class Undoable:
    """The last verdict of a reviewer, while it can be undone.

    `token` is that of the claim under which it was given. `group_key` covers the `count` decisions made, and undone,
    together. `feedback` is the truth of a control case; a reviewer who has seen it can no longer undo the verdict.
    """

    case_id: int
    verdict: Verdict
    token: int
    decided_at: datetime
    group_key: str | None = None
    count: int = 1
    feedback: Feedback | None = None


_DECISION = "decision"


def _select_last_said() -> Select[Any]:
    """Return the query for a reviewer's last decision or second verdict in force; of two at once, the latter."""
    same = "case_id", "verdict", "token", "decided_at"
    decision, second_verdict = (
        select(*(table.c[name] for name in same), kind.label("kind"), group.label("group_key"), literal(at).label("at"))
        .where(table.c.reviewer == bindparam("reviewer"), condition)
        .order_by(number.desc())
        .limit(1)
        .subquery()
        for table, kind, group, condition, number, at in (
            (decisions, literal(_DECISION), decisions.c.group_key, stands(), decisions.c.decision_id, 0),
            (
                second_verdicts,
                second_verdicts.c.kind,
                null(),
                second_verdicts.c.withdrawn_at.is_(None),
                second_verdicts.c.verdict_id,
                1,
            ),
        )
    )
    both = union_all(select(decision), select(second_verdict)).subquery()
    of_group = select(func.count()).where(decisions.c.group_key == both.c.group_key, stands()).correlate(both)
    query = select(both, of_group.scalar_subquery().label("in_group"))
    return query.order_by(both.c.decided_at.desc(), both.c.at.desc()).limit(1)


_LAST_SAID = _select_last_said()


def find_undoable(
    connection: Connection,
    reviewer: str,
    *,
    now: datetime | None = None,
    undo_minutes: float = DEFAULT_SETTINGS.undo_minutes,
) -> Undoable | None:
    """Return the verdict that "undo" would take back for a reviewer; None if there is none or it is too old."""
    since = (now or datetime.now(UTC)) - timedelta(minutes=undo_minutes)
    row = connection.execute(_LAST_SAID, {"reviewer": reviewer}).first()
    if row is None or row.decided_at < since:
        return None
    found = Undoable(row.case_id, Verdict(row.verdict), row.token, row.decided_at)
    if row.kind == _DECISION:
        return replace(found, group_key=row.group_key, count=row.in_group or 1)
    if row.kind == "second":
        return None  # final: the case has moved on from it
    return replace(
        found, feedback=control_feedback(connection, reviewer, row.case_id) if row.kind == "control" else None
    )


def take_back(
    connection: Connection,
    reviewer: str,
    case_id: int,
    token: int,
    *,
    context: ReviewContext = DEFAULT_CONTEXT,
) -> None:
    """Undo the verdict that a reviewer gave on a case under a claim.

    Raises Conflict or Refused if the verdict was undone before, is too old, or the case has moved on.
    """
    mine = (decisions.c.case_id == case_id, decisions.c.token == token, decisions.c.reviewer == reviewer, stands())
    said = (
        second_verdicts.c.case_id == case_id,
        second_verdicts.c.token == token,
        second_verdicts.c.reviewer == reviewer,
    )
    latest = select(decisions.c.decision_id).where(*mine).order_by(decisions.c.decision_id.desc())
    decision_id = connection.scalar(latest.limit(1))
    kind = connection.scalar(select(second_verdicts.c.kind).where(*said, second_verdicts.c.withdrawn_at.is_(None)))
    if decision_id is not None:
        undo(connection, decision_id, UndoRequest(reviewer), context=context)
    elif kind == "control":
        raise Conflict(f"decision on case {case_id}", "it cannot be undone: its truth has been shown")
    elif kind is not None:
        withdraw_second_verdict(connection, reviewer, case_id, within_minutes=context.settings.undo_minutes)
    else:
        raise Conflict(f"decision on case {case_id}", "it cannot be undone: it has been undone already")


def list_reversals(connection: Connection, case_id: int) -> dict[int, Reversal]:
    """Return the reversals on a case, by decision number."""
    query = select(reversals).join(decisions, decisions.c.decision_id == reversals.c.decision_id)
    rows = connection.execute(query.where(decisions.c.case_id == case_id)).all()
    return {
        row.decision_id: Reversal(row.reversal_id, row.decision_id, case_id, row.reviewer, row.reversed_at, row.why)
        for row in rows
    }
