"""Train: read, split, fit, evaluate beside baselines, save, record. One experiment in, one registered model out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ipml.errors import UnusableSetting, UnwritableFile, first_line
from ipml.features.brand import BrandTable, brand_table
from ipml.listings.brands import load_brands
from ipml.listings.schema import listings_to_frame
from ipml.model.artifact import save_model
from ipml.model.baselines import KeywordList, Prevalence, PriceRule
from ipml.model.curves import plot_curves
from ipml.model.evaluation import MODEL, Evaluation, evaluate_repeats
from ipml.model.experiment import Experiment
from ipml.model.golden import GOLDEN_LISTINGS
from ipml.model.model_card import ModelCard
from ipml.model.model_folder import check_replaceable
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.run_facts import RunFacts
from ipml.model.splits import Positions, later_unseen_sellers, leaking_random_split, seller_folds
from ipml.model.tracking import RecordedRun, check_store, record_run
from ipml.model.training_data import digest_listings, read_training_listings, read_truth
from ipml.settings import get_settings

Say = Callable[[str], None]
Floats = NDArray[np.float64]
Side = tuple[Positions, Positions]
_NEVER = pd.Timestamp("2262-01-01", tz="UTC")


@dataclass(frozen=True)
class Trained:
    """What came of a training run."""

    card: ModelCard
    folder: Path
    evaluation: Evaluation
    run: RecordedRun


@dataclass(frozen=True)
class Tested:
    """Scores of the model and of the baselines on listings they had not seen, one array a repeat."""

    listings: pd.DataFrame
    y: NDArray[np.bool_]
    scores: Mapping[str, list[Floats]]


def train(
    experiment: Experiment,
    *,
    models: Path = Path("models"),
    tracking_uri: str | None = None,
    say: Say = lambda _: None,
) -> Trained:
    """Run one experiment and register its model.

    The figures come from a model that saw only the training side of the split; the model that is saved is then fitted
    on all labelled listings.

    Parameters
    ----------
    experiment : Experiment
        What to do; `load_experiment` reads it from a file.
    models : Path, default="models"
        The model is saved in a folder of this folder, named after the experiment.
    tracking_uri : str, optional
        MLflow's store; that of the settings where none is given.
    say : function of str, optional
        Told what is being done, for a progress display.

    Raises
    ------
    InvalidListings, UnreadableFile, UnsplittableData, UnusableSetting
        The data cannot be read, cannot be split, or the experiment asks for what does not exist.
    NotAModelFolder, UnwritableFile, TrackingUnavailable
        The model or the run could not be kept; this is known before anything is learnt.
    """
    folder = models / experiment.name
    say("looking where model and run will be kept")
    _check_destination(folder, tracking_uri)
    say("reading listings")
    brands = brand_table(load_brands(experiment.find(experiment.data.brands) if experiment.data.brands else None))
    _rehearse(experiment, brands)
    listings = read_training_listings(experiment)
    say("fitting and testing on unseen sellers")
    tested = score_unseen(experiment, listings, brands)
    say("measuring")
    evaluation = measure(experiment, tested)
    say("fitting on all labelled listings")
    labelled = listings[listings["is_counterfeit"].notna()]
    classifier = fit_classifier(experiment, labelled, brands)
    say("saving and recording")
    digest = digest_listings(labelled)
    card = save_model(
        classifier,
        folder,
        name=experiment.record.model,
        data_digest=digest,
        experiment=experiment.model_dump(mode="json"),
        figures=evaluation.figures[MODEL],
        key_file=get_settings().model_key,
    )
    run = _record(experiment, evaluation, tested, folder, digest, tracking_uri)
    return Trained(card, folder, evaluation, run)


def make_classifier(experiment: Experiment, brands: BrandTable) -> CounterfeitClassifier:
    """Return the experiment's classifier, not yet fitted.

    Raises
    ------
    UnusableSetting
        The experiment names a parameter the classifier does not have.
    """
    classifier = CounterfeitClassifier(make_features(brands), seed=experiment.seed)
    known = [name for name, value in classifier.get_params().items() if _is_settable(name, value)]
    for name in experiment.model:
        if name not in known:
            near = ", ".join(get_close_matches(name, known, n=5, cutoff=0.0))
            expected = f"parameters of the classifier, such as {near}"
            raise UnusableSetting(f"[model] of {experiment.name}", name, expected)
    classifier.set_params(**experiment.model)
    return classifier


def fit_classifier(experiment: Experiment, labelled: pd.DataFrame, brands: BrandTable) -> CounterfeitClassifier:
    """Fit the experiment's classifier on labelled listings."""
    weight = labelled["label_weight"].fillna(1.0).to_numpy()
    return make_classifier(experiment, brands).fit(labelled, _labels(labelled), weight)


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


