"""How fast decisions are made with all that follows from them: in batches, and one by one.

    python -m experiments.enforcement.decision_speed [--cases 2000] [--sellers 40] [--at-once 200] [--postgres]

CPU seconds of this process count, so that a busy machine does not; on PostgreSQL the server's come on top. A batch is
looked at (`preview_bulk`) and decided (`decide_bulk`), as on the page; "one by one" claims and decides each case. Then
the messages that came of it are delivered to a file. `--profile` says where the time goes.

The processor's time is nearly all of it: of 3,200 cases each costs a quarter more than of 200, as sellers have more
strikes. On two cores, with nothing beside it: 492 a second together (2.0 ms) and 73 one by one (13.7 ms for claim and
decision) on SQLite, 410 to 460 and 24 to 44 on PostgreSQL, whose server comes on top; 3,900 to 4,900 messages.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import time
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine

from experiments.databases import own_database
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.takedown.delivery import deliver_due
from ipml.enforcement.takedown.sinks import FileSink
from ipml.records import Highlight, Listing, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.group_decisions import BulkRequest, decide_bulk, preview_bulk
from ipml.review.reversals import ReviewContext
from ipml.review.worklists.search import browse_cases
from ipml.storage.database import writing

_NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
_GROUND = "declared_replica"
ENFORCEMENT = Enforcement(load_enforcement_policy())
_CONTEXT = ReviewContext(actions=ENFORCEMENT)


def main() -> None:
    """Print decisions and messages a second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--sellers", type=int, default=40)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own, not on SQLite")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with own_database(asked.postgres) as (engine, folder):
        ways = {"warm": (_decide_together, 20), "together": (_decide_together, asked.cases)}
        for name, (work, n_cases) in (ways | {"one by one": (_decide_singly, asked.cases // 10)}).items():
            enqueue(engine, _make_listings(name, n_cases, asked.sellers), joins_alike=False)
            if name == "warm":  # what is imported and compiled once is not counted
                work(engine, asked.at_once)
                gc.freeze()  # as the server does
            else:
                _measure(f"decisions {name}", lambda: work(engine, asked.at_once), asked.profile)  # noqa: B023
        sink = FileSink(folder / "messages.jsonl")
        _measure("messages to a file", lambda: _deliver(engine, sink), asked.profile)


def _measure(name: str, work: Callable[[], int], is_profiled: bool) -> None:
    profile = cProfile.Profile()
    if is_profiled:
        profile.enable()
    began = time.process_time()
    count = work()
    seconds = time.process_time() - began
    profile.disable()
    print(f"{name}: {count / seconds:,.0f} a second ({1000 * seconds / max(count, 1):.2f} ms each, of {count:,})")
    if is_profiled:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        pstats.Stats(profile).sort_stats("cumtime").print_stats("ipml", 50)


def _make_listings(name: str, n_cases: int, n_sellers: int) -> list[ScoredListing]:
    reasons, highlights = (Reason("price.brand", "Price is low", 1.5),), (Highlight(0, 7, 0.5),)
    return [
        ScoredListing(
            Listing(
                f"{name} {number}",
                f"s{number % n_sellers}",
                f"Leather wallet mirror quality {number}",
                brand="Acme",
                price=20.0,
                currency="USD",
                observed_at=_NOON,
            ),
            *(0.9, 2.0, reasons, highlights, None, "m1"),
        )
        for number in range(n_cases)
    ]


def _decide_together(engine: Engine, at_once: int) -> int:
    decided = 0
    while True:
        with writing(engine) as connection:
            numbers = [case.case_id for case in browse_cases(connection, limit=at_once)]
            if not numbers:
                return decided
            request = BulkRequest(numbers, "ana", Verdict.COUNTERFEIT, _GROUND)
            token = preview_bulk(connection, request).digest
            decided += len(decide_bulk(connection, request, token=token, context=_CONTEXT).decisions)


def _decide_singly(engine: Engine, _: int) -> int:
    decided = 0
    while True:
        with writing(engine) as connection:
            taken = claim(connection, "ana")
        if taken is None:
            return decided
        with writing(engine) as connection:
            request = DecisionRequest(taken, Verdict.COUNTERFEIT, _GROUND)
            decided += decide(connection, request, context=_CONTEXT).decision_id > 0


def _deliver(engine: Engine, sink: FileSink) -> int:
    return sum(tally.total for tally in deliver_due(engine, sink))


if __name__ == "__main__":
    main()
