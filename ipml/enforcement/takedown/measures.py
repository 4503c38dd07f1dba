"""Measures: chooses measures by the policy, stores and finds them, and computes their times and delays.

Times run from the listing to its measure and to the platform's answer. Only the first measure of each decision counts;
a replacement or a further measure by hand is no new catch.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select, union

from ipml.enforcement.restrictions import MeasureKind, ReportSource, Restriction
from ipml.enforcement.takedown.handed_over import find_present_sellers
from ipml.errors import NotFound
from ipml.records import Listing
from ipml.review.cases import LARGEST_NUMBER
from ipml.review.decisions import GROUNDS
from ipml.review.ranking.policy import fold_name
from ipml.storage.pseudonyms import Keyring, find_pseudonym, read_keys
from ipml.storage.tables import cases, decisions, measure_messages, measures, outbox

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Number = Annotated[float, Field(ge=0, le=1e9)]
_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class ChosenMeasure:
    """A measure chosen by the rules, with the reason in words."""

    kind: MeasureKind
    why: str
    territories: tuple[str, ...] = ()
    days: float | None = None

    def until(self, since: datetime) -> datetime | None:
        """Return the end of the measure, if it has one."""
        return None if self.days is None else since + timedelta(days=self.days)


class MeasureRule(BaseModel):
    """A measure for listings that meet all its conditions; unknown values meet none."""

    model_config = _STRICT

    kind: MeasureKind
    territories: tuple[Country, ...] = ()
    days: float | None = Field(None, gt=0, le=3660)
    grounds: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    least_score: float | None = Field(None, ge=0, le=1)
    score_below: float | None = Field(None, ge=0, le=1)
    least_seller_age_days: Number | None = None
    least_seller_sales: Number | None = None
    most_seller_strikes: Number | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind is MeasureKind.REMOVE_IN) != bool(self.territories):
            raise ValueError("remove-in needs territories, and no other kind takes them")
        if unknown := set(self.grounds) - set(GROUNDS):
            raise ValueError(f"no grounds: {', '.join(sorted(unknown))}; expected some of {', '.join(GROUNDS)}")
        if not list(self.conditions()):
            raise ValueError("a rule needs a condition; what holds without one is `usual`")
        return self

    def conditions(self) -> Iterator[str]:
        """Yield the conditions in words."""
        for names, noun in ((self.grounds, "ground"), (self.brands, "brand"), (self.categories, "category")):
            if names:
                yield f"the {noun} is {' or '.join(names)}"
        if self.least_score is not None:
            yield f"the score is at least {self.least_score:g}"
        if self.score_below is not None:
            yield f"the score is below {self.score_below:g}"
        if self.least_seller_age_days is not None:
            yield f"the seller has been here for at least {self.least_seller_age_days:g} days"
        if self.least_seller_sales is not None:
            yield f"the seller has at least {self.least_seller_sales:g} sales"
        if self.most_seller_strikes is not None:
            yield f"the seller has at most {self.most_seller_strikes:g} strikes"

    def is_met(self, listing: Listing, score: float | None, ground: str) -> bool:
        """Return whether a listing decided on a ground meets every condition."""
        return (
            _is_among(ground, self.grounds)
            and _is_among(listing.brand, self.brands)
            and _is_among(listing.category, self.categories)
            and _is_between(score, self.least_score, None)
            and (self.score_below is None or (score is not None and score < self.score_below))
            and _is_between(listing.seller_age_days, self.least_seller_age_days, None)
            and _is_between(listing.seller_sales, self.least_seller_sales, None)
            and _is_between(listing.seller_strikes, None, self.most_seller_strikes)
        )


class NotificationRule(BaseModel):
    """Recipients besides platform and seller for a kind of measure."""

    model_config = _STRICT

    holder: bool = False
    buyers_days: float | None = Field(None, gt=0, le=3660)
    buyers_after_hours: float = Field(24.0, ge=0, le=24 * 366)


_NOBODY_ELSE = NotificationRule()


class MeasureRules(BaseModel):
    """Rules that choose the measure after a decision.

    >>> rules = MeasureRules(usual="remove", rules=[{"kind": "pause", "days": 14, "score_below": 0.8}])
    >>> rules.choose(Listing("A7", "s1", "Bag"), 0.7, "declared_replica").why
    'pause for 14 days, as the score is below 0.8'
    >>> rules.choose(Listing("A7", "s1", "Bag"), 0.9, "declared_replica").why
    'remove, the standard measure'
    """

    model_config = _STRICT

    usual: MeasureKind
    by_ground: dict[str, MeasureKind] = {}
    rules: tuple[MeasureRule, ...] = ()
    tells: dict[MeasureKind, NotificationRule] = {}
    overdue_hours: float = Field(24.0, gt=0, le=24 * 366)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if MeasureKind.REMOVE_IN in (self.usual, *self.by_ground.values()):
            raise ValueError("remove-in needs territories: write a rule of its own for it")
        if unknown := set(self.by_ground) - set(GROUNDS):
            raise ValueError(f"no grounds: {', '.join(sorted(unknown))}; expected some of {', '.join(GROUNDS)}")
        return self

    def choose(self, listing: Listing, score: float | None, ground: str) -> ChosenMeasure:
        """Return the measure for a listing decided counterfeit on a ground.

        Among the rules that are met, the one with most conditions applies, then the first.
        """
        met = [rule for rule in self.rules if rule.is_met(listing, score, ground)]
        if met:
            rule = max(met, key=lambda rule: len(list(rule.conditions())))
            return ChosenMeasure(rule.kind, _explain(rule), rule.territories, rule.days)
        if ground in self.by_ground:
            kind = self.by_ground[ground]
            return ChosenMeasure(kind, f"{kind}, as the ground is {ground}")
        return ChosenMeasure(self.usual, f"{self.usual}, the standard measure")

    def find_notification_rule(self, kind: MeasureKind) -> NotificationRule:
        """Return the recipients besides platform and seller for a kind of measure."""
        return self.tells.get(kind, _NOBODY_ELSE)


def _explain(rule: MeasureRule) -> str:
    where = f" {', '.join(rule.territories)}" if rule.territories else ""
    how_long = "" if rule.days is None else f" for {rule.days:g} days"
    return f"{rule.kind}{where}{how_long}, as {' and '.join(rule.conditions())}"


def _is_among(name: str | None, names: tuple[str, ...]) -> bool:
    return not names or fold_name(name) in map(fold_name, names)


def _is_between(number: float | None, least: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    return number is not None and (least is None or number >= least) and (most is None or number <= most)


STATES = ("asked", "done", "refused", "lifted", "back", "replaced")


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure on a listing, with the progress of the platform.

    - `until`: end date, if any.
    - `sales_before`: sales of the listing before the decision, if known.
    - `source`, `is_detected`: see `ipml.enforcement.restrictions.ReportSource`.
    - `done_at`, `undone_at`: platform's confirmations that the measure is applied, and undone.
    - `refused_at`: platform's last refusal or failed delivery; None once confirmed.
    - `replaced_by`: measure that replaced it.
    """

    measure_id: int
    decision_id: int
    case_id: int
    pseudonym: str
    kind: MeasureKind
    territories: tuple[str, ...]
    until: datetime | None
    policy_digest: str
    imposed_by: str
    imposed_at: datetime
    listed_at: datetime | None = None
    sales_before: int | None = None
    is_automatic: bool = False
    done_at: datetime | None = None
    lifted_by: str | None = None
    lifted_at: datetime | None = None
    undone_at: datetime | None = None
    refused_at: datetime | None = None
    replaced_by: int | None = None
    source: str = "own"
    is_detected: bool = True

    @property
    def subject(self) -> str:
        """Name in the audit trail."""
        return f"measure:{self.measure_id}"

    @property
    def stands(self) -> bool:
        """Whether it was neither lifted nor replaced."""
        return self.lifted_at is None

    @property
    def state(self) -> str:
        """One of `STATES`."""
        if self.replaced_by is not None:
            return "replaced"
        if self.refused_at is not None:
            return "refused"
        if self.lifted_at is not None:
            return "back" if self.undone_at else "lifted"
        return "done" if self.done_at else "asked"

    def restrict(self, listing: Listing, ground: str) -> Restriction:
        """Return the restriction for a statement of reasons, with the listing as decided and the ground."""
        return Restriction(
            subject=self.subject,
            kind=self.kind,
            pseudonym=self.pseudonym,
            case_id=self.case_id,
            decision_id=self.decision_id,
            listing=listing,
            ground=ground,
            since=self.imposed_at,
            until=self.until,
            territories=self.territories,
            is_automatic=self.is_automatic,
            source=self.source,
            is_detected=self.is_detected,
        )


