"""Precedents: confirmed cases of the same brand, and confirmed cases that share a reason of a case's score."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select, union

from ipml.records import Case, Decision, Reason, Verdict
from ipml.review.arrivals.snapshot import decode_reasons
from ipml.review.cases import find_cases, make_case
from ipml.review.decisions import make_decision
from ipml.review.near_duplicates.clusters import read_brand
from ipml.review.reversals import by_people, is_last_verdict
from ipml.review.worklists.search import searched_text
from ipml.storage.tables import case_texts, cases, decisions

_OTHER_LINES = 3  # of a searched text, after the title: listing id, seller id, brand
_LATEST = 300


@dataclass(frozen=True, slots=True)
class Precedent:
    """A confirmed case, its decision, and the share of title words in common."""

    case: Case
    decision: Decision
    likeness: float


_TRUTHS = (Verdict.COUNTERFEIT, Verdict.GENUINE)


def find_precedents(
    connection: Connection, case: Case, most: int = 5, now: datetime | None = None
) -> dict[Verdict, tuple[Precedent, ...]]:
    """Return up to `most` similar confirmed cases of the same brand per verdict, excluding the seller's own.

    The brand is the field's, else the one the model read; without a brand, only cases with common title words count.
    Among the 300 decided last, those of the same category come first, then those with more common title words.
    """
    listing, brand = case.scored.listing, read_brand(case.scored)
    words = _title_words(searched_text(case.scored))
    asked = {"brand": brand, "seller": listing.seller_id, "number": case.case_id}
    found = [(_likeness(words, row.text), row) for row in connection.execute(_CONFIRMED, asked)]
    found = [(likeness, row) for likeness, row in found if brand or likeness > 0]
    found.sort(key=lambda one: (one[1].category != listing.category, -one[0], -one[1].decision_id))
    likest = {verdict: [one for one in found if one[1].verdict == verdict][:most] for verdict in _TRUTHS}
    made = _read_decided(connection, [row for some in likest.values() for _, row in some], now)
    return {
        verdict: tuple(Precedent(*made[row.decision_id], likeness) for likeness, row in some)
        for verdict, some in likest.items()
    }


def _read_decided(
    connection: Connection, chosen: Collection[Row[Any]], now: datetime | None
) -> dict[int, tuple[Case, Decision]]:
    """Return cases with their decisions, by decision."""
    is_chosen = decisions.c.decision_id.in_([row.decision_id for row in chosen])
    made = {row.decision_id: make_decision(row) for row in connection.execute(select(decisions).where(is_chosen))}
    rows, moment = find_cases(connection, [row.case_id for row in chosen]), now or datetime.now(UTC)
    return {row.decision_id: (make_case(rows[row.case_id], moment), made[row.decision_id]) for row in chosen}


def _title_words(text: str) -> frozenset[str]:
    """Return the title's words, as written and as read, from a `searched_text`."""
    return frozenset(" ".join(text.split("\n")[:-_OTHER_LINES]).split())


