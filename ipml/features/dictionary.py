"""Ordinary words of many languages, which are never read as others.

A model learns them when it is trained and keeps them in its file: what it reads depends on no package where it scores.
They take long to gather, so they are kept in the user's cache folder behind a line with their digest. The name of the
file says what the words follow from: the dictionaries, the code that folds them, the tables that this code reads. A
file that is broken is made anew, and where none can be kept the words are gathered each time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ipml.engine.library import engine_digest
from ipml.features import normalisation
from ipml.features.compiled import characters, folding, screening, texts
from ipml.features.compiled.spelling import OrdinaryWords
from ipml.features.compiled.texts import Texts
from ipml.kit import look_alikes

LANGUAGES = (
    *("bg", "ca", "cs", "da", "de", "el", "en", "es", "fi", "fil", "fr"),
    *("hu", "id", "is", "it", "lt", "lv", "mk", "ms", "nb", "nl", "pl"),
    *("pt", "ro", "ru", "sh", "sk", "sl", "sv", "tr", "uk", "vi"),
)
"""Languages of wordfreq whose words fold to Latin letters; others have none that could be taken for a known word."""
MOST_COMMON = 20_000
_SPELT_OUT = ("en", "es")  # of which also rarer words are protected, all that a dictionary has
_EVERYDAY = {language: 10_000 if language in _SPELT_OUT else 500 for language in LANGUAGES}
"""So many words of each stand beside any word, so that two of them are not pieces of one: "go yard", "pra da"."""
_FORMAT = 2  # one more whenever the kept file is written otherwise
_FOLDING = (look_alikes, normalisation, characters, folding, screening, texts)  # and the engine
_PACKAGES = ("pyspellchecker", "wordfreq", "confusable-homoglyphs", "anyascii")


@cache
def ordinary_words() -> OrdinaryWords:
    """Return the commonest words of each language, and all of a dictionary of English and of Spanish, folded.

    Those that have other signs than letters are left out.

    Examples
    --------
    >>> [word in ordinary_words() for word in ("heroes", "hublot", "rplica", "imitacion", "pasek")]
    [True, False, False, True, True]
    """
    kept = _read_or_gather()
    counts = np.frombuffer(kept, dtype="<u2", count=1 << 16)
    marks = np.frombuffer(kept, dtype="<u4", offset=counts.nbytes)
    return OrdinaryWords(counts.astype(np.uint16), marks.astype(np.uint32))


def common_words(language: str, n: int) -> list[str]:
    """Return the commonest words of a language as they read in small letters, and in capitals where that is otherwise.

    Examples
    --------
    >>> "praca" in common_words("pt", 10_000)
    True
    """
    from wordfreq import get_frequency_list, top_n_list  # only here, as with the other dictionaries: scoring needs none

    words = top_n_list(language, n, wordlist="small")  # those met at least once in a million words
    get_frequency_list.cache_clear()  # which would hold the words of every language
    return list(dict.fromkeys([*_fold(words), *_fold(map(str.upper, words))]))


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
    """Return what is kept of the ordinary words; gathered, and then kept if that is possible, where nothing is yet."""
    try:
        path = cache_folder() / f"ordinary-words-{_key()}.bin"
    except (OSError, RuntimeError):  # no home, or the code is not there to be read
        return _gather()
    kept = _read(path)
    if kept is None:
        kept = _gather()
        with suppress(OSError):
            _keep(path, kept)
    return kept


def _gather() -> bytes:
    from spellchecker import SpellChecker

    spelt_out = _fold(SpellChecker(language=list(_SPELT_OUT)).word_frequency.keys())
    common = {word for language in LANGUAGES for word in common_words(language, MOST_COMMON)}
    everyday = {word for language in LANGUAGES for word in common_words(language, _EVERYDAY[language])}
    words = OrdinaryWords.of(_as_lines({*spelt_out, *common}), _as_lines(everyday))
    return words.counts.astype("<u2").tobytes() + words.marks.astype("<u4").tobytes()


def _fold(words: Iterable[str]) -> list[str]:
    return folding.fold_texts(Texts.of(list(words))).strings()


def _as_lines(words: Iterable[str]) -> bytes:
    return "\n".join(words).encode("utf-8", "surrogatepass")


def _key() -> str:
    """Return a name for all that the words follow from."""
    versions = [f"{package} {version(package)}" for package in _PACKAGES]
    chosen = [str(MOST_COMMON), str(_EVERYDAY), *_SPELT_OUT]
    known = [str(_FORMAT), *chosen, unicodedata.unidata_version, *versions, engine_digest()]
    digest = sha256(" ".join(known).encode())
    for module in _FOLDING:
        digest.update(sha256(Path(str(module.__file__)).read_bytes()).digest())
    return digest.hexdigest()[:32]


def _read(path: Path) -> bytes | None:
    """Return what a kept file holds; None where there is none, or a broken one."""
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
