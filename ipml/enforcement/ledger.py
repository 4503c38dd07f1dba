"""Ledger: compares the cost of wrong takedowns to sellers with the harm prevented, and error rates of seller groups.

The value at stake is stored with each measure, in bands and amounts of two digits without names, so the ledger
survives any erasure. ::

    cost   = days offline x usual sales a day x price x share of its sales that a listing loses by the measure
    caught = price x units sold until the next review x severity x brand weight x the same share

Days run from the platform's confirmation of the measure (else the request) to its confirmation of the restoration
(else the request); a listing still offline continues to cost. An error is a reversed decision whose case was not found
counterfeit again; a slip is an error reversed within minutes. At each moment only the severest measure on a listing
counts, less the loss by measures whose decision was not reversed. Both sides estimate turnover, not profit, and omit
other damage by a wrong accusation.

Two estimates of the wrongful-takedown rate, each limited: "reviewed again" (random audits and control cases; fair but
few, and second reviewers err) and "overturned" (all later reversals; biased towards sellers who appeal). The alarm
uses the first if both groups have enough, else the second. It compares small (or new) sellers with all others of known
size (or age), by the rate ratio with a 95 % interval on the log scale (Katz and others 1978, half a case added to each
count). The alarm needs a ratio above the policy's bound and an interval wholly above 1; "ok" needs enough decisions
that an alarm at the bound would show. Spread decisions do not count: they repeat one judgement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from math import exp, log, sqrt
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    type_coerce,
)

from ipml.enforcement.penalties.rules import LedgerRules
from ipml.enforcement.penalties.standing import to_two_digits
from ipml.enforcement.policy import UNKNOWN, Bands, EnforcementPolicy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.measures import Measure
from ipml.records import Listing, Verdict
from ipml.review.cases import StoredCase
from ipml.review.quality.rates import Rate, count_rate
from ipml.review.ranking.policy import compute_expected_value, observe_sales_a_day, read_expected_value
from ipml.review.ranking.queue_order import QueueRanking, current_ranking
from ipml.storage.row_numbers import insert_rows
from ipml.storage.tables import (
    control_cases,
    decisions,
    measure_stakes,
    measures,
    reversals,
    second_reviews,
    second_verdicts,
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
    found = (
        read_expected_value(case.expected_value)
        if case.expected_value
        else compute_expected_value(listing, case.score, ranking.policy, ranking.usual)
    )
    observed = observe_sales_a_day(listing)
    sales = found.sales / days if observed is None else observed
    until_next_review = min(sales * days, ranking.policy.most_sales)
    return {
        "size_band": Bands(rules.size_bands).find(listing.seller_listings),
        "age_band": Bands(rules.age_bands).find(listing.seller_age_days),
        "loss_a_day": to_two_digits(found.price * sales),
        "harm": to_two_digits(found.price * until_next_review * found.severity * found.brand_weight),
        "currency": found.currency,
        "is_assumed": "price" in found.assumed or observed is None,
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


_Z = 1.959964
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Decisions judged again, and how many were wrong."""

    judged: int = 0
    wrong: int = 0

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(self.judged + other.judged, self.wrong + other.wrong)

    def __str__(self) -> str:
        return f"{self.wrong:,} of {self.judged:,}"

    @property
    def rate(self) -> Rate | None:
        """Share of wrong decisions with Wilson's interval; None without decisions."""
        return count_rate(self.wrong, self.judged)


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """Error rate of a group of sellers compared with all others.

    - `group`: "small sellers" or "new sellers".
    - `source`: "reviewed again" or "overturned".
    - `ratio`, `low`, `high`: ratio of the rates with its interval; None without decisions.
    - `state`: "alarm", "watch" (above the bound, but possibly chance), "ok" or "too few" decisions for a statement.
    """

    group: str
    source: str
    of_group: ErrorCounts
    of_rest: ErrorCounts
    ratio: float | None
    low: float | None
    high: float | None
    state: str

    @property
    def words(self) -> str:
        """The comparison in a sentence."""
        if self.ratio is None:
            return f"{self.group}: nothing to compare with yet."
        counts = f"{self.of_group} against {self.of_rest}"
        if not (self.of_group.wrong and self.of_rest.wrong):
            return f"{self.group}: {counts} {self.source}; too few errors for a ratio."
        times = f"{self.ratio:.2f} times ({self.low:.2f} to {self.high:.2f}) as often wronged as the others"
        return f"{self.group}: {times}, {counts} {self.source}."


def find_alarms(connection: Connection, policy: EnforcementPolicy) -> list[GroupComparison]:
    """Compare the error rates of small and of new sellers with those of all others, by the better source."""
    rules = policy.penalties.ledger
    groups = (
        ("small sellers", measure_stakes.c.size_band, Bands(rules.size_bands).first),
        ("new sellers", measure_stakes.c.age_band, Bands(rules.age_bands).first),
    )
    found = []
    for name, column, first in groups:
        rows = connection.execute(_select_counts(column, rules)).all()
        reviewed_again, overturned = (_split(rows, first, source) for source in ("reviewed_again", "overturned"))
        by_second_reviews = compare(name, "reviewed again", *reviewed_again, rules)
        by_reversals = compare(name, "overturned", *overturned, rules)
        found.append(by_reversals if by_second_reviews.state == "too few" else by_second_reviews)
    return found


@dataclass(frozen=True, slots=True)
class BandErrors:
    """Takedowns of sellers of one size judged again; `source` is "reviewed again" or "decided, overturned later"."""

    band: str
    source: str
    judged: int
    wrong: int


