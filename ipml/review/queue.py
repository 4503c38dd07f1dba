"""The queue of cases: people take them one by one, and what they decide stays.

A case is "open", then "decided"; or "escalated" in between, which is for a lead. Who may do what is for the
caller to check. A claim is a lease with a token that grows with every claim: a reviewer who was away for too
long cannot decide over the head of the next. Each change and its row in the audit trail are one transaction.

Coming in (`enqueue`) and looking (`list_cases`, …) have files of their own; all of the queue is found here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, or_, select

from ipml.errors import AlreadyDecided, ClaimLost, KeyReused, UnstorableValue
from ipml.records import Claim, Decision, Verdict
from ipml.review.cases import (
    change_case,
    count_cases,
    find_case,
    get_case,
    history,
    is_held,
    list_cases,
    list_decisions,
    make_decision,
    seller_cases,
    subject_of,
)
from ipml.review.grounds import GROUNDS, check_ground
from ipml.review.intake import Enqueued, enqueue
from ipml.review.snapshot import digest
from ipml.settings import get_settings
from ipml.storage import audit
from ipml.storage.database import writing
from ipml.storage.tables import cases, decisions

__all__ = [
    "GROUNDS",
    "Enqueued",
    "claim",
    "count_cases",
    "decide",
    "enqueue",
    "get_case",
    "history",
    "list_cases",
    "list_decisions",
    "release",
    "seller_cases",
]

_LONGEST_NOTE, _LONGEST_KEY = 2000, 255


def claim(
    engine: Engine,
    reviewer: str,
    case_id: int | None = None,
    *,
    lease_minutes: float | None = None,
    now: datetime | None = None,
) -> Claim | None:
    """Take a case, so that nobody else works on it meanwhile.

    Parameters
    ----------
    reviewer : str
        Name of the user. Who claims a case that is already theirs gets a new claim, and the old one is void.
    case_id : int, optional
        Case to take, open or escalated; without it the most suspicious open case that nobody holds.
    lease_minutes : float, default=the setting `lease_minutes`
        How long the case is kept from others.
    now : datetime, default=the clock

    Returns
    -------
    Claim or None
        None where somebody else holds the case, or no open case is left.

    Raises
    ------
    CaseNotFound, AlreadyDecided
        The case asked for cannot be claimed by anybody.
    """
    now = now or datetime.now(UTC)
    minutes = get_settings().lease_minutes if lease_minutes is None else lease_minutes
    with writing(engine) as connection:
        row = _find_best(connection, now) if case_id is None else find_case(connection, case_id, lock=True)
        if row is None or (is_held(row, now) and row.holder != reviewer):
            return None
        if row.state == "decided":
            raise AlreadyDecided(row.case_id)
        taken = Claim(row.case_id, reviewer, row.token + 1, now + timedelta(minutes=minutes))
        change_case(connection, taken.case_id, holder=reviewer, token=taken.token, lease_expires_at=taken.expires_at)
        _note(connection, reviewer, "claimed", taken.case_id, now, token=taken.token)
    return taken


def release(engine: Engine, claim: Claim, *, now: datetime | None = None) -> None:
    """Give a case back undecided; ClaimLost if it is no longer held under this claim."""
    with writing(engine) as connection:
        _require_holder(find_case(connection, claim.case_id, lock=True), claim)
        change_case(connection, claim.case_id, holder=None, lease_expires_at=None)
        _note(connection, claim.reviewer, "released", claim.case_id, now or datetime.now(UTC), token=claim.token)


def decide(
    engine: Engine,
    claim: Claim,
    verdict: Verdict,
    *,
    ground: str = "",
    note: str = "",
    key: str | None = None,
    now: datetime | None = None,
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

    Returns
    -------
    Decision
        It is on the disk when this returns.

    Raises
    ------
    ClaimLost, AlreadyDecided, CaseNotFound
        The case is not, or no longer, held under this claim.
    UnknownGround, UnstorableValue
        Ground, note or key cannot be accepted.
    KeyReused
        The key came before with another content.
    """
    check_ground(verdict, ground)
    _check_text("note", note, _LONGEST_NOTE)
    _check_text("key", key or "", _LONGEST_KEY)
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        row = find_case(connection, claim.case_id, lock=True)
        decision = Decision(0, row.case_id, row.listing_id, verdict, ground, note, claim.reviewer, now)
        if key and (earlier := _find_decision(connection, key)):
            if _content(earlier) != _content(decision):
                raise KeyReused(key, earlier.case_id)
            return earlier
        _require_holder(row, claim)
        if not is_held(row, now):
            raise ClaimLost(claim.case_id, f"ran out at {claim.expires_at:%H:%M} UTC")
        return _record(connection, row, decision, key or None)


def _find_best(connection: Connection, now: datetime) -> Row[Any] | None:
    """Return the open case of the lowest rank that nobody holds, kept from other writers."""
    is_free = or_(cases.c.holder.is_(None), cases.c.lease_expires_at <= now)
    query = select(cases).where(cases.c.state == "open", is_free).order_by(cases.c.rank, cases.c.case_id)
    # On PostgreSQL this passes over what others are claiming just now, instead of waiting to find it gone.
    return connection.execute(query.limit(1).with_for_update(skip_locked=True)).first()


def _require_holder(row: Row[Any], claim: Claim) -> None:
    if row.state == "decided":
        raise AlreadyDecided(claim.case_id)
    if row.token != claim.token or row.holder != claim.reviewer:
        raise ClaimLost(claim.case_id, "is no longer the one it is held under")


def _find_decision(connection: Connection, key: str) -> Decision | None:
    row = connection.execute(select(decisions).where(decisions.c.key == key)).first()
    return None if row is None else make_decision(row)


def _content(decision: Decision) -> Decision:
    """Return a decision without its number and moment, which differ when it is sent again."""
    return replace(decision, decision_id=0, decided_at=datetime.min)


def _record(connection: Connection, row: Row[Any], decision: Decision, key: str | None) -> Decision:
    """Append a decision, close the case or pass it on, and note both in the audit trail."""
    fields = {name: getattr(decision, name) for name in Decision.__slots__ if name != "decision_id"}
    query = insert(decisions).values(**fields, token=row.token, key=key).returning(decisions.c.decision_id)
    decision = replace(decision, decision_id=connection.scalars(query).one())
    is_final = decision.verdict is not Verdict.ESCALATE
    state = "decided" if is_final else "escalated"
    change_case(connection, row.case_id, state=state, holder=None, lease_expires_at=None)
    _note(
        connection,
        decision.reviewer,
        state,
        row.case_id,
        decision.decided_at,
        token=row.token,
        decision=decision.decision_id,
        verdict=decision.verdict.value,
        ground=decision.ground,
        note=digest(decision.note),
        snapshot=digest(row.snapshot),
    )
    return decision


def _note(connection: Connection, actor: str, action: str, case_id: int, at: datetime, **payload: audit.Value) -> None:
    audit.append(connection, actor, action, subject_of(case_id), payload, at=at)


def _check_text(field: str, text: str, longest: int) -> None:
    """Refuse a text that is too long, or that not every database can hold."""
    if len(text) > longest:
        raise UnstorableValue(field, f"{len(text)} characters", f"at most {longest}")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UnstorableValue(field, "a character that is none (NUL or half a surrogate pair)", "text")
