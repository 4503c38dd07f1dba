"""How long the jobs of the worker take at a million cases, and how long reviewers wait meanwhile.

    python -m experiments.review.job_load sqlite:///million.db --fill
    python -m experiments.review.job_load sqlite:///million.db ends rescore retention

Filled is a database of 1.1 million cases, half of them decided, with measures, statements, strikes and notices
(`experiments.review.copies`): some 16 GB; with `--copies 50` of 0.3 million. For each job it prints: time and
processor's time, the peak of its memory, how many transactions could write, and the longest of them by the processor
(with that of the server's process, where it is on this machine) and by the clock. Two reviewers list, claim and decide
in processes of their own, and how long they wait is printed beside it; not with `--alone`. A job that has too much to
do is stopped after `--seconds`, as a worker is.

Each job changes the database: the second time it has less to do.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, select, update

from experiments.benchmark.timing.processes import peak_memory
from experiments.review import copies
from experiments.review.filled import make_cases, make_names
from experiments.review.queue_speed import timed_transactions
from ipml.cli.model.labels import write_labels
from ipml.cooperation.actions import Cooperation
from ipml.cooperation.notices.intake import match_notices
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.notifiers.misuse import find_misuse
from ipml.cooperation.policy import load_cooperation_policy
from ipml.cooperation.reports.figures import measure_figures
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.enforcement.actions import end_due
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.enforcement.automation.automatic_decisions import act
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.enforcement.privacy.erasure import ErasureOrder, begin, finish, list_begun
from ipml.enforcement.privacy.retention import run_retention
from ipml.enforcement.takedown.delivery import deliver_due
from ipml.enforcement.takedown.sinks import FileSink
from ipml.enforcement.views.overview import find_gaps
from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue_batch
from ipml.review.arrivals.marketplace import rescore_changed
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.review.sellers.portfolios import WeighedListing, add_to_portfolios, rebuild_portfolios
from ipml.review.worklists.search import browse_cases
from ipml.settings import get_settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.backup import back_up
from ipml.storage.database import find_damage, migrate, open_database, reading, writing
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import appeals, cases, listings, measures, portfolio_listings

N_SMALL, N_COPIES, N_DOUBLED = 4_000, 45, 3
POLICY, NOTICES = load_enforcement_policy(), load_cooperation_policy()
YEAR, CONTEXT = Period.of_year(2026), get_context("spawn")


@dataclass(frozen=True)
class Run:
    """Input of a job: the database, a folder, the moment, a large seller's listings, whether it is to stop."""

    engine: Engine
    folder: Path
    now: datetime
    listings: int
    is_stopped: Callable[[], bool]


def rest(run: Run) -> str:
    """Do nothing: gives the waits without a job."""
    while not run.is_stopped():
        sleep(0.1)
    return ""


def end_measures(run: Run) -> str:
    """End a thousand measures."""
    with writing(run.engine) as connection:
        some = select(measures.c.measure_id).where(measures.c.lifted_at.is_(None)).order_by(measures.c.measure_id)
        ending = measures.c.measure_id.in_(connection.scalars(some.limit(1_000)).all())
        connection.execute(update(measures).where(ending).values(until=run.now))
    ended = end_due(run.engine, POLICY, now=run.now, is_stopped=run.is_stopped)
    return f"{ended.measures:,} measures, {ended.penalties:,} penalties"


def rebuild(run: Run) -> str:
    """Add listings to the portfolios of another model."""
    score = copies.Simulated("m2", N_SMALL).score
    weigh = lambda some: score(some, (), False)  # noqa: E731
    return f"{rebuild_portfolios(run.engine, 'm2', weigh, run.now, is_stopped=run.is_stopped):,} listings"


def rescore(run: Run) -> str:
    """Score listings again with another model."""
    model = copies.Simulated("m2", N_SMALL).as_model()
    return f"{rescore_changed(run.engine, model, run.now, is_stopped=run.is_stopped):,} listings"


def expire(run: Run) -> str:
    """Delete what was kept as long as it may be, half a year on."""
    later = run.now + timedelta(days=200)
    return f"{run_retention(run.engine, POLICY, now=later, is_stopped=run.is_stopped).total:,} records"