def list_error_rates(
    connection: Connection, policy: EnforcementPolicy, start: datetime, end: datetime
) -> list[BandErrors]:
    """Return the error rates of decisions made in a period by size of seller, smallest first.

    They come from decisions reviewed again if there are any, else from overturned ones.
    """
    rules = policy.penalties.ledger
    query = _select_counts(measure_stakes.c.size_band, rules)
    rows = connection.execute(query.where(decisions.c.decided_at >= start, decisions.c.decided_at < end)).all()
    order = {name: place for place, name in enumerate(Bands(rules.size_bands).names)}
    rows = sorted(rows, key=lambda row: order.get(row.band, len(order)))
    if any(row.reviewed_again for row in rows):
        return [BandErrors(row.band, "reviewed again", row.reviewed_again, row.reviewed_again_wrong) for row in rows]
    return [BandErrors(row.band, "decided, overturned later", row.decided, row.overturned) for row in rows]


def compare(
    group: str, source: str, of_group: ErrorCounts, of_rest: ErrorCounts, rules: LedgerRules
) -> GroupComparison:
    """Compare two error rates.

    Examples
    --------
    >>> found = compare("small sellers", "overturned", ErrorCounts(400, 40), ErrorCounts(4000, 100), LedgerRules())
    >>> found.state, found.words
    ('alarm', 'small sellers: 4.0... times (2.8... to 5.7...) as often wronged as the others, 40 of 400 against ...')
    """
    if not (of_group.judged and of_rest.judged):
        return GroupComparison(group, source, of_group, of_rest, None, None, None, "too few")
    ratio, low, high = _find_ratio(of_group, of_rest)
    is_enough = min(of_group.judged, of_rest.judged) >= rules.least_judged
    state = _name_state(of_group, of_rest, ratio, low, rules) if is_enough else "too few"
    return GroupComparison(group, source, of_group, of_rest, ratio, low, high, state)


def _name_state(of_group: ErrorCounts, of_rest: ErrorCounts, ratio: float, low: float, rules: LedgerRules) -> str:
    at_the_bound = of_rest.wrong / of_rest.judged * rules.alarm_ratio * of_group.judged
    would_be_seen = at_the_bound >= rules.least_wrong
    if ratio <= rules.alarm_ratio:
        return "ok" if would_be_seen else "too few"
    if of_group.wrong >= rules.least_wrong:
        return "alarm" if low > 1 else "watch"
    return "watch" if low > 1 or would_be_seen else "too few"


def _find_ratio(of_group: ErrorCounts, of_rest: ErrorCounts) -> tuple[float, float, float]:
    wrong = (of_group.wrong + _HALF, of_rest.wrong + _HALF)
    judged = (of_group.judged + _HALF, of_rest.judged + _HALF)
    ratio = wrong[0] / judged[0] / (wrong[1] / judged[1])
    spread = sqrt(max(1 / wrong[0] - 1 / judged[0] + 1 / wrong[1] - 1 / judged[1], 0.0))
    return ratio, exp(log(ratio) - _Z * spread), exp(log(ratio) + _Z * spread)


def _split(rows: Iterable[Any], first: str, source: str) -> tuple[ErrorCounts, ErrorCounts]:
    of_group, of_rest = ErrorCounts(), ErrorCounts()
    for row in rows:
        judged = row.reviewed_again if source == "reviewed_again" else row.decided
        counts = ErrorCounts(
            judged or 0, (row.reviewed_again_wrong if source == "reviewed_again" else row.overturned) or 0
        )
        if row.band == first:
            of_group += counts
        elif row.band != UNKNOWN:
            of_rest += counts
    return of_group, of_rest


def _select_counts(band: Any, rules: LedgerRules) -> Any:
    one_each = select(measures.c.decision_id, func.min(measures.c.measure_id).label("measure_id"))
    firsts = one_each.group_by(measures.c.decision_id).subquery()
    reversed_at, decided_at = (
        type_coerce(one, BigInteger) for one in (reversals.c.reversed_at, decisions.c.decided_at)
    )
    is_overturned = and_(reversed_at - decided_at > int(rules.soon_minutes * 60e6), ~is_found_again())
    its_second_review = and_(
        second_reviews.c.case_id == decisions.c.case_id, second_reviews.c.decision_id == decisions.c.decision_id
    )
    said = (its_second_review, second_reviews.c.kind == "audit", second_verdicts.c.withdrawn_at.is_(None))
    audits = exists().where(second_reviews.c.review_id == second_verdicts.c.review_id, *said)
    truths = exists().where(control_cases.c.case_id == decisions.c.case_id, control_cases.c.removed_at.is_(None))
    says_genuine = audits.where(second_verdicts.c.verdict == Verdict.GENUINE)
    judges = audits.where(second_verdicts.c.verdict.in_([Verdict.GENUINE, Verdict.COUNTERFEIT]))
    was_reviewed_again = or_(judges, truths)
    was_wrong = or_(says_genuine, truths.where(control_cases.c.truth == Verdict.GENUINE))
    return (
        select(
            band.label("band"),
            func.count().label("decided"),
            _count_if(is_overturned).label("overturned"),
            _count_if(was_reviewed_again).label("reviewed_again"),
            _count_if(was_wrong).label("reviewed_again_wrong"),
        )
        .select_from(firsts)
        .join(measure_stakes, measure_stakes.c.measure_id == firsts.c.measure_id)
        .join(decisions, decisions.c.decision_id == firsts.c.decision_id)
        .join(reversals, reversals.c.decision_id == decisions.c.decision_id, isouter=True)
        .where(decisions.c.origin != "spread", decisions.c.verdict == Verdict.COUNTERFEIT)
        .group_by(band)
    )


def _count_if(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))