def _select_confirmed() -> Select[Any]:
    latest = (
        select(cases.c.case_id)
        .where(cases.c.state == "decided", cases.c.brand_read == bindparam("brand"))
        .order_by(cases.c.case_id.desc())
        .limit(_LATEST)
        .subquery()
    )
    return (
        select(decisions.c.decision_id, decisions.c.case_id, decisions.c.verdict, cases.c.category, case_texts.c.text)
        .join(latest, latest.c.case_id == decisions.c.case_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .join(case_texts, case_texts.c.case_id == decisions.c.case_id)
        .where(decisions.c.verdict.in_(_TRUTHS), is_last_verdict(), by_people())
        .where(cases.c.seller_id != bindparam("seller"), cases.c.case_id != bindparam("number"))
    )


_CONFIRMED = _select_confirmed()


def _likeness(words: frozenset[str], text: str) -> float:
    others = _title_words(text)
    return len(words & others) / max(len(words | others), 1)


_QUOTED = re.compile("“([^”]+)”")


@dataclass(frozen=True, slots=True)
class SharingCase:
    """A confirmed case with its decision, and the shared reason as it reads there."""

    case: Case
    decision: Decision
    reason: Reason


@dataclass(frozen=True, slots=True)
class SharedReason:
    """A reason with the confirmed cases nearest to it, and how many of the `n_read` cases share it, by verdict."""

    reason: Reason
    nearest: tuple[SharingCase, ...]
    n_counterfeit: int
    n_genuine: int
    n_read: int


def is_shared(reason: Reason, other: Reason) -> bool:
    """Return whether two reasons have feature and direction, and a quoted word or the whole text, in common.

    Reasons with a number are measurements: of two that differ, neither weighs twice as much as the other.

    >>> grade = Reason("words.grade", "Names a quality grade: “1:1”, “AAA”", 1.2)
    >>> is_shared(grade, Reason("words.grade", "Names a quality grade: “1:1”", 0.9))
    True
    >>> is_shared(grade, Reason("words.grade", "Names a quality grade: “mirror”", 0.9))
    False
    """
    if reason.feature != other.feature or (reason.weight > 0) != (other.weight > 0):
        return False
    if words := _quoted(reason):
        return bool(words & _quoted(other))
    weights = abs(reason.weight), abs(other.weight)
    is_measured = any(letter.isdecimal() for letter in reason.sentence)
    return reason.sentence == other.sentence or (is_measured and max(weights) < 2 * min(weights))


def _quoted(reason: Reason) -> frozenset[str]:
    return frozenset(word.casefold() for word in _QUOTED.findall(reason.sentence))


def find_sharing(
    connection: Connection, case: Case, reason: Reason, hidden: Collection[int] = (), *, most: int = 3
) -> SharedReason:
    """Return up to `most` confirmed cases that share a reason of a case, excluding the seller's own and `hidden` ones.

    It reads the 300 decided last, and the 300 of the brand: those of the brand come first, then those with more quoted
    words in common, then those with the nearest weight.
    """
    brand = read_brand(case.scored)
    asked = {"brand": brand, "seller": case.scored.listing.seller_id, "number": case.case_id}
    rows = [row for row in connection.execute(_DECIDED, asked) if row.case_id not in hidden]
    sharing = [(row, other) for row in rows if (other := _find_shared(reason, decode_reasons(row.snapshot)))]
    words = _quoted(reason)

    def distance(one: tuple[Row[Any], Reason]) -> tuple[Any, ...]:
        row, other = one
        is_other_brand = brand is None or row.brand_read != brand
        return is_other_brand, -len(words & _quoted(other)), abs(other.weight - reason.weight), -row.decision_id

    nearest = sorted(sharing, key=distance)[:most]
    made = _read_decided(connection, [row for row, _ in nearest], None)
    n_counterfeit = sum(row.verdict == Verdict.COUNTERFEIT for row, _ in sharing)
    return SharedReason(
        reason,
        tuple(SharingCase(*made[row.decision_id], other) for row, other in nearest),
        n_counterfeit,
        len(sharing) - n_counterfeit,
        len(rows),
    )


def _find_shared(reason: Reason, others: Iterable[Reason]) -> Reason | None:
    return next((other for other in others if is_shared(reason, other)), None)


def _select_decided() -> Select[Any]:
    of_brand = select(cases.c.case_id).where(cases.c.state == "decided", cases.c.brand_read == bindparam("brand"))
    latest = select(decisions.c.case_id).order_by(decisions.c.decision_id.desc()).limit(_LATEST)
    newest = of_brand.order_by(cases.c.case_id.desc()).limit(_LATEST)
    numbers = union(*(select(some.subquery().c.case_id) for some in (newest, latest)))
    return (
        select(decisions.c.decision_id, decisions.c.case_id, decisions.c.verdict, cases.c.brand_read, cases.c.snapshot)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(decisions.c.case_id.in_(numbers), decisions.c.verdict.in_(_TRUTHS), is_last_verdict(), by_people())
        .where(cases.c.state == "decided", cases.c.seller_id != bindparam("seller"))
        .where(cases.c.case_id != bindparam("number"))
    )


_DECIDED = _select_decided()
