"""What errors cost honest sellers beside the value caught, by size and age of the seller.

::

    cost   = days offline x usual sales a day x price x share of its sales that a listing loses by the measure
    caught = price x units sold until the next look x severity x brand weight x the same share

Days run from when the platform said that the measure is done, else from when it was asked for, until it said that the
listing is back, else until it was asked for; a listing that is still down costs on. An error is a decision that was
taken back and whose case nobody has found counterfeit again. Those taken back within minutes are slips; to the others
somebody had to object.

A listing has one time line, however many measures lie on it: at each moment the measure by which it loses most of its
sales counts, and only by how much more it loses than by measures whose decision stands. So an error never costs more
than the listing sells, and what is caught is caught once.

Both sides are estimates of turnover, not of profit, and what a wrong accusation costs beyond sales is not in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, Literal

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
_ERRORS: tuple[Literal["wrong", "slip"], ...] = ("wrong", "slip")  # what overlaps counts as the graver of the two


@dataclass(slots=True)
class Entry:
    """One line of the ledger: a band of sellers by "size" or "age", in one currency.

    Attributes
    ----------
    right, caught
        Listings on which a measure stands, and the harm that it prevents.
    wrong, days, cost
        Errors that somebody had to object to: how many decisions, days offline together, and what they cost.
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
        rows = connection.execute(_select_measures().execution_options(yield_per=_AT_ONCE))
        for _, of_listing in groupby(rows, key=lambda row: (row.pseudonym, row.listing_id)):
            _enter_listing(lines, list(of_listing), rules, now)
    return sorted(lines.values(), key=lambda line: _place(line, rules))


def is_found_again() -> ColumnElement[bool]:
    """Return the condition that a standing decision calls the case of a row of decisions counterfeit."""
    again, void = decisions.alias(), reversals.alias()
    is_void = exists().where(void.c.decision_id == again.c.decision_id)
    says_so = (again.c.case_id == decisions.c.case_id, again.c.verdict == Verdict.COUNTERFEIT)
    return exists().where(*says_so, ~is_void)


def _select_measures() -> Any:
    moments = (decisions.c.listing_id, decisions.c.decided_at, reversals.c.reversed_at)
    return (
        select(measures, measure_stakes, *moments, is_found_again().label("again"))
        .join(measure_stakes, measure_stakes.c.measure_id == measures.c.measure_id)
        .join(decisions, decisions.c.decision_id == measures.c.decision_id)
        .join(reversals, reversals.c.decision_id == measures.c.decision_id, isouter=True)
        .order_by(measures.c.pseudonym, decisions.c.listing_id, measures.c.measure_id)
    )


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which a listing loses a share of its sales by a measure: rightly, by error, or by a slip."""

    start: datetime
    end: datetime
    share: float
    loss_a_day: float | None
    currency: str
    kind: Literal["right", "wrong", "slip"]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a listing lost by errors or slips in some days of its time line."""

    kind: Literal["wrong", "slip"]
    currency: str
    days: float
    cost: float


def find_losses(spells: Sequence[Spell]) -> Iterator[Loss]:
    """Give what a listing lost by errors, one piece of its time line after the other.

    Examples
    --------
    >>> start = datetime(2026, 3, 1, tzinfo=UTC)
    >>> removed = Spell(start, start + timedelta(days=10), 1.0, 53.0, "EUR", "wrong")
    >>> sum(loss.cost for loss in find_losses([removed, removed]))
    530.0
    """
    moments = sorted({moment for spell in spells for moment in (spell.start, spell.end)})
    for start, end in pairwise(moments):
        there = [spell for spell in spells if spell.start <= start and spell.end >= end]
        lost = max((spell.share for spell in there if spell.kind == "right"), default=None)
        for kind in _ERRORS:
            worst = max((spell for spell in there if spell.kind == kind), key=lambda one: one.share, default=None)
            if worst is None or (lost is not None and worst.share <= lost):
                continue
            days = (end - start) / _DAY
            yield Loss(kind, worst.currency, days, days * (worst.loss_a_day or 0.0) * (worst.share - (lost or 0.0)))
            lost = worst.share


def _enter_listing(
    lines: dict[tuple[str, str, str], Entry], rows: Sequence[Row[Any]], rules: LedgerRules, now: datetime
) -> None:
    """Enter the measures on one listing; the bands are those of the first, as the lines of all bands add up."""
    first = rows[0]
    bands = ((ALL, ALL), ("size", first.size_band), ("age", first.age_band))

    def find_lines(currency: str | None) -> list[Entry]:
        keys = [(by, band, currency or "") for by, band in bands]
        return [lines.setdefault(key, Entry(*key)) for key in keys]

    for loss in find_losses([_make_spell(row, rules, now) for row in rows]):
        for line in find_lines(loss.currency):
            if loss.kind == "wrong":
                line.days, line.cost = line.days + loss.days, line.cost + loss.cost
            else:
                line.slip_days, line.slip_cost = line.slip_days + loss.days, line.slip_cost + loss.cost
    errors: dict[int, list[Row[Any]]] = {}
    for row in rows:
        if _judge(row, rules) != "right":
            errors.setdefault(row.decision_id, []).append(row)
    for of_decision in errors.values():
        for line in find_lines(of_decision[0].currency):
            line.unpriced += all(row.loss_a_day is None for row in of_decision)
            is_wrong = _judge(of_decision[0], rules) == "wrong"
            line.wrong, line.slips = line.wrong + is_wrong, line.slips + (not is_wrong)
    standing = [row for row in rows if row.reversed_at is None and row.lifted_at is None]
    if standing:
        hardest = max(standing, key=lambda row: _share_of(row, rules))
        for line in find_lines(hardest.currency):
            line.right, line.caught = line.right + 1, line.caught + (hardest.harm or 0.0) * _share_of(hardest, rules)


def _judge(row: Row[Any], rules: LedgerRules) -> Literal["right", "wrong", "slip"]:
    """Say whether a measure was right, an error or a slip; what was found counterfeit again was right."""
    if row.reversed_at is None or row.again:
        return "right"
    return "slip" if row.reversed_at - row.decided_at <= timedelta(minutes=rules.soon_minutes) else "wrong"


def _make_spell(row: Row[Any], rules: LedgerRules, now: datetime) -> Spell:
    start = row.done_at or row.imposed_at
    rest = (_share_of(row, rules), row.loss_a_day, row.currency or "", _judge(row, rules))
    return Spell(start, max(start, _end_of(row, now)), *rest)


def _share_of(row: Row[Any], rules: LedgerRules) -> float:
    return rules.lost_share.get(MeasureKind(row.kind), 1.0)


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
