"""Training result: a classifier with its test, attacks on it, and the head of its report, before anything is stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ipml.errors import Refused, UnmeasurableScores, UnusableSetting
from ipml.features.goods import brand_table
from ipml.listings.brands import Brands
from ipml.model.drift import DriftReference, reference_of
from ipml.model.evaluation.evaluation import MODEL, Evaluation, TestedListings
from ipml.model.evaluation.label_weights import Maturity
from ipml.model.evaluation.ranking import Resampling
from ipml.model.evaluation.slices import SliceCounts, count_listings
from ipml.model.external import ExternalClassifier
from ipml.model.labels import UnlabelledEffect
from ipml.model.learner.problem import Labels
from ipml.model.model_file import ModelCard, save_model
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.questions.learning_curve import LearningCurve
from ipml.model.report import ReportHead
from ipml.model.robustness import Attack, find_attacks
from ipml.model.robustness.robustness import AttackableClassifier, Robustness, robustness_of
from ipml.model.training.classifier import (
    TrainingTask,
    labels_of,
    learn_from_subsets,
    measure,
    name_brands,
    rehearse,
    score_unseen,
)
from ipml.model.training.experiment import Experiment, digest_training, labelled_of, read_unlabelled

Say = Callable[[str], None]
SOME = (
    "zero-width space, all",
    "homoglyph, 30 % Cyrillic",
    "mathematical bold",
    "tags around letters",
    "spaced out",
    "leet digits",
    "padding, end",
    "mixed, lossless",
    "genuine price",
    "fresh account",
)
"""One attack of each kind and two ways of gaming: enough to see a model that disguise fools, in seconds."""


def choose_attacks(experiment: Experiment) -> tuple[Attack, ...]:
    """Return the attacks that an experiment asks for; refuse unknown names by an UnusableSetting.

    >>> shoes = Experiment(name="shoes", data={"listings": "shoes.csv"}, evaluation={"attacks": ["leet digits"]})
    >>> [attack.name for attack in choose_attacks(shoes)]
    ['leet digits']
    """
    match experiment.evaluation.attacks:
        case "none" | ():
            return ()
        case "all":
            return find_attacks(())
        case "some":
            return find_attacks(SOME)
        case names:
            return find_attacks(names)


def measure_attacks(experiment: Experiment, tested: TestedListings) -> Robustness | None:
    """Return the cost of the attacks; None if none was tried, or no score is precise enough to count finds."""
    if not tested.attacked:
        return None
    try:
        return robustness_of(
            tested.y,
            tested.scores[MODEL][0],
            tested.attacked,
            tested.listings["seller_id"],
            resampling=Resampling(experiment.evaluation.n_resamples, experiment.seed, tested.weight),
        )
    except UnmeasurableScores:
        return None


def draw_learning_curve(task: TrainingTask, *, say: Say = lambda _: None) -> LearningCurve | None:
    """Return the learning curve of an experiment; None if not asked for, or for too few sellers."""
    n_draws = task.experiment.evaluation.learning_curve
    try:
        return learn_from_subsets(task, n_draws, say=say) if n_draws else None
    except Refused:
        return None


def count_found(tested: TestedListings, robustness: Robustness | None) -> int | None:
    """Return how many counterfeits attacks had to hide; 0 if no score is precise enough, None without attacks."""
    if not tested.attacked:
        return None
    return int(np.sum(tested.y & (tested.scores[MODEL][0] >= robustness.threshold))) if robustness else 0


_SPLITS = {
    "seller folds": "folds over sellers: each listing was scored by a model that had not learnt from its seller",
    "later unseen sellers": "later listings of sellers the model had not seen",
    "leaking random": "random: sellers stand on both sides, so the figures leak",
}


def head_of(experiment: Experiment, model: str) -> ReportHead:
    """Return the head of a model's report.

    >>> head = head_of(Experiment(name="shoes", data={"listings": "shoes.csv"}), "ipml-shoes/0123456789ab")
    >>> head.data, head.split, head.is_leaking
    ('shoes.csv', 'later listings of sellers the model had not seen', False)
    """
    split = experiment.split
    number = f"{split.n_folds} " if split.kind == "seller folds" else ""
    data = ", ".join(experiment.data.listings)
    return ReportHead(model, data, number + _SPLITS[split.kind], is_leaking=split.kind == "leaking random")


TIMED_LISTINGS = 5_000
MOST_REFERRED = 50_000
"""Listings in a drift reference; more would take long to score and move its figures by less than chance."""


@dataclass(frozen=True)
class TrainingResult:
    """The result of an experiment.

    Attributes
    ----------
    classifier : CounterfeitClassifier or ExternalClassifier
        Fitted on all labelled listings.
    counts : SliceCounts
        Numbers of labelled listings.
    data_digest : str
        Digest of the training listings.
    tested : TestedListings
        The test by models of the training side; missing brands are taken from titles.
    evaluation : Evaluation
        The figures of the test.
    reference : DriftReference
        All listings since the test began, with scores, as they came in.
    """

    classifier: CounterfeitClassifier | ExternalClassifier
    counts: SliceCounts
    data_digest: str
    tested: TestedListings
    evaluation: Evaluation
    reference: DriftReference


def prepare(experiment: Experiment) -> Brands:
    """Return the brands of an experiment, after a check of its files and parameters.

    Raises
    ------
    UnreadableFile, UnusableSetting
        A file is missing, or a parameter is unknown or has an unusable value.
    """
    experiment.find_all()
    brands = experiment.read_brands()
    rehearse(experiment, brand_table(brands))
    return brands


def learn(task: TrainingTask, *, attacks: Sequence[Attack] = (), say: Say = lambda _: None) -> TrainingResult:
    """Test an experiment on sellers it has not seen, and then fit its classifier on all labelled listings.

    The parameters are those of `score_unseen`.

    Raises
    ------
    Refused, UnmeasurableScores
        There are too few listings, counterfeits or sellers.
    UnusableSetting
        There is a source model, but nothing to learn beside it.
    """
    experiment, listings = task.experiment, task.listings
    labelled = labelled_of(listings)
    if task.source_model is not None:
        _expect_both(experiment, labels_of(labelled))
    tested = score_unseen(task, attacks=attacks, say=say)
    named = name_brands(tested, task.brands)
    say("fitting on all labelled listings")
    unlabelled = read_unlabelled(experiment, listings)
    classifier = task.fit(labelled, unlabelled)
    say("measuring")
    evaluation = replace(
        measure(experiment, named),
        maturity=_say_how_final(experiment, labelled),
        unlabelled=str(UnlabelledEffect(**effect)) if (effect := getattr(classifier, "unlabelled_", None)) else "",
    )
    reference = _refer(classifier, listings, tested, experiment.seed)
    counts = count_listings(labels_of(labelled).astype(float), labelled["seller_id"])
    return TrainingResult(classifier, counts, digest_training(listings, unlabelled), named, evaluation, reference)


def _refer(
    classifier: CounterfeitClassifier | ExternalClassifier, listings: pd.DataFrame, tested: TestedListings, seed: int
) -> DriftReference:
    """Sum up all listings since the test began, reviewed or not, as later files hold both.

    Labels are those of the test alone, with its scores, as the model has learnt from the others.
    """
    since = tested.listings["observed_at"].min()
    period = listings[~(listings["observed_at"] < since)]
    if len(period) > MOST_REFERRED:  # sellers drawn at random, with all that they offer
        sellers = pd.factorize(period["seller_id"])[0]
        turn = np.random.default_rng(seed).permutation(sellers.max() + 1)[sellers]
        period = period.iloc[np.sort(np.argsort(turn, kind="stable")[:MOST_REFERRED])]
    period = period.reset_index(drop=True)
    score = classifier.predict_proba(period)[:, 1]
    y = np.full(len(period), np.nan)
    keys = ["listing_id", "observed_at"]
    places = pd.MultiIndex.from_frame(tested.listings[keys]).get_indexer(pd.MultiIndex.from_frame(period[keys]))
    is_tested = places >= 0
    score[is_tested] = tested.scores[MODEL][0][places[is_tested]]
    labels = tested.listings["is_counterfeit"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    y[is_tested] = labels[places[is_tested]]
    return reference_of(period, score, y, classifier.price_ratios(period))


def _expect_both(experiment: Experiment, y: Labels) -> None:
    """Refuse labels of one kind: nothing can be learnt from them, and the source model is the one to use."""
    if len(np.unique(y)) < 2:
        found = f"{np.sum(y == 1):,} counterfeit and {np.sum(y == 0):,} genuine listings"
        use = f"until there are, use the source model itself (ipml score FILE --model {experiment.data.donor})"
        raise UnusableSetting(f"labels of {experiment.name}", found, f"some of each; {use}")


def _say_how_final(experiment: Experiment, labelled: pd.DataFrame) -> str:
    """Return since when labels are not final and the effect of that; "" if all are final."""
    maturity = Maturity.of(labelled)
    if maturity is None:
        return ""
    tested = "" if experiment.data.truth else "; the figures of the test take labels as they have come"
    return f"in training, {maturity.describe(labelled['seller_id'])}{tested}"


def save_learnt(experiment: Experiment, learnt: TrainingResult, folder: Path) -> ModelCard:
    """Save the classifier as a model folder; the same experiment and listings give the same files."""
    return save_model(
        learnt.classifier,
        folder,
        name=experiment.record.model,
        data_digest=learnt.data_digest,
        experiment=experiment.model_dump(mode="json"),
        figures=learnt.evaluation.figures[MODEL],
        key_file=experiment.settings.model_key,
        trusted=experiment.settings.trusted_models,
    )


def listings_per_second(classifier: AttackableClassifier, listings: pd.DataFrame) -> float:
    """Return how many listings a classifier scores in a second of processor time on one core.

    >>> class Idle(AttackableClassifier):
    ...     def predict_proba(self, X):
    ...         return X.to_numpy()
    >>> listings_per_second(Idle(), pd.DataFrame({"seller_id": ["a"]})) > 0
    True
    """
    timed = listings.iloc[:TIMED_LISTINGS]
    with threadpool_limits(1):
        classifier.predict_proba(timed.iloc[:1])  # compiles what is compiled at its first use
        started = time.process_time()
        classifier.predict_proba(timed)
        seconds = time.process_time() - started
    return len(timed) / max(seconds, 1e-9)
