"""Near-duplicates: reviews saved by reviewing them once, and wrong spread verdicts, on a simulated marketplace.

Some counterfeits are listed again and again by their sellers, with small edits of title and price and another picture;
honest sellers list goods that differ in a word, a size or a model. The share of counterfeits stays what it was. A model
trained on another marketplace scores all; reviewers who see the truth work through the real queue, once listing by
listing and once with near-duplicates, until they have found as many counterfeits.

Example: python -m experiments.review.cluster_cut --seeds 3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from ipml.features.goods import brand_table
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.records import Case, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest
from ipml.review.group_decisions import decide_and_spread, measure_spread, preview_spread
from ipml.scoring.scorer import Scorer
from ipml.simulation.marketplace import Marketplace, simulate_marketplace
from ipml.storage.database import migrate, open_database, reading, writing

CAPACITY = 0.05
HONEST_SHARE, HONEST_VARIANTS = 0.1, 3
DECORATION = ("★", "NEW", "hot sale", "1x", "free shipping", "!!", "original", "top", "✅", "boxed")
GROUND = {Verdict.COUNTERFEIT: "declared_replica", Verdict.GENUINE: ""}


@dataclass
class Shift:
    """Work of reviewers.

    Attributes
    ----------
    found_after : list of int
        Counterfeits found after each action.
    n_owed : int
        Cases drawn from spreads that nobody has looked at yet; they count as actions.
    n_spread, n_wrong : int
        Verdicts that spread, and those of them that are not true.
    """

    found_after: list[int]
    n_owed: int = 0
    n_spread: int = 0
    n_wrong: int = 0

    @property
    def n_actions(self) -> int:
        """Return how often a person had to look."""
        return len(self.found_after) + self.n_owed


def main(
    seeds: Annotated[int, typer.Option(help="Marketplaces to simulate.")] = 3,
    first: Annotated[int, typer.Option(help="Seed of the first.")] = 1,
    listings: Annotated[int, typer.Option(help="Listings on each, before any is listed again.")] = 20_000,
    copies: Annotated[list[int] | None, typer.Option(help="How often a counterfeit is listed again.")] = None,
) -> None:
    """Print the cut in actions for a confirmed listing, and the precision of spread verdicts."""
    totals = {"spread": 0, "wrong": 0}
    typer.echo("seed  copies  listings  counterfeit  found    alone  together   cut  spread  wrong  sample owed")
    for seed in range(first, first + seeds):
        scorer = train(simulate_marketplace(listings, seed=seed + 1_000))
        market = simulate_marketplace(listings, seed=seed)
        for n_copies in copies or [3, 6, 10]:
            scored, truth = copy_and_score(market, scorer, n_copies, np.random.default_rng(seed))
            budget = int(CAPACITY * len(scored))
            alone = work(scored, truth, joins_alike=False, most_actions=budget)
            together = work(scored, truth, joins_alike=True, most_actions=budget, enough=alone.found_after[-1])
            cut = alone.n_actions / together.n_actions
            totals["spread"] += together.n_spread
            totals["wrong"] += together.n_wrong
            typer.echo(
                f"{seed:4}  {n_copies:6}  {len(scored):8,}  {sum(truth.values()):11,}  {alone.found_after[-1]:5,}  "
                f"{alone.n_actions:7,}  {together.n_actions:8,}  {cut:4.1f}  {together.n_spread:6,}  "
                f"{together.n_wrong:5,}  {together.n_owed}"
            )
    right = 1 - totals["wrong"] / max(1, totals["spread"])
    typer.echo(f"Spread verdicts: {totals['spread']:,}, {totals['wrong']:,} wrong, precision {right:.4f}")


def train(market: Marketplace) -> Scorer:
    """Return a scorer trained on the labels of a marketplace."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    classifier = CounterfeitClassifier(make_features(brand_table(market.brands)), n_folds=3)
    return Scorer(classifier.fit(labelled, labelled["is_counterfeit"].to_numpy(dtype=int)), "simulated")


