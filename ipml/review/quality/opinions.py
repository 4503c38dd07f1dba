"""Opinions: verdicts that close no case. They are appended; one can be taken back, and stays on record as such.

One is given in a further look at a decided case, or as one of the two verdicts that a case needs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from ipml.errors import NothingToWithdraw
from ipml.records import Decision, Verdict
from ipml.review.cases import find_case, note_deed
from ipml.storage import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions, looks, opinions


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict beside the decision of a case.

    Attributes
    ----------
    kind : str
        Why it was asked for: "golden" (the truth is known), "repeat" (the same reviewer later), "audit" (another
        reviewer), or "first" and "second" where a case needs two persons.
    """

    opinion_id: int
    case_id: int
    kind: str
    verdict: Verdict
    ground: str
    note: str
    reviewer: str
    decided_at: datetime


def keep_opinion(
    connection: Connection,
    row: Row[Any],
    decision: Decision,
    kind: str,
    key: str | None,
    *,
    token: int,
    look_id: int | None = None,
) -> int:
    """Append a verdict on the case in a row as an opinion, and return its number; the caller notes the deed."""
    fields = {name: getattr(decision, name) for name in Decision.__slots__ if name in opinions.c}
    values = {**fields, "case_id": row.case_id, "kind": kind, "token": token, "key": key, "look_id": look_id}
    query = insert(opinions).values(values).returning(opinions.c.opinion_id)
    return int(connection.scalars(query).one())


def find_halves(connection: Connection, case_ids: Collection[int]) -> dict[int, list[Row[Any]]]:
    """Return for each case the verdicts given where it needs two persons, in order, without those taken back."""
    query = select(opinions).where(
        opinions.c.case_id.in_(case_ids),
        opinions.c.kind.in_(["first", "second"]),
        opinions.c.withdrawn_at.is_(None),
    )
    found: dict[int, list[Row[Any]]] = {case_id: [] for case_id in case_ids}
    for row in connection.execute(query.order_by(opinions.c.opinion_id)):
        found[row.case_id].append(row)
    return found


def find_opinion(connection: Connection, key: str) -> Decision | None:
    """Return the opinion that came with a key, as `decide` returned it."""
    row = connection.execute(select(opinions).where(opinions.c.key == key)).first()
    return None if row is None else _as_decision(row)


def list_opinions(engine: Engine, case_id: int) -> list[Opinion]:
    """Return the standing opinions on a case, in order; they are for leads, never for who is to judge it yet."""
    query = select(opinions).where(opinions.c.case_id == case_id, opinions.c.withdrawn_at.is_(None))
    with reading(engine) as connection:
        find_case(connection, case_id)
        return [_opinion(row) for row in connection.execute(query.order_by(opinions.c.opinion_id))]


def find_own_verdict(engine: Engine, reviewer: str, case_id: int) -> Decision | None:
    """Return what a reviewer said last of a case, be it a decision or an opinion, for the page to confirm.

    An opinion has the number 0, as `decide` returned it.
    """
    mine = (opinions.c.case_id == case_id, opinions.c.reviewer == reviewer, opinions.c.withdrawn_at.is_(None))
    decided = (decisions.c.case_id == case_id, decisions.c.reviewer == reviewer)
    with reading(engine) as connection:
        opinion = connection.execute(select(opinions).where(*mine).order_by(opinions.c.token.desc()).limit(1)).first()
        decision = connection.execute(
            select(decisions).where(*decided).order_by(decisions.c.decision_id.desc()).limit(1)
        ).first()
    # Tokens of a case grow with every claim of it, whatever the clock says.
    if opinion is not None and (decision is None or opinion.token >= decision.token):
        return _as_decision(opinion)
    return None if decision is None else _as_decision(decision, decision.decision_id)


def withdraw_opinion(
    engine: Engine, reviewer: str, case_id: int, *, within_minutes: float = 10.0, now: datetime | None = None
) -> None:
    """Take back one's own last opinion on a case; what it was asked for is then open again.

    Raises
    ------
    NothingToWithdraw
        There is none, it is too old, or the second person has answered it.
    CaseNotFound
    """
    now = now or datetime.now(UTC)
    query = (
        select(opinions)
        .where(opinions.c.case_id == case_id, opinions.c.reviewer == reviewer, opinions.c.withdrawn_at.is_(None))
        .order_by(opinions.c.opinion_id.desc())
        .limit(1)
    )
    with writing(engine) as connection:
        case = find_case(connection, case_id, lock=True)
        opinion = connection.execute(query).first()
        if opinion is None:
            raise NothingToWithdraw(case_id, f"no opinion of {reviewer}")
        if now - opinion.decided_at > timedelta(minutes=within_minutes):
            raise NothingToWithdraw(case_id, f"one of {opinion.decided_at:%Y-%m-%d %H:%M} UTC")
        if opinion.kind == "second" or (opinion.kind == "first" and _is_answered(connection, case)):
            raise NothingToWithdraw(case_id, "the verdict of a second person")
        connection.execute(update(opinions).where(opinions.c.opinion_id == opinion.opinion_id).values(withdrawn_at=now))
        _open_again(connection, opinion, now)
        note_opinion(connection, opinion.opinion_id, opinion.look_id, case_id, reviewer, "withdrawn", now)


def note_opinion(
    connection: Connection,
    opinion_id: int,
    look_id: int | None,
    case_id: int,
    reviewer: str,
    action: str,
    at: datetime,
    **payload: audit.Value,
) -> None:
    """Note what was done with an opinion; that of a further look is no part of the case's own history."""
    if look_id is None:
        note_deed(connection, reviewer, action, case_id, at, opinion=opinion_id, **payload)
    else:
        subject = f"look:{look_id}"
        audit.append(connection, reviewer, action, subject, {"case": case_id, "opinion": opinion_id, **payload}, at=at)


def _is_answered(connection: Connection, case: Row[Any]) -> bool:
    return case.state == "decided" or len(find_halves(connection, [case.case_id])[case.case_id]) > 1


def _open_again(connection: Connection, opinion: Row[Any], now: datetime) -> None:
    """Want the look again, of the same person; or the second person no longer."""
    if opinion.look_id is None:
        is_pending = (looks.c.case_id == opinion.case_id, looks.c.kind == "second", looks.c.ended_at.is_(None))
        connection.execute(update(looks).where(*is_pending).values(ended_at=now))
        return
    look = connection.execute(select(looks).where(looks.c.look_id == opinion.look_id)).one()
    again = {"wanted_at": now, "wanted_of": opinion.reviewer, "holder": opinion.reviewer, "token": 0}
    copied = {name: getattr(look, name) for name in ("case_id", "kind", "decision_id", "not_by", "odds")}
    connection.execute(insert(looks).values({**copied, **again}))


def _opinion(row: Row[Any]) -> Opinion:
    fields = {name: getattr(row, name) for name in Opinion.__slots__}
    return Opinion(**{**fields, "verdict": Verdict(row.verdict)})


def _as_decision(row: Row[Any], decision_id: int = 0) -> Decision:
    fields = {name: getattr(row, name) for name in Decision.__slots__ if name != "decision_id"}
    return Decision(**{**fields, "decision_id": decision_id, "verdict": Verdict(row.verdict)})
