"""Scores of listings that a model had not seen, from which its figures are worked out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.brand import BrandTable
from ipml.model.baselines import KeywordList, Prevalence, PriceRule
from ipml.model.evaluation import MODEL, Evaluation, evaluate_repeats
from ipml.model.experiment import Experiment
from ipml.model.fitting import fit_classifier, labels_of
from ipml.model.splits import Positions, later_unseen_sellers, leaking_random_split, seller_folds
from ipml.model.training_data import read_truth

Floats = NDArray[np.float64]
Side = tuple[Positions, Positions]
_NEVER = pd.Timestamp("2262-01-01", tz="UTC")


@dataclass(frozen=True)
class Tested:
    """Scores of the model and of the baselines on listings they had not seen, one array a repeat."""

    listings: pd.DataFrame
    y: NDArray[np.bool_]
    scores: Mapping[str, list[Floats]]


def score_unseen(experiment: Experiment, listings: pd.DataFrame, brands: BrandTable) -> Tested:
    """Score the listings of the test side, or of every fold, by models that saw only the training side.

    Where the experiment has a file of the truth, listings without a label are tested too, and everything is measured
    by the truth; the models learn from labels only.
    """
    truth = read_truth(experiment, listings)
    is_labelled = listings["is_counterfeit"].notna().to_numpy()
    repeats = _plan(experiment, listings, truth)
    tested = np.sort(np.concatenate([test for _, test in repeats[0]]))
    scores: dict[str, list[Floats]] = {}
    for folds in repeats:
        repeat: dict[str, Floats] = {}
        for train_rows, test_rows in folds:
            learnt, unseen = listings.iloc[train_rows[is_labelled[train_rows]]], listings.iloc[test_rows]
            for name, scored in _score_side(experiment, learnt, unseen, brands):
                repeat.setdefault(name, np.full(len(listings), np.nan))[test_rows] = scored
        for name, scored in repeat.items():
            scores.setdefault(name, []).append(scored[tested])
    return Tested(listings.iloc[tested].reset_index(drop=True), truth.iloc[tested].to_numpy(dtype=bool), scores)


def measure(experiment: Experiment, tested: Tested) -> Evaluation:
    """Work out the figures of the model beside those of the baselines."""
    return evaluate_repeats(
        tested.y,
        tested.scores[MODEL],
        tested.listings,
        baselines={name: scores for name, scores in tested.scores.items() if name != MODEL},
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
    experiment: Experiment, learnt: pd.DataFrame, unseen: pd.DataFrame, brands: BrandTable
) -> Iterator[tuple[str, Floats]]:
    """Yield the name and the scores of the model, and of each baseline, fitted on one side and asked of the other."""
    y = labels_of(learnt)
    yield MODEL, fit_classifier(experiment, learnt, brands).predict_proba(unseen)[:, 1]
    for name, baseline in (
        ("prevalence", Prevalence()),
        ("keyword list", KeywordList()),
        ("price rule", PriceRule(brands)),
    ):
        yield name, baseline.fit(learnt, y).predict_proba(unseen)[:, 1]
