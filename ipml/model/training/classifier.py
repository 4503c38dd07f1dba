"""Classifier of an experiment: makes, rehearses and fits it, and scores listings that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import NotFound, Refused, UnusableSetting, enumerate_names, first_line
from ipml.features.columns import ListingColumns
from ipml.features.goods import BrandTable, listing_brands
from ipml.listings.schema import listings_to_frame
from ipml.model.evaluation.baselines import KeywordList, Prevalence, PriceRule
from ipml.model.evaluation.evaluation import MODEL, Evaluation, TestedListings, evaluate_test
from ipml.model.evaluation.label_weights import Maturity, find_label_probability
from ipml.model.evaluation.metrics import add_values
from ipml.model.evaluation.splits import NEVER, Positions, later_unseen_sellers, leaking_random_split, seller_folds
from ipml.model.external import ExternalClassifier, read_source
from ipml.model.learner.source_model import check_kind, count_sellers
from ipml.model.model_file import load_by_settings
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.questions.learning_curve import LearningCurve, measure_learning_curve
from ipml.model.robustness import Attack, score_attacks
from ipml.model.training.experiment import Experiment, labelled_of, read_truth, read_unlabelled
from ipml.model.training.own_features import check_savable, make_own_features
from ipml.settings import Settings

_COPIES = 50  # of the golden listings, so that words are frequent enough for extractors that leave out rare ones
_LATEST = np.iinfo(np.int64).max  # after whatever the source model knows


def make_classifier(experiment: Experiment, brands: BrandTable) -> CounterfeitClassifier:
    """Return the experiment's classifier, not yet fitted; refuse unknown parameters by an UnusableSetting."""
    features = make_features(brands, make_own_features(experiment))
    classifier = CounterfeitClassifier(features, seed=experiment.seed)
    known = list(settable_parameters(classifier))
    if unknown := [name for name in experiment.model if name not in known]:
        own, nested = (sorted(filter(lambda name: ("__" in name) == is_nested, known)) for is_nested in (False, True))
        expected = f"parameters of the classifier: {', '.join(own)}, or one of its extractors', such as {nested[0]}"
        found = f"unknown {enumerate_names(unknown, own + nested)}"
        raise UnusableSetting(f"[model] of {experiment.name}", found, expected)
    classifier.set_params(**experiment.model)
    return classifier


def rehearse(experiment: Experiment, brands: BrandTable, source_model: CounterfeitClassifier | None = None) -> None:
    """Fit on a few golden listings, if any parameter is set, to find values that the classifier cannot use.

    Raises `UnusableSetting`: a value fails, or an extractor of the user's own fails or cannot be saved.
    """
    if experiment.external or not (experiment.model or experiment.features):
        return
    classifier = make_classifier(experiment, brands)
    listings = listings_to_frame(GOLDEN_LISTINGS * (_COPIES if experiment.features else 1))
    try:
        classifier.fit(listings, np.arange(len(listings)) % 2, source_model=source_model)
    except Exception as error:  # each part of the classifier refuses in its own way
        if experiment.features and isinstance(error, Refused):  # which names the extractor
            subject = f"[features] of {experiment.name}, {error.subject}"
            raise UnusableSetting(subject, error.found, error.expected, error.remedy) from error
        found = ", ".join(f"{name} = {value!r}" for name, value in experiment.model.items())
        expected = f"values the classifier can use ({first_line(error)})"
        raise UnusableSetting(f"[model] of {experiment.name}", found, expected) from error
    check_savable(experiment, classifier.features_.parts())


def fetch_source_model(experiment: Experiment) -> tuple[Experiment, CounterfeitClassifier | None]:
    """Return the experiment with its source model pinned by version and digest, since an alias moves, and that model.

    Raises
    ------
    NotFound, UnusableSetting, UntrustedModel
        There is no such model, it is not to be trusted, it differs from the pinned one, or has other extractors.
    """
    if experiment.data.donor is None:
        return experiment, None
    uri, folder = _find_source_model(experiment.data.donor, experiment.settings)
    source_model, pinned = load_by_settings(folder, experiment.settings), experiment.data.donor_digest
    if pinned not in (None, source_model.digest):
        raise UnusableSetting(
            f"source model {uri}", f"a model file with the digest {source_model.digest}", f"that with {pinned}"
        )
    if isinstance(source_model.classifier, ExternalClassifier):
        raise UnusableSetting(f"source model {uri}", "a model that ipml did not train", "one to start learning from")
    try:
        own = make_classifier(experiment, source_model.classifier.brand_table)
        check_kind(own.features or make_features(), source_model.classifier.features_)
    except ValueError as error:
        raise UnusableSetting(f"source model {uri}", first_line(error), "a model with the same extractors") from error
    data = experiment.data.model_copy(update={"donor": uri, "donor_digest": source_model.digest})
    return experiment.model_copy(update={"data": data}), source_model.classifier


