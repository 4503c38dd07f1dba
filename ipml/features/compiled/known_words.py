"""Known words as the engine looks for them: the keys under which it finds the one that another stands for.

They lie in the order of (frequency, word), and those that others may stand for come last: of several, the last counts.
One table holds these under each of their keys: the word itself, the word with any letter hidden, its sound, and the
word without its vowels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Buffer, Table, bind
from ipml.features.compiled.texts import letter_kinds
from ipml.features.compiled.words import CODE, CODES, Words, WordSet, split_lines, to_array
from ipml.features.dictionary import BESIDE, GAPS, LEAST_LETTERS, SAME_SOUND

_SIGNS = "@$!|"
_OF_SIGN = 1 << 7
_AS_LETTERS = str.maketrans("@$!|(+013457", "asilctoieast")


class WordLetters(Table):
    """What is known of bytes in words, and of letters beside them."""

    _fields_: ClassVar = [
        *((name, KINDS["uint8s"]) for name in ("codes", "sounds", "may_double", "beside", "is_gap", "is_sign")),
        *((name, KINDS["uint8s"]) for name in ("classes", "letters_of_signs", "kinds")),
    ]


_index_known = bind("index_known", "uint8s", "int64_t", "uint8s", WordLetters, "buffer")
_find_known = bind("find_known", WordSet, WordLetters, "uint8s", returns="int64_t")


def make_known(frequencies: Mapping[str, int], trade: Collection[str], most_targets: int) -> Words | None:
    """Return the known words, and by what keys those are found that others may stand for.

    None if a word holds other letters than one can that is read in a text.

    Parameters
    ----------
    frequencies : mapping of str to int
        The words, and how often each is met.
    trade : collection of str
        Those of the trade.
    most_targets : int
        So many of the most frequent words others may stand for.

    Examples
    --------
    >>> known = make_known({"replica": 5, "rolex": 9}, {"rolex"}, 20_000)
    >>> [nearest(known, word) for word in ("repilca", "rlx", "wool")]
    ['replica', 'rolex', None]
    """
    ordered = sorted(frequencies)
    counts = np.fromiter((frequencies[word] for word in ordered), dtype=np.int64, count=len(ordered))
    lengths = np.fromiter(map(len, ordered), dtype=np.int64, count=len(ordered))
    is_target = np.zeros(len(ordered), dtype=np.bool_)
    is_target[np.argsort(-counts, kind="stable")[:most_targets]] = True
    is_target &= lengths >= LEAST_LETTERS - 1
    order = np.lexsort((np.arange(len(ordered)), counts, is_target))
    named = [ordered[at] for at in order.tolist()]
    lines = np.frombuffer("".join(f"{word}\n" for word in named).encode("utf-8", "surrogatepass"), np.uint8)
    starts, ends = split_lines(lines)
    if starts.size != lengths.size or (ends - starts != lengths[order]).any():
        return None
    is_of_trade = np.fromiter((word in trade for word in named), dtype=np.uint8, count=len(named))
    table = Buffer()
    _index_known(lines, int(np.sum(~is_target)), is_of_trade, word_letters(), table)
    return Words(table.take(np.uint64), lines)


def nearest(known: Words, word: str) -> str | None:
    """Return the known word that an unknown one most likely stands for; None if there is none."""
    found = _find_known(known.prepared, word_letters(), to_array(word))
    if found < -1:
        raise MemoryError("not enough memory for the sound of a word")
    return known.lines[found:].tobytes().split(b"\n", 1)[0].decode() if found >= 0 else None


@cache
def word_letters() -> WordLetters:
    """Return what is known of bytes in words, and of letters beside them."""
    is_sign = _list_which(_SIGNS)
    return WordLetters.of(
        codes=CODES,
        sounds=_list_sounds(),
        may_double=1 - _list_which([letter for letter in SAME_SOUND if len(letter) == 1]),
        beside=_list_keys_beside(),
        is_gap=_list_which(GAPS),
        is_sign=is_sign,
        classes=CODES & np.uint8(CODE) | np.uint8(_OF_SIGN) * is_sign,
        letters_of_signs=_list_letters_of_signs(),
        kinds=letter_kinds(),
    )


def _list_which(letters: Collection[str]) -> NDArray[np.uint8]:
    """Return 1 for each byte that is one of some letters, 0 for others."""
    return np.array([chr(byte) in letters for byte in range(256)], np.uint8)


def _list_sounds() -> NDArray[np.uint8]:
    """Return the one or two letters of which each byte has the sound."""
    sounds = np.zeros((256, 2), dtype=np.uint8)
    sounds[:, 0] = np.arange(256)
    for letter, sound in SAME_SOUND.items():
        if len(letter) == 1:
            sounds[ord(letter), : len(sound)] = list(sound.encode())
    return sounds


def _list_keys_beside() -> NDArray[np.uint8]:
    """Return the one or two letters whose keys are beside that of each byte, 0 for none."""
    beside = np.zeros((256, 2), dtype=np.uint8)
    for letter in {one for one, _ in BESIDE}:
        others = sorted(other for one, other in BESIDE if one == letter)
        beside[ord(letter), : len(others)] = [ord(other) for other in others]
    return beside


def _list_letters_of_signs() -> NDArray[np.uint8]:
    """Return the letter that each byte stands for in a word with signs; 0 of what is in none."""
    letters = np.zeros(128, dtype=np.uint8)
    read = {**{letter: letter for letter in range(ord("a"), ord("z") + 1)}, **_AS_LETTERS}
    letters[list(read)] = list(read.values())
    return letters
