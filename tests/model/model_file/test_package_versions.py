"""A model made with other versions is refused, by name, unless that is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ipml.errors import UntrustedModel
from ipml.model.model_file import load_model, read_card

Edit = Callable[..., None]


@pytest.mark.parametrize(
    ("package", "version"),
    [("python", "3.8.1"), ("numpy", "1.26.0")],
)
def test_other_versions_are_refused_unless_allowed(folder: Path, edit_card: Edit, package: str, version: str) -> None:
    """A model made with other versions names them and is refused; the flag allows it."""
    edit_card(folder, versions=dict(read_card(folder).versions) | {package: version})
    with pytest.raises(UntrustedModel, match=rf"{package} {version}"):
        load_model(folder)
    assert load_model(folder, allow_version_mismatch=True).card.versions[package] == version


def test_allowing_a_mismatch_is_logged(folder: Path, edit_card: Edit, caplog: pytest.LogCaptureFixture) -> None:
    """A mismatch that was allowed leaves a line in the log."""
    edit_card(folder, versions=dict(read_card(folder).versions) | {"numpy": "1.26.0"})
    load_model(folder, allow_version_mismatch=True)
    assert "numpy 1.26.0" in caplog.text


@pytest.mark.parametrize(("package", "version"), [("pandas", "1.0.0"), ("ipml", "0.0.1"), ("scikit-learn", "1.2.3")])
def test_versions_that_do_not_matter_are_only_recorded(
    folder: Path, edit_card: Edit, package: str, version: str
) -> None:
    """Packages that do not make the state of a model are recorded and not compared."""
    edit_card(folder, versions=dict(read_card(folder).versions) | {package: version})
    assert load_model(folder).card.versions[package] == version
