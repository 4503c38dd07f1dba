"""Replay 58,410 real scores and labels through the queue, and see whether the estimates cover the truth.

    python -m experiments.review.exploration_replay                # one seed through the queue, 200 besides
    python -m experiments.review.exploration_replay --first 1000  # other seeds

The truth is known here, so three things can be said: what score order finds at 5 % review capacity; in how many of 200
replays, each with draws of its own, the 95 % intervals of prevalence and recall cover the truth; and by how much the
naive figures are off. Seeds from 1000 on were used once, after all else was settled.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, insert

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import IntakeSelection, enqueue_batch
from ipml.review.arrivals.snapshot import make_key
from ipml.review.cases import get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.sampling.estimates import Estimates, Stretch, estimate, summarise
from ipml.review.sampling.exploration import (
    DEPTHS,
    Sample,
    SamplingRule,
    ScoredFile,
    draw_sample_from_file,
    make_sampling_hash,
)
from ipml.settings import get_settings
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import seeds

SHARE, CAPACITY = 0.05, 0.05
OBSERVED = datetime(2024, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scored:
    """The scores and the truth of a file, row by row, and the keys of its listings."""

    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    sellers: Sequence[str]

    def listings(self) -> Iterator[ScoredListing]:
        """Give the listings as a file that `ipml score` wrote holds them."""
        for row, (score, seller) in enumerate(zip(self.scores, self.sellers, strict=True)):
            listing = Listing(str(row), seller, f"Listing {row}", observed_at=OBSERVED)
            yield ScoredListing(listing, float(score), None, (), (), None, "m3")


def main() -> None:
    """Replay and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--score", default="score_m3", help="column of scores")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    options = parser.parse_args()
    data = read_scores(get_settings().data / "ozon_scores.csv.gz", options.score)
    replay_score_order(data)
    through_queue = replay_exploration(data, options.first)
    print(through_queue)
    replay_seeds(data, options.first, options.seeds, through_queue)


def read_scores(file: Path, column: str) -> Scored:
    """Read one column of scores, clipped to 0-1, with the labels."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    scores = np.clip(np.array([float(row[column]) for row in rows]), 0, 1)
    return Scored(scores, np.array([row["label"] == "1" for row in rows]), [row["SellerID"] for row in rows])


def replay_score_order(data: Scored) -> None:
    """Let one reviewer work down the queue in score order, and print how many of the first are counterfeit."""
    engine = open_database("sqlite://")
    migrate(engine)
    enqueue_batch(engine, data.listings, IntakeSelection(top=max(DEPTHS), explore=0))
    found = np.cumsum(list(review(engine, data, max(DEPTHS))))
    for depth in DEPTHS:
        print(f"score order through the queue: precision at {depth:,} {found[depth - 1] / depth:.4f}")
    capacity = round(CAPACITY * len(data.labels))
    of_all = found[capacity - 1] / data.labels.sum()
    print(f"at {CAPACITY:.0%} capacity, {capacity:,} reviews: {of_all:.4f} of the counterfeits found", flush=True)


def replay_exploration(data: Scored, seed: int) -> Estimates:
    """Spend 5 % capacity through the queue, 5 % of it on drawn listings, and return the estimates."""
    engine = open_database("sqlite://")
    migrate(engine)
    with writing(engine) as connection:
        connection.execute(insert(seeds).values(seed=name_seed(seed), drawn_at=OBSERVED))
    batch = enqueue_batch(engine, data.listings, IntakeSelection(top=sure_cases(data), explore=SHARE))
    found = list(review(engine, data, batch.enqueued.added))
    share = sum(found) / data.labels.sum()
    print(f"with {batch.drawn} drawn of {len(found):,} reviewed: {share:.4f} of the counterfeits found", flush=True)
    with reading(engine) as connection:
        return estimate(connection)


def review(engine: Engine, data: Scored, most: int) -> Iterator[bool]:
    """Claim and decide as the truth says, so many times, and give for each whether it was counterfeit."""
    for _ in range(most):
        with writing(engine) as connection:
            taken = claim(connection, "ana")
        if taken is None:
            return
        with reading(engine) as connection:
            row = int(get_case(connection, taken.case_id).scored.listing.listing_id)
        is_counterfeit = bool(data.labels[row])
        verdict, ground = (Verdict.COUNTERFEIT, "known_goods") if is_counterfeit else (Verdict.GENUINE, "")
        with writing(engine) as connection:
            decide(connection, DecisionRequest(taken, verdict, ground))
        yield is_counterfeit


def replay_seeds(data: Scored, first: int, count: int, through_queue: Estimates) -> None:
    """Sample with many seeds, by the functions that the queue uses, and print how often intervals cover the truth."""
    keys = [make_key(item.listing) for item in data.listings()]
    sure = sure_cases(data)
    first_ones = np.argsort(-data.scores, kind="stable")
    of_queue = data.labels[first_ones[:sure]].sum()
    truth = {"prevalence": data.labels.mean(), "recall of the queue": of_queue / data.labels.sum()}
    truth |= {f"precision at {depth:,}": data.labels[first_ones[:depth]].mean() for depth in DEPTHS}
    replays = []
    for seed in range(first, first + count):
        draw = make_sampling_hash(name_seed(seed))
        hashes = np.array([draw("m3", key) for key in keys], dtype=np.uint64)
        file = ScoredFile(hashes, data.scores, np.zeros(len(keys), dtype=bool), "m3")
        sample = draw_sample_from_file(file, SamplingRule(SHARE), top=sure)
        replays.append(summarise(reviewed(sample, data.labels)))
    print(f"the first is what came through the queue: {replays[0] == through_queue}")
    for at, name in enumerate(truth):
        figures = [replay.figures[at] for replay in replays if replay.figures[at].value is not None]
        covers = statistics.mean(float(figure.low <= truth[name] <= figure.high) for figure in figures)
        width = statistics.mean(figure.high - figure.low for figure in figures)
        bias = statistics.mean(figure.value for figure in figures) - truth[name]
        naive = min(abs(figure.naive - truth[name]) for figure in figures)
        print(
            f"{name}: truth {truth[name]:.4f}, covered by {covers:.1%} of {len(figures)} intervals, "
            f"mean width {width:.3f}, bias {bias:+.4f}; naive off by at least {naive:.3f}",
            flush=True,
        )


def reviewed(sample: Sample, labels: NDArray[np.bool_]) -> list[Stretch]:
    """Return what is known once everything that a sample shows has been reviewed."""
    strata = np.array([place.stratum for place in sample.places.values()])
    found = np.bincount(strata, labels[list(sample.places)], minlength=len(sample.strata)).astype(int)
    return [
        Stretch(
            sample_id=1,
            first=stratum.first,
            last=stratum.last,
            is_sure=stratum.is_sure,
            listings=stratum.listings,
            shown=shown,
            sampling_probability=stratum.sampling_probability,
            mean_score=stratum.mean_score,
            seen=shown,
            counterfeit=counterfeit,
            done=shown,
            fair=shown,
            fair_counterfeit=counterfeit,
        )
        for stratum, shown, counterfeit in zip(sample.strata, sample.shown, found.tolist(), strict=True)
    ]


def sure_cases(data: Scored) -> int:
    """Return how many cases are reviewed for their score where drawn ones take their share."""
    return round(CAPACITY * len(data.labels) * (1 - SHARE))


def name_seed(number: int) -> str:
    """Return a small number as a seed."""
    return f"{number:064x}"


if __name__ == "__main__":
    main()
