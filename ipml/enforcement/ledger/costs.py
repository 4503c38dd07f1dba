"""What errors cost honest sellers beside the value caught, by size and age of the seller.

::

    cost   = days offline x usual sales a day x price x share of its sales that a listing loses by the measure
    caught = price x units sold until the next look x severity x brand weight x the same share

Days run from when the platform said that the measure is done, else from when it was asked for, until it said that the
listing is back, else until it was asked for; a listing that is still down costs on. An error is a measure whose
decision was taken back and whose case nobody has found counterfeit again. Those taken back within minutes are slips; to
the others somebody had to object.

Both sides are estimates of turnover, not of profit, and what a wrong accusation costs beyond sales is not in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, exists, select

from ipml.enforcement.bands import Bands
from ipml.enforcement.penalties.rules import LedgerRules
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import MeasureKind
from ipml.records import Verdict
from ipml.storage.database import reading
from ipml.storage.tables import decisions, measure_stakes, measures, reversals

_AT_ONCE = 1000
_DAY = timedelta(days=1)
ALL = "all"


@dataclass(slots=True)
class Entry:
    """One line of the ledger: a band of sellers by "size" or "age", in one currency.

    Attributes
    ----------
    right, caught
        Measures that stand, and the harm they prevent.
    wrong, days, cost
        Errors that somebody had to object to: how many, days offline together, and what they cost.
    slips, slip_days, slip_cost
        The same of those taken back within minutes.
    unpriced : int
        Errors of either kind whose cost is not known.
    """

    by: str
    band: str
    currency: str
    right: int = 0
    caught: float = 0.0
    wrong: int = 0
    days: float = 0.0
    cost: float = 0.0
    slips: int = 0
    slip_days: float = 0.0
    slip_cost: float = 0.0
    unpriced: int = 0


def read_ledger(engine: Engine, policy: EnforcementPolicy, *, now: datetime | None = None) -> list[Entry]:
    """Return the ledger: a line for all sellers, then one for each band of size and of age.

    Parameters
    ----------
    now : datetime, default=the clock
        Until when what is still offline costs.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> read_ledger(engine, load_enforcement_policy())
    []
    """
    now, rules = now or datetime.now(UTC), policy.penalties.ledger
    lines: dict[tuple[str, str, str], Entry] = {}
    with reading(engine) as connection:
        for row in connection.execute(_select_measures().execution_options(yield_per=_AT_ONCE)):
            for by, band in ((ALL, ALL), ("size", row.size_band), ("age", row.age_band)):
                key = (by, band, row.currency or "")
                _enter(lines.setdefault(key, Entry(*key)), row, rules, now)
    return sorted(lines.values(), key=lambda line: _place(line, rules))


def is_found_again() -> ColumnElement[bool]:
    """Return the condition that a standing decision calls the case of a row of decisions counterfeit."""
    again, void = decisions.alias(), reversals.alias()
    is_void = exists().where(void.c.decision_id == again.c.decision_id)
    says_so = (again.c.case_id == decisions.c.case_id, again.c.verdict == Verdict.COUNTERFEIT)
    return exists().where(*says_so, ~is_void)


def _select_measures() -> Any:
    moments = (decisions.c.decided_at, reversals.c.reversed_at)
    return (
        select(measures, measure_stakes, *moments, is_found_again().label("again"))
        .join(measure_stakes, measure_stakes.c.measure_id == measures.c.measure_id)
        .join(decisions, decisions.c.decision_id == measures.c.decision_id)
        .join(reversals, reversals.c.decision_id == measures.c.decision_id, isouter=True)
    )


def _enter(line: Entry, row: Row[Any], rules: LedgerRules, now: datetime) -> None:
    share = rules.lost_share.get(MeasureKind(row.kind), 1.0)
    if row.reversed_at is None:
        if row.lifted_at is None:
            line.right += 1
            line.caught += (row.harm or 0.0) * share
        return
    if row.again:
        return  # taken back for its ground, say; the listing is counterfeit all the same
    days = max((_end_of(row, now) - (row.done_at or row.imposed_at)) / _DAY, 0.0)
    cost = days * (row.loss_a_day or 0.0) * share
    line.unpriced += row.loss_a_day is None
    if row.reversed_at - row.decided_at <= timedelta(minutes=rules.soon_minutes):
        line.slips, line.slip_days, line.slip_cost = line.slips + 1, line.slip_days + days, line.slip_cost + cost
    else:
        line.wrong, line.days, line.cost = line.wrong + 1, line.days + days, line.cost + cost


def _end_of(row: Row[Any], now: datetime) -> datetime:
    ends: datetime = row.undone_at or row.lifted_at or now
    return ends if row.until is None else min(ends, row.until)


def _place(line: Entry, rules: LedgerRules) -> tuple[Any, ...]:
    bands: Mapping[str, tuple[str, ...]] = {
        "size": Bands(rules.size_bands).names,
        "age": Bands(rules.age_bands).names,
    }
    names = bands.get(line.by, ())
    place = names.index(line.band) if line.band in names else len(names)  # bands of an earlier policy come last
    return ((ALL, "size", "age").index(line.by), place, line.band, line.currency)


def ledger_rows(lines: list[Entry]) -> Iterator[dict[str, str | int | float]]:
    """Give the lines as rows of plain values, for a file."""
    for line in lines:
        yield {name: getattr(line, name) for name in Entry.__slots__}