_PLAIN_COLUMNS = tuple(name for name in Measure.__slots__ if name not in ("kind", "territories"))


def make_measure(row: Row[Any]) -> Measure:
    """Convert a row of measures to a record."""
    plain = {name: getattr(row, name) for name in _PLAIN_COLUMNS}
    return Measure(kind=MeasureKind(row.kind), territories=tuple(filter(None, row.territories.split(","))), **plain)


def get_measure(connection: Connection, measure_id: int) -> Measure:
    """Return one measure; raise NotFound if there is none."""
    is_number = 0 < measure_id <= LARGEST_NUMBER
    found = find_measures(connection, measures.c.measure_id == measure_id) if is_number else []
    if not found:
        raise NotFound("measure", measure_id, "`ipml enforce measure list` names them.")
    return found[0]


def find_measures(
    connection: Connection,
    *conditions: ColumnElement[bool],
    case_id: int | None = None,
    decision_id: int | None = None,
    state: str | None = None,
    before: int | None = None,
    at_most: int | None = None,
) -> list[Measure]:
    """Return measures that meet all conditions, newest first.

    `state` is one of `STATES`; for pages, `before` limits the numbers and `at_most` the count.
    """
    wanted = {"case_id": case_id, "decision_id": decision_id}
    query = select(measures).where(*conditions).order_by(measures.c.measure_id.desc()).limit(at_most)
    query = query.where(*(measures.c[name] == value for name, value in wanted.items() if value is not None))
    if state is not None:
        query = query.where(*_facts_of(state))
    if before is not None:
        query = query.where(measures.c.measure_id < before)
    return [make_measure(row) for row in connection.execute(query)]


