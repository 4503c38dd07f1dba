"""Scores of listings that a model had not seen, from which its figures are worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.brand import BrandTable, listing_brands
from ipml.features.columns import ListingColumns
from ipml.model.attacks import Attack, score_attacks
from ipml.model.baselines import KeywordList, Prevalence, PriceRule
from ipml.model.evaluation import MODEL, Evaluation, evaluate_repeats
from ipml.model.label_odds import odds_of
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.splits import Positions, later_unseen_sellers, leaking_random_split, seller_folds
from ipml.model.tested import Tested
from ipml.model.training.data import read_truth, read_unlabelled
from ipml.model.training.experiment import Experiment
from ipml.model.training.fitting import fit_classifier, labels_of
from ipml.model.values import add_values

Floats = NDArray[np.float64]
Side = tuple[Positions, Positions]
_Part = Literal["clean", "attacked"]
_NEVER = pd.Timestamp("2262-01-01", tz="UTC")


def score_unseen(
    experiment: Experiment,
    listings: pd.DataFrame,
    brands: BrandTable,
    *,
    attacks: Sequence[Attack] = (),
    donor: CounterfeitClassifier | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Tested:
    """Score the listings of the test side, or of every fold, by models that saw only the training side.

    Where the experiment has a file of the truth, listings without a label are tested too, and everything is measured
    by the truth; the models learn from labels only.

    Parameters
    ----------
    experiment : Experiment
    listings : DataFrame of shape (n_listings, …)
        As `read_training_listings` returns them.
    brands : dict
        A table made by `brand_table`.
    attacks : sequence of Family or Scenario, optional
        Ways in which the counterfeits of the test are also disguised and scored again, in the first repeat.
    donor : CounterfeitClassifier, optional
        Of another market, to start from.
    say : function of str, optional
        Told which fold is being learnt from, for a progress display.
    """
    truth, unlabelled = read_truth(experiment, listings), read_unlabelled(experiment, listings)
    is_labelled = listings["is_counterfeit"].notna().to_numpy()
    repeats = _plan(experiment, listings, truth)
    tested = np.sort(np.concatenate([test for _, test in repeats[0]]))
    known = truth.iloc[tested].to_numpy(dtype=bool)
    scores: dict[str, list[Floats]] = {}
    attacked: dict[str, Floats] = {}
    for repeat, folds in enumerate(repeats):
        sheet: dict[tuple[_Part, str], Floats] = {}
        for fold, (train_rows, test_rows) in enumerate(folds):
            say(f"testing on unseen sellers ({repeat * len(folds) + fold + 1} of {len(repeats) * len(folds)})")
            learnt, unseen = listings.iloc[train_rows[is_labelled[train_rows]]], listings.iloc[test_rows]
            y = truth.iloc[test_rows].to_numpy(dtype=bool)
            tried = attacks if repeat == 0 else ()
            for key, scored in _score_side(experiment, learnt, unseen, y, brands, tried, unlabelled, donor):
                sheet.setdefault(key, np.full(len(listings), np.nan))[test_rows] = scored
        for (part, name), scored in sheet.items():
            if part == "attacked":
                attacked[name] = scored[tested]
            else:
                scores.setdefault(name, []).append(scored[tested])
    kept = add_values(listings.iloc[tested].reset_index(drop=True), brands["rates"], brands["base_currency"])
    if experiment.data.truth and "label_odds" in kept:  # all are tested, so that none stands for others
        kept["label_odds"] = np.nan
    return Tested(kept, known, scores, attacked)


def name_brands(tested: Tested, brands: BrandTable) -> Tested:
    """Return a test in which listings without a brand have the first one that their title names, if any.

    For figures by brand only: later listings are compared with those of the test as they came in.
    """
    listings = tested.listings
    found = pd.Series(listing_brands(ListingColumns.of(listings), brands).strings(), index=listings.index, dtype="str")
    named = listings["brand"].fillna(found.mask(found == ""))
    return replace(tested, listings=listings.assign(brand=named))


def measure(experiment: Experiment, tested: Tested) -> Evaluation:
    """Work out the figures of the model beside those of the baselines.

    Where the truth of all is not known, labels are weighed by the odds with which people came to see the listings.
    """
    return evaluate_repeats(
        tested.y,
        tested.scores[MODEL],
        tested.listings,
        baselines={name: scores for name, scores in tested.scores.items() if name != MODEL},
        label_odds=odds_of(tested.listings),
        k=experiment.evaluation.k,
        n_resamples=experiment.evaluation.n_resamples,
        seed=experiment.seed,
    )


def _plan(experiment: Experiment, listings: pd.DataFrame, truth: pd.Series[bool]) -> list[list[Side]]:
    """Return, for each repeat, the training and test positions of each of its folds.

    All listings whose truth is known can be tested. Which of them are is drawn without a look at the truth.
    """
    split = experiment.split
    if split.kind == "seller folds":
        known = np.flatnonzero(truth.notna())
        rows = listings.iloc[known]
        return [
            [(known[train], known[test]) for train, test in seller_folds(rows, labels_of(rows), split.n_folds, seed)]
            for seed in split.seeds
        ]
    listings = _label_all(listings, truth)
    if split.kind == "leaking random":
        parted = leaking_random_split(listings, split.test_share, split.seeds[0])
    else:
        parted = later_unseen_sellers(listings, split.test_share, split.seller_share, split.seeds[0], split.moment)
    return [[(parted.train, parted.test)]]


def _label_all(listings: pd.DataFrame, truth: pd.Series[bool]) -> pd.DataFrame:
    """Return the listings with the truth as the label of those without one; it never becomes known."""
    is_unlabelled = listings["is_counterfeit"].isna()
    return listings.assign(
        is_counterfeit=listings["is_counterfeit"].where(~is_unlabelled, truth),
        labelled_at=listings["labelled_at"].mask(is_unlabelled, _NEVER),
    )


def _score_side(
    experiment: Experiment,
    learnt: pd.DataFrame,
    unseen: pd.DataFrame,
    y: NDArray[np.bool_],
    brands: BrandTable,
    attacks: Sequence[Attack],
    unlabelled: pd.DataFrame | None,
    donor: CounterfeitClassifier | None,
) -> Iterator[tuple[tuple[_Part, str], Floats]]:
    """Yield the name and the scores of the model, of each baseline, and of the model under each attack.

    All are fitted on one side and asked of the other; `y` is the truth of the latter, for the attackers alone. Sellers
    of the other side are left out of the unlabelled listings too.
    """
    labels = labels_of(learnt)
    if unlabelled is not None:
        others = unlabelled[~unlabelled["seller_id"].isin(unseen["seller_id"])]
        unlabelled = None if others.empty else others
    classifier = fit_classifier(experiment, learnt, brands, unlabelled=unlabelled, donor=donor)
    scores = classifier.predict_proba(unseen)[:, 1]
    yield ("clean", MODEL), scores
    for name, baseline in (
        ("prevalence", Prevalence()),
        ("keyword list", KeywordList()),
        ("price rule", PriceRule(brands)),
    ):
        yield ("clean", name), baseline.fit(learnt, labels).predict_proba(unseen)[:, 1]
    for name, scored in score_attacks(classifier, unseen, y, families=attacks, seed=experiment.seed, clean=scores):
        yield ("attacked", name), scored
