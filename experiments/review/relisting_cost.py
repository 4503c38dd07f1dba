"""Processor time of comparing arriving listings with confirmed counterfeits, and the bytes that these take.

    python -m experiments.review.relisting_cost --confirmed 100000

The confirmed listings are written into a database of its own: their cases, decisions and bands, and beside them as many
other bands as near-duplicates and their hints have (32 a listing), so that the index is as deep as that of a desk. Then
listings arrive in batches of 500, as from a file or a busy marketplace, and alone: most are other goods, one in a
hundred is a confirmed listing in another order of words, at the same price, of another seller.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import process_time

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, text

from experiments.databases import own_database
from experiments.review.filled import make_names
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.snapshot import encode
from ipml.review.near_duplicates.confirmed import number_listing
from ipml.review.near_duplicates.relistings import find_relistings
from ipml.review.ranking.policy import load_policy
from ipml.storage.database import reading, writing
from ipml.storage.row_numbers import insert_rows
from ipml.storage.tables import bands, cases, decisions

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BATCH = 5_000
OTHER_BANDS = 32
ONE_IN = 100


def batch(listings: Iterable[Listing], size: int) -> Iterator[list[Listing]]:
    """Give listings in batches of a size; the last one may be smaller."""
    remaining = iter(listings)
    while some := list(islice(remaining, size)):
        yield some


def make_listings(n: int, seed: int) -> Iterator[Listing]:
    """Make listings of a brand and eight words, the common words as common as in trade."""
    names, rng = make_names(), np.random.default_rng(seed)
    chances = 1 / np.arange(1, len(names.words) + 1) ** 0.9
    cuts = np.cumsum(chances / chances.sum())
    words = np.searchsorted(cuts, rng.random((n, 8))).clip(0, len(names.words) - 1)
    for number in range(n):
        brand = names.brands[int(rng.integers(len(names.brands)))]
        title = " ".join((brand, *(names.words[word] for word in words[number])))
        seller = names.sellers[int(rng.integers(len(names.sellers)))]
        price = float(round(20 + 400 * rng.random(), 2))
        yield Listing(f"{seed}-{number}", seller, title, brand=brand, price=price, currency="EUR", observed_at=NOW)


def fill(engine: Engine, n: int) -> None:
    """Write confirmed listings; the bands at once and in their order, for which a million takes minutes, not hours."""
    numbers: list[npt.NDArray[np.int64]] = []
    for start, some in enumerate(batch(make_listings(n, seed=1), BATCH)):
        rows = [_make_case(start * BATCH + place, one) for place, one in enumerate(some, 1)]
        with writing(engine) as connection:
            insert_rows(connection, cases, rows)
            insert_rows(connection, decisions, [_make_decision(row) for row in rows])
        kept = [
            (number, row["case_id"])
            for row, one in zip(rows, some, strict=True)
            for number in number_listing(one, is_kept=True)
        ]
        numbers.append(np.array(kept, np.int64))
    found = np.concatenate(numbers)
    others = np.random.default_rng(2).integers(-(2**63), 2**63, n * OTHER_BANDS, dtype=np.int64)
    found = np.concatenate([found, np.column_stack([others, np.arange(len(others)) % n + 1])])
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    with writing(engine) as connection:
        (by_case,) = bands.indexes
        by_case.drop(connection)
        for first in range(0, len(found), 1_000_000):
            part = found[first : first + 1_000_000].tolist()
            insert_rows(connection, bands, [{"band": band, "case_id": case_id} for band, case_id in part])
        by_case.create(connection)


def _make_case(number: int, listing: Listing) -> dict[str, object]:
    scored = ScoredListing(listing, 0.03, -3.5, (), (), None, "measured/1")
    return {
        "case_id": number,
        "listing_key": listing.listing_id,
        "listing_id": listing.listing_id,
        "seller_id": listing.seller_id,
        "score": 0.03,
        "rank": -0.03,
        "model_version": "measured/1",
        "snapshot": encode(scored),
        "state": "decided",
        "token": 1,
        "enqueued_at": NOW,
    }


def _make_decision(row: dict[str, object]) -> dict[str, object]:
    said = {"verdict": Verdict.COUNTERFEIT, "ground": "declared_replica", "note": "", "reviewer": "ana", "token": 1}
    return {"case_id": row["case_id"], "listing_id": row["listing_id"], "decided_at": NOW + timedelta(days=1), **said}


def make_arrivals(n: int, confirmed: int) -> list[Listing]:
    """Make other goods, and in every hundredth place a confirmed listing of another seller with its words reversed."""
    again = list(batch(make_listings(confirmed, seed=1), max(1, confirmed // (n // ONE_IN))))
    arrivals = list(make_listings(n, seed=3))
    for place, some in zip(range(0, n, ONE_IN), again, strict=False):
        words = " ".join(reversed(some[0].title.split()))
        arrivals[place] = replace(some[0], listing_id=f"again-{place}", seller_id="another", title=words)
    return arrivals


def measure(connection: Connection, arrivals: Sequence[Listing], size: int) -> tuple[float, int, int]:
    """Return microseconds of a processor for each listing, how many copies were found, and how many others were."""
    policy, copies, others = load_policy(), 0, 0
    began = process_time()
    for some in batch(arrivals, size):
        found = find_relistings(connection, some, policy)
        makes_case = [key for key, one in found.items() if one.makes_case]
        copies += sum(key.startswith("again") for key in makes_case)
        others += sum(not key.startswith("again") for key in makes_case)
    return (process_time() - began) / len(arrivals) * 1e6, copies, others


def main() -> None:
    """Fill a database, have listings arrive, and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--confirmed", type=int, default=100_000)
    parser.add_argument("--arrivals", type=int, default=20_000)
    parser.add_argument("--postgres", action="store_true", help="whose own processor time is not counted")
    options = parser.parse_args()
    with own_database(options.postgres, is_lasting=True) as (engine, _):
        began = process_time()
        fill(engine, options.confirmed)
        print(f"{options.confirmed:,} confirmed listings written in {process_time() - began:.0f} s of a processor")
        arrivals = make_arrivals(options.arrivals, options.confirmed)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        n_copies = sum(one.listing_id.startswith("again") for one in arrivals)
        for size in (500, 1):
            some = arrivals if size > 1 else arrivals[:2_000]
            with reading(engine) as connection:
                measure(connection, some[:500], size)
                micros, copies, others = measure(connection, some, size)
            print(f"batches of {size}: {micros:.1f} µs a listing; {copies} of {n_copies} copies found, {others} others")
        began = process_time()
        n_numbers = sum(len(number_listing(one, is_kept=False)) for one in arrivals)
        micros = (process_time() - began) / len(arrivals) * 1e6
        print(f"of it {micros:.1f} µs to read a title and make {n_numbers / len(arrivals):.1f} numbers of it")
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"memory: {more / 1024:.0f} MB more than before the first arrival")
        if not options.postgres:
            each = sum(len(number_listing(one, is_kept=True)) for one in arrivals) / len(arrivals)
            with reading(engine) as connection:
                size_of = text("SELECT sum(pgsize) FROM dbstat WHERE name IN ('bands', 'ix_bands_case_id')")
                total: int = connection.scalar(size_of)
            of_one = total / options.confirmed / (OTHER_BANDS + each) * each
            print(f"bands: {total / 1e6:,.0f} MB, of which {of_one:.0f} bytes a confirmed listing are for this")


if __name__ == "__main__":
    main()