def find_on_listing(connection: Connection, listing_id: str) -> list[Measure]:
    """Return all measures there ever were on a listing under any seller, oldest first.

    The platform identifies a listing by its id: a measure stays when another seller takes the listing over.
    """
    return find_on_listings(connection, [listing_id])[listing_id]


def find_on_listings(connection: Connection, listing_ids: Iterable[str]) -> dict[str, list[Measure]]:
    """Return all measures on several listings, like `find_on_listing`."""
    found: dict[str, list[Measure]] = {listing_id: [] for listing_id in listing_ids}
    if not found:
        return found
    query = select(measures, decisions.c.listing_id).join(decisions, measures.c.decision_id == decisions.c.decision_id)
    query = query.where(decisions.c.listing_id.in_(found))
    for row in connection.execute(query.order_by(measures.c.measure_id)):
        found[row.listing_id].append(make_measure(row))
    return found


def is_against(connection: Connection, measure: Measure, seller_id: str) -> bool:
    """Return whether a measure restricts a seller: imposed on their listing, or on one they sell now."""
    if measure.pseudonym == find_pseudonym(connection, seller_id):
        return True
    query = select(decisions.c.listing_id).where(decisions.c.decision_id == measure.decision_id)
    listing_id = connection.scalar(query)
    return find_present_sellers(connection, [listing_id] if listing_id else []).get(listing_id or "") == seller_id


def find_sources(connection: Connection, decision_ids: Collection[int]) -> dict[int, ReportSource]:
    """Return the reporters of listings from the first measure of each decision."""
    query = select(measures.c.decision_id, measures.c.source, measures.c.is_detected)
    query = query.where(measures.c.decision_id.in_(decision_ids)).order_by(measures.c.measure_id.desc())
    return {row.decision_id: ReportSource(row.source, row.is_detected) for row in connection.execute(query)}


def in_force(on_listing: Iterable[Measure]) -> list[Measure]:
    """Return the measures on a listing that are in force.

    A removal does not replace a label: each was stated to the seller and the public, and is sent to and answered by
    the platform separately.
    """
    return [measure for measure in on_listing if measure.stands]


def read_whys(connection: Connection, measure: Measure) -> dict[str, str | None]:
    """Return the reasons of a measure by "why", "why_lifted" and "why_refused": None, text, or "erased"."""
    return read_all_whys(connection, [measure])[measure.measure_id]


def read_all_whys(connection: Connection, some: Sequence[Measure]) -> dict[int, dict[str, str | None]]:
    """Return the reasons of several measures by number, like `read_whys`."""
    if not some:
        return {}
    columns = measures.c.why, measures.c.why_lifted, measures.c.why_refused
    query = select(measures.c.measure_id, measures.c.pseudonym, *columns)
    rows = connection.execute(query.where(measures.c.measure_id.in_([one.measure_id for one in some]))).all()
    keys = read_keys(connection, [row.pseudonym for row in rows])
    return {
        row.measure_id: {column.name: _read(keys, row.pseudonym, row._mapping[column]) for column in columns}
        for row in rows
    }


def _read(keys: Keyring, pseudonym: str, encrypted: str | None) -> str | None:
    if not encrypted:
        return encrypted
    return keys.decrypt(pseudonym, encrypted) if pseudonym in keys else "erased"


def _facts_of(state: str) -> Iterator[ColumnElement[bool]]:
    if state == "replaced":
        yield measures.c.replaced_by.is_not(None)
        return
    yield measures.c.replaced_by.is_(None)
    yield measures.c.refused_at.is_not(None) if state == "refused" else measures.c.refused_at.is_(None)
    if state in ("asked", "done"):
        yield measures.c.lifted_at.is_(None)
        yield measures.c.done_at.is_(None) if state == "asked" else measures.c.done_at.is_not(None)
    elif state in ("lifted", "back"):
        yield measures.c.lifted_at.is_not(None)
        yield measures.c.undone_at.is_(None) if state == "lifted" else measures.c.undone_at.is_not(None)


