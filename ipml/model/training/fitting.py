"""The classifier of an experiment: its parameters set, rehearsed and fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ipml.errors import UnusableSetting, enumerate_names, first_line
from ipml.features.brand import BrandTable
from ipml.listings.schema import listings_to_frame
from ipml.model.artifact import load_model
from ipml.model.artifact.golden import GOLDEN_LISTINGS
from ipml.model.donor import check_kind
from ipml.model.label_odds import odds_of
from ipml.model.maturity import Maturity
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.training.experiment import Experiment
from ipml.settings import get_settings

_LATEST = np.iinfo(np.int64).max  # after whatever the donor knows


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


def rehearse(experiment: Experiment, brands: BrandTable, donor: CounterfeitClassifier | None = None) -> None:
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
        classifier.fit(listings_to_frame(GOLDEN_LISTINGS), labels, donor=donor)
    except Exception as error:  # each part of the classifier refuses in its own way
        found = ", ".join(f"{name} = {value!r}" for name, value in experiment.model.items())
        expected = f"values the classifier can use ({first_line(error)})"
        raise UnusableSetting(f"[model] of {experiment.name}", found, expected) from error


def fetch_donor(
    experiment: Experiment, tracking_uri: str | None = None
) -> tuple[Experiment, CounterfeitClassifier | None]:
    """Return the model of another market that an experiment starts from, if any, and the experiment with it pinned.

    An alias moves on; the experiment returned names the version, and the digest that its model file must have.

    Raises
    ------
    ModelNotFound, UnusableModelName, ModelChanged, UntrustedModel
        There is no such model, or it is not to be trusted.
    UnusableSetting
        It is another model than was pinned, or has other extractors than the experiment.
    """
    if experiment.data.donor is None:
        return experiment, None
    from ipml.model.tracking import find_model, resolve_model  # MLflow is loaded only for its registry

    uri, pinned = find_model(experiment.data.donor, tracking_uri).uri, experiment.data.donor_digest
    donor = load_model(resolve_model(uri, tracking_uri), key_file=get_settings().model_key)
    if pinned not in (None, donor.digest):
        raise UnusableSetting(f"donor {uri}", f"a model file with the digest {donor.digest}", f"that with {pinned}")
    try:
        check_kind(make_classifier(experiment, donor.classifier.brand_table).features, donor.classifier.features_)
    except ValueError as error:
        raise UnusableSetting(f"donor {uri}", first_line(error), "a model with the same extractors") from error
    data = experiment.data.model_copy(update={"donor": uri, "donor_digest": donor.digest})
    return experiment.model_copy(update={"data": data}), donor.classifier


def fit_classifier(
    experiment: Experiment,
    labelled: pd.DataFrame,
    brands: BrandTable,
    *,
    unlabelled: pd.DataFrame | None = None,
    donor: CounterfeitClassifier | None = None,
) -> CounterfeitClassifier:
    """Fit the experiment's classifier on labelled listings, on unlabelled ones of the market, and from a donor on.

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
        donor=donor,
    )


def say_what_donor_counts(
    experiment: Experiment, donor: CounterfeitClassifier | None, classifier: CounterfeitClassifier, tested: pd.DataFrame
) -> str:
    """Say in a line from which model learning started, and what that model counts for; "" where there was none.

    Figures of a test are too kind where the donor has learnt from the sellers tested on, so the line says that, too.
    """
    uri, digest = experiment.data.donor, experiment.data.donor_digest
    if donor is None or digest is None:
        return ""
    said = f"Started from {uri} ({digest[:12]}): its log-odds count {classifier.donor_weight_:.2f} times"
    if classifier.learner_ is donor.learner_:
        said = f"Taken from {uri} ({digest[:12]}) as it is: too few sellers of counterfeits or of genuine are labelled"
    sellers = tested["seller_id"].astype(str).unique()
    if n_known := sum(donor.portfolios_.known(seller, _LATEST).n > 0 for seller in sellers):
        kind = f"{n_known:,} of {len(sellers):,} sellers tested on bear ids that it learnt from"
        return f"{said}; {kind}: if they are the same sellers, the figures are too kind"
    return said


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
