"""Not a bit of a model can change without its manifest, nor its manifest without the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import UntrustedModel, UnusableSetting
from ipml.model.model_file import ModelCard, load_model
from ipml.model.model_file.folder import FORMAT, check_manifest, read_folder
from ipml.model.pipeline import CounterfeitClassifier


@pytest.fixture
def signed(
    save: Callable[..., ModelCard], title_classifier: CounterfeitClassifier, key_file: Path, tmp_path: Path
) -> Path:
    """Return a saved model that is signed."""
    save(title_classifier, tmp_path / "signed", key_file=key_file)
    return tmp_path / "signed"


@pytest.mark.parametrize("name", ["model.zip", "card.json", "manifest.json", "manifest.hmac"])
def test_a_flipped_bit_is_refused(signed: Path, key_file: Path, name: str) -> None:
    """One bit in the middle of any file is enough to refuse the model."""
    path = signed / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UntrustedModel):
        load_model(signed, key_file=key_file)


@given(data=st.data())
@settings(max_examples=200)
def test_no_byte_of_the_manifest_is_free(saved: Path, data: st.DataObject) -> None:
    """A manifest with any one byte replaced is refused."""
    contents = read_folder(saved)
    content = bytearray(contents["manifest.json"])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    with pytest.raises(UntrustedModel):
        check_manifest(contents | {"manifest.json": bytes(content)}, saved)


def test_a_newer_format_is_refused(folder: Path) -> None:
    """A folder of another format is refused and says so."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": FORMAT + 1}))
    with pytest.raises(UntrustedModel, match=f"format {FORMAT + 1}"):
        load_model(folder)


def test_a_signed_model_loads_with_its_key(signed: Path, key_file: Path) -> None:
    """With the key it was signed with, and without any, a signed model loads."""
    assert load_model(signed, key_file=key_file).card == load_model(signed).card


def test_another_key_is_refused(signed: Path, key_file: Path) -> None:
    """A model signed with another key is refused."""
    key_file.write_text("1" * 64)
    with pytest.raises(UntrustedModel, match="another key"):
        load_model(signed, key_file=key_file)


def test_an_unsigned_model_is_refused_where_a_key_is_given(folder: Path, key_file: Path) -> None:
    """Leaving the signature away does not get round it."""
    with pytest.raises(UntrustedModel, match="no signature"):
        load_model(folder, key_file=key_file)


def test_a_resealed_model_is_refused_where_a_key_is_given(
    signed: Path, key_file: Path, edit_card: Callable[..., None]
) -> None:
    """Who can write the manifest anew still lacks the key."""
    edit_card(signed, data_digest="another")
    with pytest.raises(UntrustedModel):
        load_model(signed, key_file=key_file)


@pytest.mark.parametrize("secret", ["", "short"])
def test_a_short_key_is_refused(folder: Path, tmp_path: Path, secret: str) -> None:
    """An empty or short key file is a mistake of the user, not a key."""
    (tmp_path / "short").write_text(secret)
    with pytest.raises(UnusableSetting, match="32 bytes"):
        load_model(folder, key_file=tmp_path / "short")
