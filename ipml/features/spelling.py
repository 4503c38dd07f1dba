"""Spelling: reads misspelt words as known words.

Sellers write "rplica", "repilca", "replyka", "repl ica" or "@did@$"; people understand them, n-grams do not. A word
unknown from training is read as a similar known word if there is one; two pieces ("repl.ica") or signs are read as a
known word if they form one. Ordinary words of some thirty languages, and the marketplace's own vocabulary, are never
changed.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import cache, cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import engine_digest
from ipml.features.compiled import characters, folding, screening, texts
from ipml.features.compiled import spelling as compiled
from ipml.features.compiled.folding import fold_text, fold_with_origins
from ipml.features.compiled.spelling import LEAST_LETTERS, NO_WORDS, KnownWords, OrdinaryWords
from ipml.features.compiled.texts import Texts
from ipml.kit import look_alikes

MOST_TARGETS = 20_000  # number of most frequent known words that corrections may yield
_LEAST_TEXTS = 2
_WORD = re.compile(r"(?<![^\W_])(?<![*#])[a-z]+(?:[*#][a-z]+)*(?![*#])(?![^\W_])")
_STORED = re.compile(r"(?:[a-z]+(?:[*#][a-z]+)*(?: (?! |$)|$))*+")  # such words, separated by spaces


class Spelling:
    """Known words of listings, and how to read unknown ones.

    Attributes
    ----------
    words : dict of str to int
        The known words, and the number of texts with each.
    trade : frozenset of str
        Words of the trade, known from the start.
    ordinary : OrdinaryWords
        Words that are never changed, known or not.

    Examples
    --------
    >>> spelling = Spelling().fit(["leather belt", "wool belt", "leather watch"], phrases=["replica*"])
    >>> spelling.read_texts(Texts.of(["rplica laether belt", "repl ica"])).strings()
    ['replica leather belt', 'replica']
    """

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.trade: frozenset[str] = frozenset()
        self.ordinary = NO_WORDS

    def fit(self, folded: Iterable[str], phrases: Iterable[str] = ()) -> Self:
        """Learn the words that occur in at least two texts.

        Parameters
        ----------
        folded : iterable of str
            Texts as from `fold_text`.
        phrases : iterable of str
            Words of the trade as people write them; a star at the end matches any ending. Phrases in other
            alphabets are ignored, since words that sound like them may mean a Latin word.
        """
        counted = Counter(word for text in folded for word in set(_WORD.findall(text)))
        self.trade = frozenset(word for phrase in phrases if phrase.isascii() for word in _words_of_phrase(phrase))
        known = dict.fromkeys(self.trade, 1) | {word: n for word, n in counted.items() if n >= _LEAST_TEXTS}
        self.words, self.ordinary = dict(sorted(known.items())), ordinary_words()
        self.__setstate__(self.__getstate__())  # discards what was derived from other words
        return self

    def extend(self, other: Spelling) -> None:
        """Add the known words and the ordinary words of another."""
        known = Counter(self.words)
        known.update(other.words)
        self.words, self.trade = dict(sorted(known.items())), self.trade | other.trade
        self.ordinary = self.ordinary.join(other.ordinary)
        self.__setstate__(self.__getstate__())  # discards what was derived from other words

    def read_texts(self, folded: Texts) -> Texts:
        """Return folded texts with misspelt words corrected."""
        return compiled.read_texts(folded, self.known.words, self.ordinary)

    def fold_with_origins(self, text: str, max_letters: int) -> tuple[str, list[int]]:
        """Return `fold_text` with misspelt words corrected, and each letter's position in the text as written."""
        folded, origins = fold_with_origins(text, max_letters)
        read = compiled.read_with_origins(Texts.of_one(folded), self.known.words, self.ordinary)
        return (folded, origins) if read is None else (read[0], [origins[place] for place in read[1].tolist()])

    def know_a_word(self, read: Texts) -> NDArray[np.bool_]:
        """Return whether each text, folded and read, has a longer word known from training or the trade."""
        return compiled.know_a_word(read, self.known.words)

    @cached_property
    def known(self) -> KnownWords:
        """The known words as the engine looks them up."""
        return KnownWords(self.words, self.trade, MOST_TARGETS)

    def __getstate__(self) -> dict[str, Any]:
        """Return the words and their counts as a model file can hold them."""
        counts = np.array(list(self.words.values()), dtype=np.int64)
        trade = " ".join(sorted(self.trade))
        ordinary = {"ordinary_counts": self.ordinary.counts, "ordinary_marks": self.ordinary.marks}
        return {"words": " ".join(self.words), "counts": counts, "trade": trade, **ordinary}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the words; discard everything derived from others.

        Raises `ValueError`: the words cannot come from texts, counts are not whole, or the ordinary words are
        malformed.
        """
        if not _STORED.fullmatch(state["words"]) or state["counts"].dtype != np.int64:
            raise ValueError("found words of other letters than a to z, * and #; expected words as texts have them")
        self.__dict__.clear()
        self.words = dict(zip(state["words"].split(), state["counts"].tolist(), strict=True))
        self.trade = frozenset(state["trade"].split())
        self.ordinary = OrdinaryWords(state["ordinary_counts"], state["ordinary_marks"])


def _words_of_phrase(phrase: str) -> list[str]:
    """Return the longer words of a phrase; a stem only if it is a word."""
    words = [word for word in _WORD.findall(fold_text(phrase.removesuffix("*"))) if len(word) >= LEAST_LETTERS]
    return words if not phrase.endswith("*") or not words or words[-1] in ordinary_words() else words[:-1]


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
_FOLDING = (look_alikes, characters, folding, screening, texts)  # and the engine
_PACKAGES = ("pyspellchecker", "wordfreq", "confusable-homoglyphs", "anyascii")


@cache
def ordinary_words() -> OrdinaryWords:
    """Return the most common words of each language, and all words of English and Spanish dictionaries, folded.

    Words with other signs than letters are left out.

    >>> [word in ordinary_words() for word in ("heroes", "hublot", "rplica", "imitacion", "pasek")]
    [True, False, False, True, True]
    """
    kept = _read_or_gather()
    counts = np.frombuffer(kept, dtype="<u2", count=1 << 16)
    marks = np.frombuffer(kept, dtype="<u4", offset=counts.nbytes)
    return OrdinaryWords(counts.astype(np.uint16), marks.astype(np.uint32))


def common_words(language: str, n: int) -> list[str]:
    """Return the most common words of a language in small letters, and in capitals where these fold differently.

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
