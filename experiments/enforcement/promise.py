"""Whether a policy that acts without review keeps its promise: 24 months with a month of drift, month by month.

Brands come in with scores alike, some good enough for the promise, one just at it, one not. In one month, drawn for
each seed, what comes in of some brands turns genuine far more often at the same scores (parallel imports; a model that
learnt yesterday's trade), then all is as before. Counted are the listings acted on without review by what they are in
truth, whether or not they were given back later.

By default queue, policy, withdrawals and complaints are the real ones, on a real database, with reviewers who err and a
staff that cannot look at everything. With --quick the same judgement of promises (`standing.judge`) is fed with larger
numbers and a higher promise and no database: drawn cases are reviewed after a day on average.

    export IPML_REPEAT_SHARE=0 IPML_AUDIT_SHARE=0
    python -m experiments.enforcement.promise --brands Acme,Umbra --a-day 4 --audit-share 0.35
    python -m experiments.enforcement.promise --quick --seeds 40 --promise 0.99 --a-day 30
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter

import numpy as np
from sqlalchemy import select

from ipml.enforcement.actions import Enforcement
from ipml.enforcement.automation.guarantees import (
    GuaranteeData,
    GuaranteeEvent,
    GuaranteeRecord,
    assess_guarantee,
    assess_guarantees,
    list_guarantee_events,
)
from ipml.enforcement.automation.sample import SampledCase
from ipml.enforcement.policy import AutomaticRules, EnforcementPolicy, load_enforcement_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide, list_decisions
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.simulation.year.people import SimulatedStaff, Staff, Truth
from ipml.simulation.year.programme import Programme
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import decisions

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = timedelta(days=365 / 12)
N_MONTHS = 24
BAR = 0.95


@dataclass(frozen=True)
class Brand:
    """A brand: how many suspicious listings come in a day, how often they are genuine, and whether it drifts."""

    name: str
    a_day: float
    error: float
    drifts: bool


@dataclass(frozen=True)
class Plan:
    """Simulation; `drift_to` is the precision in the month of drift."""

    promise: float
    drift_to: float
    a_day: float
    audit_share: float
    all_drift: bool
    months: int
    names: tuple[str, ...]
    vouching: int

    @property
    def brands(self) -> tuple[Brand, ...]:
        """Brands whose precision is far above, above, just at, and below what is promised."""
        allowed = 1 - self.promise
        errors = {"Acme": allowed / 10, "Umbra": allowed / 4, "Stark": allowed, "Tyrell": allowed * 3}
        return tuple(
            Brand(name, self.a_day, error, self.all_drift or name in ("Acme", "Umbra"))
            for name, error in errors.items()
            if name in self.names
        )

    @property
    def rules(self) -> AutomaticRules:
        """The bundled rules, switched on for the brands."""
        bundled = load_enforcement_policy().automatic
        least = min(bundled.least_reviews, round(3 / (1 - self.promise)))
        changed = {
            "is_on": True,
            "brands": tuple(brand.name for brand in self.brands),
            "promise": self.promise,
            "thresholds": (0.9,),
            "least_reviews": least,
            "audit_share": self.audit_share,
            "vouching": self.vouching,
        }
        return AutomaticRules.model_validate(bundled.model_dump() | changed)


@dataclass(frozen=True)
class Month:
    """Actions without review in a month, and how many were wrong; of a brand, or of all."""

    number: int
    done: int
    wrong: int
    is_drift: bool


@dataclass(frozen=True)
class Outcome:
    """The months of one seed, and after how many days in the drift each promise was withdrawn."""

    months: tuple[Month, ...]
    days_to_withdrawal: tuple[float, ...]
    events: tuple[tuple[str, str, str, str], ...]


def draw_drift(plan: Plan, seed: int) -> int:
    """Return the month of drift: from the seventh to the last but one."""
    return int(np.random.default_rng([seed, 1]).integers(min(6, plan.months - 2), plan.months - 1))


def is_genuine(plan: Plan, brand: Brand, drift: int, day: datetime, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return which of a day's suspicious listings of a brand are genuine."""
    in_drift = brand.drifts and int((day - START) / MONTH) == drift
    return rng.random(n) < (1 - plan.drift_to if in_drift else brand.error)


