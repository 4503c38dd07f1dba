"""What is saved comes back, bit by bit, and what could not come back is not saved."""

import hashlib
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from ipml.errors import UntrustedModel
from ipml.listings.schema import listings_to_frame
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file import ModelCard, load_model, manifest_sha256, read_card
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.model_file.state import ESTIMATORS
from ipml.model.pipeline import CounterfeitClassifier

Save = Callable[..., ModelCard]

FRAME = listings_to_frame(GOLDEN_LISTINGS)


def test_loaded_model_scores_the_same(saved: Path, title_classifier: CounterfeitClassifier) -> None:
    """The log-odds of a loaded model are those of the model saved, bit by bit."""
    loaded = load_model(saved)
    assert np.array_equal(loaded.classifier.decision_function(FRAME), title_classifier.decision_function(FRAME))


def test_card_comes_back(
    save: Save, title_classifier: CounterfeitClassifier, folder: Path, edit_card: Callable
) -> None:
    """As `save_model` returned it, with the beginning of the file's SHA-256; any change changes the manifest's hash."""
    before = manifest_sha256(folder)
    card = save(title_classifier, folder)
    assert card == load_model(folder).card == read_card(folder)
    assert card.figures["average_precision"] == Estimate(0.7, 0.6, 0.8)
    assert card.full_version == f"ipml-test/{hashlib.sha256((folder / 'model.zip').read_bytes()).hexdigest()[:12]}"
    assert manifest_sha256(folder) == before
    edit_card(folder, data_digest="another")
    assert manifest_sha256(folder) != before


def test_a_model_is_replaced_as_a_whole(save: Save, other_classifier: CounterfeitClassifier, folder: Path) -> None:
    """Saving over a model leaves the new one and nothing beside it."""
    save(other_classifier, folder)
    assert load_model(folder).classifier.C == 0.01
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_what_the_loader_would_refuse_is_not_saved(
    save: Save, title_classifier: CounterfeitClassifier, folder: Path
) -> None:
    """An older model stays; a model of zeros does not look like a bomb to its own loader."""
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
        picture_counterfeit_matches=0.0,
        picture_genuine_matches=0.0,
        image_vector=[[0.5, 1.0]] * len(FRAME),
    )
    classifier = CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * (len(FRAME) // 2))
    folder = tmp_path_factory.mktemp("real") / "model"
    save(classifier, folder)
    return folder


def test_the_real_classifier_is_made_of_all_estimators(real_folder: Path) -> None:
    """The constant list holds the estimators in a saved classifier, and no more."""
    with zipfile.ZipFile(real_folder / "model.zip") as archive:
        written = archive.read("state.json").decode()
    assert {name for name in ESTIMATORS if f'"{name}":' in written} == ESTIMATORS.keys()


def test_the_real_classifier_comes_back(real_folder: Path) -> None:
    """A loaded classifier gives the golden listings the log-odds in its card, and probabilities."""
    loaded = load_model(real_folder)
    assert loaded.classifier.decision_function(FRAME).tolist() == list(loaded.card.golden_log_odds)
    assert ((loaded.classifier.predict_proba(FRAME) >= 0) & (loaded.classifier.predict_proba(FRAME) <= 1)).all()


def test_a_classifier_with_a_coefficient_too_few_does_not_score(real_folder: Path) -> None:
    """Compiled code would read past the end of them; a model file like that is refused by its golden listings."""
    classifier = load_model(real_folder).classifier
    classifier.learner_.coef_ = classifier.learner_.coef_[:, :-1]
    classifier.__dict__.pop("_first_stage", None)
    with pytest.raises(ValueError, match="coefficients of shape"):
        classifier.decision_function(FRAME)
