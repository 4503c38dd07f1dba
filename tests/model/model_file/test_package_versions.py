"""A model made with other versions is refused, by name, unless that is allowed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ipml.errors import UntrustedModel
from ipml.model.model_file import load_model, read_card

Edit = Callable[..., None]


@pytest.mark.parametrize(
    ("package", "version"),
    [("python", "3.8.1"), ("scikit-learn", "1.2.3"), ("numpy", "1.26.0"), ("skops", "0.9.0")],
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


@pytest.mark.parametrize(("package", "version"), [("pandas", "1.0.0"), ("ipml", "0.0.1")])
def test_versions_that_do_not_matter_are_only_recorded(
    folder: Path, edit_card: Edit, package: str, version: str
) -> None:
    """Packages that do not make the state of a model are recorded and not compared."""
    edit_card(folder, versions=dict(read_card(folder).versions) | {package: version})
    assert load_model(folder).card.versions[package] == version


def test_an_estimator_of_another_version_is_refused_unless_allowed(folder: Path, reseal: Edit) -> None:
    """The version that scikit-learn wrote into the state counts even where the card says otherwise."""
    saved = read_card(folder).versions["scikit-learn"]
    reseal(folder, model=replace_in_schema(folder / "model.skops", f'"\\"{saved}\\""', '"\\"1.2.3\\""'))
    with pytest.raises(UntrustedModel, match=r"1\.2\.3"):
        load_model(folder)
    assert load_model(folder, allow_version_mismatch=True)


def replace_in_schema(path: Path, old: str, new: str) -> bytes:
    """Return a model file with other text in its schema."""
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                assert old in content.decode()
                content = content.decode().replace(old, new).encode()
            target.writestr(name, content)
    return packed.getvalue()
