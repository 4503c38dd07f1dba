"""Ordinary words, which are never read as others.

They take long to gather, so they are kept in the user's cache folder: a word a line after a line with their
digest. The name of the file says what the words follow from: the dictionaries, the code that folds them, the tables
that this code reads. A file that is broken is made anew, and where none can be kept the words are gathered each time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import unicodedata
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from ipml.engine.library import engine_digest
from ipml.features import normalisation
from ipml.features.compiled import characters, folding, screening, texts
from ipml.features.compiled.spelling import Words
from ipml.kit import look_alikes

_FORMAT = 1  # one more whenever the kept file is written otherwise
_LANGUAGES = ("en", "es")  # others would cost too much memory
_FOLDING = (look_alikes, normalisation, characters, folding, screening, texts)  # and the engine
_PACKAGES = ("pyspellchecker", "confusable-homoglyphs", "anyascii")


@cache
def ordinary_words() -> Words:
    """Return the words of everyday English and Spanish, folded; without those that have other signs than letters.

    Examples
    --------
    >>> [word in ordinary_words() for word in ("heroes", "hublot", "rplica", "imitacion")]
    [True, False, False, True]
    """
    return Words.of(_read_or_gather())


def cache_folder() -> Path:
    """Return the folder in which ipml keeps what it can make anew, where the platform has such folders.

    `IPML_CACHE` names another.
    """
    home, places = Path.home(), os.environ
    if places.get("IPML_CACHE"):
        return Path(places["IPML_CACHE"])
    if sys.platform == "win32":
        return Path(places.get("LOCALAPPDATA") or home / "AppData" / "Local") / "ipml" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "ipml"
    return Path(places.get("XDG_CACHE_HOME") or home / ".cache") / "ipml"


def _read_or_gather() -> bytes:
    """Return the ordinary words, one a line, in order: those kept, or gathered and then kept if that is possible."""
    try:
        path = cache_folder() / f"ordinary-words-{_key()}.txt"
    except (OSError, RuntimeError):  # no home, or the code is not there to be read
        return _gather()
    kept = _read(path)
    if kept is None:
        kept = _gather()
        with suppress(OSError):
            _keep(path, kept)
    return kept


def _gather() -> bytes:
    from spellchecker import SpellChecker  # only here, as it takes longer to import than the kept words to read

    words = SpellChecker(language=list(_LANGUAGES)).word_frequency.keys()
    folded = {word if word.isascii() else normalisation.fold_text(word) for word in words}
    return "\n".join(sorted(folded)).encode()


def _key() -> str:
    """Return a name for all that the words follow from."""
    versions = [f"{package} {version(package)}" for package in _PACKAGES]
    known = [str(_FORMAT), *_LANGUAGES, unicodedata.unidata_version, *versions, engine_digest()]
    digest = sha256(" ".join(known).encode())
    for module in _FOLDING:
        digest.update(sha256(Path(str(module.__file__)).read_bytes()).digest())
    return digest.hexdigest()[:32]


def _read(path: Path) -> bytes | None:
    """Return the words of a kept file; None where there is none, or a broken one."""
    try:
        digest, _, words = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return words if words and digest == _digest(words) else None


def _keep(path: Path, words: bytes) -> None:
    """Put the words into a file that nobody sees before it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_digest(words) + b"\n" + words)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    finally:
        Path(partial).unlink(missing_ok=True)


def _digest(words: bytes) -> bytes:
    return sha256(words).hexdigest().encode()
