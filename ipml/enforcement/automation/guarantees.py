"""Precision guarantees: records, assesses, gives and withdraws the guarantee of each brand.

The record states when each guarantee was given, held and withdrawn, by whom or by which cause, and with which figures.
Guarantees are given and withdrawn by the results of drawn cases, or by a person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select

from ipml.enforcement.automation.sample import (
    Count,
    SampledCase,
    count,
    lasting_bound,
    read_drawn,
    said_since,
    suspicion,
    vouched_until,
    window_start,
)
from ipml.enforcement.policy import AutomaticRules, BrandRules, EnforcementPolicy, store_policy
from ipml.errors import Conflict, Refused
from ipml.review.arrivals.snapshot import check_text
from ipml.review.reversals import stands
from ipml.storage.audit_trail import audit
from ipml.storage.tables import automatic_decisions, cases, decisions, promises, reversals

EVERY_BRAND = "*"
_RESTARTING = ("alarm", "reversals", "person")
"""After a withdrawal for one of these causes, only cases drawn later count."""


@dataclass(frozen=True, slots=True)
class GuaranteeEvent:
    """An event of a brand's guarantee, with the figures behind it."""

    promise_id: int
    at: datetime
    brand: str
    event: str
    cause: str
    actor: str
    why: str
    model_version: str | None
    threshold: float | None
    promised: float | None
    bound: float | None
    reviews: int | None
    errors: int | None
    since: datetime | None
    policy_digest: str


@dataclass(slots=True)
class GuaranteeRecord:
    """State of a brand's guarantee after its events and those of all brands.

    - `given`: event that gave the guarantee in force; None without one.
    - `restarted_at`: cases drawn before do not count.
    - `ended`: events that gave and withdrew the last guarantee; empty while one is in force.
    - `bans`: withdrawals by a person, by brand, that no person has lifted.
    """

    brand: str
    last: GuaranteeEvent | None = None
    given: GuaranteeEvent | None = None
    restarted_at: datetime | None = None
    ended: tuple[GuaranteeEvent, ...] = ()
    bans: dict[str, GuaranteeEvent] = field(default_factory=dict)

    @property
    def banned(self) -> GuaranteeEvent | None:
        """Last withdrawal by a person that no person has lifted, or None."""
        return max(self.bans.values(), key=lambda event: event.promise_id, default=None)

    @property
    def promise_id(self) -> int | None:
        """Number of the brand's last event."""
        return None if self.last is None else self.last.promise_id

    @property
    def threshold(self) -> float:
        """Threshold in force."""
        return (self.last and self.last.threshold) or 0.0

    def follow(self, event: GuaranteeEvent) -> None:
        """Apply the next event."""
        if event.brand != EVERY_BRAND:
            self.last = event
        if event.event == "withdrawn":
            self.ended = (self.given, event) if self.given else self.ended
            self.given = None
        elif event.event == "given":
            self.given, self.ended = event, ()
        if event.event == "withdrawn" and event.cause in _RESTARTING:
            self.restarted_at = event.at
        if event.cause == "person":
            if event.event == "withdrawn":
                self.bans[event.brand] = event
            else:
                self.bans.pop(event.brand, None)


def _read_records(connection: Connection, brands: Iterable[str]) -> dict[str, GuaranteeRecord]:
    """Return the state of the guarantee of each brand."""
    records = {brand: GuaranteeRecord(brand) for brand in brands}
    # "held" is noted repeatedly: only the last such event matters.
    latest = select(func.max(promises.c.promise_id)).group_by(promises.c.brand)
    is_telling = or_(promises.c.event != "held", promises.c.promise_id.in_(latest))
    wanted = promises.c.brand.in_([*records, EVERY_BRAND])
    for row in connection.execute(select(promises).where(wanted, is_telling).order_by(promises.c.promise_id)):
        event = _event(row)
        for record in records.values() if event.brand == EVERY_BRAND else (records[event.brand],):
            record.follow(event)
    return records


