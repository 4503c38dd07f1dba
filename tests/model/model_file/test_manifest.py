"""Not a bit of a model can change without its manifest, nor its manifest without the key."""

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


def test_a_flipped_bit_is_refused(signed: Path, key_file: Path) -> None:
    """One bit in the middle of any file is enough; as it was, the model loads with its key and without any."""
    for name in ("model.zip", "card.json", "manifest.json", "manifest.hmac"):
        content = (signed / name).read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        (signed / name).write_bytes(flipped)
        with pytest.raises(UntrustedModel):
            load_model(signed, key_file=key_file)
        (signed / name).write_bytes(content)
    assert load_model(signed, key_file=key_file).card == load_model(signed).card


@given(data=st.data())
@settings(max_examples=60)
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


def test_a_key_decides_who_may_have_signed(
    signed: Path, saved: Path, key_file: Path, edit_card: Callable[..., None]
) -> None:
    """Neither leaving the signature away, nor another key, nor a manifest written anew without it gets round it."""
    with pytest.raises(UntrustedModel, match="no signature"):
        load_model(saved, key_file=key_file)
    secret = key_file.read_text()
    key_file.write_text("1" * 64)
    with pytest.raises(UntrustedModel, match="another key"):
        load_model(signed, key_file=key_file)
    key_file.write_text(secret)
    edit_card(signed, data_digest="another")
    with pytest.raises(UntrustedModel):
        load_model(signed, key_file=key_file)
    for short in ("", "short"):
        key_file.write_text(short)
        with pytest.raises(UnusableSetting, match="32 bytes"):
            load_model(saved, key_file=key_file)
