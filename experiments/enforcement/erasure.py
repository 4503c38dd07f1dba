"""How long it takes to forget a seller, and what is left of them in each file of the database.

    python -m experiments.enforcement.erasure --listings 5000 --others 15000               # SQLite
    python -m experiments.enforcement.erasure --listings 5000 --others 15000 --postgres    # a PostgreSQL of its own

The bar: no file but those of PostgreSQL's write-ahead log holds a byte of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from experiments.databases import own_database
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import writing

_SELLER, _PHONE = "zqseller4711", "zq015112345"
_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def main() -> None:
    """Fill a queue, forget one seller, and print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listings", type=int, default=5_000)
    parser.add_argument("--others", type=int, default=15_000)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with own_database(options.postgres) as (engine, folder):
        fill(engine, options.listings, options.others)
        folder = Path(engine.url.query["host"]) / "data" if options.postgres else folder  # type: ignore[arg-type]
        before = Counter(find_traces(folder))
        start = time.perf_counter()
        erased = erase_sellers(engine, [_SELLER], why="measured", by="ipml")
        seconds = time.perf_counter() - start
        after = Counter(find_traces(folder))
        figures = {"listings": erased.sellers[0].cases, "seconds": round(seconds, 2), "before": before, "after": after}
        print(json.dumps({"database": engine.dialect.name, **figures}))


def fill(engine: Engine, theirs: int, others: int) -> None:
    """Put listings of one seller and of others into a queue, and decide a few."""

    def listing(number: int, seller: str) -> Listing:
        text = f"Leather bag {number}, call {_PHONE if seller == _SELLER else 'nobody'}"
        return Listing(f"{seller}-{number}", seller, text, text * 10, "Acme", price=40.0 + number, currency="EUR")

    sellers = [_SELLER] * theirs + [f"other{n % 500}" for n in range(others)]
    scored = (ScoredListing(listing(n, name), 0.5, 0.0, (), (), None, "m1") for n, name in enumerate(sellers))
    enqueue(engine, scored, joins_alike=False, now=_NOON)
    for _ in range(20):
        with writing(engine) as connection:
            taken = claim(connection, "ana", now=_NOON)
            decide(connection, taken, Verdict.GENUINE, note=f"{_SELLER} {_PHONE}", now=_NOON)


def find_traces(folder: Path) -> Iterator[str]:
    """Give, for each file with a trace of the seller, where it lies."""
    for path in folder.rglob("*"):
        if path.is_file() and any(word.encode() in path.read_bytes() for word in (_SELLER, _PHONE)):
            inside = path.relative_to(folder).parts
            yield inside[0] if len(inside) > 1 else path.name


if __name__ == "__main__":
    sys.exit(main())
