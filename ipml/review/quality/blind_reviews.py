"""Blind reviews: second reviews of decided cases that measure reviewers and do not change the case.

They look like ordinary cases, and their audit events go to the second review, since the case's history would reveal
them. Hashes draw decisions and intervals with known probability from facts that auditors can look up and sellers do not
know, so draws are repeatable; they include a decision's microsecond, so nobody can predict them. Control cases are
decided cases of independently known truth; each reviewer gets each once, blind, with feedback afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from ipml.errors import Conflict, IpmlError, NotFound, Overtaken, UnstorableValue
from ipml.kit.canonical_json import digest
from ipml.kit.moments import to_microseconds
from ipml.records import Claim, Decision, Verdict
from ipml.review.cases import (
    NOW,
    REVIEWER,
    StoredCase,
    find_case,
    find_cases,
    lock_first,
    select_first,
    subject_of,
)
from ipml.review.quality.rates import Rate, count_rate
from ipml.review.quality.second_person import Capacity, may_judge, note_second_verdict, store_second_verdict
from ipml.review.worklists.inbox import MessageKind, send
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import cases, control_cases, decisions, second_reviews, second_verdicts

# Built once, since building a query takes longer than running it.
_IS_THEIRS = second_verdicts.c.reviewer == bindparam("reviewer")
_LAST = select(
    *(
        select(func.max(second_verdicts.c.decided_at))
        .where(_IS_THEIRS, second_verdicts.c.kind == kind)
        .scalar_subquery()
        .label(kind)
        for kind in ("control", "repeat", "audit")
    )
)
_LATEST = (
    select(decisions.c.decided_at)
    .where(decisions.c.reviewer == bindparam("reviewer"))
    .order_by(decisions.c.decided_at.desc())
    .limit(bindparam("most"))
)


def draw_uniform(*facts: object) -> float:
    """Return a uniform number of 0 to 1 that depends only on the facts."""
    text = "|".join(map(str, facts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56


def find_second_review_shares(settings: Settings) -> dict[str, float]:
    """Return, for each kind, the number of second reviews per ordinary case."""
    shares = {"control": settings.control_share, "repeat": settings.repeat_share, "audit": settings.audit_share}
    ordinary = 1.0 - sum(shares.values())
    return {kind: share / ordinary for kind, share in shares.items()}


def request_second_reviews(
    connection: Connection, made: Sequence[tuple[StoredCase, Decision]], settings: Settings
) -> None:
    """Draw decisions for a second review: by another reviewer, later by the same one, or none."""
    sampling_probability = find_second_review_shares(settings)
    found = [
        second_review
        for row, decision in made
        for second_review in _draw_second_reviews(row, decision, settings, sampling_probability)
    ]
    if found:
        connection.execute(insert(second_reviews), found)


def _draw_second_reviews(
    row: StoredCase, decision: Decision, settings: Settings, sampling_probability: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    if decision.verdict is Verdict.ESCALATE:
        return
    moment = to_microseconds(decision.decided_at)
    next_day = decision.decided_at + timedelta(hours=settings.audit_hours)
    later = decision.decided_at + timedelta(days=settings.repeat_days)
    wanted: dict[str, dict[str, Any]] = {
        "audit": {"wanted_at": next_day, "wanted_of": None, "not_by": decision.reviewer},
        "repeat": {"wanted_at": later, "wanted_of": decision.reviewer, "not_by": None},
    }
    named = {"case_id": row.case_id, "decision_id": decision.decision_id}
    for kind, who in wanted.items():
        if draw_uniform(kind, row.listing_key, decision.reviewer, moment) < sampling_probability[kind]:
            yield {**named, "kind": kind, "sampling_probability": min(sampling_probability[kind], 1.0), **who}


def _find_timely_kinds(connection: Connection, reviewer: str, shares: Mapping[str, float]) -> list[str]:
    """Return the kinds of second review due for a reviewer; `shares` come from `find_second_review_shares`."""
    last = connection.execute(_LAST, {"reviewer": reviewer}).one()._mapping
    gaps = {
        kind: find_gap(kind, reviewer, 0 if last[kind] is None else to_microseconds(last[kind]), share)
        for kind, share in shares.items()
        if share > 0
    }
    if not gaps:
        return []
    latest = connection.scalars(_LATEST, {"reviewer": reviewer, "most": max(gaps.values())}).all()
    return [
        kind
        for kind, gap in gaps.items()
        if len(latest) >= gap and (last[kind] is None or latest[gap - 1] > last[kind])
    ]


def find_gap(kind: str, reviewer: str, last: int, share: float) -> int:
    """Return after how many ordinary cases the next second review comes: 0.5 to 1.5 times 1 / share."""
    return max(1, round((0.5 + draw_uniform("gap", kind, reviewer, last)) / share))


_TRUTHS = (Verdict.COUNTERFEIT, Verdict.GENUINE)
LONGEST_SOURCE = 200


@dataclass(frozen=True, slots=True)
class ControlCase:
    """A case of known truth, with the source of the knowledge."""

    case_id: int
    truth: Verdict
    source: str
    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback to a reviewer after a verdict on a control case."""

    case_id: int
    verdict: Verdict
    truth: Verdict
    source: str

    @property
    def is_right(self) -> bool:
        """Whether the verdict is the truth; "cannot tell" is neither right nor wrong."""
        return self.verdict == self.truth


