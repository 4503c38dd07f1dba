"""How right the records of notifiers are: do intervals hold the truth, and who ends up in which tier by chance?

    python -m experiments.cooperation.records

Notifiers with true shares, drawn anew each time; what people find of their listings is drawn from these. Then how long
it takes to find a lane among very many settled listings.
"""

from __future__ import annotations

import argparse
import secrets
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import insert

from ipml.cooperation.notifiers.record import NotifierCounts, Priors, learn_prior, make_record, shrink
from ipml.cooperation.notifiers.tiers import choose_tier, lane_of
from ipml.cooperation.policy import load_cooperation_policy
from ipml.records import Listing, ScoredListing
from ipml.review.queue import enqueue
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import decisions, notice_items, notices, notifiers

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
POLICY = load_cooperation_policy()
RULES = POLICY.notifiers


def main() -> None:
    """Print coverage, tiers by true share, and the cost of a lane."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--items", type=int, default=100_000)
    arguments = parser.parse_args()
    drawn = np.random.default_rng(5)
    for mean, weight in ((0.7, 10), (0.9, 20), (0.5, 1), (0.7, 100)):
        for count in (3, 12, 60, 300):
            held = np.mean([cover(drawn, mean, weight, count) for _ in range(max(1, arguments.runs * 12 // count))])
            print(f"true shares around {mean} (weight {weight}), {count} notifiers: 90 % hold {held:.3f}")
    for share in (0.3, 0.5, 0.75, 0.85, 0.9, 0.97):
        for total in (15, 40, 150, 1000):
            print(f"true share {share}, {total} settled: {tiers_by_chance(drawn, share, total, arguments.runs)}")
    print(f"a lane among {arguments.items:,} settled listings: {time_lanes(arguments.items)}")


def cover(drawn: np.random.Generator, mean: float, weight: float, count: int) -> float:
    """Return how many of the true shares lie in their intervals, with the prior learnt from the same records."""
    totals = drawn.integers(0, 80, size=count)
    shares = drawn.beta(mean * weight, (1 - mean) * weight, size=count)
    records = list(zip(drawn.binomial(totals, shares).tolist(), totals.tolist(), strict=True))
    prior = learn_prior(records, RULES.prior.success, RULES.prior.weight)
    rates = [shrink(*record, prior, RULES.confidence) for record in records]
    return float(np.mean([rate.low <= share <= rate.high for rate, share in zip(rates, shares, strict=True)]))


def tiers_by_chance(drawn: np.random.Generator, share: float, total: int, runs: int) -> dict[str, float]:
    """Return in which tier a rights holder of a true share is how often."""
    known = RULES.prior
    priors = Priors(learn_prior([], known.success, known.weight), learn_prior([], known.overturned, known.weight))
    found: Counter[str] = Counter()
    for _ in range(runs):
        upheld = int(drawn.binomial(total, share))
        record = make_record(NOW, NotifierCounts(upheld, total - upheld), priors, RULES.confidence)
        found[choose_tier("rights holder", record, RULES).name] += 1
    return {tier: number / runs for tier, number in found.most_common()}


def time_lanes(items: int) -> str:
    """Return how much processor time the first lane of a day takes, and each after it."""
    engine = open_database("sqlite://")
    migrate(engine)
    bag = Listing("L1", "s1", "Bag", observed_at=NOW)
    enqueue(engine, [ScoredListing(bag, 0.5, None, (), (), None, "m1")])
    before, each = NOW - timedelta(days=9), 500
    decision = {"case_id": 1, "listing_id": "L1", "ground": "", "note": "", "reviewer": "ana", "token": 1}
    item = {"listing_digest": "", "location": "", "case_id": 1, "settled_at": NOW - timedelta(days=2)}
    item |= {"noted_at": before}
    with writing(engine) as connection:
        for number in range(1, items // each + 1):
            fields = {"address": f"{number}@example.com", "pseudonym": secrets.token_hex(16), "kind": "rights holder"}
            connection.execute(insert(notifiers).values(**fields, created_at=before))
            given = {"reference": secrets.token_hex(8), "notifier_id": number, "kind": "counterfeit", "encrypted": ""}
            given |= {"content_digest": "", "tier": "standard", "received_at": before, "explanation": ""}
            connection.execute(insert(notices).values(given))
            rows = [decision | {"verdict": "genuine", "decided_at": NOW - timedelta(days=2)}] * each
            connection.execute(insert(decisions), rows)
            first = (number - 1) * each
            states = ["upheld" if at % 10 else "rejected" for at in range(each)]
            settled = [
                item | {"notice_id": number, "position": at, "state": state, "decision_id": first + at}
                for at, state in enumerate(states, 1)
            ]
            connection.execute(insert(notice_items), settled)
    with reading(engine) as connection:
        began = time.process_time()
        lane_of(connection, 1, POLICY, NOW)
        first_of_day = time.process_time() - began
        began = time.process_time()
        for number in range(2, 52):
            lane_of(connection, number, POLICY, NOW)
        after = (time.process_time() - began) / 50
    return f"{1000 * first_of_day:.0f} ms for the first of a day, {1000 * after:.1f} ms after that"


if __name__ == "__main__":
    main()
