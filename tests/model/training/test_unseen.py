"""What is tested has not been seen: neither its sellers, nor its moment, nor the truth about it."""

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ipml.features.goods import brand_table
from ipml.listings.schema import check_listings
from ipml.listings.writers import write_listings
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.evaluation.metrics import Estimate
from ipml.model.training import Experiment, load_experiment
from ipml.model.training.classifier import TrainingTask, measure, score_unseen
from ipml.model.training.experiment import EvaluationPart, read_training_listings

pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {"C": 0.1, "n_folds": 2}
SPLITS: dict[str, dict[str, Any]] = {
    "folds": {"kind": "seller folds", "n_folds": 2},
    "later": {"kind": "later unseen sellers"},
    "random": {"kind": "leaking random"},
}
BRANDS = brand_table()


@pytest.fixture(scope="module")
def home(tmp_path_factory, market):
    """The files of the small marketplace."""
    folder = tmp_path_factory.mktemp("unseen")
    market.write(folder)
    return folder


@pytest.fixture(scope="module")
def listings(market):
    """The listings of the small marketplace, checked."""
    return check_listings(market.listings)


def plan(home, data=None, **parts) -> Experiment:
    """Return an experiment on the small marketplace that takes little time."""
    return Experiment(name="e", data={"listings": "listings.parquet"} | (data or {}), folder=home, model=QUICK, **parts)


@pytest.fixture(scope="module")
def later(home, listings):
    """What is tested where the plan says nothing of it."""
    return score_unseen(TrainingTask(plan(home), listings, BRANDS))


@pytest.fixture(scope="module")
def in_folds(home, listings):
    """What is tested in folds, once for each of two seeds."""
    return score_unseen(TrainingTask(plan(home, split=SPLITS["folds"] | {"seeds": [0, 1]}), listings, BRANDS))


def test_folds_test_every_labelled_listing_once_for_every_seed(in_folds, listings):
    """No labelled listing is left out or counted double, and no other is tested; each seed draws its own folds."""
    labelled = listings.loc[listings["is_counterfeit"].notna(), "listing_id"]
    assert in_folds.listings["listing_id"].tolist() == labelled.tolist()
    assert not any(np.isnan(scores).any() for repeats in in_folds.scores.values() for scores in repeats)
    first, second = in_folds.scores[MODEL]
    assert len(first) == len(second) == len(in_folds.y)
    assert not np.array_equal(first, second)


def test_labels_that_came_later_are_not_learnt_from(home, later, listings):
    """Turning each that came after the cut, in the last quarter, changes no score, but the figures."""
    is_later = listings["labelled_at"] >= later.listings["observed_at"].min()
    turned = listings.assign(is_counterfeit=listings["is_counterfeit"] ^ is_later)
    again = score_unseen(TrainingTask(plan(home), turned, BRANDS))
    np.testing.assert_array_equal(again.scores[MODEL], later.scores[MODEL])
    np.testing.assert_array_equal(again.y, ~later.y)
    assert later.listings["observed_at"].min() > listings["observed_at"].quantile(0.74)


def test_only_a_random_split_rewards_knowing_sellers():
    """Where titles tell sellers apart and nothing else, what looks perfect in a random split is worth little."""
    names = ["".join(letters) for letters in permutations("nopqr", 5)]
    listings = check_listings(
        pd.DataFrame(
            {
                "listing_id": map(str, range(10 * len(names))),
                "seller_id": 10 * names,
                "title": [f"shop {name}" for name in 10 * names],
                "is_counterfeit": 10 * np.random.default_rng(0).choice([True, False], len(names)).tolist(),
            }
        )
    )
    for split, least, most in (("random", 0.9, 1.0), ("folds", 0.0, 0.7)):
        experiment = Experiment(name="e", data={"listings": "a.csv"}, split=SPLITS[split], model=QUICK)
        figures = measure(experiment, score_unseen(TrainingTask(experiment, listings, BRANDS))).figures[MODEL]
        assert least <= figures["average_precision"].value <= most


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_the_truth_is_measured_by_but_never_learnt_from(home, market, tmp_path, split):
    """Turning the truth of everything round turns the test round, and no score changes."""
    experiment = plan(home, split=split, data={"truth": str(tmp_path / "truth.parquet")})
    listings = read_training_listings(experiment)
    truth = market.truth[["listing_id", "is_counterfeit"]]
    tested = []
    for shown in (truth, truth.assign(is_counterfeit=~truth["is_counterfeit"])):
        write_listings(shown, tmp_path / "truth.parquet")
        tested.append(score_unseen(TrainingTask(experiment, listings, BRANDS)))
    straight, turned = tested
    expected = truth.set_index("listing_id")["is_counterfeit"].loc[straight.listings["listing_id"]]
    np.testing.assert_array_equal(straight.y, expected)
    np.testing.assert_array_equal(turned.y, ~expected)
    np.testing.assert_array_equal(straight.scores[MODEL], turned.scores[MODEL])


def test_unlabelled_listings_are_tested_where_the_truth_is_known(home, later, listings):
    """With the truth the test holds listings that nobody has looked at; without it, it cannot."""
    with_truth = score_unseen(TrainingTask(plan(home, data={"truth": "truth.parquet"}), listings, BRANDS))
    assert with_truth.listings["is_counterfeit"].isna().any()
    assert not later.listings["is_counterfeit"].isna().any()


@pytest.mark.filterwarnings("ignore:.* opposite label:UserWarning")  # of goods that were seized and sold on
def test_the_darknet_experiment_beats_what_was_measured(real_data):
    """Across vendors the average precision is 0.75 at least, and well above that of a list of words."""
    figures = measure_shortened("darknet_goods")
    assert figures[MODEL]["average_precision"].value >= 0.75
    assert figures[MODEL]["average_precision"].value > figures["keyword list"]["average_precision"].value + 0.1


def test_the_ozon_experiment_runs(real_data):
    """With 38 counterfeits no figure is sure, but the model is far above prevalence."""
    figures = measure_shortened("ozon_sample")
    assert figures[MODEL]["average_precision"].value > 2 * figures["prevalence"]["average_precision"].value


def measure_shortened(name: str) -> dict[str, dict[str, Estimate]]:
    """Return the figures of one of the experiments that come with ipml, with one seed and few resamples."""
    experiment = load_experiment(Path(__file__).parents[3] / "experiments" / f"{name}.toml")
    split = experiment.split.model_copy(update={"seeds": (0,)})
    experiment = experiment.model_copy(update={"split": split, "evaluation": EvaluationPart(n_resamples=10)})
    return measure(
        experiment, score_unseen(TrainingTask(experiment, read_training_listings(experiment), BRANDS))
    ).figures
