"""Train: read, split, fit, evaluate beside baselines, save, record. One experiment in, one registered model out."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import InvalidListings, UnusableSetting
from ipml.features.brand import BrandTable, brand_table
from ipml.listings.brands import load_brands
from ipml.listings.marketplaces import ColumnMap, load_columns
from ipml.listings.readers import read_listings
from ipml.listings.schema import COLUMNS
from ipml.listings.sellers import HISTORY_COLUMNS, history_as_of
from ipml.listings.tables import read_table
from ipml.model.artifact import ModelCard, save_model
from ipml.model.baselines import KeywordList, Prevalence, PriceRule
from ipml.model.curves import plot_curves
from ipml.model.evaluation import MODEL, Evaluation, evaluate_repeats
from ipml.model.experiment import Experiment
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.splits import Positions, later_unseen_sellers, leaking_random_split, seller_folds
from ipml.model.tracking import RecordedRun, RunFacts, record_run
from ipml.records import Problem
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
    y: NDArray[np.int8]
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
    """
    say("reading listings")
    listings = read_training_listings(experiment)
    brands = brand_table(load_brands(experiment.find(experiment.data.brands) if experiment.data.brands else None))
    say("fitting and testing on unseen sellers")
    tested = score_unseen(experiment, listings, brands)
    say("measuring")
    evaluation = measure(experiment, tested)
    say("fitting on all labelled listings")
    labelled = listings[listings["is_counterfeit"].notna()]
    classifier = fit_classifier(experiment, labelled, brands)
    say("saving and recording")
    folder = models / experiment.name
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


def read_training_listings(experiment: Experiment) -> pd.DataFrame:
    """Return the listings of an experiment: history computed from events, labels of reviewers put in.

    Where a listing comes more than once under one id and moment, the label that became known last counts.
    """
    columns = _read_columns(experiment)
    parts = [_read_good(experiment.find(name), columns) for name in experiment.data.listings]
    listings = pd.concat(parts, ignore_index=True)
    if experiment.data.events:
        history = history_as_of(read_table(experiment.find(experiment.data.events)), listings)
        listings[list(HISTORY_COLUMNS)] = history
    labels = [_read_good(experiment.find(name), None) for name in experiment.data.labels]
    if labels:
        everything = pd.concat([listings, *labels], ignore_index=True)
        everything = everything.sort_values("labelled_at", kind="stable", na_position="first")
        listings = everything.drop_duplicates(["listing_id", "observed_at"], keep="last").sort_index(ignore_index=True)
    return listings


def fit_classifier(experiment: Experiment, labelled: pd.DataFrame, brands: BrandTable) -> CounterfeitClassifier:
    """Fit the experiment's classifier on labelled listings.

    Raises
    ------
    UnusableSetting
        The experiment names a parameter the classifier does not have.
    """
    classifier = CounterfeitClassifier(make_features(brands), seed=experiment.seed)
    try:
        classifier.set_params(**experiment.model)
    except ValueError as error:
        parameters = [name for name in classifier.get_params() if not name.endswith("brands")]
        raise UnusableSetting(
            f"[model] of {experiment.name}",
            ", ".join(experiment.model),
            f"parameters out of {', '.join(parameters)}",
        ) from error
    return classifier.fit(labelled, _truth(labelled), labelled["label_weight"].fillna(1.0).to_numpy())


def score_unseen(experiment: Experiment, listings: pd.DataFrame, brands: BrandTable) -> Tested:
    """Score the listings of the test side, or of every fold, by models that saw only the training side."""
    listings, y = _with_truth(experiment, listings)
    repeats = _plan(experiment, listings)
    tested = np.sort(np.concatenate([test for _, test in repeats[0]]))
    scores: dict[str, list[Floats]] = {}
    for folds in repeats:
        repeat: dict[str, Floats] = {}
        for train_rows, test_rows in folds:
            for name, scored in _score_side(experiment, listings, brands, train_rows, test_rows):
                repeat.setdefault(name, np.full(len(listings), np.nan))[test_rows] = scored
        for name, scored in repeat.items():
            scores.setdefault(name, []).append(scored[tested])
    return Tested(listings.iloc[tested].reset_index(drop=True), y[tested], scores)


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