def add_control_case(
    connection: Connection, case_id: int, truth: Verdict, source: str, added_by: str, *, now: datetime | None = None
) -> ControlCase:
    """Record the known truth of a decided case: counterfeit or genuine.

    `source` says how it is known, in up to 200 characters; reviewers read it after their verdict. The user `added_by`
    never gets the case for review.

    Raises NotFound, Conflict or UnstorableValue.
    """
    order = ControlOrder(source, added_by, now or datetime.now(UTC))
    _, refused = add_control_cases(connection, {case_id: truth}, order)
    for error in refused.values():
        raise error
    return ControlCase(case_id, truth, source, added_by, order.at)


@dataclass(frozen=True, slots=True)
class ControlOrder:
    """Source of the known truths, author and moment of new control cases."""

    source: str
    by: str
    at: datetime


def add_control_cases(
    connection: Connection, truths: Mapping[int, Verdict], order: ControlOrder
) -> tuple[dict[int, int], dict[int, IpmlError]]:
    """Record the known truths of decided cases; return the numbers of the control cases by case, and the refused.

    Raises UnstorableValue if a truth is neither counterfeit nor genuine, or the source is missing or too long.
    """
    for truth in truths.values():
        if truth not in _TRUTHS:
            raise UnstorableValue("truth", repr(truth.value), "counterfeit or genuine")
    if not 0 < len(order.source) <= LONGEST_SOURCE or not order.source.isprintable():
        raise UnstorableValue("source", f"{len(order.source)} characters", f"1 to {LONGEST_SOURCE} that can be printed")
    found, known = find_cases(connection, truths, lock=True), find_control_cases(connection, truths)
    refused: dict[int, IpmlError] = {}
    for case_id in truths:
        if case_id not in found:
            refused[case_id] = NotFound("case", case_id, "The list of cases shows those there are.")
        elif (state := found[case_id].state) != "decided":
            refused[case_id] = Conflict(f"case {case_id}", f"it is {state}, not decided", "Decide it first.")
        elif case_id in known:
            obstacle = f"it is known to be {known[case_id].truth} already"
            refused[case_id] = Conflict(f"case {case_id}", obstacle, "Remove that first.")
    added = [case_id for case_id in sorted(truths) if case_id not in refused]
    rows = [ControlCase(case_id, truths[case_id], order.source, order.by, order.at) for case_id in added]
    numbers = append_rows(connection, control_cases, [asdict(row) for row in rows]) if rows else []
    entries = [
        (subject_of(row.case_id), {"truth": row.truth.value, "control": number})
        for row, number in zip(rows, numbers, strict=True)
    ]
    audit.append_all(connection, order.by, "control", entries, at=order.at)
    return dict(zip(added, numbers, strict=True)), refused


def remove_control_case(connection: Connection, case_id: int, removed_by: str, *, now: datetime | None = None) -> None:
    """Remove a control case, for example after doubts about its truth; verdicts on it stay. Raises NotFound."""
    find_case(connection, case_id, lock=True)
    found = _find_controls(connection, [case_id])
    if not found:
        raise NotFound("known truth of case", case_id, "`ipml queue control` shows which are.")
    remove_control_cases(connection, [row.control_id for row in found], removed_by, now=now or datetime.now(UTC))


def remove_control_cases(connection: Connection, numbers: Sequence[int], by: str, *, now: datetime) -> list[int]:
    """Remove control cases by their own numbers, as far as they are not removed; return the cases."""
    is_one = control_cases.c.control_id.in_(numbers), control_cases.c.removed_at.is_(None)
    gone = update(control_cases).where(*is_one).values(removed_at=now)
    removed = connection.execute(gone.returning(control_cases.c.case_id, control_cases.c.control_id)).all()
    case_ids = [row.case_id for row in removed]
    waiting = second_reviews.c.case_id.in_(case_ids), second_reviews.c.kind == "control"
    connection.execute(update(second_reviews).where(*waiting, second_reviews.c.ended_at.is_(None)).values(ended_at=now))
    entries = [(subject_of(row.case_id), {"control": row.control_id}) for row in sorted(removed)]
    audit.append_all(connection, by, "control no longer", entries, at=now)
    return case_ids


