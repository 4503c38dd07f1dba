"""The classifier of an experiment: its parameters set, rehearsed and fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ipml.errors import UnusableSetting, enumerate_names, first_line
from ipml.features.brand import BrandTable
from ipml.listings.schema import listings_to_frame
from ipml.model.artifact.golden import GOLDEN_LISTINGS
from ipml.model.label_odds import odds_of
from ipml.model.maturity import Maturity
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.training.experiment import Experiment


def make_classifier(experiment: Experiment, brands: BrandTable) -> CounterfeitClassifier:
    """Return the experiment's classifier, not yet fitted.

    Raises
    ------
    UnusableSetting
        The experiment names a parameter the classifier does not have.
    """
    classifier = CounterfeitClassifier(make_features(brands), seed=experiment.seed)
    known = list(settable_parameters(classifier))
    if unknown := [name for name in experiment.model if name not in known]:
        own, nested = (sorted(filter(lambda name: ("__" in name) == is_nested, known)) for is_nested in (False, True))
        expected = f"parameters of the classifier: {', '.join(own)}, or one of its extractors', such as {nested[0]}"
        found = f"unknown {enumerate_names(unknown, own + nested)}"
        raise UnusableSetting(f"[model] of {experiment.name}", found, expected)
    classifier.set_params(**experiment.model)
    return classifier


def rehearse(experiment: Experiment, brands: BrandTable) -> None:
    """Fit on a few listings of our own, if parameters are set; what fails there can only be due to them.

    Raises
    ------
    UnusableSetting
        A parameter has a value that the classifier cannot use.
    """
    if not experiment.model:
        return
    classifier = make_classifier(experiment, brands)
    labels = np.arange(len(GOLDEN_LISTINGS)) % 2
    try:
        classifier.fit(listings_to_frame(GOLDEN_LISTINGS), labels)
    except Exception as error:  # each part of the classifier refuses in its own way
        found = ", ".join(f"{name} = {value!r}" for name, value in experiment.model.items())
        expected = f"values the classifier can use ({first_line(error)})"
        raise UnusableSetting(f"[model] of {experiment.name}", found, expected) from error


def fit_classifier(
    experiment: Experiment, labelled: pd.DataFrame, brands: BrandTable, unlabelled: pd.DataFrame | None = None
) -> CounterfeitClassifier:
    """Fit the experiment's classifier on labelled listings, and on what unlabelled ones of the market say.

    A label that says nothing of its weight counts in full, but only as far as labels of its age are final (`Maturity`):
    for probabilities alone, since which labels have come says little of the order of listings; for everything where
    genuine is what has not been found yet, which is wrong of some.
    """
    weight = labelled["label_weight"].fillna(1.0).to_numpy() if "label_weight" in labelled else np.ones(len(labelled))
    maturity, arrived = Maturity.of(labelled), None
    if maturity and maturity.is_provisional:
        weight = weight * maturity.weight
    elif maturity:
        arrived = maturity.weight
    classifier = make_classifier(experiment, brands)
    return classifier.fit(
        labelled,
        labels_of(labelled),
        weight,
        odds_of(labelled),
        arrived,
        unlabelled=unlabelled,
        prevalence_bound=experiment.data.prevalence_bound,
    )


def labels_of(listings: pd.DataFrame) -> NDArray[np.int8]:
    """Return 1 for each listing labelled counterfeit, else 0, shape (n_listings,)."""
    return listings["is_counterfeit"].to_numpy(dtype=np.int8, na_value=0)


def settable_parameters(classifier: CounterfeitClassifier) -> dict[str, object]:
    """Return the parameters that an experiment may set: numbers and texts, but neither extractors nor brands."""
    return {
        name: value
        for name, value in classifier.get_params().items()
        if not isinstance(value, BaseEstimator | list) and not name.endswith("brands")
    }
