"""A card says what a card says: no more, no less, and nothing that could be a path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipml.errors import UntrustedModel, UnusableSetting
from ipml.model.evaluation.metrics import Estimate
from ipml.model.model_file import ModelCard, load_model
from ipml.model.pipeline import CounterfeitClassifier

Save = Callable[..., ModelCard]
Edit = Callable[..., None]


@pytest.mark.parametrize("name", ["", "../up", "/etc", "a/b", "a\n", "-a", "a" * 101])
def test_a_model_has_a_plain_name(
    save: Save, title_classifier: CounterfeitClassifier, tmp_path: Path, name: str
) -> None:
    """A name that could be a path, an option or two lines is refused, and nothing is written."""
    with pytest.raises(UnusableSetting, match="name"):
        save(title_classifier, tmp_path / "model", name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_is_not_a_number_is_refused(
    save: Save, title_classifier: CounterfeitClassifier, tmp_path: Path
) -> None:
    """NaN is not written into a card."""
    with pytest.raises(UnusableSetting):
        save(title_classifier, tmp_path / "model", figures={"brier": Estimate(np.nan, 0, 1)})


@pytest.mark.parametrize(
    "changes",
    [
        {"surprise": 1},
        {"golden_log_odds": ["a"]},
        {"created_at": "2024-01-01T00:00:00"},
        {"name": "../x"},
        {"versions": None},
    ],
    ids=["unknown field", "no number", "no time zone", "path as name", "no versions"],
)
def test_a_card_of_another_kind_is_refused(folder: Path, edit_card: Edit, changes: dict[str, Any]) -> None:
    """A card that says more, less or other than a card does is refused."""
    edit_card(folder, **changes)
    with pytest.raises(UntrustedModel, match="card"):
        load_model(folder)