@dataclass(frozen=True, slots=True)
class InForce:
    """A period, end excluded, in which a guarantee was in force at one threshold for one model."""

    start: datetime
    end: datetime
    threshold: float
    model_version: str

    def covers(self, at: datetime, score: float, model_version: str) -> bool:
        """Return whether a listing of that score could have been decided automatically at a time."""
        return self.start <= at < self.end and score >= self.threshold and model_version == self.model_version


def find_times_in_force(connection: Connection, as_of: datetime) -> dict[str, list[InForce]]:
    """Return the periods in which each brand's guarantee was in force, in order, as known at a time."""
    found: dict[str, list[InForce]] = defaultdict(list)
    running: dict[str, InForce] = {}
    query = select(promises).where(promises.c.at <= as_of).order_by(promises.c.promise_id)
    for row in connection.execute(query.execution_options(yield_per=1000)):
        if row.event == "allowed":  # the precision must be shown anew
            continue
        terms = (row.threshold, row.model_version)
        before = running.get(row.brand)
        if before and row.event != "withdrawn" and terms == (before.threshold, before.model_version):
            continue
        for brand in [*running] if row.brand == EVERY_BRAND else [row.brand]:
            if brand in running:
                found[brand].append(replace(running.pop(brand), end=row.at))
        if row.event != "withdrawn":
            running[row.brand] = InForce(row.at, datetime.max.replace(tzinfo=UTC), *terms)
    for brand, last in running.items():
        found[brand].append(last)
    return dict(found)


def list_guarantee_events(connection: Connection, brand: str | None = None) -> list[GuaranteeEvent]:
    """Return the events of a brand or of all brands, in order."""
    query = select(promises).order_by(promises.c.promise_id)
    if brand is not None:
        query = query.where(promises.c.brand.in_([brand, EVERY_BRAND]))
    return [_event(row) for row in connection.execute(query)]


def note_event(connection: Connection, actor: str, at: datetime, **columns: Any) -> int:
    """Append an event, note it in the audit trail, and return its number."""
    query = insert(promises).values(actor=actor, at=at, **columns).returning(promises.c.promise_id)
    number: int = connection.scalars(query).one()
    named = ("brand", "cause", "threshold", "promised", "bound", "reviews", "errors", "model_version", "policy_digest")
    payload: dict[str, audit.Value] = {name: columns[name] for name in named if columns.get(name) is not None}
    audit.append(connection, actor, f"promise {columns['event']}", f"promise:{number}", payload, at=at)
    return number


def _event(row: Row[Any]) -> GuaranteeEvent:
    return GuaranteeEvent(**{name: getattr(row, name) for name in GuaranteeEvent.__slots__})


_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ActedOn:
    """Cases decided without review whose decisions are in force: their number, and the numbers of the latest."""

    n: int = 0
    latest: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GuaranteeStanding:
    """Assessment of a brand's guarantee.

    - `threshold`: lowest score for automatic decisions; if none is precise enough, the threshold that comes closest.
    - `promised`, `bound`: guaranteed precision, and lower bound of the precision shown.
    - `count`: drawn cases from the threshold on.
    - `since`: cases drawn before do not count.
    - `sampling_probability`: present probability of a draw.
    - `vouched_until`: latest time of enqueueing for automatic decisions now; None: no case qualifies.
    - `cause`: "data", "alarm", "reversals", "model" or "person".
    - `why`: the cause as a sentence.
    - `promise_id`: last recorded event.
    - `acted_on`: decisions under the last withdrawn guarantee, for a second look; empty while one is in force.
    """

    brand: str
    model_version: str
    threshold: float
    promised: float
    bound: float
    count: Count
    since: datetime
    sampling_probability: float
    is_in_force: bool
    cause: str
    why: str
    promise_id: int | None = None
    vouched_until: datetime | None = None
    acted_on: ActedOn = ActedOn()


