"""A card says what a card says: no more, no less, and nothing that could be a path."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ipml.errors import UntrustedModel, UnusableSetting
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file import ModelCard, load_model
from ipml.model.pipeline import CounterfeitClassifier

Save = Callable[..., ModelCard]


def test_a_model_has_a_plain_name(save: Save, title_classifier: CounterfeitClassifier, tmp_path: Path) -> None:
    """A name that could be a path, an option or two lines, and a figure that is no number: nothing is written."""
    for name in ("", "../up", "/etc", "a/b", "a\n", "-a", "a" * 101):
        with pytest.raises(UnusableSetting, match="name"):
            save(title_classifier, tmp_path / "model", name=name)
    with pytest.raises(UnusableSetting):
        save(title_classifier, tmp_path / "model", figures={"brier": Estimate(np.nan, 0, 1)})
    assert list(tmp_path.iterdir()) == []


def test_a_card_of_another_kind_is_refused(folder: Path, reseal: Callable[..., None], subtests) -> None:
    """An unknown field, no number, no time zone, a path as name, no versions: more, less or other than a card says."""
    card = json.loads((folder / "card.json").read_bytes())
    for name, value in (
        *(("surprise", 1), ("golden_log_odds", ["a"]), ("name", "../x"), ("versions", None)),
        ("created_at", "2024-01-01T00:00:00"),
    ):
        reseal(folder, card=json.dumps(card | {name: value}).encode())
        with subtests.test(name), pytest.raises(UntrustedModel, match="card"):
            load_model(folder)