def digest_listings(listings: pd.DataFrame) -> str:
    """Return 16 hexadecimal digits that change when any cell, or the order, of some listings changes."""
    hashes = pd.util.hash_pandas_object(listings[list(COLUMNS)], index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()[:16]


def _read_good(path: Path, columns: ColumnMap | None) -> pd.DataFrame:
    """Read a whole file; any bad row is an error, since a model should not learn from half of its data unnoticed."""
    parts: list[pd.DataFrame] = []
    problems: list[Problem] = []
    for validation in read_listings(path, columns, chunk_rows=100_000):
        parts.append(validation.listings)
        problems.extend(validation.problems)
    if problems:
        raise InvalidListings(problems, str(path))
    return pd.concat(parts, ignore_index=True)


def _read_columns(experiment: Experiment) -> ColumnMap | None:
    """Read the experiment's column map: a bundled one by its name, or a file beside the experiment."""
    name = experiment.data.columns
    if name is None:
        return None
    return load_columns(experiment.find(name) if name.endswith(".toml") else name)


def _truth(listings: pd.DataFrame) -> NDArray[np.int8]:
    return listings["is_counterfeit"].to_numpy(dtype=np.int8, na_value=0)


def _with_truth(experiment: Experiment, listings: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int8]]:
    """Return the listings and what each really is; where the truth of all is given, unlabelled ones can be tested too.

    They are given a label that never becomes known, so that no training side learns from it.
    """
    if not experiment.data.truth:
        return listings, _truth(listings)
    truth = read_table(experiment.find(experiment.data.truth)).set_index("listing_id")["is_counterfeit"]
    y = truth.loc[listings["listing_id"]].to_numpy(dtype=bool)
    is_unlabelled = listings["is_counterfeit"].isna()
    listings = listings.copy()
    listings.loc[is_unlabelled, "is_counterfeit"] = y[is_unlabelled]
    listings.loc[is_unlabelled, "labelled_at"] = _NEVER
    return listings, y.astype(np.int8)


def _plan(experiment: Experiment, listings: pd.DataFrame) -> list[list[Side]]:
    """Return, for each repeat, the training and test positions of each of its folds."""
    split = experiment.split
    if split.kind == "seller folds":
        labelled = np.flatnonzero(listings["is_counterfeit"].notna())
        rows = listings.iloc[labelled]
        return [
            [(labelled[a], labelled[b]) for a, b in seller_folds(rows, _truth(rows), split.n_folds, seed)]
            for seed in split.seeds
        ]
    if split.kind == "leaking random":
        splits = [leaking_random_split(listings, split.test_share, seed) for seed in split.seeds[:1]]
    else:
        splits = [later_unseen_sellers(listings, split.test_share, split.seller_share, split.seeds[0], split.moment)]
    return [[(one.train, one.test)] for one in splits]


def _score_side(
    experiment: Experiment,
    listings: pd.DataFrame,
    brands: BrandTable,
    train_rows: Positions,
    test_rows: Positions,
) -> Iterator[tuple[str, Floats]]:
    """Yield the name and the scores of the model, and of each baseline, fitted on one side and asked of the other."""
    learnt, tested = listings.iloc[train_rows], listings.iloc[test_rows]
    y = _truth(learnt)
    yield MODEL, fit_classifier(experiment, learnt, brands).predict_proba(tested)[:, 1]
    for name, baseline in (
        ("prevalence", Prevalence()),
        ("keyword list", KeywordList()),
        ("price rule", PriceRule(brands)),
    ):
        yield name, baseline.fit(learnt, y).predict_proba(tested)[:, 1]


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
                "experiment.toml": experiment.text or experiment.model_dump_json(indent=2),
                "evaluation.json": evaluation.to_json(),
                "evaluation.txt": evaluation.table(),
                "slices.txt": evaluation.slice_table(),
            },
            tags={"leaks": str(experiment.split.kind == "leaking random").lower()},
        )
        record = experiment.record
        return record_run(facts, folder, model_name=record.model, alias=record.alias, tracking_uri=tracking_uri)