def copy_and_score(
    market: Marketplace, scorer: Scorer, n_copies: int, rng: np.random.Generator
) -> tuple[list[ScoredListing], dict[str, bool]]:
    """Return the listings with their copies, scored, and which of them are counterfeit, by id."""
    frame = market.listings.assign(is_counterfeit=market.truth["is_counterfeit"].to_numpy()).drop(columns="labelled_at")
    is_fake = frame["is_counterfeit"].to_numpy(dtype=bool)
    kept = rng.random(len(frame)) < 1 / (n_copies + 1)
    fakes, genuine = frame[is_fake & kept], frame[~is_fake]
    varied = genuine[rng.random(len(genuine)) < HONEST_SHARE]
    again = [relist(fakes, number, rng) for number in range(n_copies)]
    others = [vary(varied, frame, number, rng) for number in range(HONEST_VARIANTS)]
    whole = pd.concat([genuine, fakes, *again, *others], ignore_index=True)
    truth = dict(zip(whole["listing_id"], whole["is_counterfeit"].astype(bool), strict=True))
    whole = check_listings(whole.drop(columns="is_counterfeit"))
    scores = scorer.score_frame(whole)["score"].to_numpy(dtype=float)
    pairs = zip(frame_to_listings(whole), scores, strict=True)
    return [
        ScoredListing(listing, None if np.isnan(score) else score, None, (), (), None, "simulated")
        for listing, score in pairs
    ], truth


def relist(fakes: pd.DataFrame, number: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return listings as their sellers list them again."""
    return fakes.assign(
        listing_id=fakes["listing_id"] + f"-again{number}",
        title=[edit(title, rng) for title in fakes["title"]],
        price=(fakes["price"] * rng.uniform(0.95, 1.05, len(fakes))).round(2),
        image_hash=[f"{rng.integers(2**63):016x}" for _ in range(len(fakes))],
    )


def edit(title: str, rng: np.random.Generator) -> str:
    """Return a title with one or two small edits: a word put in, out or elsewhere, a letter dropped, other case."""
    for _ in range(rng.integers(1, 3)):
        words = title.split()
        place = int(rng.integers(len(words)))
        match rng.integers(5):
            case 0:
                words.insert(place, str(rng.choice(DECORATION)))
            case 1 if len(words) > 3:
                words.pop(place)
            case 2:
                words.append(words.pop(place))
            case 3 if len(words[place]) > 3:
                words[place] = words[place][:-1]
            case _:
                words[place] = words[place].upper()
        title = " ".join(words)
    return title


def vary(genuine: pd.DataFrame, frame: pd.DataFrame, number: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return other goods of the same sellers: a word of the title comes from another, the price differs a little."""
    others = frame["title"].to_numpy()[rng.integers(len(frame), size=len(genuine))]
    titles = []
    for title, other in zip(genuine["title"], others, strict=True):
        words = title.split()
        words[int(rng.integers(len(words)))] = str(rng.choice(other.split()))
        titles.append(" ".join(words))
    return genuine.assign(
        listing_id=genuine["listing_id"] + f"-other{number}",
        title=titles,
        price=(genuine["price"] * rng.uniform(0.8, 1.25, len(genuine))).round(2),
        image_hash=[f"{rng.integers(2**63):016x}" for _ in range(len(genuine))],
    )


def work(
    scored: list[ScoredListing],
    truth: dict[str, bool],
    *,
    joins_alike: bool,
    most_actions: int,
    enough: int | None = None,
) -> Shift:
    """Decide case after case until so many actions were taken, or enough counterfeits are found."""
    engine = open_database("sqlite://")
    migrate(engine)
    # A reviewer's first cases are the most suspicious: what is far behind is not enqueued, to save time.
    chosen = sorted(scored, key=lambda one: -(one.score or 0.0))[: 8 * most_actions]
    enqueue(engine, chosen, joins_alike=joins_alike)
    shift = Shift([])
    found = 0
    while len(shift.found_after) < most_actions and (enough is None or found < enough):
        with writing(engine) as connection:
            taken = claim(connection, "ana")
        if taken is None:
            break
        with reading(engine) as connection:
            case = get_case(connection, taken.case_id)
        verdict = judge(case, truth)
        with writing(engine) as connection:
            alike = preview_spread(connection, case.case_id, "ana").cases if case.n_alike else ()
            spread = decide_and_spread(
                connection, DecisionRequest(taken, verdict, GROUND[verdict]), [one.case_id for one in alike]
            )
        spread_over = {decision.listing_id for decision in spread.decisions}
        shift.n_spread += len(spread_over)
        shift.n_wrong += sum(truth[name] != (verdict is Verdict.COUNTERFEIT) for name in spread_over)
        found += (
            sum(truth[name] for name in {*spread_over, case.scored.listing.listing_id})
            if (verdict is Verdict.COUNTERFEIT)
            else 0
        )
        shift.found_after.append(found)
    with reading(engine) as connection:
        drawn = measure_spread(connection)
    shift.n_owed = drawn.n_drawn - drawn.n_reviewed
    return shift


def judge(case: Case, truth: dict[str, bool]) -> Verdict:
    """Return what is true of a case."""
    return Verdict.COUNTERFEIT if truth[case.scored.listing.listing_id] else Verdict.GENUINE


if __name__ == "__main__":
    typer.run(main)
