"""Learning curve: average precision on the same unseen sellers, by how many training sellers were learnt from.

It rises where more labels would help, and is flat where they would not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.errors import Refused, UnmeasurableScores
from ipml.features.goods import BrandTable
from ipml.model.evaluation.evaluation import MODEL, Tested, draw_repeats
from ipml.model.evaluation.metrics import Estimate, estimate_of
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.training.classifier import find_first_side, fit_classifier
from ipml.model.training.experiment import Experiment, read_unlabelled

_MEASURE = "average_precision"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Held-out result of learning from some of the training sellers.

    Attributes
    ----------
    listings, sellers : int
        Labelled listings that were learnt from, and who offers them.
    average_precision : Estimate
    """

    listings: int
    sellers: int
    average_precision: Estimate


def measure_learning_curve(
    experiment: Experiment,
    listings: pd.DataFrame,
    brands: BrandTable,
    tested: Tested,
    *,
    donor: CounterfeitClassifier | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[CurvePoint]:
    """Fit on shares of the sellers of the first training side, each share within the next, and test on its other side.

    Shares too small to learn from are left out. The last point is that of the whole side, from the test itself.

    Parameters
    ----------
    experiment : Experiment
        Its `evaluation.learning_curve` names the shares.
    listings, brands, donor, say
        As for `score_unseen`.
    tested : Tested
        What `score_unseen` returned for them.
    """
    shares = experiment.evaluation.learning_curve
    side = find_first_side(experiment, listings, donor)
    if not shares or side is None or (experiment.external and not experiment.external.refit):
        return []
    learnt, test_rows, places = side
    training, unseen = listings.iloc[learnt], listings.iloc[test_rows]
    unlabelled = read_unlabelled(experiment, listings)
    if unlabelled is not None:
        unlabelled = unlabelled[~unlabelled["seller_id"].isin(unseen["seller_id"])]
        unlabelled = None if unlabelled.empty else unlabelled
    sellers = np.random.default_rng(experiment.seed).permutation(training["seller_id"].unique())

    def measure(part: pd.DataFrame, scores: ArrayLike) -> CurvePoint:
        weight = None if tested.weight is None else np.asarray(tested.weight)[places]
        drawn: dict[str, Any] = {
            "weight": weight,
            "n_resamples": experiment.evaluation.n_resamples,
            "seed": experiment.seed,
        }
        draws = draw_repeats(tested.y[places], [scores], unseen["seller_id"], (_MEASURE,), **drawn)
        return CurvePoint(len(part), part["seller_id"].nunique(), estimate_of(draws[_MEASURE]))

    points = []
    for number, share in enumerate(sorted(shares), 1):
        say(f"measuring the learning curve ({number} of {len(shares)})")
        part = training[training["seller_id"].isin(sellers[: round(share * len(sellers))])]
        try:
            classifier = fit_classifier(experiment, part, brands, unlabelled=unlabelled, donor=donor)
            points.append(measure(part, classifier.predict_proba(unseen)[:, 1]))
        except (Refused, UnmeasurableScores, ValueError):  # all of them can be learnt from, so these are too few
            continue
    return [*points, measure(training, tested.scores[MODEL][0][places])]
