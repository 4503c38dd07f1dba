"""How many words of a text hide what they say."""

import re
import unicodedata
from functools import lru_cache

from ipml.features.compiled.characters import BETWEEN_WORDS, EAST_ASIAN
from ipml.features.compiled.folding import MAX_TITLE_LETTERS, UNITS
from ipml.kit.look_alikes import kind_of, read_letter

_FULL_WIDTH = re.compile(r"[\uff01-\uff5e]")
_BETWEEN_WORDS = re.compile(
    rf"[{BETWEEN_WORDS}]+"
    r"|(?<![\U0001f1e6-\U0001f1ff])[\U0001f1e6-\U0001f1ff]{2}(?![\U0001f1e6-\U0001f1ff])"
)
"""ASCII signs, the times sign, and pairs of letters that make a flag."""
_SIZE = re.compile(rf"(?<=[0-9])(?:[x\u0445]|(?:{'|'.join(UNITS)}\w*)\b)", re.IGNORECASE)
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
    if re.search(f"[{EAST_ASIAN}]", read):
        read = _FULL_WIDTH.sub(lambda letter: unicodedata.normalize("NFKC", letter.group()), read)
    return sum(_is_disguised(word) for word in _BETWEEN_WORDS.split(_SIZE.sub(" ", _JOINER.sub("", read))))


@lru_cache(maxsize=16_384)
def _kind_of(letter: str) -> str:
    return kind_of(letter, read_letter(letter))


def _is_disguised(word: str) -> bool:
    if word.isascii():
        return False
    letters = list(map(_kind_of, word))
    is_hidden = "invisible" in letters[1:-1] and any(kind != "invisible" for kind in letters)
    is_mixed = "ascii" in letters and ("look-alike" in letters or "styled" in letters)
    return is_hidden or is_mixed or letters.count("styled") > 1
