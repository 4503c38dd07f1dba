"""Decided list: decided cases with the verdict in force, the latest first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, func, select

from ipml.records import Case, Decision, Verdict
from ipml.review.arrivals.snapshot import is_storable
from ipml.review.cases import SELECT_CASES, StoredCase, make_case
from ipml.review.decisions import make_decision
from ipml.review.reversals import is_last_verdict
from ipml.review.worklists.search import (
    Filter,
    contains_words,
    find_few_matches,
    make_conditions,
    make_verdict_conditions,
    split_words,
)
from ipml.storage.tables import case_texts, cases, decisions

_DECISION = [decisions.c[name] for name in Decision.__slots__]


def browse_decided(
    connection: Connection,
    wanted: Filter,
    *,
    limit: int = 50,
    after: int | None = None,
    now: datetime | None = None,
) -> list[tuple[Case, Decision]]:
    """Return a page of decided cases that match a filter, with their verdicts, the latest first.

    The filter's state counts as "decided". `after` is the last case of the previous page.
    """
    now, wanted = now or datetime.now(UTC), replace(wanted, state="decided")
    query = select(decisions.c.case_id).where(is_last_verdict(), *make_verdict_conditions(wanted))
    if after is not None:
        last = select(func.max(decisions.c.decision_id)).where(decisions.c.case_id == after, is_last_verdict())
        query = query.where(decisions.c.decision_id < last.scalar_subquery())
    narrowed = _narrow_cases(connection, query, wanted, now)
    if narrowed is None:
        return []
    latest = narrowed.add_columns(decisions.c.decision_id).order_by(decisions.c.decision_id.desc()).limit(limit)
    page = latest.subquery()
    found = SELECT_CASES.add_columns(*_DECISION).join(page, page.c.case_id == cases.c.case_id)
    found = found.join(decisions, decisions.c.decision_id == page.c.decision_id).order_by(page.c.decision_id.desc())
    return [(make_case(StoredCase(*row[: -len(_DECISION)]), now), _decision(row)) for row in connection.execute(found)]


def _decision(row: Row[Any]) -> Decision:
    said = dict(zip(Decision.__slots__, row[-len(_DECISION) :], strict=True))
    return Decision(**said | {"verdict": Verdict(said["verdict"])})


def read_last_verdicts(connection: Connection, case_ids: Collection[int]) -> dict[int, Decision]:
    """Return the verdict in force of each case, by number."""
    query = select(decisions).where(decisions.c.case_id.in_(case_ids), is_last_verdict())
    return {row.case_id: make_decision(row) for row in connection.execute(query)}


def _narrow_cases(
    connection: Connection, query: Select[tuple[int]], wanted: Filter, now: datetime
) -> Select[tuple[int]] | None:
    """Return a query for decisions on the cases that match a filter; None if there can be none."""
    names = [name for name in (wanted.brand, wanted.seller_id, wanted.category, wanted.reviewer) if name]
    if not all(map(is_storable, names)):
        return None
    of_cases = replace(wanted, verdict=None, reviewer=None, decided_since=None, decided_before=None)
    conditions = list(make_conditions(cases, of_cases, now))
    words = split_words(wanted.search)
    few = find_few_matches(connection, words) if words else None
    if few is not None:
        conditions.append(cases.c.case_id.in_(few))
    elif words:
        text = select(case_texts.c.text).where(case_texts.c.case_id == cases.c.case_id).scalar_subquery()
        conditions.append(contains_words(words, text))
    if few is not None or wanted.brand or wanted.seller_id or wanted.category:
        # Few cases match: find them first, then sort.
        return query.where(decisions.c.case_id.in_(select(cases.c.case_id).where(*conditions)))
    # Many match: read decisions from the last until the page is full.
    return query.where(exists().where(cases.c.case_id == decisions.c.case_id, *conditions))