def find_control_cases(connection: Connection, case_ids: Collection[int]) -> dict[int, ControlCase]:
    """Return the control cases among some cases."""
    return {row.case_id: _control(row) for row in _find_controls(connection, case_ids)}


def list_control_cases(connection: Connection) -> list[ControlCase]:
    """Return the control cases by case number."""
    query = select(control_cases).where(control_cases.c.removed_at.is_(None)).order_by(control_cases.c.case_id)
    return [_control(row) for row in connection.execute(query)]


def control_feedback(connection: Connection, reviewer: str, case_id: int) -> Feedback | None:
    """Return the feedback on a reviewer's control case; None if the case was no control case."""
    query = (
        select(second_verdicts.c.verdict, control_cases.c.truth, control_cases.c.source)
        .join(control_cases, control_cases.c.case_id == second_verdicts.c.case_id)
        .where(
            control_cases.c.removed_at.is_(None),
            second_verdicts.c.kind == "control",
            second_verdicts.c.withdrawn_at.is_(None),
        )
        .where(second_verdicts.c.reviewer == reviewer, second_verdicts.c.case_id == case_id)
    )
    row = connection.execute(query).first()
    return None if row is None else Feedback(case_id, Verdict(row.verdict), Verdict(row.truth), row.source)


def _find_controls(connection: Connection, case_ids: Collection[int]) -> Sequence[Row[Any]]:
    is_known = control_cases.c.case_id.in_(case_ids), control_cases.c.removed_at.is_(None)
    return connection.execute(select(control_cases).where(*is_known)).all()


def _control(row: Row[Any]) -> ControlCase:
    return ControlCase(**{name: getattr(row, name) for name in ControlCase.__slots__} | {"truth": Verdict(row.truth)})


@dataclass(frozen=True, slots=True)
class SecondReview:
    """A second review of a decided case, with its last holder and lease; None without one."""

    review_id: int
    kind: str
    holder: str | None
    token: int
    lease_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Offer:
    """A case offered to a reviewer, with its second review if the case is decided."""

    row: StoredCase
    second_review: SecondReview | None = None


def find_second_review(connection: Connection, reviewer: str, now: datetime, settings: Settings) -> Offer | None:
    """Return a second review for a reviewer, if one is due."""
    for kind in _find_timely_kinds(connection, reviewer, find_second_review_shares(settings)):
        offer = _find_wanted(connection, kind, reviewer, now)
        if offer is None and kind == "control":
            offer = _offer_control_case(connection, reviewer, now)
        if offer is not None:
            return offer
    return None


_SECOND_REVIEW = select(*(second_reviews.c[name] for name in SecondReview.__slots__))


def find_second_review_of(connection: Connection, reviewer: str, case_id: int) -> SecondReview | None:
    """Return the second review of a case that a reviewer took last and that is still open, or None."""
    is_theirs = (
        second_reviews.c.case_id == case_id,
        second_reviews.c.holder == reviewer,
        second_reviews.c.ended_at.is_(None),
    )
    found = connection.execute(
        _SECOND_REVIEW.where(*is_theirs).order_by(second_reviews.c.token.desc()).limit(1)
    ).first()
    return None if found is None else SecondReview(*found)


def find_held_second_review(connection: Connection, row: StoredCase, claim: Claim) -> SecondReview | None:
    """Return the second review held under a claim, or None; Overtaken if its reviewer claimed it again."""
    if row.holder == claim.reviewer and row.token == claim.token:
        return None  # tokens are unique over claims of a case and of its second reviews
    second_review = find_second_review_of(connection, claim.reviewer, row.case_id)
    if second_review is None or second_review.token == claim.token:
        return second_review
    if row.state == "decided":
        raise Overtaken(
            f"case {row.case_id}", "the claim on it is no longer the one it is held under", "Claim it again."
        )
    return None


def hold_second_review(connection: Connection, claim: Claim, now: datetime) -> None:
    """Give a second review to its claimant."""
    lease = {"holder": claim.reviewer, "token": claim.token, "lease_expires_at": claim.expires_at}
    connection.execute(update(second_reviews).where(second_reviews.c.review_id == claim.review_id).values(lease))
    audit.append(
        connection, claim.reviewer, "claimed", f"second_review:{claim.review_id}", {"token": claim.token}, at=now
    )


