"""Whether reasons are true: what is named is taken away from a listing, which is scored again.

On a simulated marketplace, or with listings left out by seller on the goods of a dark-net market.

Example: IPML_DATA=… python -m experiments.benchmark.true_reasons --darknet
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from experiments.benchmark.protocols import EXPERIMENTS
from ipml.features.goods import brand_table
from ipml.listings.schema import check_listings
from ipml.model.evaluation.splits import seller_folds
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.training import load_experiment
from ipml.model.training.classifier import fit_classifier
from ipml.model.training.experiment import read_training_listings
from ipml.records import Reason, ScoredListing
from ipml.scoring.scorer import Scorer
from ipml.simulation.marketplace import simulate_marketplace

LEAST = 0.05  # of the log-odds: a smaller share is within rounding
_QUOTED = re.compile("“([^”]*)”")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Removal:
    """Stated contribution of some words, and the log-odds lost without them.

    Attributes
    ----------
    kind : str
        What named them: "mark", or the feature of a reason.
    """

    kind: str
    stated: float
    lost: float

    @property
    def is_true(self) -> bool:
        """Whether the loss is within a quarter of what was stated."""
        return abs(self.lost - self.stated) <= 0.25 * abs(self.stated)


def take_away(scorer: Scorer, scored: ScoredListing, title: str, description: str | None) -> float | None:
    """Return by how much the log-odds fall with other texts; None where the model then abstains."""
    changed = replace(scored.listing, title=title, description=description)
    left = scorer.score(changed, explain=False).log_odds
    return None if left is None or scored.log_odds is None else scored.log_odds - left


def strike_out(text: str, words: Sequence[str]) -> str:
    """Return a text without some words, whole words if there are any, else within others."""
    for word in sorted(words, key=len, reverse=True):
        alone = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
        text = alone.sub("", text) if alone.search(text) else text.replace(word, "")
    return text


def try_marks(scorer: Scorer, scored: ScoredListing) -> Iterator[Removal]:
    """Yield what each marked word of the title that carries something is said to carry, and what goes with it."""
    title = scored.listing.title
    for mark in scored.highlights:
        left = strike_out(title, [title[mark.start : mark.end]])
        lost = take_away(scorer, scored, left, scored.listing.description)
        if lost is not None and abs(mark.weight) >= LEAST:
            yield Removal("mark", mark.weight, lost)


def try_reasons(scorer: Scorer, scored: ScoredListing) -> Iterator[Removal]:
    """Yield the same of each reason that quotes words of title or description, with all that it quotes."""
    for reason in scored.reasons:
        if reason.feature.partition(".")[0] not in ("title", "description", "words") or abs(reason.weight) < LEAST:
            continue
        texts = _without_quoted(reason, scored)
        lost = take_away(scorer, scored, *texts) if texts else None
        if lost is not None:
            yield Removal(reason.feature, reason.weight, lost)


def _without_quoted(reason: Reason, scored: ScoredListing) -> tuple[str, str | None] | None:
    words = _QUOTED.findall(reason.sentence)
    if not words or any(word.endswith("…") for word in words):
        return None
    title, description = scored.listing.title, scored.listing.description
    if reason.feature != "description":
        title = strike_out(title, words)
    if reason.feature != "title" and description is not None:
        description = strike_out(description, words)
    return title, description


def beats_another(scorer: Scorer, scored: ScoredListing, generator: np.random.Generator) -> bool | None:
    """Say whether the heaviest marked word of a title moves the score more than another, drawn at random."""
    title, description = scored.listing.title, scored.listing.description
    top = max(scored.highlights, key=lambda mark: abs(mark.weight), default=None)
    if top is None:
        return None
    others = [word.span() for word in _WORD.finditer(title) if word.end() <= top.start or word.start() >= top.end]
    if not others:
        return None
    start, end = others[generator.integers(len(others))]
    lost = take_away(scorer, scored, strike_out(title, [title[top.start : top.end]]), description)
    of_other = take_away(scorer, scored, title[:start] + title[end:], description)
    return None if lost is None or of_other is None else abs(lost) > abs(of_other)


def _learn(darknet: bool, seed: int) -> tuple[Scorer, pd.DataFrame]:
    """Return a scorer that learnt from four fifths of the sellers, and the others' listings, checked."""
    if darknet:
        experiment, brands = load_experiment(EXPERIMENTS / "darknet_goods.toml"), brand_table()
        listings = read_training_listings(experiment)
    else:
        market = simulate_marketplace(n_listings=3_000, seed=seed)
        experiment, brands = None, brand_table(market.brands)
        listings = market.listings[market.listings["is_counterfeit"].notna()]
    y = listings["is_counterfeit"].to_numpy(dtype=np.int8)
    train, test = next(iter(seller_folds(listings, y, 5, seed)))
    if experiment:
        classifier = fit_classifier(experiment, listings.iloc[train], brands)
    else:
        classifier = CounterfeitClassifier(make_features(brands)).fit(listings.iloc[train], y[train])
    return Scorer(classifier, "true reasons"), check_listings(listings.iloc[test])


def _choose(scorer: Scorer, listings: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Return listings, half of them those with the highest scores, half of them drawn at random."""
    scores: NDArray[np.float64] = scorer.score_frame(listings)["score"].fillna(0.0).to_numpy()
    top = np.argsort(-scores)[: most // 2]
    rest = np.setdiff1d(np.arange(len(scores)), top)
    drawn = np.random.default_rng(seed).choice(rest, min(most - len(top), len(rest)), replace=False)
    return listings.iloc[np.concatenate([top, drawn])]


def main(
    darknet: Annotated[bool, typer.Option(help="Goods of a dark-net market instead of a simulated one.")] = False,
    most: Annotated[int, typer.Option(min=2, help="How many listings are explained.")] = 400,
    seed: Annotated[int, typer.Option(help="Seed of the market and of the draws.")] = 0,
) -> None:
    """Print how often what is stated is lost within a quarter, by kind of reason, and what the reasons cost."""
    scorer, listings = _learn(darknet, seed)
    chosen = _choose(scorer, listings, most, seed)
    scorer.explain_frame(chosen)
    began = time.process_time()
    explained = [scored for scored in scorer.explain_frame(chosen) if scored.log_odds is not None]
    took = time.process_time() - began
    removals = [one for scored in explained for one in (*try_marks(scorer, scored), *try_reasons(scorer, scored))]
    table = pd.DataFrame(
        [(one.kind, one.is_true, one.lost / one.stated) for one in removals], columns=["kind", "true", "ratio"]
    )
    figures = table.groupby("kind").agg(n=("true", "size"), true=("true", "mean"), ratio=("ratio", "median"))
    typer.echo(figures.round(3).to_string())
    generator = np.random.default_rng(seed)
    tops = [won for scored in explained if (won := beats_another(scorer, scored, generator)) is not None]
    typer.echo(f"all: {table['true'].mean():.3f} within a quarter of {len(table):,}")
    typer.echo(f"the top word beats another of its title: {np.mean(tops):.3f} of {len(tops):,}")
    typer.echo(f"{1_000 * took / len(chosen):.2f} ms a listing")


if __name__ == "__main__":
    typer.run(main)
