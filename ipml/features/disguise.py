"""Words that hide what they say: counted, since few sellers of genuine goods write like that."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from ipml.features.look_alikes import is_look_alike, read_letter
from ipml.features.normalise import MAX_TITLE_LETTERS

_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_FULL_WIDTH = re.compile(r"[\uff01-\uff5e]")
_ON_KEYBOARDS = "\u00aa\u00b5\u00ba\u03bc"  # the ordinals and the micro sign, and the Greek letter that it becomes
_BETWEEN_WORDS = re.compile(
    r"[\s\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f\u00d7]+"
    r"|(?<![\U0001f1e6-\U0001f1ff])[\U0001f1e6-\U0001f1ff]{2}(?![\U0001f1e6-\U0001f1ff])"
)
"""ASCII signs, the times sign, and pairs of letters that make a flag."""
_SIZE = re.compile(
    "(?<=[0-9])(?:[x\u0445]|(?:мм|см|дм|м|км|мл|л|мг|г|гр|кг|т|мкм|мкг|мкф|вт|квт|в|кв|ма|мач|а|ач|гц|мгц|ггц"
    r"|шт|кб|мб|гб|тб|дюйм\w*)\b)",
    re.IGNORECASE,
)
"""An x after a number, and Cyrillic units, which stick to Latin letters in "120x4см" and hide nothing."""
_JOINER = re.compile(r"(?<=[\u0600-\u1fff\u2190-\U0001faff\ufe0f])[\u200c\u200d](?=[\u0600-\u1fff\u2190-\U0001faff])")


def count_disguises(text: str) -> int:
    """Count the words that hide what they say: invisible letters inside, or look-alikes mixed into another script.

    A word written in one script throughout is not disguised, whatever the script: genuine Cyrillic, Greek or
    accented titles count zero, as do sizes with units of another script, full-width letters beside Chinese or Japanese
    ones, and the joiners by which Persian, Hindi and emoji are written.

    Examples
    --------
    >>> [count_disguises(title) for title in ("N\u0456ke Air", "\u043a\u0435\u0434\u044b Nike", "Ni\u200bke")]
    [1, 0, 1]
    """
    if text.isascii():
        return 0
    read = text[:MAX_TITLE_LETTERS]
    if _EAST_ASIAN.search(read):
        read = _FULL_WIDTH.sub(lambda letter: unicodedata.normalize("NFKC", letter.group()), read)
    return sum(_is_disguised(word) for word in _BETWEEN_WORDS.split(_SIZE.sub(" ", _JOINER.sub("", read))))


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
    if letter in _ON_KEYBOARDS:
        return "other"
    category = unicodedata.category(letter)
    if category in {"Cf", "Me", "Cc"}:
        return "invisible"
    folded = read_letter(letter)
    if not (len(folded) == 1 and folded.isascii() and folded.isalpha()):
        return "other"
    if unicodedata.decomposition(letter).startswith("<") or category == "So":
        return "styled"
    return "look-alike" if is_look_alike(letter) and "LATIN" not in unicodedata.name(letter, "") else "other"
