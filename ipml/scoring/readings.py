"""Whether the model read other words in a title than a person sees at a glance: then the page shows both.

Capitals, accents, punctuation and words of another alphabet, read by their sound, are no disguise.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from ipml.features.look_alikes import is_look_alike
from ipml.features.normalisation import fold_text

_WORD = re.compile(r"[^\W_]+")
_LATIN = re.compile("[a-z]")


def reads_otherwise(title: str, folded: str) -> bool:
    """Tell whether the folded view of a title says other words than are seen in it.

    Parameters
    ----------
    title : str
        As the seller wrote it.
    folded : str
        As the model read it.

    Examples
    --------
    >>> [reads_otherwise(title, fold_text(title)) for title in ("N\\u0456ke AIR", "R e p l i c a", "Ni\\u200bke")]
    [True, True, True]
    >>> [reads_otherwise(title, fold_text(title)) for title in ("Caf\\u00e9, NIKE!", "\\u0447\\u0430\\u0441\\u044b")]
    [False, False]
    """
    if title.isascii() and title.lower() == folded:
        return False
    return _seen_words(title) != _words(folded)


def _words(text: str) -> list[str]:
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if unicodedata.category(letter) != "Mn")
    return _WORD.findall("".join(letters).casefold())


def _seen_words(title: str) -> list[str]:
    words = _WORD.findall("".join(map(_without_accent, unicodedata.normalize("NFC", title))).casefold())
    is_latin = sum(map(len, map(_LATIN.findall, words))) * 2 > sum(map(len, words))
    return [
        said for word in words for said in (_words(_read_by_sound(word, is_latin)) if not word.isascii() else [word])
    ]


@lru_cache(maxsize=4_096)
def _without_accent(letter: str) -> str:
    """Return the Latin letter under an accent; a letter of another alphabet keeps its own, and is read with it."""
    if unicodedata.category(letter) == "Mn":
        return ""
    base = unicodedata.normalize("NFD", letter)[0]
    return base if base.isascii() else letter


def _read_by_sound(word: str, is_latin: bool) -> str:
    """Return a word of another alphabet as its sound; one of look-alikes within a Latin title is none."""
    if _LATIN.search(word) or (is_latin and all(map(is_look_alike, word))):
        return word
    return fold_text(word)
