"""Several reviewers, each a process, drain one queue: nothing twice, nothing missed, and how long anybody waited.

    python -m experiments.review.drain --cases 2000 --reviewers 8              # SQLite
    python -m experiments.review.drain --cases 2000 --reviewers 8 --postgres   # a PostgreSQL of its own, synced to disk

Each reviewer claims and decides as fast as it can, so that there is always someone in the way. A wait is the time that
one claim or one decision took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.audit import verify
from ipml.storage.database import migrate, open_database, reading, writing

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # they know how to start a PostgreSQL
from support.postgres import LASTING, Server, find_programs


def main() -> None:
    """Fill a queue, drain it, and print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--reviewers", type=int, default=8)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--work", nargs=2, metavar=("URL", "NAME"), help="be one of the reviewers")
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(*options.work)))
        return
    with TemporaryDirectory(prefix="drain") as folder, a_database(Path(folder), options.postgres) as url:
        print(json.dumps(measure(url, options.cases, options.reviewers)))


@contextmanager
def a_database(folder: Path, is_postgres: bool) -> Iterator[str]:
    """Give the URL of a new database that keeps what it has acknowledged."""
    programs = find_programs()
    if not is_postgres:
        yield f"sqlite:///{folder / 'ipml.db'}"
        return
    if programs is None:
        sys.exit("no PostgreSQL: install Debian's package postgresql")
    folder.chmod(0o755)  # the server runs as another user
    server = Server(folder / "server", programs)
    server.create()
    server.start(LASTING)
    try:
        yield server.url("postgres")
    finally:
        server.stop()


def measure(url: str, n_cases: int, n_reviewers: int) -> dict[str, object]:
    """Return counts and waits of one drain."""
    engine = open_database(url)
    migrate(engine)
    enqueue(
        engine,
        (
            ScoredListing(Listing(f"L{n}", "s1", "Bag"), n / n_cases, *[None, (), (), None, "m1"])
            for n in range(n_cases)
        ),
    )
    started = time.perf_counter()
    command = [sys.executable, "-m", "experiments.review.drain", "--work", url]
    crew = [subprocess.Popen([*command, f"r{n}"], stdout=subprocess.PIPE, text=True) for n in range(n_reviewers)]  # noqa: S603
    shares = [json.loads(reviewer.communicate()[0]) for reviewer in crew]
    seconds = time.perf_counter() - started
    decided = [case_id for share in shares for case_id in share["cases"]]
    waits = sorted(wait for share in shares for wait in share["waits"])
    with reading(engine) as connection:
        is_intact = verify(connection).is_intact
    engine.dispose()
    return {
        "database": engine.dialect.name,
        "cases": n_cases,
        "doubles": len(decided) - len(set(decided)),
        "missed": n_cases - len(set(decided)),
        "trail_is_intact": is_intact,
        "least_and_most_by_one_reviewer": [min(len(s["cases"]) for s in shares), max(len(s["cases"]) for s in shares)],
        "cases_per_second": round(n_cases / seconds, 1),
        "median_wait_seconds": round(waits[len(waits) // 2], 4),
        "p99_wait_seconds": round(waits[int(len(waits) * 0.99)], 4),
        "worst_wait_seconds": round(waits[-1], 4),
    }


def work(url: str, name: str) -> dict[str, list[float]]:
    """Decide until no case is left; return the cases and the seconds that each claim and each decision took."""
    engine = open_database(url)
    cases, waits = [], []
    while True:
        before = time.perf_counter()
        with writing(engine) as connection:
            taken = claim(connection, name)
        waits.append(time.perf_counter() - before)
        if taken is None:
            return {"cases": cases, "waits": waits}
        before = time.perf_counter()
        with writing(engine) as connection:
            decision = decide(connection, taken, Verdict.GENUINE)
        if decision.decision_id:  # a further look at a decided case decides nothing
            cases.append(decision.case_id)
        waits.append(time.perf_counter() - before)


if __name__ == "__main__":
    main()
