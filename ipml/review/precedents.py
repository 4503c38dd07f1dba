"""Cases like this one that people have confirmed: what was decided there helps to decide here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from ipml.records import Case, Decision, Verdict
from ipml.review.cases import find_cases, make_case
from ipml.review.clusters.likeness import read_brand
from ipml.review.decisions import make_decision
from ipml.review.reversals import by_people, is_last_verdict
from ipml.review.search import searched_text, title_words
from ipml.storage.database import reading
from ipml.storage.tables import case_texts, cases, decisions

_LATEST = 300


@dataclass(frozen=True, slots=True)
class Precedent:
    """A case that was found counterfeit, the decision, and the share of words that its title has in common."""

    case: Case
    decision: Decision
    likeness: float


def find_precedents(engine: Engine, case: Case, most: int = 5, *, now: datetime | None = None) -> tuple[Precedent, ...]:
    """Return the confirmed cases of the same brand that are most like a case; those of its seller are left out.

    The brand is the one that the model read where the field names none; where nobody knows one, only cases that have
    words of the title in common are. Of the 300 decided last, those of the same category come first, then those with
    more words of the title in common.
    """
    listing, brand = case.scored.listing, read_brand(case.scored)
    words = title_words(searched_text(case.scored))
    with reading(engine) as connection:
        found = [row for row in _find_confirmed(connection, case, brand) if brand or _likeness(words, row.text) > 0]
        likest = sorted(
            found,
            key=lambda row: (row.category != listing.category, -_likeness(words, row.text), -row.decision_id),
        )[:most]
        rows = find_cases(connection, [row.case_id for row in likest])
    moment = now or datetime.now(UTC)
    return tuple(
        Precedent(make_case(rows[row.case_id], moment), make_decision(row), _likeness(words, row.text))
        for row in likest
    )


def _find_confirmed(connection: Connection, case: Case, brand: str) -> Sequence[Row[Any]]:
    listing = case.scored.listing
    latest = (
        select(cases.c.case_id)
        .where(cases.c.state == "decided", cases.c.brand_read == brand)
        .order_by(cases.c.case_id.desc())
        .limit(_LATEST)
        .subquery()
    )
    query = (
        select(decisions, cases.c.category, case_texts.c.text)
        .join(latest, latest.c.case_id == decisions.c.case_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .join(case_texts, case_texts.c.case_id == decisions.c.case_id)
        .where(decisions.c.verdict == Verdict.COUNTERFEIT, is_last_verdict(), by_people())
        .where(cases.c.seller_id != listing.seller_id, cases.c.case_id != case.case_id)
    )
    return connection.execute(query).all()


def _likeness(words: frozenset[str], text: str) -> float:
    others = title_words(text)
    return len(words & others) / max(len(words | others), 1)
