"""What is saved comes back, bit by bit; what a card should not say, other versions and other scores are refused."""

import hashlib
import json
import random
import zipfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.engine_fuzz import change_model, check_scores

from ipml.errors import UntrustedModel, UnusableSetting
from ipml.features.figures import MissingFields
from ipml.features.goods import BrandFeatures, GoodsFeatures, brand_table
from ipml.features.offers import OfferFeatures
from ipml.features.text import TextFeatures
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.model.calibration import HierarchicalCalibration
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file import ModelCard, load_model, manifest_sha256, read_card
from ipml.model.model_file.model_file import GOLDEN_LISTINGS, check_golden
from ipml.model.model_file.state import ESTIMATORS, pack, unpack
from ipml.model.model_file.tables import UnsoundTable, check_tables
from ipml.model.pipeline import CounterfeitClassifier
from ipml.scoring.scorer import Scorer

Save = Callable[..., ModelCard]

FRAME = listings_to_frame(GOLDEN_LISTINGS)


def test_model_and_card_come_back(saved, title_classifier, save, folder, edit_card):
    """Log-odds to the bit; the card has the file's SHA-256 in part, and any change changes the manifest's hash."""
    loaded = load_model(saved)
    assert np.array_equal(loaded.classifier.decision_function(FRAME), title_classifier.decision_function(FRAME))
    before = manifest_sha256(folder)
    card = save(title_classifier, folder)
    assert card == load_model(folder).card == read_card(folder)
    assert card.figures["average_precision"] == Estimate(0.7, 0.6, 0.8)
    assert card.full_version == f"ipml-test/{hashlib.sha256((folder / 'model.zip').read_bytes()).hexdigest()[:12]}"
    assert manifest_sha256(folder) == before
    edit_card(folder, data_digest="another")
    assert manifest_sha256(folder) != before


def test_a_model_is_replaced_as_a_whole(save, other_classifier, folder, title_classifier):
    """Nothing lies beside the new one, which stays where another is refused; zeros look like no bomb."""
    save(other_classifier, folder)
    assert load_model(folder).classifier.C == 0.01
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    older, classifier = read_card(folder), deepcopy(title_classifier)
    classifier.extra_ = PurePosixPath("/")
    with pytest.raises(UntrustedModel, match="PurePosixPath"):
        save(classifier, folder)
    assert read_card(folder) == older
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    classifier.extra_ = np.zeros(1_000_000)
    save(classifier, folder)
    assert load_model(folder).classifier.extra_.shape == (1_000_000,)


