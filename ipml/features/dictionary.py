"""Dictionary: gathers ordinary words of many languages, which spelling correction never changes.

A model learns them in training and stores them, so scoring depends on no dictionary package. Gathering takes long;
the words are cached in the user's cache folder after a line with their digest. The file name depends on the
dictionaries, the folding code and its tables. A broken file is replaced; without a cache the words are gathered each
time.
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
"""Languages of wordfreq whose words fold to Latin letters; words of others cannot resemble a known word."""
MOST_COMMON = 20_000
_SPELT_OUT = ("en", "es")  # their rarer words are protected too: all words of a dictionary
_EVERYDAY = {language: 10_000 if language in _SPELT_OUT else 500 for language in LANGUAGES}
"""Number of everyday words of each language; two of them side by side are not pieces of one ("go yard", "pra da")."""
_FORMAT = 2  # increment when the format of the cache file changes
_FOLDING = (look_alikes, normalisation, characters, folding, screening, texts)  # and the engine
_PACKAGES = ("pyspellchecker", "wordfreq", "confusable-homoglyphs", "anyascii")


@cache
def ordinary_words() -> OrdinaryWords:
    """Return the most common words of each language, and all words of English and Spanish dictionaries, folded.

    Words with other signs than letters are left out.

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
    """Return the most common words of a language in small letters, and in capitals where these fold differently.

    Examples
    --------
    >>> "praca" in common_words("pt", 10_000)
    True
    """
    from wordfreq import get_frequency_list, top_n_list  # imported only here: scoring needs no dictionary

    words = top_n_list(language, n, wordlist="small")  # words with a frequency of at least one in a million
    get_frequency_list.cache_clear()  # the cache would hold the words of every language
    return list(dict.fromkeys([*_fold(words), *_fold(map(str.upper, words))]))


def cache_folder() -> Path:
    """Return the platform's cache folder for ipml, where it has such folders.

    The environment variable `IPML_CACHE` overrides it.
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
    """Return the cached ordinary words; otherwise gather them, and cache them if possible."""
    try:
        path = cache_folder() / f"ordinary-words-{_key()}.bin"
    except (OSError, RuntimeError):  # no home folder, or the source code is not readable
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
    """Return a digest of everything that the words depend on."""
    versions = [f"{package} {version(package)}" for package in _PACKAGES]
    chosen = [str(MOST_COMMON), str(_EVERYDAY), *_SPELT_OUT]
    known = [str(_FORMAT), *chosen, unicodedata.unidata_version, *versions, engine_digest()]
    digest = sha256(" ".join(known).encode())
    for module in _FOLDING:
        digest.update(sha256(Path(str(module.__file__)).read_bytes()).digest())
    return digest.hexdigest()[:32]


def _read(path: Path) -> bytes | None:
    """Return the words of a cache file; None where it is missing or broken."""
    try:
        digest, _, words = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return words if words and digest == _digest(words) else None


def _keep(path: Path, words: bytes) -> None:
    """Write the words to a file that becomes visible only when complete."""
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