def prolong_second_review(connection: Connection, claim: Claim) -> None:
    """Prolong the claim on a second review."""
    of_claim = update(second_reviews).where(second_reviews.c.review_id == claim.review_id)
    connection.execute(of_claim.values(lease_expires_at=claim.expires_at))


def release_second_review(connection: Connection, second_review: SecondReview, claim: Claim, now: datetime) -> None:
    """Release a second review; it stays open to its last reviewer until another takes it, as an ordinary case would."""
    connection.execute(
        update(second_reviews)
        .where(second_reviews.c.review_id == second_review.review_id)
        .values(lease_expires_at=None)
    )
    audit.append(
        connection,
        claim.reviewer,
        "released",
        f"second_review:{second_review.review_id}",
        {"token": claim.token},
        at=now,
    )


def answer_second_review(
    connection: Connection, row: StoredCase, second_review: SecondReview, decision: Decision, key: str | None
) -> Decision:
    """Store the verdict of a second review; the case does not change."""
    if second_review.lease_expires_at is None:
        raise Overtaken(f"case {row.case_id}", "the claim on it was given back", "Claim it again.")
    if second_review.lease_expires_at <= decision.decided_at:
        raise Overtaken(
            f"case {row.case_id}",
            f"the claim on it ran out at {second_review.lease_expires_at:%H:%M} UTC",
            "Claim it again.",
        )
    capacity = Capacity(second_review.kind, second_review.token, second_review.review_id)
    stored = store_second_verdict(connection, decision, capacity, key)
    connection.execute(
        update(second_reviews)
        .where(second_reviews.c.review_id == second_review.review_id)
        .values(ended_at=decision.decided_at)
    )
    note_second_verdict(
        connection,
        stored,
        "reviewed again",
        decision.decided_at,
        verdict=decision.verdict.value,
        ground=decision.ground,
        note=digest(decision.note),
        snapshot=digest(row.snapshot),
    )
    if second_review.kind == "audit" and decision.verdict is not Verdict.ESCALATE:
        of_review = second_reviews.c.review_id == second_review.review_id
        reviewed = select(second_reviews.c.decision_id).where(of_review).scalar_subquery()
        differs = decisions.c.decision_id == reviewed, decisions.c.verdict != decision.verdict
        to, source = connection.scalars(select(decisions.c.reviewer).where(*differs)), (row.case_id, stored.verdict_id)
        send(connection, to, MessageKind.SECOND_REVIEW, source, at=decision.decided_at)
    return decision


def _find_wanted(connection: Connection, kind: str, reviewer: str, now: datetime) -> Offer | None:
    """Return the longest waiting second review of a kind that a reviewer may take."""
    found = connection.execute(_select_wanted(kind), {"reviewer": reviewer, "now": now}).first()
    return None if found is None else _lock_second_review(connection, found.case_id, found.review_id, now)


@cache
def _select_wanted(kind: str) -> Select[tuple[int, int]]:
    # A decision replaced since is not reviewed again.
    latest = (
        select(func.max(decisions.c.decision_id))
        .where(decisions.c.case_id == second_reviews.c.case_id)
        .scalar_subquery()
    )
    query = (
        select(second_reviews.c.review_id, second_reviews.c.case_id)
        .join(cases, cases.c.case_id == second_reviews.c.case_id)
        .where(second_reviews.c.ended_at.is_(None), cases.c.state == "decided", may_judge(REVIEWER))
        .where(second_reviews.c.kind == kind, second_reviews.c.wanted_at <= NOW, _is_free(NOW))
        .where(or_(second_reviews.c.decision_id.is_(None), second_reviews.c.decision_id == latest))
    )
    if kind == "audit":
        query = query.where(
            or_(second_reviews.c.not_by.is_(None), second_reviews.c.not_by != REVIEWER),
            or_(second_reviews.c.wanted_of.is_(None), second_reviews.c.wanted_of == REVIEWER),
            or_(second_reviews.c.wanted_of == REVIEWER, ~_has_judged(REVIEWER)),
        )
    else:
        query = query.where(second_reviews.c.wanted_of == REVIEWER)
    return query.order_by(second_reviews.c.wanted_at, second_reviews.c.review_id).limit(1)


_CONTROLS_OF_OTHERS = select(control_cases.c.case_id).where(
    control_cases.c.removed_at.is_(None), control_cases.c.added_by != REVIEWER
)