def simulate(plan: Plan, seed: int) -> Outcome:
    """Run one marketplace on a real database."""
    drift, rng = draw_drift(plan, seed), np.random.default_rng(seed)
    engine = open_database("sqlite://")
    migrate(engine)
    bundled = load_enforcement_policy()
    policy = EnforcementPolicy.model_validate(bundled.model_dump() | {"automatic": plan.rules.model_dump()})
    # Three in four of what comes in can be looked at.
    staff = Staff(most_reviewers=1, reviews_a_day=max(1, round(plan.a_day * len(plan.brands) * 0.75)))
    people = SimulatedStaff(engine, policy, Truth(), staff, Enforcement(policy))
    programme, looked_at = Programme(people), set()
    for number in range(int(plan.months * MONTH / DAY)):
        morning = START + number * DAY
        programme.run_day(morning, bring(plan, drift, morning, people.truth, rng), rng)
        look_at_sample(people, looked_at, morning + timedelta(hours=18), rng)
    acted = np.zeros((plan.months, 2), int)  # of each month, genuine and counterfeit
    with reading(engine) as connection:
        query = select(decisions.c.listing_id, decisions.c.decided_at).where(decisions.c.origin == "policy")
        for row in connection.execute(query):
            acted[int((row.decided_at - START) / MONTH), int(people.truth.is_fake(row.listing_id))] += 1
        return conclude(acted.sum(axis=1), acted[:, 0], drift, list_guarantee_events(connection))


def bring(plan: Plan, drift: int, day: datetime, truth: Truth, rng: np.random.Generator) -> list[ScoredListing]:
    """Return the suspicious listings of a day, with scores of 0.9 and more, and let the truth be known of them."""
    arrived = []
    for brand in plan.brands:
        first, genuine = len(truth), is_genuine(plan, brand, drift, day, rng.poisson(brand.a_day), rng)
        truth.add(~genuine)
        for number in range(first, len(truth)):
            name = f"listing-{number:07d}"
            listing = Listing(name, f"seller-{name}", f"{brand.name} bag {number}", brand=brand.name, price=30.0)
            score = float(1 - 0.1 * rng.beta(1, 3))
            arrived.append(ScoredListing(listing, score, None, (), (), None, "m1"))
    return arrived


def look_at_sample(people: SimulatedStaff, looked_at: set[int], now: datetime, rng: np.random.Generator) -> None:
    """Let the lead look once at each drawn case that speaks against a promise, and decide anew what is counterfeit."""
    with reading(people.engine) as connection:
        standings = assess_guarantees(connection, people.policy.automatic, now)
        against = {case_id for one in standings for case_id in one.count.against} - looked_at
        last = [list_decisions(connection, case_id)[-1] for case_id in sorted(against)]
    looked_at |= against
    for decision in last:
        if people.lead_finds_fake(decision.listing_id, rng):
            with writing(people.engine) as connection:
                followed = {"now": now, "context": ReviewContext(actions=people.actions)}
                undo(connection, decision.decision_id, UndoRequest(people.staff.lead, may_undo_others=True), **followed)
                taken = claim(connection, people.staff.lead, decision.case_id, now=now)
                decide(connection, DecisionRequest(taken, Verdict.COUNTERFEIT, "price_and_seller"), **followed)


def simulate_quickly(plan: Plan, seed: int) -> Outcome:
    """Run the same judgement of promises on numbers alone."""
    drift, rules, rng = draw_drift(plan, seed), plan.rules, np.random.default_rng([seed, 2])
    done, wrong, events = np.zeros(plan.months, int), np.zeros(plan.months, int), []
    for brand in plan.brands:
        record, drawn, backlog = GuaranteeRecord(brand.name), [], []
        for number in range(int(plan.months * MONTH / DAY)):
            now = START + number * DAY
            data = GuaranteeData("m1", [known_at(one, now) for one in recent(drawn, now)])
            standing = assess_guarantee(rules, record, data, now)
            events += follow(record, standing, now)
            arrived = is_genuine(plan, brand, drift, now, rng.poisson(brand.a_day), rng)
            lots = rng.random(len(arrived))
            for genuine in arrived[lots < standing.sampling_probability]:
                says_wrong = rng.random() < (
                    1 - 0.003 if genuine else 0.03 * 0.005
                )  # the lead looks at what speaks against
                at = now + timedelta(days=float(rng.exponential(1.0)))
                drawn.append(SampledCase(len(drawn), 0.95, now, not says_wrong, at, int(at.timestamp() * 1e6)))
            backlog = [one for one in backlog if one[0] >= now - rules.most_age_days * DAY]
            backlog += [(now, genuine) for genuine in arrived[lots >= standing.sampling_probability]]
            if standing.is_in_force and standing.vouched_until is not None:
                acted = [one for one in backlog if one[0] <= standing.vouched_until][: rules.most_a_day]
                backlog = backlog[len(acted) :]
                done[int((now - START) / MONTH)] += len(acted)
                wrong[int((now - START) / MONTH)] += sum(genuine for _, genuine in acted)
    return conclude(done, wrong, drift, sorted(events, key=lambda event: event.at))


def recent(drawn: list[SampledCase], now: datetime) -> list[SampledCase]:
    """Return the cases drawn in the last 200 days: no window reaches further back."""
    first = next((at for at, one in enumerate(drawn) if one.drawn_at >= now - 200 * DAY), len(drawn))
    return drawn[first:]


