"""Ledger: compares the cost of wrong takedowns to sellers with the harm prevented.

The value at stake is stored with each measure, in bands and amounts of two digits without names, so the ledger
survives any erasure. ::

    cost   = days offline x usual sales a day x price x share of its sales that a listing loses by the measure
    caught = price x units sold until the next review x severity x brand weight x the same share

Days run from the platform's confirmation of the measure (else the request) to its confirmation of the restoration
(else the request); a listing still offline continues to cost. An error is a reversed decision whose case was not found
counterfeit again; a slip is an error reversed within minutes. At each moment only the severest measure on a listing
counts, less the loss by measures whose decision was not reversed. Both sides estimate turnover, not profit, and omit
other damage by a wrong accusation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, exists, select

from ipml.enforcement.penalties.rules import LedgerRules
from ipml.enforcement.penalties.standing import to_two_digits
from ipml.enforcement.policy import Bands, EnforcementPolicy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.measures import Measure
from ipml.records import Listing, Verdict
from ipml.review.cases import StoredCase
from ipml.review.ranking.policy import compute_expected_value, observe_sales_a_day, read_expected_value
from ipml.review.ranking.queue_order import QueueRanking, current_ranking
from ipml.storage.row_numbers import insert_rows
from ipml.storage.tables import (
    decisions,
    measure_stakes,
    measures,
    reversals,
)


def store_stakes(
    connection: Connection, imposed: Sequence[tuple[Measure, StoredCase, Listing]], policy: EnforcementPolicy
) -> None:
    """Store the value at stake for new measures, each with its case and the listing as decided.

    Daily sales are the listing's observed sales, else an equal share of its seller's; if neither is known, the usual
    sales with `is_assumed` set. They are not shrunk to the usual as in the queue: sellers lost the sales observed.
    Price, severity, brand weight and currency are those of the queue's expected value.
    """
    ranking, rules = current_ranking(connection), policy.penalties.ledger
    rows = [
        {"measure_id": measure.measure_id, "stored_at": measure.imposed_at, **_weigh(case, listing, ranking, rules)}
        for measure, case, listing in imposed
    ]
    insert_rows(connection, measure_stakes, rows)


def _weigh(case: StoredCase, listing: Listing, ranking: QueueRanking, rules: LedgerRules) -> dict[str, Any]:
    days = ranking.policy.days_until_next_review
    value = (
        read_expected_value(case.expected_value)
        if case.expected_value
        else compute_expected_value(listing, case.score, ranking.policy, ranking.usual)
    )
    observed = observe_sales_a_day(listing)
    sales = value.sales / days if observed is None else observed
    until_next_review = min(sales * days, ranking.policy.most_sales)
    return {
        "size_band": Bands(rules.size_bands).find(listing.seller_listings),
        "age_band": Bands(rules.age_bands).find(listing.seller_age_days),
        "loss_a_day": to_two_digits(value.price * sales),
        "harm": to_two_digits(value.price * until_next_review * value.severity * value.brand_weight),
        "currency": value.currency,
        "is_assumed": "price" in value.assumed or observed is None,
    }


_AT_ONCE = 1000
_DAY = timedelta(days=1)
ALL = "all"
_ERRORS: tuple[Literal["wrong", "slip"], ...] = ("wrong", "slip")  # an overlap counts as the graver of the two


@dataclass(slots=True)
class LedgerEntry:
    """A line of the ledger: a band of sellers by "size" or "age", in one currency.

    - `right`, `caught`: listings with a measure in force, and the harm prevented.
    - `wrong`, `days`, `cost`: wrong decisions reversed after an objection, their days offline and cost.
    - `slips`, `slip_days`, `slip_cost`: the same for decisions reversed within minutes.
    - `unpriced`: errors and slips of unknown cost.
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


def read_ledger(connection: Connection, policy: EnforcementPolicy, *, now: datetime | None = None) -> list[LedgerEntry]:
    """Return the ledger: a line for all sellers, then one for each band of size and of age.

    Listings still offline cost until `now`.
    """
    now, rules = now or datetime.now(UTC), policy.penalties.ledger
    lines: dict[tuple[str, str, str], LedgerEntry] = {}
    for _, of_listing in groupby(_read_measures(connection), key=lambda row: (row.pseudonym, row.listing_id)):
        _enter_listing(lines, list(of_listing), rules, now)
    return sorted(lines.values(), key=lambda line: _place(line, rules))


def is_found_again() -> ColumnElement[bool]:
    """Return the condition that a decision in force calls the case of a row of decisions counterfeit."""
    again, void = decisions.alias(), reversals.alias()
    is_void = exists().where(void.c.decision_id == again.c.decision_id)
    says_so = (again.c.case_id == decisions.c.case_id, again.c.verdict == Verdict.COUNTERFEIT)
    return exists().where(*says_so, ~is_void)


