"""What is measured at 100,000 cases also runs on a few, and comes out as it is said to."""

import doctest
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine
from support.transactions import ask

from ipml.model.pipeline import CounterfeitClassifier
from ipml.review.cases import count_cases
from ipml.review.ranking.policy import load_policy
from ipml.scoring.scorer import Scorer
from ipml.simulation.marketplace import simulate_marketplace

sys.path.append(str(Path(__file__).parents[2]))  # experiments are scripts of the project, not part of the package

from experiments.review import cluster_cut, filled, pages, queue_speed, relisting_cost, shift, value_orders


@pytest.mark.slow
def test_the_examples_of_a_module_run():
    """What the docstrings show is what comes out."""
    for module in (filled, pages, queue_speed, shift):
        found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
        assert (found.attempted > 0, found.failed) == (True, 0), module


@pytest.mark.slow
def test_arrivals_find_the_confirmed(engine: Engine):
    """All that are listed again are found among many confirmed counterfeits, and nothing else is."""
    relisting_cost.fill(engine, 1_000)
    arrivals = relisting_cost.make_arrivals(500, 1_000)
    _, copies, others = ask(engine, relisting_cost.measure, arrivals, 500)
    assert (copies, others) == (5, 0)


@pytest.mark.slow
def test_every_page_answers_the_real_server(engine: Engine, database_url: str):
    """Filled, served and asked as a browser does, each kind of page answers; the verdicts are in the queue."""
    pages.fill_once(engine, 120, 20)
    before = ask(engine, count_cases)["decided"]
    with pages.serving(database_url) as browser:
        pages.measure(browser, engine, 2)
    assert {len(seconds) for seconds in browser.taken.values()} == {2}
    assert len(browser.taken) > 10
    assert ask(engine, count_cases)["decided"] == before + 2


@pytest.mark.browser
def test_a_shift_is_worked_by_keyboard(engine: Engine, database_url: str, tmp_path: Path):
    """Filled with pictures and served, one case follows on the other; each has its pictures, and its verdict."""
    pytest.importorskip("playwright.sync_api")
    with ThreadPoolExecutor(1) as worker:  # Playwright has an event loop of its own in this thread
        worker.submit(shift.fill_shift, engine, tmp_path / "pictures", 60, 5, 20).result()
    before = ask(engine, count_cases)["decided"]
    with pages.serving(database_url, IPML_PICTURES=str(tmp_path / "pictures")) as server:
        done = shift.work(server, 4)
    assert (done.n_keys, {(one["pictures"], one["broken"]) for one in done.seen}) == (6, {(4, 0)})
    assert all(one["answered"] < one["text"] <= one["whole"] for one in done.seen)
    assert ask(engine, count_cases)["decided"] == before + 4


@pytest.mark.slow
def test_near_duplicates_cut_actions_to_a_third(classifier: CounterfeitClassifier):
    """As many counterfeits are found with a third of the actions; most verdicts spread, 1 in 100 wrongly at most."""
    other = simulate_marketplace(n_listings=3_000, seed=2)
    scored, truth = cluster_cut.copy_and_score(other, Scorer(classifier, "m"), 6, np.random.default_rng(2))
    alone = cluster_cut.work(scored, truth, joins_alike=False, most_actions=150)
    together = cluster_cut.work(scored, truth, joins_alike=True, most_actions=150, enough=alone.found_after[-1])
    assert together.found_after[-1] >= alone.found_after[-1] > 50
    assert alone.n_actions >= 3 * together.n_actions
    assert together.n_spread > together.found_after[-1] / 2
    assert together.n_wrong <= 0.01 * together.n_spread


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # some penalties tried fit so few badly
def test_value_order_catches_more_value_and_score_order_more_fakes():
    """In the same few reviews: more of what fakes will really sell for by value, more of the fakes by score."""
    caught = [value_orders.run(simulate_marketplace(5_000, seed), seed, 0.05, load_policy()) for seed in (1, 2)]
    value, fakes = (
        {order: np.sum([getattr(one, name)[order] for one in caught]) for order in ("score", "value", "fifo")}
        for name in ("value", "fakes")
    )
    assert value["value"] > value["score"]
    assert value["value"] > 1.5 * value["fifo"]
    assert fakes["score"] > fakes["value"]
    assert all(max(one.value.values()) <= one.all_value for one in caught)
