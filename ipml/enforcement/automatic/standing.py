"""How the promise of a brand stands: what was drawn and found, what that shows, and whether it may be acted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from ipml.enforcement.automatic.bounds import lasting_bound, suspicion
from ipml.enforcement.automatic.record import Record, read_records
from ipml.enforcement.automatic.rules import AutomaticRules, BrandRules
from ipml.enforcement.automatic.sample import Count, Drawn, count, read_drawn, said_since, vouched_until, window_start
from ipml.storage.tables import automatic_decisions, cases, reversals


@dataclass(frozen=True, slots=True)
class Standing:
    """How the promise of a brand stands.

    Attributes
    ----------
    threshold : float
        The score from which on listings may be acted on; where none is good enough, the one that comes closest.
    promised, bound : float
        The precision that the policy promises, and that is at least there.
    count : Count
        The drawn cases from the threshold on.
    since : datetime
        From when on drawn cases count.
    odds : float
        With which cases are drawn now.
    vouched_until : datetime or None
        Until when listings must have come in to be acted on now; None: none of them are.
    cause : str
        What decided: "data", "alarm", "reversals", "model" or "person".
    why : str
        The same as a sentence.
    promise_id : int or None
        The last event on record.
    """

    brand: str
    model_version: str
    threshold: float
    promised: float
    bound: float
    count: Count
    since: datetime
    odds: float
    is_in_force: bool
    cause: str
    why: str
    promise_id: int | None = None
    vouched_until: datetime | None = None


def assess(connection: Connection, rules: AutomaticRules, now: datetime) -> list[Standing]:
    """Return how the promise of each brand that the policy covers stands; nothing changes."""
    version = find_model_version(connection)
    records = read_records(connection, rules.brands)
    start = window_start(now, rules.window_days)
    drawn = read_drawn(connection, rules.brands, version, start)
    standings = []
    for brand in rules.brands:
        record = records[brand]
        since = find_since(rules, record, now)
        given_back = (0, 0) if record.given is None else _count_given_back(connection, brand, since)
        standings.append(judge(rules, record, drawn.get(brand, []), version, now, given_back))
    return standings


def find_model_version(connection: Connection) -> str:
    """Return the model that scored the newest case: what an earlier one's scores were worth says nothing of its."""
    return connection.scalar(select(cases.c.model_version).order_by(cases.c.case_id.desc()).limit(1)) or ""


def describe(count: Count, threshold: float, bound: float, rules: BrandRules) -> str:
    """Return what was found as a sentence.

    Examples
    --------
    >>> describe(Count(612, 1), 0.98, 0.9912, BrandRules(promise=0.99))
    'Of 612 drawn cases scoring 0.98 or more 1 was not found counterfeit: precision at least 0.9912, promised 0.99.'
    """
    were = "was" if count.errors == 1 else "were"
    found = f"Of {count.n:,} drawn cases scoring {threshold:g} or more {count.errors:,} {were} not found counterfeit"
    late = f" ({count.overdue:,} not reviewed in time)" if count.overdue else ""
    # Cut off, not rounded: 0.98996 is less than 0.99.
    return f"{found}{late}: precision at least {int(bound * 10_000) / 10_000:.4f}, promised {rules.promise:g}."


def find_since(rules: AutomaticRules, record: Record, now: datetime) -> datetime:
    """Return from when on drawn cases count: the start of the window, or the last withdrawal after which all begins."""
    start = window_start(now, rules.window_days)
    return start if record.restarted_at is None else max(start, record.restarted_at)


def judge(
    rules: AutomaticRules,
    record: Record,
    drawn: Sequence[Drawn],
    version: str,
    now: datetime,
    given_back: tuple[int, int] = (0, 0),
) -> Standing:
    """Return how the promise of a brand stands by what is on record, what was drawn, and what was given back.

    Parameters
    ----------
    given_back : tuple of int
        Decisions of the policy that were taken back, and all it made, since the drawn cases count.
    """
    promise = rules.for_brand(record.brand)
    since = find_since(rules, record, now)
    counted = [one for one in drawn if one.drawn_at >= since]
    overdue_before = now - timedelta(days=rules.grace_days)
    threshold, bound, found = _choose(promise, counted, overdue_before)
    holds = found.n >= promise.least_reviews and bound >= promise.promise
    sentence = describe(found, threshold, bound, promise)
    cause, why = _find_objection(rules, record, counted, version, since, given_back) or ("data", sentence)
    is_in_force = holds and cause == "data"
    if not is_in_force and cause == "data" and found.n < promise.least_reviews:
        why = f"{sentence} At least {promise.least_reviews:,} must be reviewed."
    return Standing(
        record.brand,
        version,
        threshold,
        promise.promise,
        bound,
        found,
        since,
        promise.audit_share if is_in_force else promise.qualifying_share,
        is_in_force,
        cause,
        why,
        record.promise_id,
        vouched_until(counted, threshold, overdue_before, rules.vouching, now),
    )


def _choose(promise: BrandRules, drawn: Sequence[Drawn], overdue_before: datetime) -> tuple[float, float, Count]:
    """Return the lowest threshold at which the promise holds, else that of the highest bound, with what is known."""
    known = []
    for threshold in promise.thresholds:
        found = count(drawn, threshold, overdue_before)
        bound = lasting_bound(found.n, found.errors, promise.promise, promise.confidence_each)
        known.append((threshold, bound, found))
        if found.n >= promise.least_reviews and bound >= promise.promise:
            return known[-1]
    return max(known, key=lambda one: one[1])


def _find_objection(
    rules: AutomaticRules,
    record: Record,
    drawn: Sequence[Drawn],
    version: str,
    since: datetime,
    given_back: tuple[int, int],
) -> tuple[str, str] | None:
    """Return what speaks against acting whatever the bound: a person, the latest drawn cases, what was given back."""
    if record.banned is not None:
        return "person", f"Withdrawn by {record.banned.actor} on {record.banned.at:%Y-%m-%d %H:%M} UTC."
    if record.given is None:
        return None
    if record.given.model_version != version:
        return "model", f"Given for the scores of model {record.given.model_version}; now there is {version}."
    said = said_since(drawn, record.threshold, record.given.at)
    if suspicion(said, rules.for_brand(record.brand).promise) >= rules.alarm:
        wrong = said.count(False)
        return "alarm", f"Of {len(said):,} drawn cases reviewed since it was given {wrong:,} were not counterfeit."
    undone, done = given_back
    if undone >= rules.least_reversals and undone > (1 - rules.for_brand(record.brand).promise) * done:
        return "reversals", f"Of {done:,} listings acted on since {since:%Y-%m-%d} {undone:,} were given back."
    return None


def _count_given_back(connection: Connection, brand: str, since: datetime) -> tuple[int, int]:
    """Return how many decisions of the policy were taken back, and how many it made, since a moment."""
    made = automatic_decisions.outerjoin(reversals, reversals.c.decision_id == automatic_decisions.c.decision_id)
    query = (
        select(func.count(reversals.c.reversal_id), func.count())
        .select_from(made)
        .where(automatic_decisions.c.brand == brand, automatic_decisions.c.decided_at >= since)
    )
    given_back, done = connection.execute(query).one()
    return given_back, done
