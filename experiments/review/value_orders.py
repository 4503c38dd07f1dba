"""Orders of the queue: value caught on simulated marketplaces: `python -m experiments.review.value_orders`.

Each seed makes a marketplace of 20,000 listings. A model learns from the labels known when three fifths of them have
been observed, and scores those observed later, up to 30 days before the end, so that what they sell afterwards is
known. They go through the real queue, each on its day; reviewers have time for 5 % of them. The catch of an order is
the true value of the true counterfeits among the first 5 %: price x true sales of the following 30 days x the policy's
severity of the category; "money" leaves the severity out. Sales are simulated by seller; each sale counts for all
listings that the seller had put up by then, in equal parts. The policy is the bundled one, chosen before these figures
were looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from sqlalchemy import select

from ipml.features.goods import brand_table
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.records import ScoredListing
from ipml.review.arrivals.intake import enqueue
from ipml.review.ranking.policy import Policy, load_policy
from ipml.review.ranking.queue_order import QueueOrder, rerank
from ipml.simulation.marketplace import Marketplace, simulate_marketplace
from ipml.storage.database import migrate, open_database, reading
from ipml.storage.tables import cases

OUT = Path(__file__).with_name("value_orders.json")
LEARNT_SHARE = 0.6
AFTER = pd.Timedelta(days=30)


@dataclass(frozen=True)
class Caught:
    """Catch of each order on one marketplace.

    Attributes
    ----------
    all_value : float
        Of all counterfeits in the queue.
    value, money, fakes : mapping of str to number
        Caught by each order: value; the same without the policy's weights, price x sales alone; how many.
    """

    seed: int
    queued: int
    reviewed: int
    counterfeits: int
    all_value: float
    value: dict[str, float]
    money: dict[str, float]
    fakes: dict[str, int]


_COLUMNS = {
    QueueOrder.SCORE: cases.c.score_rank,
    QueueOrder.VALUE: cases.c.value_rank,
    QueueOrder.FIFO: cases.c.enqueued_at,
}


def main(
    seeds: Annotated[int, typer.Option(min=1, help="How many marketplaces.")] = 20,
    listings: Annotated[int, typer.Option(min=2_000, help="Listings of each.")] = 20_000,
    capacity: Annotated[float, typer.Option(min=0, max=1, help="Share of the queue that is reviewed.")] = 0.05,
    out: Annotated[Path, typer.Option(help="Where the figures are kept.")] = OUT,
) -> None:
    """Measure value, score and first-in-first-out order on marketplaces of known truth."""
    policy, results = load_policy(), []
    for seed in range(seeds):
        results.append(run(simulate_marketplace(listings, seed), seed, capacity, policy))
        typer.echo(_describe(results[-1]))
        out.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    for measure in ("value", "money"):
        for other in (QueueOrder.SCORE, QueueOrder.FIFO):
            typer.echo(_compare([getattr(result, measure) for result in results], measure, other))


def _compare(caught: Sequence[Mapping[str, float]], measure: str, other: QueueOrder) -> str:
    ratios = [one[QueueOrder.VALUE] / one[other] for one in caught if one[other] > 0]
    pooled = sum(one[QueueOrder.VALUE] for one in caught) / sum(one[other] for one in caught)
    spread = f"mean {np.mean(ratios):.2f}, median {np.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}"
    return f"{measure}: value order / {other} order {pooled:.2f} over all; by marketplace {spread} ({len(ratios)})"


def run(market: Marketplace, seed: int, capacity: float, policy: Policy) -> Caught:
    """Train, score, fill a queue, and see what each order catches."""
    frame = market.listings
    cut, end = frame["observed_at"].quantile(LEARNT_SHARE), frame["observed_at"].max() - AFTER
    known = frame[(frame["labelled_at"] < cut).fillna(False)]
    queued = np.flatnonzero((frame["observed_at"] >= cut) & (frame["observed_at"] < end))
    classifier = CounterfeitClassifier(make_features(brand_table(market.brands)), n_folds=3, seed=seed)
    classifier.fit(known, known["is_counterfeit"].to_numpy(dtype=int))
    later = frame.iloc[queued].reset_index(drop=True)
    scores = classifier.predict_proba(later)[:, 1]
    is_fake = market.truth["is_counterfeit"].to_numpy()[queued]
    money = is_fake * _true_money(market, later, policy)
    value = money * [policy.severity_of(name) for name in later["category"]]
    places = _order(later, scores, policy)
    n_reviewed = round(capacity * len(later))
    first = {order: places[order][:n_reviewed] for order in QueueOrder}
    return Caught(
        seed=seed,
        queued=len(later),
        reviewed=n_reviewed,
        counterfeits=int(is_fake.sum()),
        all_value=float(value.sum()),
        value={order.value: float(value[rows].sum()) for order, rows in first.items()},
        money={order.value: float(money[rows].sum()) for order, rows in first.items()},
        fakes={order.value: int(is_fake[rows].sum()) for order, rows in first.items()},
    )


def _order(later: pd.DataFrame, scores: NDArray[np.float64], policy: Policy) -> dict[QueueOrder, list[int]]:
    """Return the rows of the listings in each order of the real queue."""
    engine = open_database("sqlite://")
    migrate(engine)
    for day, rows in later.groupby(later["observed_at"].dt.floor("D")).groups.items():
        enqueue(engine, _scored(later.loc[rows], scores[rows]), now=day.to_pydatetime())
    now = later["observed_at"].max().to_pydatetime()
    rerank(engine, QueueOrder.VALUE, policy, now=now, actor="experiment")
    row_of = {listing_id: row for row, listing_id in enumerate(later["listing_id"])}
    with reading(engine) as connection:
        orders = {
            order: [
                row_of[listing_id]
                for listing_id in connection.scalars(
                    select(cases.c.listing_id).order_by(_COLUMNS[order], cases.c.case_id)
                )
            ]
            for order in QueueOrder
        }
    engine.dispose()
    return orders


def _scored(rows: pd.DataFrame, scores: Iterable[float]) -> Iterable[ScoredListing]:
    for listing, score in zip(frame_to_listings(check_listings(rows)), scores, strict=True):
        yield ScoredListing(listing, float(score), None, (), (), None, "experiment")


def _true_money(market: Marketplace, later: pd.DataFrame, policy: Policy) -> NDArray[np.float64]:
    """Return price x true sales of the 30 days after each listing was observed."""
    rates = {currency: policy.exchange(1.0, currency) for currency in later["currency"].unique()}
    return np.asarray(later["price"] * later["currency"].map(rates) * _true_sales(market, later), dtype=float)


def _true_sales(market: Marketplace, later: pd.DataFrame) -> NDArray[np.float64]:
    sold = market.events[market.events["kind"] == "sold"].sort_values("occurred_at")
    listed = {seller: np.sort(group) for seller, group in market.listings.groupby("seller_id")["listed_at"]}
    totals = np.zeros(len(later))
    moments = {seller: group.to_numpy() for seller, group in sold.groupby("seller_id")["occurred_at"]}
    for row, (seller, observed_at) in enumerate(zip(later["seller_id"], later["observed_at"], strict=True)):
        at = moments.get(seller)
        if at is None:
            continue
        within = at[(at > observed_at) & (at <= observed_at + AFTER)]
        shared_by = np.searchsorted(listed[seller], within, side="right")
        totals[row] = (1.0 / np.maximum(shared_by, 1)).sum()
    return totals


def _describe(result: Caught) -> str:
    shares = ", ".join(
        f"{order} {value / result.all_value:.1%} of the value and {result.fakes[order]} fakes"
        for order, value in result.value.items()
    )
    return f"seed {result.seed}: {result.reviewed} of {result.queued} reviewed, {result.counterfeits} fakes: {shares}"


if __name__ == "__main__":
    typer.run(main)
