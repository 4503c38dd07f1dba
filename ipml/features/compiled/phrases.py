"""Find the phrases of several sets in many texts at once, as `ipml.features.phrases.find_phrases` finds those of one.

The skeletons of all phrases, without gaps, make one trie. It is walked from every place of a text at which a word may
begin, and from every letter of words so long that they must be several; what ends on the way is then compared with
the letters of the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ipml.features.compiled.letters import letter_kinds
from ipml.features.compiled.places import Places
from ipml.features.compiled.skeletons import letter_bones, skeleton_texts
from ipml.features.compiled.squashing import letter_classes, walk_pairs
from ipml.features.compiled.texts import Texts
from ipml.features.compiled.tries import Trie
from ipml.features.compiled.walking import EXACT, STEM, find_places
from ipml.features.normalisation import fold_text
from ipml.features.phrases import GAPS

_LEAST_DISGUISABLE = 5  # letters; shorter phrases must stand exactly as they are
_NO_GAPS = str.maketrans("", "", GAPS)


class PhraseFinder:
    """Finds the phrases of several sets, all of them on one way through a text.

    Parameters
    ----------
    sets : tuple of tuple of str
        Phrases as written by people; a star at the end of one stands for any ending. They are folded here.

    Examples
    --------
    >>> finder = PhraseFinder((("replica*", "bag"), ("rolex",)))
    >>> words, brands = finder.find(Texts.of(["r3plica r0l ex", "bags, replicas"]))
    >>> words.of_text(0), words.of_text(1), brands.of_text(0)
    ([(0, 0, 7)], [(0, 6, 13)], [(0, 8, 14)])
    """

    def __init__(self, sets: tuple[tuple[str, ...], ...]) -> None:
        entries = sorted(_read_entries(sets))
        words = sorted({entry.squashed for entry in entries})
        trie = Trie.of([word.encode() for word in words])
        number_of = {word: number for number, word in enumerate(words)}
        starts = np.zeros(len(words) + 1, dtype=np.int64)
        np.cumsum(np.bincount([number_of[entry.squashed] for entry in entries], minlength=len(words)), out=starts[1:])
        columns = (np.array([entry[at] for entry in entries], dtype=np.int32) for at in (1, 2, 3))
        folded = Texts.of([entry.folded for entry in entries])
        self._tables = (
            letter_kinds(),
            letter_bones(),
            letter_classes(GAPS),
            walk_pairs(letter_classes(GAPS)),
            trie.cells,
            trie.words,
            trie.beginnings,
            trie.most_passed,
            (starts, *columns),
            (folded.offsets, folded.data),
            len(sets),
        )

    def find(self, folded: Texts) -> tuple[Places, ...]:
        """Return where the phrases of each set stand, as `find_phrases` finds them, but counted in bytes.

        Parameters
        ----------
        folded : Texts
            As `fold_text` returns them.
        """
        starts, firsts, number, start, end = find_places(folded.offsets, folded.data, *self._tables)
        return tuple(
            Places(of_set, number[first:last], start[first:last], end[first:last])
            for of_set, (first, last) in zip(starts, pairwise(firsts.tolist()), strict=True)
        )


class _Entry(NamedTuple):
    squashed: str
    set: int
    number: int
    flags: int
    folded: str


def _read_entries(sets: tuple[tuple[str, ...], ...]) -> Iterator[_Entry]:
    phrases = [(of_set, number, phrase) for of_set, group in enumerate(sets) for number, phrase in enumerate(group)]
    ways = [(*known, folded) for known in phrases for folded in _ways_to_fold(known[2].removesuffix("*"))]
    skeletons = skeleton_texts(Texts.of([folded for *_, folded in ways])).strings()
    for (of_set, number, phrase, folded), bones in zip(ways, skeletons, strict=True):
        if squashed := bones.translate(_NO_GAPS):
            is_exact = len(squashed) < _LEAST_DISGUISABLE or not squashed.isalpha() or not folded.isascii()
            yield _Entry(squashed, of_set, number, STEM * phrase.endswith("*") | EXACT * is_exact, folded)


def _ways_to_fold(phrase: str) -> tuple[str, ...]:
    """Return how a phrase folds, and how in capitals; once where both are read alike, as all of ASCII is."""
    folded = fold_text(phrase)
    if phrase.isascii() or phrase.upper() == phrase:
        return (folded,)
    return tuple(dict.fromkeys((folded, fold_text(phrase.upper()))))