Grouping = Literal["all", "brand", "category", "month"]
GROUPINGS: tuple[Grouping, ...] = ("all", "brand", "category", "month")
STAGES = ("listed to measure", "queued to measure", "measure to done", "listed to done")


@dataclass(frozen=True, slots=True)
class Span:
    """Median and 90 % quantile of durations, and their number."""

    known: int
    median: timedelta
    p90: timedelta

    @classmethod
    def of(cls, spans: Sequence[timedelta]) -> Span:
        """Summarise at least one duration."""
        ordered = sorted(spans)
        median = timedelta(seconds=statistics.median(span.total_seconds() for span in ordered))
        return cls(len(ordered), median, ordered[math.ceil(0.9 * len(ordered)) - 1])


@dataclass(frozen=True, slots=True)
class Times:
    """Durations of the measures of a group.

    `spans`: by stage in `STAGES`; stages without a known duration are omitted. `before_first_sale`: share of listings
    without a sale before the decision, among the `sales_known`.
    """

    group: str
    measures: int
    spans: dict[str, Span]
    before_first_sale: float | None
    sales_known: int


def measure_times(
    connection: Connection,
    by: Grouping = "all",
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Times]:
    """Return the durations of measures imposed in a period, by group in order of name."""
    groups: dict[str, _GroupTally] = defaultdict(_GroupTally)
    for row in connection.execute(_select_first(since, until).execution_options(yield_per=1000)):
        groups[_group_of(row, by)].add(row)
    return [tally.sum_up(group) for group, tally in sorted(groups.items())]


def find_overdue(
    connection: Connection, now: datetime, hours: float, *, before: int | None = None, at_most: int | None = None
) -> list[Measure]:
    """Return the measures that the platform has not answered within some hours."""
    return find_measures(connection, _is_overdue(now, hours), before=before, at_most=at_most)


def count_overdue(connection: Connection, now: datetime, hours: float) -> int:
    """Return the number of overdue measures."""
    return connection.scalar(select(func.count()).select_from(measures).where(_is_overdue(now, hours))) or 0


def _is_overdue(now: datetime, hours: float) -> ColumnElement[bool]:
    """Return the condition of an overdue measure; each half has few rows and an index."""
    asked = and_(measures.c.done_at.is_(None), measures.c.lifted_at.is_(None))
    lifted = and_(measures.c.lifted_at.is_not(None), measures.c.undone_at.is_(None))
    told_by = outbox.c.put_at <= now - timedelta(hours=hours), outbox.c.dropped_at.is_(None)
    halves = [
        select(measures.c.measure_id)
        .join(measure_messages, measure_messages.c.measure_id == measures.c.measure_id)
        .join(outbox, outbox.c.key == measure_messages.c.key)
        .where(waits, measures.c.refused_at.is_(None), measure_messages.c.effect == effect, *told_by)
        for waits, effect in ((asked, "imposed"), (lifted, "lifted"))
    ]
    return measures.c.measure_id.in_(union(*halves))


def _select_first(since: datetime | None, until: datetime | None) -> Select[Any]:
    earlier = measures.alias("earlier")
    is_later = select(earlier.c.measure_id).where(
        earlier.c.decision_id == measures.c.decision_id, earlier.c.measure_id < measures.c.measure_id
    )
    columns = measures.c.imposed_at, measures.c.done_at, measures.c.listed_at, measures.c.sales_before
    query = select(*columns, cases.c.enqueued_at, cases.c.brand, cases.c.category)
    query = query.join(cases, cases.c.case_id == measures.c.case_id).where(~is_later.exists())
    if since is not None:
        query = query.where(measures.c.imposed_at >= since)
    return query if until is None else query.where(measures.c.imposed_at < until)


def _group_of(row: Row[Any], by: Grouping) -> str:
    if by == "month":
        return f"{row.imposed_at:%Y-%m}"
    return "all" if by == "all" else (getattr(row, by) or "unknown")


@dataclass(slots=True)
class _GroupTally:
    measures: int = 0
    unsold: int = 0
    sales_known: int = 0
    spans: dict[str, list[timedelta]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def add(self, row: Row[Any]) -> None:
        self.measures += 1
        if row.sales_before is not None:
            self.sales_known += 1
            self.unsold += row.sales_before == 0
        ends = (
            (row.listed_at, row.imposed_at),
            (row.enqueued_at, row.imposed_at),
            (row.imposed_at, row.done_at),
            (row.listed_at, row.done_at),
        )
        for stage, (start, end) in zip(STAGES, ends, strict=True):
            if start is not None and end is not None:
                self.spans[stage].append(end - start)

    def sum_up(self, group: str) -> Times:
        share = self.unsold / self.sales_known if self.sales_known else None
        spans = {stage: Span.of(found) for stage, found in self.spans.items() if found}
        return Times(group, self.measures, spans, share, self.sales_known)
