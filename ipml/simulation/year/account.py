"""Account of a year: compares the database with the truth that only the simulation knows.

Each figure is one pass over the rows that the programme wrote, so a larger year needs no more memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Column, ColumnElement, Connection, Row, Select, distinct, exists, func, select

from ipml.records import Verdict
from ipml.simulation.year.people import Truth
from ipml.storage.tables import (
    appeal_outcomes,
    appeals,
    cases,
    decisions,
    measures,
    notice_items,
    notices,
    notifier_steps,
    outbox,
    penalties,
    strikes,
)

_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class TakedownCounts:
    """Listings taken down, right (counterfeit) or wrong (genuine).

    Attributes
    ----------
    done : int
        Takedowns that the platform confirmed.
    right_lifted, wrong_lifted : int
        Listings put back by the end of the year.
    wronged_sellers : int
        Sellers with a genuine listing taken down.
    automatic, automatic_wrong : int
        Taken down by the policy, without a person.
    median_hours : float or None
        From when a counterfeit was first seen to the platform's confirmation.
    before_first_sale : float or None
        Share of counterfeits without a sale when they were observed, where sales are known.
    brands : int
        Brands of the counterfeits.
    """

    right: int
    wrong: int
    done: int
    right_lifted: int
    wrong_lifted: int
    wronged_sellers: int
    automatic: int
    automatic_wrong: int
    median_hours: float | None
    before_first_sale: float | None
    brands: int


def count_takedowns(connection: Connection, truth: Truth) -> TakedownCounts:
    """Count the listings taken down; a listing taken down several times counts once."""
    query = (
        select(
            *(decisions.c.listing_id, measures.c.pseudonym, measures.c.is_automatic, measures.c.sales_before),
            *(measures.c.imposed_at, measures.c.done_at, measures.c.lifted_at, cases.c.observed_at, cases.c.brand),
        )
        .join(decisions, decisions.c.decision_id == measures.c.decision_id)
        .join(cases, cases.c.case_id == measures.c.case_id)
        .order_by(measures.c.case_id, measures.c.measure_id)
    )
    counts = np.zeros((2, 4), dtype=np.int64)  # genuine or counterfeit; all, done, put back, automatic
    wronged: set[str] = set()
    brands: set[str] = set()
    hours, sold, with_sales = [], 0, 0
    for row in _last_of_each(connection, query):
        is_fake = truth.is_fake(row.listing_id)
        counts[int(is_fake)] += [1, row.done_at is not None, row.lifted_at is not None, row.is_automatic]
        if not is_fake:
            wronged.add(row.pseudonym)
        elif row.brand:
            brands.add(row.brand)
        if is_fake and row.done_at is not None and row.observed_at is not None:
            hours.append((row.done_at - row.observed_at).total_seconds() / 3600)
        if is_fake and row.sales_before is not None:
            with_sales, sold = with_sales + 1, sold + (row.sales_before > 0)
    (wrong, right), done, (wrong_lifted, right_lifted), automatic = counts.T.tolist()
    return TakedownCounts(
        right=right,
        wrong=wrong,
        done=sum(done),
        right_lifted=right_lifted,
        wrong_lifted=wrong_lifted,
        wronged_sellers=len(wronged),
        automatic=sum(automatic),
        automatic_wrong=automatic[0],
        median_hours=float(np.median(hours)) if hours else None,
        before_first_sale=1 - sold / with_sales if with_sales else None,
        brands=len(brands),
    )


@dataclass(frozen=True, slots=True)
class WorkCounts:
    """Cases, penalties by kind, appeals by outcome ("pending" among them) and messages by state.

    `missed` are counterfeits whose last verdict is genuine; `wrongly_penalised` are penalised sellers without a
    strike for a counterfeit.
    """

    waiting: int
    decided: int
    missed: int
    penalised: int
    wrongly_penalised: int
    penalties: dict[str, int]
    appeals: dict[str, int]
    messages: dict[str, int]


def count_work(connection: Connection, truth: Truth) -> WorkCounts:
    """Count decided and waiting cases, penalised sellers, appeals and messages."""
    is_imposed = penalties.c.imposed_at.is_not(None)
    states, ended = _count(connection, cases.c.state), _count(connection, appeal_outcomes.c.outcome)
    n_appeals = connection.scalar(select(func.count()).select_from(appeals)) or 0
    return WorkCounts(
        waiting=states.get("open", 0) + states.get("escalated", 0),
        decided=states.get("decided", 0),
        missed=_count_missed(connection, truth),
        penalised=connection.scalar(select(func.count(distinct(penalties.c.pseudonym))).where(is_imposed)) or 0,
        wrongly_penalised=_count_wrongly_penalised(connection, truth),
        penalties=_count(connection, penalties.c.kind, is_imposed),
        appeals=ended | {"pending": n_appeals - sum(ended.values())},
        messages=_count(connection, outbox.c.state),
    )


def list_struck_sellers(connection: Connection) -> dict[str, int]:
    """Return the number of takedowns in force by seller."""
    query = (
        select(cases.c.seller_id, func.count())
        .join(measures, measures.c.case_id == cases.c.case_id)
        .where(measures.c.lifted_at.is_(None))
        .group_by(cases.c.seller_id)
    )
    return {str(seller): int(n) for seller, n in connection.execute(query)}


def _count(
    connection: Connection, by: Column[Any], *conditions: ColumnElement[bool], each: Column[Any] | None = None
) -> dict[str, int]:
    """Count rows by the value of a column; with `each`, count distinct values of that column."""
    number = func.count() if each is None else func.count(distinct(each))
    return {str(name): int(n) for name, n in connection.execute(select(by, number).where(*conditions).group_by(by))}


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    yield from connection.execute(query.execution_options(yield_per=_AT_ONCE))


def _last_of_each(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    """Yield the last of consecutive rows of each listing."""
    before: Row[Any] | None = None
    for row in _stream(connection, query):
        if before is not None and before.listing_id != row.listing_id:
            yield before
        before = row
    if before is not None:
        yield before


def _count_missed(connection: Connection, truth: Truth) -> int:
    """Count the counterfeits whose last verdict is genuine."""
    query = select(decisions.c.listing_id, decisions.c.verdict).order_by(decisions.c.case_id, decisions.c.decision_id)
    return sum(
        row.verdict == Verdict.GENUINE and truth.is_fake(row.listing_id) for row in _last_of_each(connection, query)
    )


def _count_wrongly_penalised(connection: Connection, truth: Truth) -> int:
    """Count the penalised sellers without a strike for a counterfeit."""
    query = (
        select(strikes.c.pseudonym, decisions.c.listing_id)
        .join(decisions, decisions.c.decision_id == strikes.c.decision_id)
        .where(strikes.c.pseudonym.in_(select(penalties.c.pseudonym).where(penalties.c.imposed_at.is_not(None))))
        .order_by(strikes.c.pseudonym)
    )
    guilty: dict[str, bool] = {}
    for row in _stream(connection, query):
        guilty[row.pseudonym] = guilty.get(row.pseudonym, False) or truth.is_fake(row.listing_id)
    return sum(not is_guilty for is_guilty in guilty.values())


@dataclass(frozen=True, slots=True)
class NoticeCounts:
    """Notices, and the listings that they report.

    Attributes
    ----------
    items : int
        Reported listings, each once.
    right : int
        Reported listings that are counterfeit in truth.
    taken_down, taken_down_wrong : int
        Reported listings down at the end, and the genuine ones among these.
    states : dict of str to int
        Items of all notices by outcome: "upheld", "rejected".
    steps : dict of str to int
        Notifiers warned and suspended, each once.
    """

    notices: int
    kinds: dict[str, int]
    items: int
    right: int
    taken_down: int
    taken_down_wrong: int
    states: dict[str, int]
    steps: dict[str, int]


def count_notices(connection: Connection, truth: Truth) -> NoticeCounts:
    """Count the notices and their outcomes."""
    is_down = exists().where(measures.c.case_id == cases.c.case_id, measures.c.lifted_at.is_(None))
    noted = select(notice_items.c.case_id).where(notice_items.c.case_id.is_not(None))
    query = select(cases.c.listing_id, is_down.label("is_down")).where(cases.c.case_id.in_(noted))
    kinds = _count(connection, notices.c.kind)
    rows = [(truth.is_fake(row.listing_id), bool(row.is_down)) for row in connection.execute(query)]
    return NoticeCounts(
        notices=sum(kinds.values()),
        kinds=kinds,
        items=len(rows),
        right=sum(is_fake for is_fake, _ in rows),
        taken_down=sum(is_down for _, is_down in rows),
        taken_down_wrong=sum(is_down and not is_fake for is_fake, is_down in rows),
        states=_count(connection, notice_items.c.state),
        steps=_count(connection, notifier_steps.c.kind, each=notifier_steps.c.notifier_id),
    )