@dataclass(frozen=True, slots=True)
class GuaranteeData:
    """Cases of a brand drawn under a model, and its reversed and all automatic decisions in the counted period."""

    model_version: str
    drawn: Sequence[SampledCase] = ()
    reversed: int = 0
    decided: int = 0


def assess_guarantees(connection: Connection, rules: AutomaticRules, now: datetime) -> list[GuaranteeStanding]:
    """Return the assessment of each brand in the policy; nothing is changed."""
    version = find_model_version(connection)
    records = _read_records(connection, rules.brands)
    start = window_start(now, rules.window_days)
    drawn = read_drawn(connection, rules.brands, version, start)
    standings = []
    for brand in rules.brands:
        record = records[brand]
        data = GuaranteeData(version, drawn.get(brand, []))
        if record.given is not None:
            n_reversed, n_decided = _count_given_back(connection, brand, _find_since(rules, record, now))
            data = replace(data, reversed=n_reversed, decided=n_decided)
        standing = assess_guarantee(rules, record, data, now)
        standings.append(replace(standing, acted_on=_find_acted_on(connection, record)))
    return standings


def _find_acted_on(connection: Connection, record: GuaranteeRecord) -> ActedOn:
    if not record.ended:
        return ActedOn()
    given, withdrawn = record.ended
    made = automatic_decisions.join(decisions, decisions.c.decision_id == automatic_decisions.c.decision_id)
    query = (
        select(decisions.c.case_id, func.count().over().label("n"))
        .select_from(made)
        .where(automatic_decisions.c.brand == record.brand, stands())
        .where(automatic_decisions.c.decided_at.between(given.at, withdrawn.at))
    )
    rows = connection.execute(query.order_by(decisions.c.decision_id.desc()).limit(_MOST_SHOWN)).all()
    return ActedOn(rows[0].n, tuple(row.case_id for row in rows)) if rows else ActedOn()


def find_model_version(connection: Connection) -> str:
    """Return the model of the newest case; scores of earlier models are no evidence for it."""
    return connection.scalar(select(cases.c.model_version).order_by(cases.c.case_id.desc()).limit(1)) or ""


def describe_count(count: Count, threshold: float, bound: float, rules: BrandRules) -> str:
    """Return the result of the drawn cases as a sentence.

    >>> describe_count(Count(612, 1), 0.98, 0.9912, BrandRules(promise=0.99))
    'Of 612 drawn cases scoring 0.98 or more 1 was not found counterfeit: precision at least 0.9912, guaranteed 0.99.'
    """
    were = "was" if count.errors == 1 else "were"
    found = f"Of {count.n:,} drawn cases scoring {threshold:g} or more {count.errors:,} {were} not found counterfeit"
    late = f" ({count.overdue:,} not reviewed in time)" if count.overdue else ""
    # Cut off, not rounded: 0.98996 is less than 0.99.
    return f"{found}{late}: precision at least {int(bound * 10_000) / 10_000:.4f}, guaranteed {rules.promise:g}."


def _find_since(rules: AutomaticRules, record: GuaranteeRecord, now: datetime) -> datetime:
    """Return the start of the counted period: of the window, or a later withdrawal after which counting restarted."""
    start = window_start(now, rules.window_days)
    return start if record.restarted_at is None else max(start, record.restarted_at)