def _find_source_model(source_model: str, settings: Settings) -> tuple[str, Path]:
    """Return the permanent name of a source model, and its folder: a registered model, or else a folder."""
    from ipml.model.tracking import find_model, resolve_model  # MLflow is loaded only for its registry

    try:
        uri = find_model(source_model, settings.tracking).uri
    except NotFound:
        if not Path(source_model).is_dir():
            raise
        return str(Path(source_model).absolute()), Path(source_model)
    return uri, resolve_model(uri, settings.tracking, settings.trusted_models)


def fit_classifier(
    experiment: Experiment,
    labelled: pd.DataFrame,
    brands: BrandTable,
    *,
    unlabelled: pd.DataFrame | None = None,
    source_model: CounterfeitClassifier | None = None,
) -> CounterfeitClassifier | ExternalClassifier:
    """Fit the experiment's classifier on labelled and unlabelled listings, perhaps from a source model on.

    A label without a weight counts fully, but only as far as labels of its age are final (`Maturity`): for
    probabilities only, since the arrival of labels says little of the ranking; for everything where genuine means "not
    found yet".
    """
    weight = labelled["label_weight"].fillna(1.0).to_numpy() if "label_weight" in labelled else np.ones(len(labelled))
    maturity, arrived = Maturity.of(labelled), None
    if maturity and maturity.is_provisional:
        weight = weight * maturity.weight
    elif maturity:
        arrived = maturity.weight
    counts = weight, find_label_probability(labelled), arrived
    if experiment.external:
        return _make_external(experiment, brands).fit(labelled, labels_of(labelled), *counts)
    return make_classifier(experiment, brands).fit(
        labelled,
        labels_of(labelled),
        *counts,
        unlabelled=unlabelled,
        prevalence_bound=experiment.data.prevalence_bound,
        source_model=source_model,
    )


def _make_external(experiment: Experiment, brands: BrandTable) -> ExternalClassifier:
    """Return the experiment's classifier around an external estimator, not yet fitted."""
    external = experiment.external
    assert external is not None
    source = read_source(external.estimator, experiment.find)
    if external.digest not in (None, source.digest):
        raise UnusableSetting(external.estimator, f"SHA-256 {source.digest}", f"that recorded, {external.digest}")
    return ExternalClassifier(
        source,
        brands,
        is_calibrated=external.calibrate,
        refit=external.refit,
        pos_label=external.pos_label,
        seed=experiment.seed,
        trusted=experiment.settings.trusted_models,
    )


def describe_source_model(
    experiment: Experiment,
    source_model: CounterfeitClassifier | None,
    classifier: CounterfeitClassifier | ExternalClassifier,
    tested: pd.DataFrame,
) -> str:
    """Return a line on the source model and its weight; "" without one.

    The line warns where the source model has learnt from sellers of the test: the figures are too kind then.
    """
    uri, digest = experiment.data.donor, experiment.data.donor_digest
    if source_model is None or digest is None or isinstance(classifier, ExternalClassifier):
        return ""
    said = f"Started from {uri} ({digest[:12]}): its log-odds count {classifier.donor_weight_:.2f} times"
    if classifier.learner_ is source_model.learner_:
        said = f"Taken from {uri} ({digest[:12]}) as it is: too few sellers of counterfeits or of genuine are labelled"
    sellers = tested["seller_id"].astype(str).unique()
    if n_known := sum(source_model.portfolios_.known(seller, _LATEST).n > 0 for seller in sellers):
        kind = f"{n_known:,} of {len(sellers):,} sellers tested on bear ids that it learnt from"
        return f"{said}; {kind}: if they are the same sellers, the figures are too kind"
    return said


