"""How fast cases come in and are decided, alone and by eight reviewers at once, and how long anybody waits.

    python -m experiments.review.queue_speed --cases 2000               # SQLite
    python -m experiments.review.queue_speed --cases 2000 --postgres    # a PostgreSQL of its own, synced to disk
    python -m experiments.review.queue_speed --expire 100000            # how long the nightly retention keeps others

Each reviewer is a process of its own, and claims and decides as fast as it can, so that there is always someone in the
way. Every case must be decided once, and none left; else the command fails. With `--expire` as many cases, ten of each
seller, are put into the queue and expire: others wait as long as the longest transaction takes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time, sleep, time

import numpy as np
from sqlalchemy import Connection, Engine, event

from experiments.databases import own_database, url_of
from experiments.review.filled import make_cases
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.privacy.retention import run_retention
from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import open_database, reading, writing

START_SECONDS = 8.0  # until all processes have started, so that they begin together


@dataclass(frozen=True)
class Shift:
    """Work of one reviewer: the cases decided, how long each call took, and when the work began and ended."""

    cases: list[int]
    claims: list[float]
    decisions: list[float]
    began: float
    ended: float


def work(url: str, name: str, start_at: float, most: int | None = None) -> Shift:
    """Claim and decide case after case until none is left."""
    engine = open_database(url)
    done: list[int] = []
    claims: list[float] = []
    decisions: list[float] = []
    with reading(engine) as connection:
        count_cases(connection)
    sleep(max(0.0, start_at - time()))
    began = time()
    while most is None or len(done) < most:
        asked = perf_counter()
        with writing(engine) as connection:
            taken = claim(connection, name)
        claims.append(perf_counter() - asked)
        if taken is None:
            break
        asked = perf_counter()
        with writing(engine) as connection:
            done.append(decide(connection, DecisionRequest(taken, Verdict.GENUINE)).case_id)
        decisions.append(perf_counter() - asked)
    return Shift(done, claims, decisions, began, time())


def work_together(url: str, n_reviewers: int, most: int | None = None) -> list[Shift]:
    """Have some reviewers work at once, each in a process."""
    with ProcessPoolExecutor(n_reviewers, mp_context=get_context("spawn")) as pool:
        start_at = time() + (START_SECONDS if n_reviewers > 1 else 3.0)
        shifts = [pool.submit(work, url, f"reviewer{number}", start_at, most) for number in range(n_reviewers)]
        return [shift.result() for shift in shifts]


def describe(shifts: Sequence[Shift]) -> str:
    """Return the rate and the waits of some reviewers who worked together, a line each.

    Examples
    --------
    >>> print(describe([Shift([1, 2], [0.001, 0.003], [0.002, 0.002], began=0.0, ended=0.5)]))
    1 at work: 4 cases a second, the least share 2
      claim: p50 2.0 ms, p99 3.0 ms, worst 3 ms
      decide: p50 2.0 ms, p99 2.0 ms, worst 2 ms
    """
    seconds = max(shift.ended for shift in shifts) - min(shift.began for shift in shifts)
    numbers = [len(shift.cases) for shift in shifts]
    lines = [f"{len(shifts)} at work: {sum(numbers) / seconds:,.0f} cases a second, the least share {min(numbers)}"]
    waits = {
        "claim": [one for shift in shifts for one in shift.claims],
        "decide": [one for shift in shifts for one in shift.decisions],
    }
    for name, taken in waits.items():
        p50, p99, worst = np.percentile(np.array(taken) * 1e3, [50, 99, 100])
        lines.append(f"  {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:,.0f} ms")
    return "\n".join(lines)


def check(engine: Engine, shifts: Sequence[Shift], n_cases: int) -> None:
    """Raise unless each case was decided once and the audit trail is whole."""
    times = Counter(case_id for shift in shifts for case_id in shift.cases)
    doubles = [case_id for case_id, n in times.items() if n > 1]
    with reading(engine) as connection:
        counts = count_cases(connection)
        is_intact = verify(connection).is_intact
    if doubles or len(times) != n_cases or counts["decided"] != n_cases or not is_intact:
        raise RuntimeError(f"doubles {doubles}, {len(times)} of {n_cases} decided, {counts}, chain intact: {is_intact}")


@contextmanager
def timed_transactions(engine: Engine) -> Iterator[list[tuple[float, float]]]:
    """Give a list to which each transaction that may write adds its seconds of a processor, and by the clock.

    With the processor's time of the server's process, if it is on this machine and readable.
    """
    began: dict[int, tuple[float, float]] = {}
    taken: list[tuple[float, float]] = []

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("ipml_writes"):
            began[id(connection)] = _work_of(connection), perf_counter()

    def end(connection: Connection) -> None:
        if (since := began.pop(id(connection), None)) is not None:
            taken.append((_work_of(connection) - since[0], perf_counter() - since[1]))

    listened = (("begin", begin), ("commit", end), ("rollback", end))
    for name, listener in listened:
        event.listen(engine, name, listener)
    yield taken
    for name, listener in listened:
        event.remove(engine, name, listener)


def _work_of(connection: Connection) -> float:
    work = process_time()
    if connection.dialect.name == "postgresql":
        server = Path(f"/proc/{connection.connection.driver_connection.info.backend_pid}/schedstat")
        work += int(server.read_text().split()[0]) / 1e9 if server.is_file() else 0.0
    return work


def list_by_seller(n_cases: int) -> Iterator[ScoredListing]:
    """Give scored listings, ten of each seller."""
    for number, scored in enumerate(make_cases(n_cases)):
        yield replace(scored, listing=replace(scored.listing, seller_id=f"s{number // 10}"))


def expire(engine: Engine, n_cases: int) -> None:
    """Erase one of many sellers, let all others expire, and print how long the transactions took."""
    listings, now = list_by_seller(n_cases), datetime.now(UTC)
    while some := list(islice(listings, 1_000)):
        enqueue(engine, some, now=now)
    later = now + timedelta(days=4_000)
    for name, do in (
        ("one seller erased", lambda: erase_sellers(engine, ["s7"], why="request 7", by="lea", now=now)),
        ("retention", lambda: run_retention(engine, load_enforcement_policy(), now=later)),
    ):
        began, began_work = perf_counter(), process_time()
        with timed_transactions(engine) as taken:
            do()
        work, seconds = process_time() - began_work, perf_counter() - began
        longest = f"{len(taken):,} transactions, the longest {max(taken)[0] * 1e3:,.0f} ms of a processor"
        print(f"{name}: {longest}; {work:,.1f} s of a processor, {seconds:,.1f} s in all", flush=True)


def main() -> None:
    """Enqueue, have one reviewer work, then eight, or let cases expire, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2_000, help="cases that the eight drain")
    parser.add_argument("--alone", type=int, default=500, help="cases that the one decides before")
    parser.add_argument("--reviewers", type=int, default=8)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--expire", type=int, metavar="N", help="measure only how N cases expire")
    options = parser.parse_args()
    with own_database(options.postgres, is_lasting=True) as (engine, _):
        if options.expire:
            expire(engine, options.expire)
            return
        listings = list(make_cases(options.cases + options.alone))
        began = perf_counter()
        enqueue(engine, listings)
        seconds = perf_counter() - began
        print(f"{engine.dialect.name}: {len(listings) / seconds:,.0f} listings enqueued a second", flush=True)
        alone = work_together(url_of(engine), 1, options.alone)
        print(describe(alone), flush=True)
        together = work_together(url_of(engine), options.reviewers)
        print(describe(together), flush=True)
        check(engine, [*alone, *together], len(listings))
        print(f"{len(listings):,} cases decided, each once; the audit trail is whole")


if __name__ == "__main__":
    main()
