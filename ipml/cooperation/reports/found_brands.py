"""Which brands were found counterfeit most lately, for whoever looks for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select, true

from ipml.records import Verdict
from ipml.review.reversals import is_last_verdict
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions


@dataclass(frozen=True, slots=True)
class FoundBrand:
    """A brand with what was found of it: listings decided on, those counterfeit, and how many sellers had these."""

    name: str
    decided: int
    counterfeit: int
    sellers: int
    last_at: datetime


def list_brands(engine: Engine, since: datetime, at_most: int, until: datetime | None = None) -> list[FoundBrand]:
    """Return the brands on which was decided from a moment on, and before another, most counterfeits first.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> list_brands(engine, datetime(2026, 5, 1, tzinfo=UTC), 50)
    []
    """
    is_fake = decisions.c.verdict == Verdict.COUNTERFEIT
    counterfeit = func.count().filter(is_fake).label("counterfeit")
    sellers = func.count(cases.c.seller_id.distinct()).filter(is_fake)
    query = (
        select(cases.c.brand, func.count(), counterfeit, sellers, func.max(decisions.c.decided_at))
        .join(decisions, decisions.c.case_id == cases.c.case_id)
        .where(decisions.c.decided_at >= since, is_last_verdict())
        .where(true() if until is None else decisions.c.decided_at < until)
        .where(cases.c.brand.is_not(None), cases.c.brand != "")
        .group_by(cases.c.brand)
        .order_by(counterfeit.desc(), cases.c.brand)
        .limit(at_most)
    )
    with reading(engine) as connection:
        return [FoundBrand(*row) for row in connection.execute(query)]