@dataclass(frozen=True, slots=True)
class _Entered:
    """A measure with its value at stake and the outcome of its decision; `again`: found counterfeit again."""

    pseudonym: str
    listing_id: str
    decision_id: int
    kind: str
    imposed_at: datetime
    until: datetime | None
    done_at: datetime | None
    lifted_at: datetime | None
    undone_at: datetime | None
    size_band: str
    age_band: str
    loss_a_day: float | None
    harm: float | None
    currency: str | None
    decided_at: datetime
    reversed_at: datetime | None
    again: bool


def _read_measures(connection: Connection) -> Iterator[_Entered]:
    """Yield all measures with their value at stake, ordered by listing."""
    of_measure = ("pseudonym", "decision_id", "kind", "imposed_at", "until", "done_at", "lifted_at", "undone_at")
    of_stakes = ("size_band", "age_band", "loss_a_day", "harm", "currency")
    query = (
        select(
            *(measures.c[name] for name in of_measure),
            *(measure_stakes.c[name] for name in of_stakes),
            *(decisions.c.listing_id, decisions.c.decided_at, reversals.c.reversed_at),
            is_found_again().label("again"),
        )
        .join(measure_stakes, measure_stakes.c.measure_id == measures.c.measure_id)
        .join(decisions, decisions.c.decision_id == measures.c.decision_id)
        .join(reversals, reversals.c.decision_id == measures.c.decision_id, isouter=True)
        .order_by(measures.c.pseudonym, decisions.c.listing_id, measures.c.measure_id)
    )
    rows = connection.execute(query.execution_options(yield_per=_AT_ONCE))
    return (_Entered(**row._mapping) for row in rows)


@dataclass(frozen=True, slots=True)
class Spell:
    """A period in which a measure costs a listing a share of its sales: rightly, by error, or by a slip."""

    start: datetime
    end: datetime
    share: float
    loss_a_day: float | None
    currency: str
    kind: Literal["right", "wrong", "slip"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Loss of a listing by errors or slips in a part of its time line."""

    kind: Literal["wrong", "slip"]
    currency: str
    days: float
    cost: float


def find_losses(spells: Sequence[Spell]) -> Iterator[Loss]:
    """Yield a listing's losses by errors, one part of its time line after the other.

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
            worst = max((spell for spell in there if spell.kind == kind), key=lambda spell: spell.share, default=None)
            if worst is None or (lost is not None and worst.share <= lost):
                continue
            days = (end - start) / _DAY
            yield Loss(kind, worst.currency, days, days * (worst.loss_a_day or 0.0) * (worst.share - (lost or 0.0)))
            lost = worst.share


def _enter_listing(
    lines: dict[tuple[str, str, str], LedgerEntry], rows: Sequence[_Entered], rules: LedgerRules, now: datetime
) -> None:
    """Enter the measures on one listing, all in the bands of the first measure so that bands add up."""
    first = rows[0]
    bands = ((ALL, ALL), ("size", first.size_band), ("age", first.age_band))

    def find_lines(currency: str | None) -> list[LedgerEntry]:
        keys = [(by, band, currency or "") for by, band in bands]
        return [lines.setdefault(key, LedgerEntry(*key)) for key in keys]

    for loss in find_losses([_make_spell(row, rules, now) for row in rows]):
        for line in find_lines(loss.currency):
            if loss.kind == "wrong":
                line.days, line.cost = line.days + loss.days, line.cost + loss.cost
            else:
                line.slip_days, line.slip_cost = line.slip_days + loss.days, line.slip_cost + loss.cost
    errors: dict[int, list[_Entered]] = {}
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


def _judge(row: _Entered, rules: LedgerRules) -> Literal["right", "wrong", "slip"]:
    """Classify a measure; a case found counterfeit again was right."""
    if row.reversed_at is None or row.again:
        return "right"
    return "slip" if row.reversed_at - row.decided_at <= timedelta(minutes=rules.soon_minutes) else "wrong"


def _make_spell(row: _Entered, rules: LedgerRules, now: datetime) -> Spell:
    start = row.done_at or row.imposed_at
    rest = (_share_of(row, rules), row.loss_a_day, row.currency or "", _judge(row, rules))
    return Spell(start, max(start, _end_of(row, now)), *rest)


def _share_of(row: _Entered, rules: LedgerRules) -> float:
    return rules.lost_share.get(MeasureKind(row.kind), 1.0)


def _end_of(row: _Entered, now: datetime) -> datetime:
    ends = row.undone_at or row.lifted_at or now
    return ends if row.until is None else min(ends, row.until)


def _place(line: LedgerEntry, rules: LedgerRules) -> tuple[Any, ...]:
    bands: Mapping[str, tuple[str, ...]] = {
        "size": Bands(rules.size_bands).names,
        "age": Bands(rules.age_bands).names,
    }
    names = bands.get(line.by, ())
    place = names.index(line.band) if line.band in names else len(names)  # bands of an earlier policy come last
    return ((ALL, "size", "age").index(line.by), place, line.band, line.currency)


def ledger_rows(lines: list[LedgerEntry]) -> Iterator[dict[str, str | int | float]]:
    """Yield the lines as rows of plain values, for export."""
    for line in lines:
        yield {name: getattr(line, name) for name in LedgerEntry.__slots__}