def _check_destination(folder: Path, tracking_uri: str | None) -> None:
    """Refuse early what would otherwise fail once everything has been learnt."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableFile(folder, error.strerror or str(error), "a folder that can be made") from error
    check_replaceable(folder)
    check_store(tracking_uri)


def _is_settable(name: str, value: object) -> bool:
    """Say whether an experiment may set a parameter: numbers and texts, but neither extractors nor brands."""
    return not isinstance(value, BaseEstimator | list) and not name.endswith("brands")


def _rehearse(experiment: Experiment, brands: BrandTable) -> None:
    """Fit on a few listings of our own; what fails there can only be due to a parameter.

    Raises
    ------
    UnusableSetting
        A parameter has a value that the classifier cannot use.
    """
    classifier = make_classifier(experiment, brands)
    labels = np.arange(len(GOLDEN_LISTINGS)) % 2
    try:
        classifier.fit(listings_to_frame(GOLDEN_LISTINGS), labels)
    except Exception as error:  # each part of the classifier refuses in its own way
        found = ", ".join(f"{name} = {value!r}" for name, value in experiment.model.items())
        expected = f"values the classifier can use ({first_line(error)})"
        raise UnusableSetting(f"[model] of {experiment.name}", found, expected) from error


def _labels(listings: pd.DataFrame) -> NDArray[np.int8]:
    return listings["is_counterfeit"].to_numpy(dtype=np.int8, na_value=0)


def _plan(experiment: Experiment, listings: pd.DataFrame, truth: pd.Series[bool]) -> list[list[Side]]:
    """Return, for each repeat, the training and test positions of each of its folds.

    All listings whose truth is known can be tested. Which of them are is drawn without a look at the truth.
    """
    split = experiment.split
    if split.kind == "seller folds":
        known = np.flatnonzero(truth.notna())
        rows = listings.iloc[known]
        return [
            [(known[train], known[test]) for train, test in seller_folds(rows, _labels(rows), split.n_folds, seed)]
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
    y = _labels(learnt)
    yield MODEL, fit_classifier(experiment, learnt, brands).predict_proba(unseen)[:, 1]
    for name, baseline in (
        ("prevalence", Prevalence()),
        ("keyword list", KeywordList()),
        ("price rule", PriceRule(brands)),
    ):
        yield name, baseline.fit(learnt, y).predict_proba(unseen)[:, 1]


def _record(
    experiment: Experiment,
    evaluation: Evaluation,
    tested: Tested,
    folder: Path,
    digest: str,
    tracking_uri: str | None,
) -> RecordedRun:
    with tempfile.TemporaryDirectory() as pictures:
        curves = plot_curves(
            tested.y,
            tested.scores[MODEL][0],
            tested.listings["seller_id"],
            Path(pictures),
            baselines={name: scores[0] for name, scores in tested.scores.items() if name != MODEL},
        )
        facts = RunFacts(
            experiment=experiment.name,
            parameters={"seed": experiment.seed, **experiment.split.model_dump(), **experiment.model},
            figures=evaluation.figures[MODEL],
            data_name=", ".join(experiment.data.listings),
            data_digest=digest,
            pictures=curves,
            texts={
                **_written(experiment),
                "evaluation.json": evaluation.to_json(),
                "evaluation.txt": evaluation.table(),
                "slices.txt": evaluation.slice_table(),
            },
            tags={"leaks": str(experiment.split.kind == "leaking random").lower()},
        )
        record = experiment.record
        return record_run(facts, folder, model_name=record.model, alias=record.alias, tracking_uri=tracking_uri)


def _written(experiment: Experiment) -> dict[str, str]:
    """Return the experiment as its file has it, or as JSON where it was made without one."""
    if experiment.text:
        return {"experiment.toml": experiment.text}
    return {"experiment.json": experiment.model_dump_json(indent=2)}
