"""Words that hide what they say: counted, since few sellers of genuine goods write like that."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from ipml.features.look_alikes import is_look_alike, read_letter
from ipml.features.normalise import MAX_TITLE_LETTERS


def count_disguises(text: str) -> int:
    """Count the words that hide what they say: invisible letters inside, or look-alikes mixed into another script.

    A word written in one script throughout is not disguised, whatever the script: genuine Cyrillic, Greek or
    accented titles count zero.

    Examples
    --------
    >>> [count_disguises(title) for title in ("N\u0456ke Air", "\u043a\u0435\u0434\u044b Nike", "Ni\u200bke")]
    [1, 0, 1]
    """
    if text.isascii():
        return 0
    return sum(_is_disguised(word) for word in text[:MAX_TITLE_LETTERS].split())


def _is_disguised(word: str) -> bool:
    if word.isascii():
        return False
    letters = [_kind_of(letter) for letter in word]
    is_hidden = "invisible" in letters[1:-1] and any(kind != "invisible" for kind in letters)
    is_mixed = "ascii" in letters and ("look-alike" in letters or "styled" in letters)
    return is_hidden or is_mixed or letters.count("styled") > 1


@lru_cache(maxsize=16_384)
def _kind_of(letter: str) -> str:
    """Say how a letter is written: ascii, invisible, styled (full-width, mathematical, …), look-alike, or other."""
    if letter.isascii():
        return "ascii" if letter.isalpha() else "other"
    category = unicodedata.category(letter)
    if category in {"Cf", "Me", "Cc"}:
        return "invisible"
    folded = read_letter(letter)
    if not (len(folded) == 1 and folded.isascii() and folded.isalpha()):
        return "other"
    if unicodedata.decomposition(letter).startswith("<") or category == "So":
        return "styled"
    return "look-alike" if is_look_alike(letter) and "LATIN" not in unicodedata.name(letter, "") else "other"
