"""The evaluation of a model by its scores, and estimates of single measures."""

import numpy as np

from ipml.model.evaluation.evaluation import MODEL, Evaluation, TestedListings, evaluate_test
from ipml.model.evaluation.metrics import MEASURES, Estimate, estimate_of, resample_all
from ipml.model.evaluation.ranking import Resampling


def evaluate(y, score, listings, *, baselines=None, **options):
    """Measure one scoring beside one of each baseline."""
    repeated = {name: [np.asarray(scores)] for name, scores in (baselines or {}).items()}
    return evaluate_repeats(y, [score], listings, baselines=repeated, **options)


def evaluate_repeats(y, scores, listings, *, baselines=None, **options) -> Evaluation:
    """Measure several scorings of the same listings beside those of each baseline."""
    by_scorer = {MODEL: [np.asarray(score) for score in scores], **(baselines or {})}
    return evaluate_test(TestedListings(listings, np.asarray(y, dtype=bool), by_scorer), **options)


def estimate_all(y, score, sellers, *, measures=MEASURES, **resampling) -> dict[str, Estimate]:
    """Return every measure with its interval."""
    draws = resample_all(y, score, sellers, Resampling(**resampling), measures=measures)
    return {name: estimate_of(values) for name, values in draws.items()}


def paired_difference(y, score_a, score_b, sellers, measure="average_precision", **resampling) -> Estimate:
    """Return by how much the measure is greater for `score_a` than for `score_b`, on the same resamples."""
    draws_a, draws_b = (
        resample_all(y, score, sellers, Resampling(**resampling), measures=[measure])[measure]
        for score in (score_a, score_b)
    )
    return estimate_of(draws_a - draws_b)
