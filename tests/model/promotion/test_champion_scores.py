"""A new model is put beside the champion only where the champion was tested on the same listings."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL, TESTED_FILE, write_tested
from ipml.model.promotion import fetch_champion_scores
from ipml.model.tracking import RunFacts, move_champion, record_run

pytestmark = pytest.mark.slow

IDS = list("abcdef")
SCORES = np.linspace(0, 1, len(IDS))


def make_tested(ids: list[str], scores: np.ndarray) -> kept.Tested:
    """Return a test on listings of these ids."""
    moment = pd.Timestamp("2026-01-01", tz="UTC")
    listings = pd.DataFrame({"listing_id": ids, "observed_at": moment, "seller_id": ids, "brand": None})
    return kept.Tested(listings.astype({"brand": "str"}), np.array([True, False] * (len(ids) // 2)), {MODEL: [scores]})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, saved: Path) -> str:
    """Return a store with a champion that kept its test, and one that kept none."""
    home = tmp_path_factory.mktemp("champions")
    write_tested(make_tested(IDS, SCORES), home / TESTED_FILE)
    uri = f"sqlite:///{home}/mlflow.db"
    facts = {"with": RunFacts("e", {}, {}, "a.csv", "0", files=[home / TESTED_FILE])}
    facts["without"] = RunFacts("e", {}, {}, "a.csv", "0")
    for name, fact in facts.items():
        record_run(fact, saved, model_name=name, tracking_uri=uri)
        move_champion(name, 1, replacing=None, kind="promotion", reason="a test", tracking_uri=uri)
    return uri


def test_the_scores_come_in_the_order_of_the_new_test(store: str) -> None:
    """Matched by id and moment; a new listing, a run without a test, and no champion leave nothing to compare."""
    turned = make_tested(IDS[::-1][:4], SCORES[:4])
    (scores,) = fetch_champion_scores(turned, "with", store)
    np.testing.assert_array_equal(scores, SCORES[::-1][:4])
    for ids, name in (([*IDS, "new", "newer"], "with"), (IDS, "without"), (IDS, "none")):
        assert fetch_champion_scores(make_tested(ids, np.zeros(len(ids))), name, store) is None