def labels_of(listings: pd.DataFrame) -> NDArray[np.int8]:
    """Return 1 for each listing labelled counterfeit, else 0, shape (n_listings,)."""
    return listings["is_counterfeit"].to_numpy(dtype=np.int8, na_value=0)


def settable_parameters(classifier: CounterfeitClassifier) -> dict[str, object]:
    """Return the parameters that an experiment may set: no extractors, brands, learners or labels."""
    own = ("brands", "learner", "pos_label")
    return {
        name: value
        for name, value in classifier.get_params().items()
        if not (hasattr(value, "get_params") or isinstance(value, list) or name.endswith(own))
    }


Floats = NDArray[np.float64]
Side = tuple[Positions, Positions]


@dataclass(frozen=True)
class TrainingTask:
    """An experiment, with all that it learns from.

    Attributes
    ----------
    listings : DataFrame of shape (n_listings, …)
        From `read_training_listings`.
    brands : dict
        A table made by `brand_table`.
    source_model : CounterfeitClassifier, optional
    """

    experiment: Experiment
    listings: pd.DataFrame
    brands: BrandTable
    source_model: CounterfeitClassifier | None = None

    def fit(
        self, labelled: pd.DataFrame, unlabelled: pd.DataFrame | None
    ) -> CounterfeitClassifier | ExternalClassifier:
        """Fit the classifier on some of the listings."""
        return fit_classifier(
            self.experiment, labelled, self.brands, unlabelled=unlabelled, source_model=self.source_model
        )


def score_unseen(
    task: TrainingTask, *, attacks: Sequence[Attack] = (), say: Callable[[str], None] = lambda _: None
) -> TestedListings:
    """Score the listings of the test side, or of every fold, by models that saw only the training side.

    With a file of the truth, unlabelled listings are tested too, by the truth; models learn from labels only.

    Parameters
    ----------
    attacks : sequence of Attack, optional
        Disguises tried on the counterfeits of the test, in the first repeat.
    """
    experiment, listings, brands = task.experiment, task.listings, task.brands
    truth, unlabelled = read_truth(experiment, listings), read_unlabelled(experiment, listings)
    is_labelled = listings["is_counterfeit"].notna().to_numpy()
    repeats = _plan(task, truth)
    tested = np.sort(np.concatenate([test for _, test in repeats[0]]))
    known = truth.iloc[tested].to_numpy(dtype=bool)
    scores: dict[str, list[Floats]] = {}
    attacked: dict[str, Floats] = {}
    for repeat, folds in enumerate(repeats):
        clean: dict[str, Floats] = {}
        for fold, (train_rows, test_rows) in enumerate(folds):
            say(f"testing on unseen sellers ({repeat * len(folds) + fold + 1} of {len(repeats) * len(folds)})")
            learnt, unseen = listings.iloc[train_rows[is_labelled[train_rows]]], listings.iloc[test_rows]
            classifier = task.fit(learnt, _leave_out(unlabelled, unseen))
            scored = classifier.predict_proba(unseen)[:, 1]
            for name, column in {MODEL: scored, **_score_baselines(learnt, unseen, brands)}.items():
                clean.setdefault(name, np.full(len(listings), np.nan))[test_rows] = column
            if repeat == 0:
                y, seed = truth.iloc[test_rows].to_numpy(dtype=bool), experiment.seed
                for name, column in score_attacks(classifier, unseen, y, families=attacks, seed=seed, clean=scored):
                    attacked.setdefault(name, np.full(len(listings), np.nan))[test_rows] = column
        for name, column in clean.items():
            scores.setdefault(name, []).append(column[tested])
    kept = add_values(listings.iloc[tested].reset_index(drop=True), brands["rates"], brands["base_currency"])
    if experiment.data.truth and "label_probability" in kept:  # all are tested, so that none represents others
        kept["label_probability"] = np.nan
    return TestedListings(kept, known, scores, {name: column[tested] for name, column in attacked.items()})


def find_training_side(task: TrainingTask) -> Positions:
    """Return the labelled listings that the first split of `score_unseen` learns from, without a source model."""
    truth = read_truth(task.experiment, task.listings)
    train_rows = _plan(replace(task, source_model=None), truth)[0][0][0]
    return train_rows[task.listings["is_counterfeit"].notna().to_numpy()[train_rows]]