def assess_guarantee(
    rules: AutomaticRules, record: GuaranteeRecord, data: GuaranteeData, now: datetime
) -> GuaranteeStanding:
    """Assess a brand's guarantee by its record, the drawn cases and reversals."""
    brand_rules = rules.for_brand(record.brand)
    since = _find_since(rules, record, now)
    counted = [case for case in data.drawn if case.drawn_at >= since]
    overdue_before = now - timedelta(days=rules.grace_days)
    threshold, bound, result = _choose(brand_rules, counted, overdue_before)
    holds = result.n >= brand_rules.least_reviews and bound >= brand_rules.promise
    sentence = describe_count(result, threshold, bound, brand_rules)
    cause, why = _find_objection(rules, record, replace(data, drawn=counted), since) or ("data", sentence)
    is_in_force = holds and cause == "data"
    if not is_in_force and cause == "data" and result.n < brand_rules.least_reviews:
        why = f"{sentence} At least {brand_rules.least_reviews:,} must be reviewed."
    if not is_in_force and cause == "data" and record.ended:
        why = f"{_say_withdrawn(record.ended[-1])} Since then: {why}"
    return GuaranteeStanding(
        record.brand,
        data.model_version,
        threshold,
        brand_rules.promise,
        bound,
        result,
        since,
        brand_rules.audit_share if is_in_force else brand_rules.qualifying_share,
        is_in_force,
        cause,
        why,
        record.promise_id,
        vouched_until(counted, threshold, overdue_before, rules.vouching, now),
    )


def _choose(rules: BrandRules, drawn: Sequence[SampledCase], overdue_before: datetime) -> tuple[float, float, Count]:
    """Return the lowest threshold at which the guarantee holds, else that of the highest bound, with its results."""
    results = []
    for threshold in rules.thresholds:
        result = count(drawn, threshold, overdue_before)
        bound = lasting_bound(result.n, result.errors, rules.promise, rules.confidence_each)
        results.append((threshold, bound, result))
        if result.n >= rules.least_reviews and bound >= rules.promise:
            return results[-1]
    return max(results, key=lambda result: result[1])


def _find_objection(
    rules: AutomaticRules, record: GuaranteeRecord, data: GuaranteeData, since: datetime
) -> tuple[str, str] | None:
    """Return cause and sentence of an objection despite the bound: a person, a new model, an alarm, or reversals."""
    if record.banned is not None:
        return "person", _say_withdrawn(record.banned)
    if record.given is None:
        return None
    if record.given.model_version != data.model_version:
        return (
            "model",
            f"Given for the scores of model {record.given.model_version}; now there is {data.model_version}.",
        )
    precision = rules.for_brand(record.brand).promise
    verdicts = said_since(data.drawn, record.threshold, record.given.at)
    if suspicion(verdicts, precision) >= rules.alarm:
        wrong = verdicts.count(False)
        return "alarm", f"Of {len(verdicts):,} drawn cases reviewed since it was given {wrong:,} were not counterfeit."
    if data.reversed >= rules.least_reversals and data.reversed > (1 - precision) * data.decided:
        share = f"Of {data.decided:,} listings acted on since {since:%Y-%m-%d} {data.reversed:,}"
        return "reversals", f"{share} were given back."
    return None


def _say_withdrawn(event: GuaranteeEvent) -> str:
    by = f" by {event.actor}" if event.cause == "person" else ""
    reason = f": {event.why.rstrip('.')}." if event.why else "."
    return f"Withdrawn{by} on {event.at:%Y-%m-%d %H:%M} UTC{reason}"


def _count_given_back(connection: Connection, brand: str, since: datetime) -> tuple[int, int]:
    """Return the numbers of reversed and of all automatic decisions since a time."""
    made = automatic_decisions.outerjoin(reversals, reversals.c.decision_id == automatic_decisions.c.decision_id)
    query = (
        select(func.count(reversals.c.reversal_id), func.count())
        .select_from(made)
        .where(automatic_decisions.c.brand == brand, automatic_decisions.c.decided_at >= since)
    )
    given_back, done = connection.execute(query).one()
    return given_back, done


_LONGEST_WHY = 2000


