"""How long it takes to replay decisions under two policies, with what memory, and what a strike costs a busy seller.

    python -m experiments.enforcement.penalty_replay
    python -m experiments.enforcement.penalty_replay --decisions 20000 --with-strikes

Decisions are written straight into a new SQLite file, without strikes unless asked for: the history that a marketplace
has when it first tries a policy. The ten largest sellers have a quarter of them, most have one or two; a
twentieth is taken back. The
bars: 100,000 decisions in 90 seconds, and 500 MB of memory.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time
from typing import Any

import numpy as np
from sqlalchemy import Engine, insert, select

from experiments.databases import own_database
from ipml.enforcement.penalties.ladder import climb
from ipml.enforcement.penalties.simulation import simulate_penalties
from ipml.enforcement.penalties.strikes import add_strikes
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.proceedings import find_firsts, open_proceedings, read_decided
from ipml.records import Decision, Listing, Reason, ScoredListing, Verdict
from ipml.review.arrivals.snapshot import encode
from ipml.review.decisions import GROUNDS
from ipml.review.ranking.policy import load_policy, weigh
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, reversals

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
MOST_SECONDS, MOST_MB = 90.0, 500.0
_AT_ONCE = 2000


def fill(engine: Engine, n_decisions: int, seed: int = 0) -> None:
    """Write cases that were found counterfeit, their decisions, and the reversals of some."""
    rng, queue_policy = np.random.default_rng(seed), load_policy()
    shares = 1 / np.arange(1, max(n_decisions // 4, 2))
    sellers = rng.choice(len(shares), n_decisions, p=shares / shares.sum())
    moments = np.sort(rng.uniform(0, 500, n_decisions))
    rows: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]] = []
    for number in range(n_decisions):
        at = BEGIN + timedelta(days=float(moments[number]))
        listing = _make_listing(number, int(sellers[number]), at, rng)
        score = float(rng.beta(6, 1))
        reasons = tuple(Reason(f"word{i}", "Words of the replica trade in the title", 0.5) for i in range(6))
        text = encode(ScoredListing(listing, score, 2.0, reasons, (), None, "m1"))
        rows.append(_make_rows(number + 1, listing, score, text, weigh(listing, score, queue_policy).text, at, rng))
        if len(rows) == _AT_ONCE or number == n_decisions - 1:
            _write(engine, rows)
            rows = []


def _make_listing(number: int, seller: int, at: datetime, rng: np.random.Generator) -> Listing:
    return Listing(
        f"L{number}",
        f"seller {seller}",
        f"Leather bag no. {number}",
        description="Fine grain, gold hardware, with box and card. " * 8,
        brand="Acme",
        category=("bags", "toys", "cosmetics")[number % 3],
        price=float(rng.lognormal(4, 1)),
        currency="EUR",
        listed_at=at - timedelta(days=float(rng.exponential(20))),
        observed_at=at - timedelta(days=float(rng.exponential(2))),
        listing_sales=float(rng.poisson(2)),
        seller_listings=float(rng.lognormal(4, 2) // 1 + 1),
        seller_age_days=float(rng.exponential(400)),
    )


def _make_rows(
    number: int, listing: Listing, score: float, text: str, expected_value: str, at: datetime, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]:
    case = {
        "case_id": number,
        "listing_key": f"key {number}",
        "listing_id": listing.listing_id,
        "observed_at": listing.observed_at,
        "seller_id": listing.seller_id,
        "brand": listing.brand,
        "category": listing.category,
        "score": score,
        "rank": -score,
        "model_version": "m1",
        "snapshot": text,
        "expected_value": expected_value,
        "state": "decided",
        "enqueued_at": listing.observed_at,
    }
    decision = {
        "decision_id": number,
        "case_id": number,
        "listing_id": listing.listing_id,
        "verdict": Verdict.COUNTERFEIT,
        "ground": list(GROUNDS)[number % len(GROUNDS)],
        "note": "",
        "reviewer": "ana",
        "decided_at": at,
        "token": 1,
    }
    back = {"decision_id": number, "reviewer": "cleo", "reversed_at": at + timedelta(days=9), "why": ""}
    return case, decision, back if rng.random() < 0.05 else None


def _write(engine: Engine, rows: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]]) -> None:
    with writing(engine) as connection:
        connection.execute(insert(cases), [case for case, _, _ in rows])
        connection.execute(insert(decisions), [decision for _, decision, _ in rows])
        connection.execute(insert(reversals), [back for _, _, back in rows if back])


def strike_all(engine: Engine) -> Iterator[float]:
    """Count a strike for each decision as they came, and give how long each took, with its climb."""
    policy = load_enforcement_policy()
    columns = [decisions.c[name] for name in Decision.__slots__]
    with writing(engine) as connection:
        found = [
            Decision(**row._mapping) for row in connection.execute(select(*columns).order_by(decisions.c.decision_id))
        ]
        for decision in found:
            case = connection.execute(select(cases).where(cases.c.case_id == decision.case_id)).one()
            began = perf_counter()
            decided, keys = read_decided(connection, [(case, decision)], "review", {})
            with open_proceedings(connection, policy, keys, decision.decided_at) as acts:
                climb(acts, add_strikes(acts, decided, find_firsts(connection, [decision])))
            yield perf_counter() - began


def main() -> None:
    """Fill a database, replay it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--with-strikes", action="store_true", help="strike as decisions came, and time each")
    chosen = parser.parse_args()
    rules = load_enforcement_policy().penalties
    other = rules.model_copy(update={"ladder": rules.ladder[1:], "usual_weight": 2.0})
    with own_database() as (engine, _):
        fill(engine, chosen.decisions)
        if chosen.with_strikes:
            took = np.array(list(strike_all(engine))) * 1000
            median, rare, most = np.quantile(took, (0.5, 0.99, 1.0))
            print(f"a strike and its climb: median {median:.1f} ms, p99 {rare:.1f} ms, most {most:.1f} ms")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began, worked = perf_counter(), process_time()
        with reading(engine) as connection:
            found = simulate_penalties(connection, rules, other)
        seconds, mb = perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        worked = process_time() - worked
        print(f"{found.decisions:,} decisions on {found.sellers:,} sellers in {seconds:.1f} s (bar {MOST_SECONDS:g})")
        print(f"of which the processor worked {worked:.1f} s")
        print(f"largest memory {mb:.0f} MB (bar {MOST_MB:g}), {before:.0f} before; now {dict(found.now.imposed)}")
    if chosen.decisions <= 100_000 and (seconds > MOST_SECONDS or mb > MOST_MB):
        sys.exit("missed")


if __name__ == "__main__":
    main()
