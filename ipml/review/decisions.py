"""Deciding a case: appended, never changed, each with its row in the audit trail in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from ipml.errors import ClaimLost, KeyReused
from ipml.records import Claim, Decision, Verdict
from ipml.review.cases import close_cases, find_case, is_held, subject_of
from ipml.review.claims import require_holder
from ipml.review.clusters.clusters import hand_over_all, lock_cluster
from ipml.review.clusters.relistings import remember_removals
from ipml.review.consequences import Made, consequences_of
from ipml.review.grounds import check_ground
from ipml.review.quality.conflicts import refuse_conflicts
from ipml.review.quality.look_choice import want_looks
from ipml.review.quality.looks import answer, find_held
from ipml.review.quality.opinions import find_halves, find_opinion
from ipml.review.quality.second_person import judge_with_two
from ipml.review.reversals import BY_APPEAL, stands
from ipml.review.snapshot import digest
from ipml.review.texts import check_text
from ipml.settings import SecondPersonRule, Settings, get_settings
from ipml.storage import audit
from ipml.storage.appending import append_rows
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions

_LONGEST_NOTE, _LONGEST_KEY = 2000, 255


@dataclass(frozen=True, slots=True)
class Origin:
    """How a decision came about.

    By a "review" of its own, in "bulk" with others, by "spread" from another, or by a "policy" and no person; on an
    "appeal" of the seller, or by the "clock" where a term ran out.
    """

    origin: str = "review"
    group_key: str | None = None
    spread_from: int | None = None


_REVIEW = Origin()


def decide(
    engine: Engine,
    claim: Claim,
    verdict: Verdict,
    *,
    ground: str = "",
    note: str = "",
    key: str | None = None,
    now: datetime | None = None,
    settings: Settings | None = None,
) -> Decision:
    """Decide the case that is held under a claim, or pass it on to a lead with the verdict "escalate".

    Parameters
    ----------
    ground : str, default=""
        A key of `GROUNDS`; the verdict "counterfeit" needs one, the others take none.
    note : str, default=""
        What else should be known, at most 2,000 characters.
    key : str, optional
        Identifies the request, at most 255 characters; sent again it returns the same decision. Empty is none.
    now : datetime, default=the clock
    settings : Settings, default=those of the process
        Which verdicts need a second person, and how many are looked at again.

    Returns
    -------
    Decision
        It is on the disk when this returns. Its number is 0 where it closes no case: in a further look at a decided
        one, or as the first of two verdicts.

    Raises
    ------
    ClaimLost, AlreadyDecided, Superseded, CaseNotFound
        The case is not, or no longer, held under this claim.
    OwnListing, SamePerson
        The case is not for this reviewer.
    UnknownGround, UnstorableValue
        Ground, note or key cannot be accepted.
    KeyReused
        The key came before with another content.
    """
    check_decision(verdict, ground, note, key)
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        row = lock_cluster(connection, claim.case_id)
        decision = Decision(0, row.case_id, row.listing_id, verdict, ground, note, claim.reviewer, now)
        return decide_claimed(connection, row, claim, decision, key, settings or get_settings())


def check_decision(verdict: Verdict, ground: str, note: str, key: str | None) -> None:
    """Raise UnknownGround or UnstorableValue unless a decision can be kept as it is."""
    check_ground(verdict, ground)
    check_text("note", note, _LONGEST_NOTE)
    check_text("key", key or "", _LONGEST_KEY)


def decide_claimed(
    connection: Connection,
    row: Row[Any],
    claim: Claim,
    decision: Decision,
    key: str | None,
    settings: Settings,
    origin: Origin = _REVIEW,
    *,
    spreads: bool = False,
) -> Decision:
    """Record a decision on the case in a row if it is held under a claim; a key that came before gives the earlier."""
    if key and (earlier := _find_decision(connection, key) or find_opinion(connection, key)):
        if _content(earlier) != _content(decision):
            raise KeyReused(key, earlier.case_id)
        return earlier
    if look := find_held(connection, row, claim):
        return answer(connection, row, look, decision, key or None)
    require_holder(row, claim)
    if not is_held(row, decision.decided_at):
        raise ClaimLost(claim.case_id, f"ran out at {claim.expires_at:%H:%M} UTC")
    return record(connection, row, decision, key or None, settings, origin, spreads=spreads)


def _find_decision(connection: Connection, key: str) -> Decision | None:
    row = connection.execute(select(decisions).where(decisions.c.key == key)).first()
    return None if row is None else make_decision(row)


def _content(decision: Decision) -> Decision:
    """Return a decision without its number and moment, which differ when it is sent again."""
    return replace(decision, decision_id=0, decided_at=datetime.min)


def record(
    connection: Connection,
    row: Row[Any],
    decision: Decision,
    key: str | None,
    settings: Settings | None,
    origin: Origin = _REVIEW,
    *,
    spreads: bool = False,
) -> Decision:
    """Close the case in a row or pass it on; see `record_all`."""
    (kept,) = record_all(connection, [(row, decision)], key, settings, origin, spreads=spreads)
    return kept


def record_all(
    connection: Connection,
    wanted: Sequence[Made],
    key: str | None,
    settings: Settings | None,
    origin: Origin = _REVIEW,
    *,
    spreads: bool = False,
) -> list[Decision]:
    """Close cases or pass them on, unless one is not for its reviewer; those that need a second person stay open.

    All is as if they were decided one after the other. The cases and those that wait for them must be locked
    (`lock_clusters`). Of those that wait for a case that is decided, one becomes the exemplar of the others, unless
    the decision `spreads`: then that is for the caller to do.

    Parameters
    ----------
    wanted : sequence of (Row, Decision)
        Of different cases.
    key : str or None
        What identifies the request; the first of the decisions bears it.
    settings : Settings or None
        Which verdicts need a second person, and how many are looked at again; None where no reviewer gave them.

    Returns
    -------
    list of Decision
        As many, in the same order; the number of one that closed no case is 0.
    """
    if not wanted:
        return []
    refuse_conflicts(connection, [(row, decision.reviewer) for row, decision in wanted])
    keys = [key, *[None] * (len(wanted) - 1)]
    is_final = origin.spread_from is not None or origin.origin in BY_APPEAL
    if is_final or settings is None:
        finals: list[Decision | None] = [decision for _, decision in wanted]
    else:
        finals = _judge_with_two(connection, wanted, keys, settings.second_person)
    closing = [(row, final) for (row, _), final in zip(wanted, finals, strict=True) if final is not None]
    if not spreads:
        passed_on = {row.case_id for row, final in closing if final.verdict is Verdict.ESCALATE}
        hand_over_all(connection, [row.case_id for row, _ in closing], passed_on)
    is_own = [decision is final for (_, decision), final in zip(wanted, finals, strict=True)]
    kept = _append(connection, closing, key if is_own[0] else None, origin)
    if not is_final:
        if settings is not None:
            want_looks(connection, kept, settings)
        remember_removals(connection, [row for row, made in kept if made.verdict is Verdict.COUNTERFEIT])
    numbered = {made.case_id: made for _, made in kept}
    return [
        numbered[decision.case_id] if is_same else decision
        for (_, decision), is_same in zip(wanted, is_own, strict=True)
    ]


def _judge_with_two(
    connection: Connection, wanted: Sequence[Made], keys: Sequence[str | None], rules: Sequence[SecondPersonRule]
) -> list[Decision | None]:
    halves = find_halves(connection, [row.case_id for row, _ in wanted])
    return [
        judge_with_two(connection, row, decision, key, halves[row.case_id], rules)
        for (row, decision), key in zip(wanted, keys, strict=True)
    ]


def _append(connection: Connection, closing: Sequence[Made], key: str | None, origin: Origin) -> list[Made]:
    """Append decisions, close the cases or pass them on, note all of it in the audit trail, and do what follows."""
    if not closing:
        return []
    made_as = {name: getattr(origin, name) for name in Origin.__slots__}
    rows = [_columns(row, decision) | made_as | {"key": None} for row, decision in closing]
    rows[0]["key"] = key
    numbers = append_rows(connection, decisions, rows)
    made = [(row, replace(final, decision_id=number)) for number, (row, final) in zip(numbers, closing, strict=True)]
    for state in ("decided", "escalated"):
        close_cases(connection, [row.case_id for row, decision in made if _state_after(decision) == state], state)
    with audit.together(connection):
        audit.append_deeds(connection, [_make_deed(row, decision, origin) for row, decision in made])
        if consequences := consequences_of(connection):
            consequences.follow_decisions(connection, made, origin.origin)
    return made


def _columns(row: Row[Any], decision: Decision) -> dict[str, Any]:
    fields = {name: getattr(decision, name) for name in Decision.__slots__ if name != "decision_id"}
    return fields | {"odds": row.odds, "lane": row.lane, "token": row.token}


def _state_after(decision: Decision) -> str:
    return "escalated" if decision.verdict is Verdict.ESCALATE else "decided"


def _make_deed(row: Row[Any], decision: Decision, origin: Origin) -> audit.Deed:
    """Return what the audit trail says of a decision."""
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
    return audit.Deed(decision.decided_at, by, action, subject_of(row.case_id), payload)


def list_decisions(engine: Engine, case_id: int, *, with_reversed: bool = False) -> list[Decision]:
    """Return the decisions on a case, in order; more than one stand only where it was escalated.

    Parameters
    ----------
    with_reversed : bool, default=False
        Whether those that were taken back are among them.
    """
    query = select(decisions).where(decisions.c.case_id == case_id).order_by(decisions.c.decision_id)
    if not with_reversed:
        query = query.where(stands())
    with reading(engine) as connection:
        find_case(connection, case_id)
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
