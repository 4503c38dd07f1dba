"""Only plain files of known names are read, not a bit of which may change; a folder is replaced whole or not at all."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import IpmlError, NotFound, Refused, UntrustedModel, UnusableSetting
from ipml.model.model_file import ModelCard, load_model, read_card
from ipml.model.model_file.folder import FORMAT, check_manifest, read_folder
from ipml.model.pipeline import CounterfeitClassifier

Save = Callable[..., ModelCard]
SaveNew = Callable[[Path], ModelCard]


def test_a_folder_has_the_files_of_its_manifest_and_no_other(folder, tmp_path, reseal):
    """An extra, missing or linked one is refused by name, and so are a newer format and a card beyond its limit."""
    for name in ("notes.txt", ".hidden", "MLmodel", "model.zip.bak"):
        (folder / name).write_text("x")
        with pytest.raises(UntrustedModel, match=name):
            load_model(folder)
        (folder / name).unlink()
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(UntrustedModel, match="symbolic link"):
        load_model(tmp_path / "link")
    for name in ("model.zip", "card.json", "manifest.json"):
        (folder / name).rename(tmp_path / name)
        with pytest.raises(UntrustedModel, match=name):
            load_model(folder)
        (folder / name).symlink_to(tmp_path / name)
        with pytest.raises(UntrustedModel, match="plain file"):
            load_model(folder)
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)
    assert load_model(folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": FORMAT + 1}))
    with pytest.raises(UntrustedModel, match=f"format {FORMAT + 1}"):
        load_model(folder)
    reseal(folder, card=b" " * (2 << 20))
    with pytest.raises(UntrustedModel, match=r"card\.json of more than"):
        load_model(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_is_refused(folder):
    """A named pipe in place of a file is refused instead of waited for."""
    (folder / "card.json").unlink()
    os.mkfifo(folder / "card.json")
    with pytest.raises(UntrustedModel, match="plain file"):
        load_model(folder)


def test_no_model_is_said_so(folder, tmp_path, save, title_classifier):
    """Only folders are models, else one line says so; one that holds anything else is not replaced."""
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", folder))
    for missing in ("nothing", "a/b", "..", "\0", "x" * 300, packed.name):
        with pytest.raises(IpmlError) as caught:
            load_model(tmp_path / missing)
        assert len(str(caught.value).splitlines()) == 1
    assert isinstance(caught.value, NotFound)
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(Refused, match="letters"):
        save(title_classifier, tmp_path)
    assert (tmp_path / "letters.txt").read_text() == "mine"


def is_a_step(event: str, arguments: tuple[Any, ...]) -> bool:
    """Say whether an audit event is a change of the file system."""
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    return event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree")


@pytest.fixture
def save_new(save: Save, other_classifier: CounterfeitClassifier) -> SaveNew:
    """Return a function that saves another classifier than the one that is there."""
    return lambda folder: save(other_classifier, folder)


def save_and_die(save_new: SaveNew, folder: Path, step: int) -> bool:
    """In a process of its own, save over `folder` and be killed before the given step; say if it was."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            if is_a_step(event, arguments) and str(folder.parent) in str(arguments[0]):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            save_new(folder)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # the child only writes files
def test_a_kill_at_any_step_leaves_the_old_model_or_the_new(saved, save_new, tmp_path):
    """Killed before its n-th step, for every n, a replacement leaves a whole model, and can be repeated."""
    seen = []
    for step in range(200):
        folder = tmp_path / f"{step}" / "model"
        shutil.copytree(saved, folder)
        was_killed = save_and_die(save_new, folder, step)
        seen.append(load_model(folder).classifier.C)
        assert save_new(folder) == read_card(folder)
        if not was_killed:
            break
    assert not was_killed
    assert seen == sorted(seen, reverse=True), "once new, always new"
    assert set(seen) == {1.0, 0.01}


def test_a_first_save_that_is_killed_leaves_nothing_that_loads(save_new, tmp_path):
    """Before the first model is whole there is none."""
    assert save_and_die(save_new, tmp_path / "model", 4)
    with pytest.raises(NotFound):
        load_model(tmp_path / "model")


@pytest.fixture
def signed(save, title_classifier, key_file, tmp_path) -> Path:
    """Return a saved model that is signed."""
    save(title_classifier, tmp_path / "signed", key_file=key_file)
    return tmp_path / "signed"


def test_a_flipped_bit_is_refused(signed, key_file):
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
def test_no_byte_of_the_manifest_is_free(saved, data):
    """A manifest with any one byte replaced is refused."""
    contents = read_folder(saved)
    content = bytearray(contents["manifest.json"])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    with pytest.raises(UntrustedModel):
        check_manifest(contents | {"manifest.json": bytes(content)}, saved)


def test_a_key_decides_who_may_have_signed(signed, saved, key_file, edit_card):
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