def known_at(one: SampledCase, now: datetime) -> SampledCase:
    """Return a drawn case as it is known at a moment: not decided if that comes later."""
    return one if one.decided_at <= now else replace(one, is_right=None, decided_at=None)


def follow(record: GuaranteeRecord, standing, now: datetime) -> list[GuaranteeEvent]:
    """Note what `review_guarantees` would note."""
    event = "given" if standing.is_in_force and record.given is None else None
    event = "withdrawn" if record.given is not None and not standing.is_in_force else event
    if event is None:
        return []
    figures = ("m1", standing.threshold, standing.promised, standing.bound, standing.count.n, standing.count.errors)
    made = GuaranteeEvent(
        0, now, record.brand, event, standing.cause, "policy", standing.why, *figures, standing.since, ""
    )
    record.follow(made)
    return [made]


def conclude(done: np.ndarray, wrong: np.ndarray, drift: int, events: Iterable[GuaranteeEvent]) -> Outcome:
    """Return months and events of one seed."""
    begins, ends = START + drift * MONTH, START + (drift + 1) * MONTH
    told = [event for event in events if event.event != "held"]
    gone = tuple((e.at - begins) / DAY for e in told if e.event == "withdrawn" and begins <= e.at < ends)
    pairs = zip(done, wrong, strict=True)
    months = tuple(Month(number, int(n), int(k), number == drift) for number, (n, k) in enumerate(pairs))
    return Outcome(months, gone, tuple((f"{e.at:%Y-%m-%d}", e.brand, e.event, e.cause) for e in told))


def describe(plan: Plan, outcome: Outcome) -> str:
    """Return what came out of one seed, in one line."""
    active = [month for month in outcome.months if month.done]
    kept = sum(is_kept(plan, month) for month in active)
    done, wrong = sum(month.done for month in active), sum(month.wrong for month in active)
    return f"{kept} of {len(active)} months within the promise, {wrong:,} of {done:,} acted on wrongly"


def is_kept(plan: Plan, month: Month) -> bool:
    """Say whether a month was within the promise."""
    return month.wrong <= (1 - plan.promise) * month.done + 1e-9


def report(plan: Plan, outcomes: list[Outcome], seconds: float) -> None:
    """Print what came out, against the bar."""
    months = [month for outcome in outcomes for month in outcome.months]
    active = [month for month in months if month.done]
    kept = [month for month in active if is_kept(plan, month)]
    drift = [month for month in active if month.is_drift]
    done, wrong = sum(month.done for month in months), sum(month.wrong for month in months)
    of_drift = sum(month.is_drift for month in kept)
    print(f"{len(outcomes)} seeds of {plan.months} months, promise {plan.promise:g}, {seconds:,.0f} s; bar {BAR}")
    print(f"months within the promise, of {len(active):,} with any action: {len(kept) / max(len(active), 1):.4f}")
    print(f"months within the promise, of all {len(months):,}: {1 - (len(active) - len(kept)) / len(months):.4f}")
    print(f"  among the months of drift: {of_drift} of {len(drift)} with any action")
    print(f"  among the others: {len(kept) - of_drift:,} of {len(active) - len(drift):,}")
    print(f"acted on without review: {done:,} ({done / len(months):,.0f} a month), wrongly {wrong / max(done, 1):.4f}")
    if gone := [days for outcome in outcomes for days in outcome.days_to_withdrawal]:
        print(
            f"withdrawn in the drift: {len(gone)}, after {np.median(gone):.1f} days (median), {max(gone):.1f} at most"
        )


def main() -> None:
    """Simulate all seeds and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--months", type=int, default=N_MONTHS)
    parser.add_argument("--promise", type=float, default=0.95)
    parser.add_argument("--drift-to", type=float, default=0.6)
    parser.add_argument("--a-day", type=float, default=2.0)
    parser.add_argument("--audit-share", type=float, default=0.1)
    parser.add_argument("--all-drift", action="store_true")
    parser.add_argument("--brands", default="Acme,Umbra,Stark,Tyrell")
    parser.add_argument("--vouching", type=int, default=load_enforcement_policy().automatic.vouching)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--events", action="store_true")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    names = tuple(given.brands.split(","))
    drift = (given.promise, given.drift_to, given.a_day, given.audit_share, given.all_drift, given.months)
    plan = Plan(*drift, names, given.vouching)
    run, began, outcomes = simulate_quickly if given.quick else simulate, perf_counter(), []
    with ProcessPoolExecutor(given.processes) as pool:
        seeds = range(given.first, given.first + given.seeds)
        for seed, outcome in zip(seeds, pool.map(partial(run, plan), seeds), strict=True):
            outcomes.append(outcome)
            print(f"seed {seed}: {describe(plan, outcome)}", flush=True)
            if given.events:
                print(*outcome.events, [(m.done, m.wrong, m.is_drift) for m in outcome.months], sep="\n", flush=True)
    report(plan, outcomes, perf_counter() - began)


if __name__ == "__main__":
    main()