def review_guarantees(connection: Connection, policy: EnforcementPolicy, now: datetime) -> dict[str, GuaranteeStanding]:
    """Give, hold or withdraw the guarantee of each brand by present data, and return the assessments.

    The basis of each assessment is recorded on return, under its `promise_id`.
    """
    standings = assess_guarantees(connection, policy.automatic, now)
    records = _read_records(connection, policy.automatic.brands)
    reviewed: dict[str, GuaranteeStanding] = {}
    for standing in standings:
        record = records[standing.brand]
        is_given = record.given is not None
        number = standing.promise_id
        if standing.is_in_force and not (is_given and _is_on_record(record.last, _figures(standing, policy))):
            number = _note(connection, policy, standing, "held" if is_given else "given", now)
        elif is_given and not standing.is_in_force:
            number = _note(connection, policy, standing, "withdrawn", now)
        reviewed[standing.brand] = replace(standing, promise_id=number)
    return reviewed


@dataclass(frozen=True, slots=True)
class GuaranteeOrder:
    """A person's order about the guarantee of a brand, or of all brands (None), with a reason."""

    brand: str | None
    by: str
    why: str = ""


def withdraw(connection: Connection, policy: EnforcementPolicy, order: GuaranteeOrder, now: datetime) -> int:
    """Stop automatic decisions for a brand, or for all, until a person allows them again.

    Raises Refused if the policy does not cover the brand.
    """
    return _follow_order(connection, policy, order, "withdrawn", now)


def allow(connection: Connection, policy: EnforcementPolicy, order: GuaranteeOrder, now: datetime) -> int:
    """Lift a person's withdrawal for a brand, or for all; cases drawn from now on must show the precision anew.

    Raises Refused or Conflict.
    """
    return _follow_order(connection, policy, order, "allowed", now)


def is_in_force(connection: Connection, brand: str, promise_id: int) -> bool:
    """Return whether a guarantee is still the last event of a brand."""
    query = select(promises.c.promise_id, promises.c.event).order_by(promises.c.promise_id.desc()).limit(1)
    last = connection.execute(query.where(promises.c.brand == brand)).first()
    of_all = connection.execute(query.where(promises.c.brand == EVERY_BRAND)).first()
    is_last = last is not None and last.promise_id == promise_id and last.event in ("given", "held")
    return is_last and (of_all is None or of_all.event != "withdrawn")


def _follow_order(
    connection: Connection, policy: EnforcementPolicy, order: GuaranteeOrder, event: str, now: datetime
) -> int:
    check_text("why", order.why, _LONGEST_WHY)
    brand = order.brand
    named = EVERY_BRAND if brand is None else brand
    if brand is not None and brand not in policy.automatic.brands:
        known = ", ".join(policy.automatic.brands)[:300] or "none yet: name brands in [automatic] of the policy"
        raise Refused("automatic action", f"brand {brand[:80]!r}", f"one that the policy covers: {known}")
    bans = _read_records(connection, [named])[named].bans
    if event == "allowed" and named not in bans:
        raise Conflict(
            f"automatic action on {'all brands' if brand is None else repr(brand[:80])}",
            "no person has withdrawn it",
            "`ipml enforce automatic status` shows why it is off.",
        )
    digest = store_policy(connection, policy, now)
    columns = {"brand": named, "event": event, "cause": "person", "why": order.why, "policy_digest": digest}
    return note_event(connection, order.by, now, **columns)


def _figures(standing: GuaranteeStanding, policy: EnforcementPolicy) -> dict[str, Any]:
    return {
        "brand": standing.brand,
        "cause": standing.cause,
        "model_version": standing.model_version,
        "threshold": standing.threshold,
        "promised": standing.promised,
        "bound": standing.bound,
        "reviews": standing.count.n,
        "errors": standing.count.errors,
        "since": standing.since,
        "policy_digest": policy.digest,
    }


def _is_on_record(last: Any, figures: dict[str, Any]) -> bool:
    return last is not None and all(getattr(last, name) == value for name, value in figures.items())


def _note(
    connection: Connection, policy: EnforcementPolicy, standing: GuaranteeStanding, event: str, now: datetime
) -> int:
    store_policy(connection, policy, now)
    figures = _figures(standing, policy)
    return note_event(connection, f"policy:{policy.digest[:8]}", now, event=event, why=standing.why, **figures)
