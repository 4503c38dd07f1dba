"""A small saved model, and the means to change it as one who can write to its folder would."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ipml.features.goods import BrandFeatures
from ipml.features.text import TextFeatures
from ipml.listings.schema import listings_to_frame
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file import ModelCard, save_model
from ipml.model.model_file.folder import make_manifest
from ipml.model.model_file.model_file import GOLDEN_LISTINGS, content_version
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.stages import Features

FACTS: dict[str, Any] = {"name": "ipml-test", "data_digest": "0123456789abcdef"}
FACTS |= {"experiment": {"seed": 3, "text": {"bits": 8}}, "figures": {"average_precision": Estimate(0.7, 0.6, 0.8)}}


def fit_classifier(inverse_penalty: float) -> CounterfeitClassifier:
    """Fit a classifier of few features, so that its file is small."""
    listings = listings_to_frame(GOLDEN_LISTINGS)
    sellers = [str(number) for number in range(len(listings))]
    features = Features([("title", TextFeatures(bits=6)), ("brand", BrandFeatures())])
    classifier = CounterfeitClassifier(features, C=inverse_penalty, n_folds=2)
    return classifier.fit(listings.assign(seller_id=sellers), [0, 1] * (len(listings) // 2))


@pytest.fixture(scope="session")
def title_classifier() -> CounterfeitClassifier:
    """Return the classifier that is saved; its penalty is 1."""
    return fit_classifier(1.0)


@pytest.fixture(scope="session")
def other_classifier() -> CounterfeitClassifier:
    """Return another, which scores otherwise; its penalty is 100."""
    return fit_classifier(0.01)


@pytest.fixture(scope="session")
def save() -> Callable[..., ModelCard]:
    """Return a function that saves a classifier with facts that matter to no test but those that change them."""
    return lambda classifier, folder, **changes: save_model(classifier, folder, **FACTS | changes)


@pytest.fixture(scope="session")
def saved(save: Callable, title_classifier: CounterfeitClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a saved model that no test changes."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    save(title_classifier, folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """Return a saved model of the test's own."""
    return shutil.copytree(saved, tmp_path / "model")


@pytest.fixture
def closed_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a file with a secret."""
    path = tmp_path / "key"
    path.write_text("0" * 64 + "\n")
    return path


@pytest.fixture(scope="session")
def reseal() -> Callable[..., None]:
    """Return a function that puts other bytes into the model or the card, with a fitting card and manifest."""

    def reseal(folder: Path, **files: bytes) -> None:
        contents = {name: (folder / name).read_bytes() for name in ("model.zip", "card.json")}
        if "model" in files:
            card = json.loads(contents["card.json"]) | {"version": content_version(files["model"])}
            contents = {"model.zip": files["model"], "card.json": json.dumps(card).encode()}
        if "card" in files:
            contents["card.json"] = files["card"]
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        (folder / "manifest.json").write_bytes(make_manifest(contents))

    return reseal


@pytest.fixture(scope="session")
def edit_card(reseal: Callable[..., None]) -> Callable[..., None]:
    """Return a function that changes fields of the card, with a fitting manifest."""

    def edit_card(folder: Path, **changes: Any) -> None:
        card = json.loads((folder / "card.json").read_bytes()) | changes
        reseal(folder, card=json.dumps(card).encode())

    return edit_card
