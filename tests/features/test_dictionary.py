"""Ordinary words are the same whether they are gathered or kept, and whatever became of the kept file."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ipml.features import spelling
from ipml.features.spelling import cache_folder

FEW = bytes(1 << 17)  # no words


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty cache folder, and let a few words be all there are."""
    monkeypatch.setenv("IPML_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(spelling, "_gather", lambda: FEW)
    return tmp_path / "cache"


def test_words_are_gathered_once_and_kept_unless_the_file_is_broken(folder, monkeypatch):
    """Also where many ask at once; a file that is empty, cut short, longer, or without its digest is made anew."""
    spelling._read_or_gather()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for broken in (b"", whole[:-1], whole + b"s", FEW):
        path.write_bytes(broken)
        assert spelling._read_or_gather() == FEW
        assert path.read_bytes() == whole
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: spelling._read_or_gather(), range(40))) == {FEW}
    assert len(list(folder.iterdir())) == 1
    assert spelling._read_or_gather() == FEW
    monkeypatch.setattr(spelling, "_gather", lambda: pytest.fail("gathered again"))
    assert spelling._read_or_gather() == FEW
    assert len(list(folder.iterdir())) == 1


def test_words_that_cannot_be_kept_are_gathered_each_time(tmp_path, monkeypatch):
    """Where the folder is a file, nothing can be written, and nothing is said."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IPML_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(spelling, "_gather", lambda: FEW)
    assert spelling._read_or_gather() == spelling._read_or_gather() == FEW


def test_nothing_is_left_of_a_file_that_could_not_be_written(folder, monkeypatch):
    """A full disk leaves no part of it."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert spelling._read_or_gather() == FEW
    assert list(folder.iterdir()) == []


def test_other_dictionaries_or_other_folding_have_another_file(folder, monkeypatch):
    """A newer package, or code that folds otherwise: every module that folding imports names the file."""
    code = "import sys; import ipml.features.compiled.folding; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    folding = {name for name in loaded if name.startswith(("ipml.features.", "ipml.kit.look_alikes"))}
    folding -= {"ipml.features.compiled"}
    assert folding == {module.__name__ for module in spelling._FOLDING}
    before = spelling._key()
    monkeypatch.setattr(spelling, "version", lambda package: "other")
    other = spelling._key()
    monkeypatch.undo()
    monkeypatch.setattr(spelling, "_FOLDING", spelling._FOLDING[1:])
    assert len({before, other, spelling._key()}) == 3


def test_the_folder_is_where_the_platform_has_such(monkeypatch):
    """On Linux, macOS and Windows, unless another is named."""
    monkeypatch.delenv("IPML_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/ipml")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "ipml"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "ipml"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert cache_folder() == Path("/local/ipml/Cache")
    monkeypatch.setenv("IPML_CACHE", "/named")
    assert cache_folder() == Path("/named")


def test_words_of_many_languages_are_gathered(tmp_path, monkeypatch):
    """In small letters and in capitals, without those of other signs; what is kept of them is what was gathered."""
    monkeypatch.setenv("IPML_CACHE", str(tmp_path))
    monkeypatch.setattr(spelling, "LANGUAGES", ("bg", "pt"))
    gathered, kept = (spelling.ordinary_words.__wrapped__() for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 1
    asked = ("belt", "belt's", "imitacion", "praca", "mnogo", "mhoro", "pra", "beltqq", "")
    for words in (gathered, kept):
        assert [word for word in asked if word in words] == ["belt", "imitacion", "praca", "mnogo", "mhoro", "pra"]
        assert [word for word in asked if words.is_everyday(word)] == ["mnogo", "mhoro", "pra"]