def learn_from_subsets(
    task: TrainingTask,
    n_draws: int,
    *,
    times: tuple[float, ...] = (2.0,),
    say: Callable[[str], None] = lambda _: None,
) -> LearningCurve:
    """Return the learning curve of an experiment; its split and its truth are not used.

    `n_draws`, `times` and `say` are those of `measure_learning_curve`.

    Raises `Refused`: too few sellers of counterfeits, or an estimator that is not fitted anew.
    """
    experiment = task.experiment
    if experiment.external and not experiment.external.refit:
        raise Refused("Cannot draw a learning curve", "an estimator that is not fitted anew", "`refit = true`")
    unlabelled = read_unlabelled(experiment, task.listings)
    labelled = labelled_of(task.listings).reset_index(drop=True)

    def score_with(learnt: pd.DataFrame, asked: pd.DataFrame) -> Floats:
        return task.fit(learnt, _leave_out(unlabelled, asked)).predict_proba(asked)[:, 1]

    y, seed = labels_of(labelled), experiment.seed
    return measure_learning_curve(score_with, y, labelled, times=times, n_draws=n_draws, seed=seed, say=say)


def _leave_out(unlabelled: pd.DataFrame | None, tested: pd.DataFrame) -> pd.DataFrame | None:
    """Return the unlabelled listings of sellers that are not tested; None without any."""
    if unlabelled is None:
        return None
    others = unlabelled[~unlabelled["seller_id"].isin(tested["seller_id"])]
    return None if others.empty else others


def name_brands(tested: TestedListings, brands: BrandTable) -> TestedListings:
    """Return a test whose listings without a brand have the first one in their title, for figures by brand."""
    listings = tested.listings
    found = pd.Series(listing_brands(ListingColumns.of(listings), brands).strings(), index=listings.index, dtype="str")
    named = listings["brand"].fillna(found.mask(found == ""))
    return replace(tested, listings=listings.assign(brand=named))


def measure(experiment: Experiment, tested: TestedListings) -> Evaluation:
    """Compute the figures of model and baselines.

    Without the truth, labels are weighted by the probability with which people saw the listings.
    """
    asked = experiment.evaluation
    return evaluate_test(tested, k=asked.k, n_resamples=asked.n_resamples, seed=experiment.seed)


def _plan(task: TrainingTask, truth: pd.Series[bool]) -> list[list[Side]]:
    """Return, for each repeat, the training and test positions of each fold.

    Test listings are drawn from all with a known truth, without a look at it. A source model taken as it is learns from
    no label, so all are tested.
    """
    experiment, listings = task.experiment, task.listings
    split = experiment.split
    if task.source_model is not None and _is_taken_as_it_is(experiment, listings):
        tested = np.flatnonzero(truth.notna())
        return [[(tested, tested)]]
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


def _is_taken_as_it_is(experiment: Experiment, listings: pd.DataFrame) -> bool:
    """Say whether a source model is taken as it is, since too few sellers are labelled."""
    labelled = labelled_of(listings)
    weight, sellers = np.ones(len(labelled)), labelled["seller_id"].to_numpy(dtype=str)
    n_folds: int = experiment.model.get("n_folds", CounterfeitClassifier().n_folds)
    return count_sellers(labels_of(labelled), weight, sellers) < n_folds


def _label_all(listings: pd.DataFrame, truth: pd.Series[bool]) -> pd.DataFrame:
    """Return the listings with the truth as the label of unlabelled ones; it never becomes known."""
    is_unlabelled = listings["is_counterfeit"].isna()
    return listings.assign(
        is_counterfeit=listings["is_counterfeit"].where(~is_unlabelled, truth),
        labelled_at=listings["labelled_at"].mask(is_unlabelled, NEVER),
    )


def _score_baselines(learnt: pd.DataFrame, unseen: pd.DataFrame, brands: BrandTable) -> dict[str, Floats]:
    """Return the scores of each baseline, fitted on one side, for the other."""
    labels, scores = labels_of(learnt), {}
    for name, baseline in (
        ("prevalence", Prevalence()),
        ("keyword list", KeywordList()),
        ("price rule", PriceRule(brands)),
    ):
        scores[name] = baseline.fit(learnt, labels).predict_proba(unseen)[:, 1]
    return scores
