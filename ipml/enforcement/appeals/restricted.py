"""What an appeal is against: a measure, a penalty, or a decision that led to neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from ipml.enforcement.appeals.remedies import find_penalty
from ipml.errors import NothingToAppeal
from ipml.records import Verdict
from ipml.review.cases import LARGEST_NUMBER
from ipml.review.reversals import stands
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import cases, decisions, measures


@dataclass(frozen=True, slots=True)
class Restricted:
    """A restriction that stands, and the decision it came from."""

    subject: str
    case_id: int
    decision_id: int


def find_restricted(connection: Connection, about: str | int, seller_id: str) -> Restricted:
    """Return what a seller wants to appeal against: "measure:12", "penalty:3", "case:7" or the number of a case.

    Raises
    ------
    NothingToAppeal
        There is no such restriction, it is lifted, or it is another's: that is not told apart.
    """
    subject = f"case:{about}" if isinstance(about, int) else about
    kind, number = parse_subject(subject)
    find = {"measure": _find_measure, "penalty": _find_penalty, "case": _find_case}.get(kind)
    found = find(connection, number, seller_id) if find and 0 < number <= LARGEST_NUMBER else None
    if found is None:
        raise NothingToAppeal(subject)
    return found


def parse_subject(subject: str) -> tuple[str, int]:
    """Return the kind and the number of a subject; 0 where it has none.

    Examples
    --------
    >>> parse_subject("measure:12"), parse_subject("measure:x")
    (('measure', 12), ('measure', 0))
    """
    kind, _, number = subject.partition(":")
    is_number = number.isascii() and number.isdecimal() and len(number) < 20
    return kind, int(number) if is_number else 0


def _find_measure(connection: Connection, number: int, seller_id: str) -> Restricted | None:
    query = select(measures).where(measures.c.measure_id == number, measures.c.lifted_at.is_(None))
    row = connection.execute(query).first()
    if row is None or row.pseudonym != find_pseudonym(connection, seller_id):
        return None
    return Restricted(f"measure:{number}", row.case_id, row.decision_id)


def _find_penalty(connection: Connection, number: int, seller_id: str) -> Restricted | None:
    found = find_penalty(connection, number)
    if found is None or found.pseudonym != find_pseudonym(connection, seller_id):
        return None
    return Restricted(f"penalty:{number}", found.case_id, found.decision_id)


def _find_case(connection: Connection, number: int, seller_id: str) -> Restricted | None:
    decision = _find_decision(connection, number, seller_id)
    if decision is None:
        return None
    query = select(measures.c.measure_id).where(
        measures.c.decision_id == decision.decision_id, measures.c.lifted_at.is_(None)
    )
    measure_id = connection.scalar(query.order_by(measures.c.measure_id.desc()).limit(1))
    subject = f"case:{number}" if measure_id is None else f"measure:{measure_id}"
    return Restricted(subject, number, decision.decision_id)


def _find_decision(connection: Connection, case_id: int, seller_id: str) -> Row[Any] | None:
    """Return the decision that a case stands on, where it is that it is counterfeit and the case is this seller's."""
    query = (
        select(decisions)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(decisions.c.case_id == case_id, cases.c.seller_id == seller_id, stands())
        .order_by(decisions.c.decision_id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return row if row is not None and row.verdict == Verdict.COUNTERFEIT else None
