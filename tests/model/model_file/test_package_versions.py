"""A model made with other versions is refused, by name, unless that is allowed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ipml.errors import UntrustedModel
from ipml.model.model_file import load_model, read_card


def test_other_versions_are_refused_unless_allowed(
    folder: Path, edit_card: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """A model made with other versions names them and is refused; the flag allows it, and a line in the log says so."""
    versions = dict(read_card(folder).versions)
    for package, version in (("python", "3.8.1"), ("numpy", "1.26.0")):
        edit_card(folder, versions=versions | {package: version})
        with pytest.raises(UntrustedModel, match=rf"{package} {version}"):
            load_model(folder)
        assert load_model(folder, allow_version_mismatch=True).card.versions[package] == version
        assert f"{package} {version}" in caplog.text


def test_versions_that_do_not_matter_are_only_recorded(folder: Path, edit_card: Callable[..., None]) -> None:
    """Packages that do not make the state of a model are recorded and not compared."""
    others = {"pandas": "1.0.0", "ipml": "0.0.1", "scikit-learn": "1.2.3"}
    edit_card(folder, versions=dict(read_card(folder).versions) | others)
    assert load_model(folder).card.versions.items() >= others.items()
