"""Flood: effect of many notices by one bad-faith notifier on sellers (none) and on other notices.

    python -m experiments.cooperation.flood --notices 5000

Honest notifiers give notice of listings, half of them before and half of them after somebody has given notice of
thousands of genuine listings. Reviewers take what the queue gives them, one after the other. Printed is how long the
honest ones wait: without the flood, with it, and with it where the tiers had no cap of cases a day.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from experiments.databases import own_database
from ipml.cooperation.actions import Cooperation
from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import check_notice
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.enforcement.policy import load_enforcement_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.simulation.year.people import write_notice
from ipml.simulation.year.weeks import DrawnNotice
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, measures, penalties, statements, strikes

START = datetime(2026, 5, 4, 8, tzinfo=UTC)
ENFORCED = (strikes, measures, penalties, statements)
MINUTES = 3.0


def main() -> None:
    """Print counts of what touches sellers before and after the flood, and the waits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notices", type=int, default=5000, help="listings in the flood")
    parser.add_argument("--honest", type=int, default=120, help="listings of other notifiers")
    parser.add_argument("--ordinary", type=int, default=1000, help="cases that only the model found")
    parser.add_argument("--reviewers", type=int, default=2)
    arguments = parser.parse_args()
    policy = load_cooperation_policy()
    uncapped = policy.notifiers.model_copy(
        update={"tiers": tuple(tier.model_copy(update={"raised_a_day": None}) for tier in policy.notifiers.tiers)}
    )
    for name, flood, rules in (
        ("no flood", 0, policy),
        ("flood", arguments.notices, policy),
        ("flood, no cap", arguments.notices, policy.model_copy(update={"notifiers": uncapped})),
    ):
        began = time.process_time()
        with own_database() as (engine, _):
            waits, left = run(engine, arguments, flood, rules)
        middle, tail = statistics.median(waits), sorted(waits)[int(0.9 * len(waits))]
        seconds = time.process_time() - began
        print(f"{name}: median wait {middle:.1f} h, nine of ten within {tail:.1f} h, {left} left ({seconds:.0f} s)")


def run(
    engine: Engine, arguments: argparse.Namespace, flood: int, policy: CooperationPolicy
) -> tuple[list[float], int]:
    """Return how many hours the honest notices waited, and how many were still waiting in the end."""
    half, actions = arguments.honest // 2, Cooperation(load_enforcement_policy(), policy)
    add(engine, "ordinary", arguments.ordinary, 0.7)
    honest = add(engine, "honest", 2 * half, 0.4)
    genuine = add(engine, "genuine", flood, 0.02)
    first, then = list(honest)[:half], list(honest)[half:]
    given = dict.fromkeys(first, START)
    for at in range(0, half, 10):
        give(engine, f"brand-{at}", [honest[case_id] for case_id in first[at : at + 10]], policy, START)
    context = ReviewContext(actions=actions)
    for number in add(engine, "struck", 5, 0.9):
        with writing(engine) as connection:
            taken = claim(connection, "ana", number, now=START)
            decide(
                connection, DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica"), now=START, context=context
            )
    before = count_enforced(engine)
    for at in range(0, flood, 100):
        give(engine, "flood", list(genuine.values())[at : at + 100], policy, START + timedelta(minutes=1))
    after = count_enforced(engine)
    if flood:
        print(f"  strikes, measures, penalties, statements before the flood {before}, after it {after}")
    now, decided = START + timedelta(minutes=2), {}
    while len(decided) < len(honest) and now < START + timedelta(days=12):
        if now >= START + timedelta(hours=4) and len(given) < len(honest):
            for at in range(0, half, 10):
                give(engine, f"brand-{at}", [honest[case_id] for case_id in then[at : at + 10]], policy, now)
            given |= dict.fromkeys(then, now)
        now += timedelta(minutes=MINUTES / arguments.reviewers)
        with writing(engine) as connection:
            taken = claim(connection, f"reviewer-{now.microsecond % arguments.reviewers}", now=now)
        if taken is None:
            continue
        with writing(engine) as connection:
            if taken.case_id in given:
                request = DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica")
            else:
                request = DecisionRequest(taken, Verdict.GENUINE)
            decide(connection, request, now=now, context=context)
        if taken.case_id in honest:
            decided[taken.case_id] = now
    waits = [(decided.get(number, now) - at).total_seconds() / 3600 for number, at in given.items()]
    return waits, len(honest) - len(decided)


def add(engine: Engine, name: str, count: int, score: float) -> dict[int, str]:
    """Enqueue listings, each of another seller, and return their ids by the numbers of their cases."""
    scored = [
        ScoredListing(
            Listing(f"{name}-{at}", f"{name}-{at}", f"{name} {secrets.token_hex(12)}", observed_at=START),
            score + at * 1e-6,
            None,
            (),
            (),
            None,
            "m1",
        )
        for at in range(count)
    ]
    enqueue(engine, scored, now=START - timedelta(hours=1))
    with reading(engine) as connection:
        theirs = cases.c.listing_id.like(f"{name}-%")
        found = connection.execute(select(cases.c.case_id, cases.c.listing_id).where(theirs).order_by(cases.c.case_id))
        return {row.case_id: row.listing_id for row in found}


def give(engine: Engine, name: str, listing_ids: Sequence[str], policy: CooperationPolicy, now: datetime) -> None:
    """Let a notifier give notice."""
    said = write_notice(DrawnNotice("holder", name, "Acme", now, ()), listing_ids, now)
    with writing(engine) as connection:
        receive(connection, check_notice(said, policy.notices, now=now), policy=policy, now=now)


def count_enforced(engine: Engine) -> tuple[int, ...]:
    """Return how many rows there are of all that touches sellers."""
    with reading(engine) as connection:
        return tuple(connection.scalar(select(func.count()).select_from(table)) or 0 for table in ENFORCED)


if __name__ == "__main__":
    main()