@pytest.fixture(scope="module")
def real_folder(save: Save, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the classifier that ipml trains, saved."""
    listings = FRAME.assign(
        seller_id=[str(number) for number in range(len(FRAME))],
        category="Bags",
        picture_counterfeit_matches=0.0,
        picture_genuine_matches=0.0,
        image_vector=[[0.5, 1.0]] * len(FRAME),
        text_vector=[[0.5, 1.0, 0.0]] * len(FRAME),
    )
    classifier = CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * (len(FRAME) // 2))
    folder = tmp_path_factory.mktemp("real") / "model"
    save(classifier, folder)
    return folder


def test_the_real_classifier_comes_back_of_all_estimators(real_folder):
    """With the log-odds in its card, and probabilities."""
    with zipfile.ZipFile(real_folder / "model.zip") as archive:
        written = archive.read("state.json").decode()
    own = ESTIMATORS.keys() - {"OwnFeatures", "ExternalClassifier", "EstimatorSource"}
    assert {name for name in ESTIMATORS if f'"{name}":' in written} == own
    loaded = load_model(real_folder)
    assert loaded.classifier.decision_function(FRAME).tolist() == list(loaded.card.golden_log_odds)
    assert ((loaded.classifier.predict_proba(FRAME) >= 0) & (loaded.classifier.predict_proba(FRAME) <= 1)).all()


UNSOUND = {
    GoodsFeatures: [
        ("phrase_kinds_", [27]),
        ("phrase_kinds_", [-1]),
        ("often_copied_", [0.5]),
        ("brand_kinds_", [[0]]),
    ],
    BrandFeatures: [("table_", brand_table() | {"phrase_brands": [-72] * len(brand_table()["phrases"])})],
    OfferFeatures: [("groups_", ["messenger"] * 105), ("_prepared", ((), np.zeros(1, dtype=np.int64)))],
    TextFeatures: [("idf_", np.ones(3)), ("letters", (1, 10**9)), ("bits", 60)],
    HierarchicalCalibration: [("slope_", np.nan)],
    MissingFields: [("names_", ["colour"]), ("offsets_", np.zeros((3, 3)))],
}


def test_tables_that_the_engine_would_misread_are_refused(real_folder, subtests):
    """Of other lengths, out of range, or prepared by somebody else: before anything is scored."""
    packed = (real_folder / "model.zip").read_bytes()
    for kind, changes in UNSOUND.items():
        for attribute, value in changes:
            classifier = unpack(packed, real_folder)
            parts = dict(classifier.features_.transformer_list).values()
            part = next((one for one in parts if type(one) is kind), classifier.calibration_)
            setattr(part, attribute, value)
            with subtests.test(f"{attribute} of {kind.__name__}"), pytest.raises(UnsoundTable, match=attribute):
                check_tables(classifier)


@given(st.integers(0, 10_000))
def test_a_changed_model_is_refused_or_scores(real_folder, seed):
    """Whatever number, list, text or array of it was changed: no score fails, and each is the same in every way."""
    changed = change_model((real_folder / "model.zip").read_bytes(), [random.Random(seed)])
    if changed is not None:
        check_scores(Scorer(changed, "changed/1"), GOLDEN_LISTINGS)


def test_a_card_says_what_a_card_says(save, title_classifier, tmp_path, folder, reseal, subtests):
    """A name that could be a path or an option, a figure that is none, and another field or kind are refused."""
    for name in ("", "../up", "/etc", "a/b", "a\n", "-a", "a" * 101):
        with pytest.raises(UnusableSetting, match="name"):
            save(title_classifier, tmp_path / "new", name=name)
    with pytest.raises(UnusableSetting):
        save(title_classifier, tmp_path / "new", figures={"brier": Estimate(np.nan, 0, 1)})
    assert not (tmp_path / "new").exists()
    card = json.loads((folder / "card.json").read_bytes())
    for name, value in (
        *(("surprise", 1), ("golden_log_odds", ["a"]), ("name", "../x"), ("versions", None)),
        ("created_at", "2024-01-01T00:00:00"),
    ):
        reseal(folder, card=json.dumps(card | {name: value}).encode())
        with subtests.test(name), pytest.raises(UntrustedModel, match="card"):
            load_model(folder)


def test_other_versions_are_refused_unless_allowed(folder, edit_card, caplog):
    """They are named, and allowed by the flag, which the log says; packages that do not make the state do not count."""
    versions = dict(read_card(folder).versions)
    for package, version in (("python", "3.8.1"), ("numpy", "1.26.0")):
        edit_card(folder, versions=versions | {package: version})
        with pytest.raises(UntrustedModel, match=rf"{package} {version}"):
            load_model(folder)
        assert load_model(folder, allow_version_mismatch=True).card.versions[package] == version
        assert f"{package} {version}" in caplog.text
    others = {"pandas": "1.0.0", "ipml": "0.0.1", "scikit-learn": "1.2.3"}
    edit_card(folder, versions=versions | others)
    assert load_model(folder).card.versions.items() >= others.items()


def test_a_state_that_scores_otherwise_is_refused(folder, other_classifier, reseal):
    """Or not at all, even with a fitting manifest; but for rounding, one listing is enough, wherever it stands."""
    assert len(check_listings(listings_to_frame(GOLDEN_LISTINGS))) == len(GOLDEN_LISTINGS)
    reseal(folder, model=pack(other_classifier))
    with pytest.raises(UntrustedModel):
        load_model(folder)
    reseal(folder, model=pack([1, 2, 3]))
    with pytest.raises(UntrustedModel, match="decision_function"):
        load_model(folder)
    check_golden(Answering([1.0 + 1e-12] * N), [1.0] * N, Path("model"))
    for place, wrong in product(range(N), (1.0 + 1e-8, float("nan"), float("inf"))):
        log_odds = [1.0] * N
        log_odds[place] = wrong
        with pytest.raises(UntrustedModel):
            check_golden(Answering(log_odds), [1.0] * N, Path("model"))
    for n_given, n_expected in ((0, 0), (1, 1), (N, N - 1), (N - 1, N)):
        with pytest.raises(UntrustedModel, match="log-odds"):
            check_golden(Answering([1.0] * n_given), [1.0] * n_expected, Path("model"))


@dataclass
class Answering:
    """A classifier that gives these log-odds, whatever it is asked."""

    log_odds: list[float]

    def decision_function(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return them."""
        return np.array(self.log_odds)


N = len(GOLDEN_LISTINGS)
