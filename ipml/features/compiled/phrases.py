"""Find the phrases of several sets in many texts at once, as `ipml.features.phrases.find_phrases` finds those of one.

The skeletons of all phrases, without gaps, make one trie. It is walked from every place of a text at which a word may
begin, and from every letter of words so long that they must be several; what ends on the way is then compared with
the letters of the text. `phrases.c` and `walks.c` of the engine do so.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Buffer, Table, bind
from ipml.engine.library import Texts as TextArrays
from ipml.features.compiled.letters import letter_kinds
from ipml.features.compiled.places import Places
from ipml.features.compiled.skeletons import letter_bones, letter_pairs, skeleton_texts
from ipml.features.compiled.texts import Texts
from ipml.features.compiled.tries import Trie
from ipml.features.normalisation import fold_text
from ipml.features.phrases import GAPS

_LEAST_DISGUISABLE = 5  # letters; shorter phrases must stand exactly as they are
_NO_GAPS = str.maketrans("", "", GAPS)
_STEM, _EXACT = 1, 2
"""What an entry is: a phrase that counts with any ending, and one that must stand exactly as it is."""
_LETTER, _NO_GAP = 1, 2
"""What a letter of ASCII is: a letter or digit, and no gap."""
_TO_STARTS, _TO_WRITTEN = 14, 15
"""By how many bits to shift a pair for what says whether a walk starts there, and whether a byte is written."""


class PhraseTables(Table):
    """What `find_places` looks up: `phrase_tables` of `phrases.h`."""

    _fields_: ClassVar = [
        ("kinds", KINDS["uint8s"]),
        ("bones", KINDS["uint8s"]),
        ("classes", KINDS["uint8s"]),
        ("pairs", KINDS["uint16s"]),
        ("cells", KINDS["int64s"]),
        ("words", KINDS["int32s"]),
        ("beginnings", KINDS["uint8s"]),
        ("most_passed", KINDS["int64_t"]),
        ("entry_starts", KINDS["int64s"]),
        ("entry_sets", KINDS["int32s"]),
        ("entry_numbers", KINDS["int32s"]),
        ("entry_flags", KINDS["int32s"]),
        ("folded", TextArrays),
        ("n_sets", KINDS["int64_t"]),
    ]


_find_places = bind("find_places", "texts", PhraseTables, "buffer", "buffer", "buffer", "buffer", "buffer")


class PhraseFinder:
    """Finds the phrases of several sets, all of them on one way through a text.

    Parameters
    ----------
    sets : tuple of tuple of str
        Phrases as written by people; a star at the end of one stands for any ending. They are folded here.

    Attributes
    ----------
    tables : PhraseTables
        The phrases as the engine looks them up.

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
        of_set, numbers, flags = (np.array([entry[at] for entry in entries], dtype=np.int32) for at in (1, 2, 3))
        classes = _letter_classes()
        self.tables = PhraseTables.of(
            kinds=letter_kinds(),
            bones=letter_bones(),
            classes=classes,
            pairs=_walk_pairs(classes),
            cells=trie.cells,
            words=trie.words,
            beginnings=trie.beginnings,
            most_passed=trie.most_passed,
            entry_starts=starts,
            entry_sets=of_set,
            entry_numbers=numbers,
            entry_flags=flags,
            folded=Texts.of([entry.folded for entry in entries]),
            n_sets=len(sets),
        )

    def find(self, folded: Texts) -> tuple[Places, ...]:
        """Return where the phrases of each set stand, as `find_phrases` finds them, but counted in bytes.

        Parameters
        ----------
        folded : Texts
            As `fold_text` returns them.
        """
        buffers = tuple(Buffer() for _ in range(5))
        _find_places(folded, self.tables, *buffers)
        starts, firsts = (buffer.take(np.int64) for buffer in buffers[:2])
        number, start, end = (buffer.take(np.int32) for buffer in buffers[2:])
        return tuple(
            Places(of_set, number[first:last], start[first:last], end[first:last])
            for of_set, (first, last) in zip(
                starts.reshape(-1, len(folded) + 1), pairwise(firsts.tolist()), strict=True
            )
        )


def _letter_classes() -> NDArray[np.uint8]:
    """Return what ASCII letters are, shape (128,)."""
    letters = [chr(code) for code in range(128)]
    return np.array([_LETTER * letter.isalnum() + _NO_GAP * (letter not in GAPS) for letter in letters], dtype=np.uint8)


def _walk_pairs(classes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return what `letter_pairs` does, but that no gap is written; the second bit says whether a walk starts there."""
    pairs = letter_pairs().astype(np.int64).reshape(256, 256)
    of_class = np.tile(classes, 2)
    pairs[:, of_class & _NO_GAP == 0] &= ~(1 << _TO_WRITTEN)
    is_apart = of_class & _LETTER == 0
    starts = (pairs >> _TO_WRITTEN != 0) & (is_apart | is_apart[:, None])
    return np.asarray((pairs | starts << _TO_STARTS).ravel(), dtype=np.uint16)


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
            yield _Entry(squashed, of_set, number, _STEM * phrase.endswith("*") | _EXACT * is_exact, folded)


def _ways_to_fold(phrase: str) -> tuple[str, ...]:
    """Return how a phrase folds, and how in capitals; once where both are read alike, as all of ASCII is."""
    folded = fold_text(phrase)
    if phrase.isascii() or phrase.upper() == phrase:
        return (folded,)
    return tuple(dict.fromkeys((folded, fold_text(phrase.upper()))))
