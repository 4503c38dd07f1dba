"""Words that are known: which of them an unknown one stands for, and ordinary ones, which are never read as others.

An unknown word stands for a known one that is one slip away, of the same sound, or left without vowels.

Ordinary words take long to gather, so they are kept in the user's cache folder: a word a line after a line with their
digest. The name of the file says what the words follow from: the dictionaries, the code that folds them, the tables
that this code reads. A file that is broken is made anew, and where none can be kept the words are gathered each time.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property
from hashlib import sha256
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from ipml.features import look_alikes, normalisation
from ipml.features.compiled.words import Words

LEAST_LETTERS = 5
"""Shorter words have too many neighbours: "copy" and "cosy" are one slip apart."""

GAPS = " .,:;=/~+()[]"
"""What may part two pieces of a word; of signs, those that are read neither as letters nor as gaps within a name."""
LEAST_CONSONANTS = 4
LEAST_CONSONANTS_OF_TRADE = 3  # "rlx" is hardly anything else, but "cds" need not be codes
_ANY = "*"
_SIGN = re.compile(r"[*#]")
_VOWEL = re.compile(r"(?<=.)[aeiou]")
_HELD_DOWN = re.compile(r"(.)\1{2,}")  # what folding shortens
_SOUND = re.compile(r"ph|ck|qu|x|[cszyvw]|(.)\1")
SAME_SOUND = {"ph": "f", "ck": "k", "qu": "kw", "x": "ks", "c": "k", "s": "s", "z": "s", "y": "i", "v": "w", "w": "w"}
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
BESIDE = {(a, b) for keys in _KEYS for x, y in pairwise(keys) for a, b in ((x, y), (y, x))}


class KnownWords:
    """Words that misspelt ones may stand for.

    Parameters
    ----------
    frequencies : mapping of str to int
        The words, and how often each is met; of several that fit, the most frequent counts.
    trade : collection of str
        Those of the trade.

    Examples
    --------
    >>> known = KnownWords({"replica": 5, "rolex": 9, "leather": 2}, {"rolex"})
    >>> [known.nearest(word) for word in ("rplica", "repilca", "repl*ca", "replyka", "rlx", "lthr", "wool")]
    ['replica', 'replica', 'replica', 'replica', 'rolex', 'leather', None]
    """

    def __init__(self, frequencies: Mapping[str, int], trade: Collection[str]) -> None:
        self._frequencies = {word: n for word, n in frequencies.items() if len(word) >= LEAST_LETTERS - 1}
        self._trade = trade

    def nearest(self, word: str) -> str | None:
        """Return the known word that an unknown one most likely stands for; None if there is none."""
        near: Collection[str]
        if _SIGN.search(word):
            near = self._of_pattern.get(_SIGN.sub(_ANY, word), ())
        else:
            near = self._one_slip_away(word) or self._of_sound.get(_sound(word), ())
            near = near or ([] if _VOWEL.search(word) else self._of_consonants.get(_bare(word), []))
        return max(near, key=lambda known: (self._frequencies[known], known), default=None)

    def has(self, word: str) -> bool:
        """Say whether a longer word is known."""
        return len(word) >= LEAST_LETTERS and word in self._frequencies

    def _one_slip_away(self, word: str) -> set[str]:
        """Return the words one slip away, of which this one keeps the first letter or strikes the key beside."""
        one_more = (f"{word[:at]}{_ANY}{word[at:]}" for at in range(1, len(word) + 1))
        patterns = (*_hide_each(word), *one_more)
        near = {known for pattern in patterns for known in self._of_pattern.get(pattern, ())}
        near |= self._frequencies.keys() & set(_drop_each(word))
        near = {known for known in near if len(known) >= LEAST_LETTERS}
        near |= self._frequencies.keys() & set(_swap_each(word))
        return {known for known in near if _begins_alike(word, known)}

    @cached_property
    def _of_pattern(self) -> dict[str, list[str]]:
        """The words that a word with one letter hidden may be."""
        return _index((pattern, word) for word in self._frequencies for pattern in _hide_each(word))

    @cached_property
    def _of_sound(self) -> dict[str, list[str]]:
        return _index((_sound(word), word) for word in self._frequencies if len(word) >= LEAST_LETTERS)

    @cached_property
    def _of_consonants(self) -> dict[str, list[str]]:
        """The words that are left of vowels but at their start, as folding leaves them: "mrrr" is "mrr"."""
        bare = ((_bare(word), word) for word in self._frequencies if len(word) >= LEAST_LETTERS)
        return _index((left, word) for left, word in bare if len(left) >= self._least_consonants(word))

    def _least_consonants(self, word: str) -> int:
        return LEAST_CONSONANTS_OF_TRADE if word in self._trade else LEAST_CONSONANTS


def _bare(word: str) -> str:
    """Return what is left of a word without its vowels but at its start."""
    return _HELD_DOWN.sub(r"\1\1", _VOWEL.sub("", word))


def _sound(word: str) -> str:
    """Return how a word sounds, roughly: spellings of one sound are one, doubled letters single."""
    return _SOUND.sub(lambda match: SAME_SOUND.get(match.group(), match.group()[0]), word)


def _begins_alike(word: str, known: str) -> bool:
    return word[0] == known[0] or (len(word) == len(known) and (word[0], known[0]) in BESIDE)


def _hide_each(word: str) -> Iterator[str]:
    return (f"{word[:at]}{_ANY}{word[at + 1 :]}" for at in range(len(word)))


def _drop_each(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _swap_each(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for key, value in pairs:
        index.setdefault(key, []).append(value)
    return index


_FORMAT = 1  # one more whenever the kept file is written otherwise
_LANGUAGES = ("en", "es")  # others would cost too much memory
_FOLDING = (look_alikes, normalisation)
_PACKAGES = ("pyspellchecker", "confusable-homoglyphs", "anyascii")


@cache
def ordinary_words() -> frozenset[str]:
    """Return the words of everyday English and Spanish, folded.

    Examples
    --------
    >>> [word in ordinary_words() for word in ("heroes", "hublot", "rplica", "imitacion")]
    [True, False, False, True]
    """
    return frozenset(_read_or_gather().decode().split("\n"))


@cache
def compiled_ordinary_words() -> Words:
    """Return the ordinary words as the engine reads them; without those that have other signs than letters."""
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
    digest = sha256(" ".join([str(_FORMAT), *_LANGUAGES, unicodedata.unidata_version, *versions]).encode())
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