def erase_large(run: Run) -> str:
    """Erase a seller of many listings, without writing the files anew."""
    engine, seller = open_database(run.engine.url.render_as_string(hide_password=False)), f"large-{run.now:%H%M%S}"
    appealed = select(appeals.c.case_id).where(appeals.c.case_id == cases.c.case_id)
    some = select(cases.c.case_id).where(cases.c.erased_at.is_(None), ~appealed.exists()).limit(run.listings)
    with writing(engine) as connection:
        gathered = cases.c.case_id.in_(some.order_by(cases.c.case_id.desc()))
        connection.execute(update(cases).where(gathered).values(seller_id=seller))
        for table in (listings, portfolio_listings):
            (key,) = table.primary_key
            chosen = key.in_(select(key).order_by(key).limit(run.listings // 4))
            connection.execute(update(table).where(chosen).values(seller_id=seller))
    engine.dispose()
    with writing(run.engine) as connection:
        begun = begin(connection, seller, ErasureOrder("request 7", "lea", run.now))
    erased = finish(run.engine, begun, run.now)
    return f"a seller of {erased.cases:,} cases and {erased.decisions:,} decisions"


def run_deadlines(run: Run) -> str:
    """Let terms begin and run out."""
    answered = run_notice_deadlines(run.engine, policy=NOTICES, now=run.now)
    done = run_appeal_deadlines(run.engine, AppealContext(POLICY, Cooperation(POLICY, NOTICES)), now=run.now)
    return f"{answered.not_found:,} listings not found, {done.marked:,} terms over"


def deliver(run: Run) -> str:
    """Deliver messages to a file."""
    sink = FileSink(run.folder / "messages.jsonl")
    return f"{sum(one.total for one in deliver_due(run.engine, sink, is_stopped=run.is_stopped)):,} messages"


def enqueue_file(run: Run) -> str:
    """Put 3,000 listings into the queue, as of a file that came in, and add them to the portfolios."""
    listings = (one.listing for one in make_cases(3_000))
    fresh = (replace(one, listing_id=f"F{run.now:%H%M%S}{one.listing_id}") for one in listings)
    some = [ScoredListing(one, 0.5, 0.0, (), (), None, "m1") for one in fresh]
    added = enqueue_batch(run.engine, lambda: some, now=run.now).enqueued.added
    weighed = [WeighedListing.of(one.listing, 0.5, run.now) for one in some]
    store = change_in_turns(
        run.engine, weighed, lambda connection, part: add_to_portfolios(connection, "m1", part, run.now)
    )
    return f"{added:,} cases, {sum(store):,} in portfolios"


def act_automatically(run: Run) -> str:
    """Act without review on one brand: first everything is drawn."""
    rules = {"is_on": True, "brands": [make_names().brands[0]], "promise": 0.8, "thresholds": [0.9]}
    policy = EnforcementPolicy.model_validate({**POLICY.model_dump(), "automatic": rules})
    acted = act(run.engine, policy, get_settings(), run.now, actions=Cooperation(POLICY, NOTICES))
    return f"{acted.decided:,} decided, {acted.drawn:,} drawn"


def diagnose(connection: Connection) -> None:
    """Look for what does not agree, as `ipml doctor` does."""
    for _ in chain(find_disagreements(connection), find_gaps(connection), list_begun(connection)):
        pass


def _read(do: Callable[..., object], run: Run) -> str:
    with reading(run.engine) as connection:
        do(connection)
    return ""


JOBS: dict[str, Callable[[Run], str]] = {
    "rest": rest,
    "ends": end_measures,
    "portfolios": rebuild,
    "rescore": rescore,
    "retention": expire,
    "erasure": erase_large,
    "deadlines": run_deadlines,
    "score": enqueue_file,
    "automatic": act_automatically,
    "notices": lambda run: f"{match_notices(run.engine, policy=NOTICES, now=run.now).unknown:,} unknown",
    "deliver": deliver,
    "notifiers": lambda run: _read(lambda connection: find_misuse(connection, NOTICES.notifiers, run.now), run),
    "report": lambda run: _read(lambda connection: measure_figures(ReportScope(connection, YEAR, run.now)), run),
    "labels": lambda run: _read(lambda connection: write_labels(connection, run.folder / "labels.parquet"), run),
    "trail": lambda run: _read(verify, run),
    "doctor": lambda run: _read(diagnose, run),
    "damage": lambda run: f"{len(find_damage(run.engine)):,} lines",
    "rows": lambda run: _read(check_rows, run),
    "backup": lambda run: f"{back_up(run.engine, run.folder / 'backup.zip').rows:,} rows",
}


def measure(name: str, url: str, seconds: float, n_listings: int, said: Any) -> None:
    """Do a job in this process, which is there for nothing else, and say what it took."""
    engine = open_database(url)
    end, before = perf_counter() + seconds, peak_memory() / 1e6
    with tempfile.TemporaryDirectory() as folder:
        run = Run(engine, Path(folder), datetime.now(UTC), n_listings, lambda: perf_counter() > end)
        began, began_work = perf_counter(), process_time()
        with timed_transactions(engine) as taken:
            words = JOBS[name](run)
        work, wall = process_time() - began_work, perf_counter() - began
    longest, by_clock = (1e3 * max(times, default=0.0) for times in zip(*taken, strict=True)) if taken else (0.0, 0.0)
    memory = f"{peak_memory() / 1e6:,.0f} MB ({before:,.0f} before)"
    said.put(
        f"{name}: {words or 'done'}; {wall:,.1f} s, {work:,.1f} of a processor, {memory}; {len(taken):,} transactions, "
        f"the longest {longest:,.0f} ms of a processor, {by_clock:,.0f} by the clock"
    )


def review(url: str, name: str, stop: Any, said: Any) -> None:
    """List, claim and decide until stopped; return how long each took."""
    engine, actions, waits = open_database(url), Cooperation(POLICY, NOTICES), dict[str, list[float]]()

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        began = perf_counter()
        yield
        waits.setdefault(what, []).append(perf_counter() - began)

    while not stop.is_set():
        with timed("list"), reading(engine) as connection:
            browse_cases(connection, limit=50)
        with timed("claim"), writing(engine) as connection:
            taken = claim(connection, name)
        with timed("decide"), writing(engine) as connection:
            if taken is not None:
                request = DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica")
                decide(connection, request, context=ReviewContext(actions=actions))
        sleep(0.2)  # somebody looks at it
    said.put(waits)


def describe(shifts: Sequence[dict[str, list[float]]]) -> str:
    """Return how long reviewers waited, in a line."""
    words = []
    for what in shifts[0]:
        waits = [1e3 * one for shift in shifts for one in shift.get(what, ())]
        p50, p95, worst = np.percentile(waits, [50, 95, 100])
        words.append(f"{what} p50 {p50:,.0f}, p95 {p95:,.0f}, worst {worst:,.0f} ms")
    return "  reviewers: " + "; ".join(words)


def run_beside_reviewers(name: str, url: str, seconds: float, n_listings: int, reviewers: Sequence[str]) -> None:
    """Do a job while people work."""
    stop, said, waits = CONTEXT.Event(), CONTEXT.SimpleQueue(), CONTEXT.SimpleQueue()
    people = [CONTEXT.Process(target=review, args=(url, reviewer, stop, waits)) for reviewer in reviewers]
    job = CONTEXT.Process(target=measure, args=(name, url, seconds, n_listings, said))
    for one in people:
        one.start()
    sleep(5 if people else 0)
    job.start()
    job.join()
    stop.set()
    print(said.get() if job.exitcode == 0 else f"{name}: failed", flush=True)
    if people:
        print(describe([waits.get() for _ in people]), flush=True)


def main() -> None:
    """Fill a database, or measure jobs in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)}; all of them where none is named")
    parser.add_argument("--fill", action="store_true", help="fill an empty database first")
    parser.add_argument("--copies", type=int, default=N_COPIES << N_DOUBLED, help="of 4,000 cases, to fill with")
    parser.add_argument("--alone", action="store_true", help="without reviewers")
    parser.add_argument("--listings", type=int, default=100_000, help="of the seller who is erased")
    parser.add_argument("--seconds", type=float, default=60.0, help="after which a job is stopped")
    options = parser.parse_args()
    if options.fill:
        engine = open_database(options.url, is_durable=False)
        migrate(engine)
        copies.fill(engine, N_SMALL, options.copies >> N_DOUBLED, N_DOUBLED)
        engine.dispose()
    for name in options.jobs or JOBS:
        people = () if options.alone else ("ana", "ben")
        run_beside_reviewers(name, options.url, options.seconds, options.listings, people)


if __name__ == "__main__":
    main()
