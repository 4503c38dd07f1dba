"""Further looks at decided cases: blind judgements that change nothing but what is known of the reviewers.

A look comes among ordinary cases, on the same page and with the same kind of claim; its verdict is kept as an opinion.
What is done with it is noted under the look, not under the case, whose history would tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, insert, or_, select, update

from ipml.errors import ClaimLost
from ipml.records import Claim, Decision
from ipml.review.quality.conflicts import may_judge
from ipml.review.quality.look_choice import draw, find_shares, find_timely
from ipml.review.quality.opinions import keep_opinion, note_opinion
from ipml.review.snapshot import digest
from ipml.settings import Settings
from ipml.storage import audit
from ipml.storage.tables import cases, decisions, goldens, looks, opinions


@dataclass(frozen=True, slots=True)
class Offer:
    """What a source found for a reviewer: the row of a case, and that of a look if the case is decided already."""

    row: Row[Any]
    look: Row[Any] | None = None


def find_look(connection: Connection, reviewer: str, now: datetime, settings: Settings) -> Offer | None:
    """Return a look that a reviewer should take now, if it is time for one."""
    for kind in find_timely(connection, reviewer, find_shares(settings)):
        offer = _find_wanted(connection, kind, reviewer, now)
        if offer is None and kind == "golden":
            offer = _find_golden(connection, reviewer, now)
        if offer is not None:
            return offer
    return None


def find_look_of(connection: Connection, reviewer: str, case_id: int) -> Row[Any] | None:
    """Return the look at a case that a reviewer took last and nobody has taken or answered since, or None."""
    is_theirs = (looks.c.case_id == case_id, looks.c.holder == reviewer, looks.c.ended_at.is_(None))
    return connection.execute(select(looks).where(*is_theirs).order_by(looks.c.token.desc()).limit(1)).first()


def find_held(connection: Connection, row: Row[Any], claim: Claim) -> Row[Any] | None:
    """Return the look held under a claim on the case in a row, or None; ClaimLost if its reviewer took it anew."""
    look = find_look_of(connection, claim.reviewer, row.case_id)
    if look is None or look.token == claim.token:
        return look
    if row.state == "decided":
        raise ClaimLost(row.case_id, "is no longer the one it is held under")
    return None


def hold(connection: Connection, claim: Claim, now: datetime) -> None:
    """Give a look to whoever has claimed it."""
    lease = {"holder": claim.reviewer, "token": claim.token, "lease_expires_at": claim.expires_at}
    connection.execute(update(looks).where(looks.c.look_id == claim.look_id).values(lease))
    audit.append(connection, claim.reviewer, "claimed", f"look:{claim.look_id}", {"token": claim.token}, at=now)


def give_back(connection: Connection, look: Row[Any], claim: Claim, now: datetime) -> None:
    """Free a look for others; until one takes it, it stays open to who had it, as an ordinary case would."""
    connection.execute(update(looks).where(looks.c.look_id == look.look_id).values(lease_expires_at=None))
    audit.append(connection, claim.reviewer, "released", f"look:{look.look_id}", {"token": claim.token}, at=now)


def answer(connection: Connection, row: Row[Any], look: Row[Any], decision: Decision, key: str | None) -> Decision:
    """Keep the verdict of a look as an opinion; the case stays as it is."""
    if look.lease_expires_at is None:
        raise ClaimLost(row.case_id, "was given back")
    if look.lease_expires_at <= decision.decided_at:
        raise ClaimLost(row.case_id, f"ran out at {look.lease_expires_at:%H:%M} UTC")
    number = keep_opinion(connection, row, decision, look.kind, key, token=look.token, look_id=look.look_id)
    connection.execute(update(looks).where(looks.c.look_id == look.look_id).values(ended_at=decision.decided_at))
    note_opinion(
        connection,
        number,
        look.look_id,
        row.case_id,
        decision.reviewer,
        "looked",
        decision.decided_at,
        verdict=decision.verdict.value,
        ground=decision.ground,
        note=digest(decision.note),
        snapshot=digest(row.snapshot),
    )
    return decision


def _find_wanted(connection: Connection, kind: str, reviewer: str, now: datetime) -> Offer | None:
    """Return the look of a kind that has waited longest, of those a reviewer may take."""
    query = _at_decided_cases(reviewer).where(looks.c.kind == kind, looks.c.wanted_at <= now, _is_free(now))
    query = query.where(_is_latest_decision())
    if kind == "audit":
        query = query.where(
            or_(looks.c.not_by.is_(None), looks.c.not_by != reviewer),
            or_(looks.c.wanted_of.is_(None), looks.c.wanted_of == reviewer),
            or_(looks.c.wanted_of == reviewer, ~_has_judged(reviewer)),
        )
    else:
        query = query.where(looks.c.wanted_of == reviewer)
    found = connection.execute(query.order_by(looks.c.wanted_at, looks.c.look_id).limit(1)).first()
    return None if found is None else _lock(connection, found.case_id, found.look_id, now)


def _find_golden(connection: Connection, reviewer: str, now: datetime) -> Offer | None:
    """Return a first look at an item of known truth that a reviewer has not judged, in an order of their own."""
    known = exists().where(looks.c.case_id == cases.c.case_id, looks.c.wanted_of == reviewer, looks.c.kind == "golden")
    others = select(goldens.c.case_id).where(goldens.c.removed_at.is_(None), goldens.c.added_by != reviewer)
    numbers = connection.scalars(others).all()
    if not numbers:
        return None
    # Found by their numbers alone: SQLite, asked for decided ones too, would go through all that ever were.
    query = select(cases.c.case_id, cases.c.state).where(cases.c.case_id.in_(numbers))
    rows = connection.execute(query.where(~known, ~_has_judged(reviewer), may_judge(reviewer)))
    unseen = [row for row in rows if row.state == "decided"]
    if not unseen:
        return None
    golden = min(unseen, key=lambda row: draw("golden", reviewer, row.case_id))
    wanted = {"case_id": golden.case_id, "kind": "golden", "wanted_at": now, "wanted_of": reviewer}
    look_id = connection.scalars(insert(looks).values(wanted).returning(looks.c.look_id)).one()
    return _lock(connection, golden.case_id, look_id, now)


def _at_decided_cases(reviewer: str) -> Select[Any]:
    return (
        select(looks.c.look_id, looks.c.case_id)
        .join(cases, cases.c.case_id == looks.c.case_id)
        .where(looks.c.ended_at.is_(None), cases.c.state == "decided", may_judge(reviewer))
    )


def _lock(connection: Connection, case_id: int, look_id: int, now: datetime) -> Offer | None:
    """Keep a case from other writers, and look whether its look is still to be had."""
    # Whoever changes a look holds its case, so that two locks are never waited for crosswise.
    case = select(cases).where(cases.c.case_id == case_id, cases.c.state == "decided").with_for_update(skip_locked=True)
    row = connection.execute(case).first()
    free = select(looks).where(looks.c.look_id == look_id, looks.c.ended_at.is_(None), _is_free(now))
    look = None if row is None else connection.execute(free).first()
    return None if row is None or look is None else Offer(row, look)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(looks.c.lease_expires_at.is_(None), looks.c.lease_expires_at <= now)


def _is_latest_decision() -> ColumnElement[bool]:
    """Return the condition that the case was not decided anew since a look at its decision was wanted."""
    latest = select(func.max(decisions.c.decision_id)).where(decisions.c.case_id == looks.c.case_id).scalar_subquery()
    return or_(looks.c.decision_id.is_(None), looks.c.decision_id == latest)


def _has_judged(reviewer: str) -> ColumnElement[bool]:
    """Return the condition that a reviewer has said something of a case, in whatever way."""
    decided = exists().where(decisions.c.case_id == cases.c.case_id, decisions.c.reviewer == reviewer)
    said = exists().where(
        and_(opinions.c.case_id == cases.c.case_id, opinions.c.reviewer == reviewer, opinions.c.withdrawn_at.is_(None))
    )
    return or_(decided, said)