def _offer_control_case(connection: Connection, reviewer: str, now: datetime) -> Offer | None:
    """Return a control case that a reviewer has not judged, in an order of the reviewer's own."""
    numbers = connection.scalars(_CONTROLS_OF_OTHERS, {"reviewer": reviewer}).all()
    if not numbers:
        return None
    known = exists().where(
        second_reviews.c.case_id == cases.c.case_id,
        second_reviews.c.wanted_of == reviewer,
        second_reviews.c.kind == "control",
    )
    # Looked up by number only: with the state, SQLite would scan all decided cases.
    query = select(cases.c.case_id, cases.c.state).where(cases.c.case_id.in_(numbers))
    rows = connection.execute(query.where(~known, ~_has_judged(reviewer), may_judge(reviewer)))
    unseen = [row for row in rows if row.state == "decided"]
    if not unseen:
        return None
    control = min(unseen, key=lambda row: draw_uniform("control", reviewer, row.case_id))
    wanted = {"case_id": control.case_id, "kind": "control", "wanted_at": now, "wanted_of": reviewer}
    review_id = connection.scalars(insert(second_reviews).values(wanted).returning(second_reviews.c.review_id)).one()
    return _lock_second_review(connection, control.case_id, review_id, now)


def _lock_second_review(connection: Connection, case_id: int, review_id: int, now: datetime) -> Offer | None:
    """Lock a case, and check that its second review is still available."""
    # Changing a second review requires the lock on its case, which prevents deadlocks.
    is_decided = cases.c.case_id == case_id, cases.c.state == "decided"
    row = lock_first(connection, select_first(select(cases).where(*is_decided)))
    free = _SECOND_REVIEW.where(
        second_reviews.c.review_id == review_id, second_reviews.c.ended_at.is_(None), _is_free(now)
    )
    second_review = None if row is None else connection.execute(free).first()
    return None if row is None or second_review is None else Offer(row, SecondReview(*second_review))


def _is_free(now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(second_reviews.c.lease_expires_at.is_(None), second_reviews.c.lease_expires_at <= now)


def _has_judged(reviewer: str | ColumnElement[Any]) -> ColumnElement[bool]:
    decided = exists().where(decisions.c.case_id == cases.c.case_id, decisions.c.reviewer == reviewer)
    said = exists().where(
        and_(
            second_verdicts.c.case_id == cases.c.case_id,
            second_verdicts.c.reviewer == reviewer,
            second_verdicts.c.withdrawn_at.is_(None),
        )
    )
    return or_(decided, said)


@dataclass(frozen=True, slots=True)
class SecondReviewSummary:
    """Overall figures of second reviews.

    `waiting` counts requested second reviews by kind; control cases are requested as reviewers come. `control`,
    `repeats` and `audits` are the shares of verdicts equal to the known truth, to one's own of some weeks before, and
    to the other reviewer's.
    """

    waiting: dict[str, int]
    control: Rate | None
    repeats: Rate | None
    audits: Rate | None


def summarise_second_reviews(connection: Connection) -> SecondReviewSummary:
    """Return the overall figures of second reviews."""
    pending = (
        select(second_reviews.c.kind, func.count())
        .where(second_reviews.c.ended_at.is_(None))
        .group_by(second_reviews.c.kind)
    )
    waiting: dict[str, int] = dict(connection.execute(pending.order_by(second_reviews.c.kind)).all())
    agreeing = {kind: _compare(connection, kind) for kind in ("repeat", "audit")}
    return SecondReviewSummary(waiting, _compare_with_truth(connection), agreeing["repeat"], agreeing["audit"])


def _compare(connection: Connection, kind: str) -> Rate | None:
    query = (
        select(func.count(), _count_if(second_verdicts.c.verdict == decisions.c.verdict))
        .select_from(second_verdicts)
        .join(second_reviews, second_reviews.c.review_id == second_verdicts.c.review_id)
        .join(decisions, decisions.c.decision_id == second_reviews.c.decision_id)
        .where(second_verdicts.c.kind == kind, second_verdicts.c.withdrawn_at.is_(None))
    )
    n, same = connection.execute(query).one()
    return count_rate(same or 0, n)


def _compare_with_truth(connection: Connection) -> Rate | None:
    query = (
        select(func.count(), _count_if(second_verdicts.c.verdict == control_cases.c.truth))
        .select_from(second_verdicts)
        .join(control_cases, control_cases.c.case_id == second_verdicts.c.case_id)
        .where(
            second_verdicts.c.kind == "control",
            second_verdicts.c.withdrawn_at.is_(None),
            control_cases.c.removed_at.is_(None),
        )
    )
    n, right = connection.execute(query).one()
    return count_rate(right or 0, n)


def _count_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
