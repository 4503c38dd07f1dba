"""Phrases: finds the phrases of several sets in many texts at once, including deliberate misspellings.

Sellers write "r3pl1c4", "Ro1ex", "repplica"; people still read them. The skeleton of a folded text merges i, l, j and
1; o and 0; e and 3; a and 4; s and 5; t and 7; b and 8; g, 6 and 9; z and 2. Doubled letters become single, except in
a word of one repeated letter ("aaa", a grade). Models learn from skeletons and score skeletons, so such spellings
gain nothing; only differences such as that of 5a and sa are lost.

Phrases and texts are compared by skeletons without spaces, so "r0lex", "rollex" and "rol ex" match "rolex". Short
phrases, and those with digits or signs, would match too much that way; they must match exactly.

The skeletons of all phrases form one trie. The engine (`phrases.c`, `tries.c`, `skeletons.c`) walks it from every
possible beginning of a word, and from every letter of words so long that they must be several; matches are then
compared with the letters of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Buffer, Struct, bind, make_struct
from ipml.features.compiled.folding import fold_texts
from ipml.features.compiled.places import Places
from ipml.features.compiled.texts import Texts, letter_kinds

ARTICLES = (  # Arabic and Hebrew write these before a word, without a space
    *("ال", "و", "ب", "ل", "ك", "ف", "لل", "وال", "بال", "كال", "فال", "ولل", "وب", "ول"),
    *("ה", "ו", "ב", "ל", "מ", "ש", "כ", "וה", "שה", "מה"),
)
"""Article, prepositions and conjunctions that are joined to the following name."""
GAPS = " -_'"
"""Characters that may separate the parts of a split word."""
NUKTA = "\u093c"
"""Dot below Hindi letters for foreign sounds, often left out."""
_PLAIN = re.compile("[a-z]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_CLASSES = ("il1j", "o0", "e3", "a4", "s5", "t7", "b8", "g69", "z2")
"""Characters that a skeleton merges into the first of each group."""
_AGAIN, _AFTER_APART, _APART, _BEYOND = (1 << bit for bit in (9, 10, 11, 12))
"""Flags of a pair's second byte: repeated letter, after a non-letter, non-letter, beyond ASCII."""
_TO_STARTS, _TO_WRITTEN = 14, 15
"""Shifts to the bits of a pair that say whether a walk starts there, and whether its byte is written."""

_reduce_texts = bind("reduce_texts")
_reduce_with_origins = bind("reduce_with_origins")


def skeleton_texts(folded: Texts) -> Texts:
    """Return the skeleton of each folded text.

    >>> skeleton_texts(Texts.of(["r3plica r0llex aaa", "hat"])).strings()
    ['repica roiex aaa', 'hat']
    """
    offsets, reduced = np.empty(len(folded) + 1, dtype=np.int64), np.empty(len(folded.data), dtype=np.uint8)
    _reduce_texts(folded, skeleton_tables(), offsets, reduced)
    return Texts(offsets, reduced[: offsets[-1]])


def trace_skeletons(folded: Texts) -> tuple[Texts, NDArray[np.int64]]:
    """Return the skeleton of each folded text, and for each byte of the skeletons the byte of the text it comes from.

    >>> skeletons, origins = trace_skeletons(Texts.of(["rollex", "hat"]))
    >>> skeletons.strings(), origins.tolist()
    (['roiex', 'hat'], [0, 1, 2, 4, 5, 6, 7, 8])
    """
    offsets, reduced = np.empty(len(folded) + 1, dtype=np.int64), np.empty(len(folded.data), dtype=np.uint8)
    origins = np.empty(len(folded.data), dtype=np.int64)
    _reduce_with_origins(folded, skeleton_tables(), offsets, reduced, origins)
    return Texts(offsets, reduced[: offsets[-1]]), origins[: offsets[-1]]


@lru_cache(maxsize=1)
def skeleton_tables() -> Struct:
    """Return the lookup tables of skeletons."""
    return make_struct("skeleton_tables", skeletons=_letter_skeletons(), pairs=_letter_pairs(), kinds=letter_kinds())


@lru_cache(maxsize=1)
def _letter_skeletons() -> NDArray[np.uint8]:
    """Return the skeleton letter of each ASCII character, shape (128,)."""
    skeletons = np.arange(128, dtype=np.uint8)
    for letters in _CLASSES:
        skeletons[[ord(letter) for letter in letters]] = ord(letters[0])
    return skeletons


@lru_cache(maxsize=1)
def _letter_pairs() -> NDArray[np.uint16]:
    """Return an entry for each pair of bytes, shape (65536,); the first byte is the higher one."""
    letter_skeletons = np.tile(_letter_skeletons(), 2).astype(np.int64)
    letters = [chr(code) for code in range(128)] * 2
    is_apart = np.array([not letter.isalnum() for letter in letters])
    again = (letter_skeletons[:, None] == letter_skeletons) & (
        ~is_apart | np.array([letter == "_" for letter in letters])
    )
    # Lowest eight bits: skeleton letter of the second byte; highest bit: whether it is written.
    pairs = letter_skeletons | again * _AGAIN | is_apart[:, None] * _AFTER_APART | is_apart * _APART
    pairs |= (np.arange(256) >= 128) * _BEYOND | ~again << _TO_WRITTEN
    return np.asarray(pairs.ravel(), dtype=np.uint16)


_build_trie = bind("build_trie")


def _make_trie(words: list[str]) -> dict[str, Any]:
    """Return a double-array trie (Aoe 1989) of sorted, distinct, non-empty words: a step takes one memory access."""
    # The index of a node is its parent's base plus the byte that leads to it. A cell holds the parent's index, its own
    # base, and whether a word ends there.
    cells, numbers = Buffer(), Buffer()
    most_passed = _build_trie(Texts.of(words), cells, numbers)
    is_beginning = np.zeros((32, 32, 32, 32), dtype=bool)  # the last five bits of four bytes
    for beginning in {word.encode("utf-8", "surrogatepass")[:4] for word in words}:
        is_beginning[tuple(byte & 31 for byte in beginning)] = True
    return {
        "cells": cells.take(np.int64),
        "words": numbers.take(np.int32),
        "beginnings": np.packbits(is_beginning, bitorder="little"),
        "most_passed": most_passed,
    }


_LEAST_DISGUISABLE = 5  # letters; shorter phrases must match exactly
_NO_GAPS = str.maketrans("", "", GAPS)
_STEM, _EXACT = 1, 2
"""Flags of an entry: matches with any ending; must match exactly."""
_LETTER, _NO_GAP = 1, 2
"""Class bits of an ASCII character: letter or digit; not a gap."""

_find_places = bind("find_places")


class PhraseFinder:
    """Finds the phrases of several sets in one pass over a text.

    Parameters
    ----------
    sets : tuple of tuple of str
        Phrases as people write them, not yet folded; a star at the end of one matches any ending.

    Attributes
    ----------
    tables : Struct
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
        number_of = {word: number for number, word in enumerate(words)}
        starts = np.zeros(len(words) + 1, dtype=np.int64)
        np.cumsum(np.bincount([number_of[entry.squashed] for entry in entries], minlength=len(words)), out=starts[1:])
        of_set, numbers, flags = (np.array([entry[at] for entry in entries], dtype=np.int32) for at in (1, 2, 3))
        classes = _letter_classes()
        self.tables = make_struct(
            "phrase_tables",
            kinds=letter_kinds(),
            skeletons=_letter_skeletons(),
            classes=classes,
            pairs=_walk_pairs(classes),
            **_make_trie(words),
            entry_starts=starts,
            entry_sets=of_set,
            entry_numbers=numbers,
            entry_flags=flags,
            folded=Texts.of([entry.folded for entry in entries]),
            n_phrases=np.array(list(map(len, sets)), dtype=np.int64),
        )

    def find(self, folded: Texts) -> tuple[Places, ...]:
        """Return the places of each set's phrases, in bytes.

        A phrase matches whole words; one that ends in a star matches with any ending. In scripts without spaces
        between words, and inside a word of fourteen letters or more, it matches anywhere; with one or two letters of
        katakana or Hangul only at the beginning of a word. In Arabic and Hebrew, articles may precede a phrase.
        Overlapping phrases are all found.
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
    """Return the class bits of each ASCII character, shape (128,)."""
    letters = [chr(code) for code in range(128)]
    return np.array([_LETTER * letter.isalnum() + _NO_GAP * (letter not in GAPS) for letter in letters], dtype=np.uint8)


def _walk_pairs(classes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return `_letter_pairs` with gaps not written; the second-highest bit says whether a walk starts there."""
    pairs = _letter_pairs().astype(np.int64).reshape(256, 256)
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
    each = _fold_phrases([phrase.removesuffix("*") for *_, phrase in phrases])
    ways = [(*known, folded) for known, folded_ways in zip(phrases, each, strict=True) for folded in folded_ways]
    skeletons = skeleton_texts(Texts.of([folded for *_, folded in ways])).strings()
    for (of_set, number, phrase, folded), skeleton in zip(ways, skeletons, strict=True):
        if squashed := skeleton.translate(_NO_GAPS):
            is_exact = len(squashed) < _LEAST_DISGUISABLE or not squashed.isalpha() or not folded.isascii()
            yield _Entry(squashed, of_set, number, _STEM * phrase.endswith("*") | _EXACT * is_exact, folded)


def _fold_phrases(phrases: list[str]) -> list[tuple[str, ...]]:
    """Return the folded spellings of each phrase, also of its capitals: сумка is read by sound, СУМКА like CYMKA."""
    large = [phrase if phrase.isascii() else phrase.upper() for phrase in phrases]
    folded = fold_texts(Texts.of([*phrases, *large])).strings()
    ways = zip(folded[: len(phrases)], folded[len(phrases) :], strict=True)
    return [tuple(dict.fromkeys(way for small_or_large in of for way in list_ways(small_or_large))) for of in ways]


def list_ways(folded: str) -> Iterator[str]:
    """Yield the spellings of a folded phrase: itself, and in other scripts also joined and in their own forms.

    >>> len(list(list_ways("air max"))), list(list_ways("나이키 맥스"))[:2]
    (1, ['나이키 맥스', '나이키맥스'])
    """
    if folded.isascii():
        yield folded
        return
    joined = [folded] if _PLAIN.search(folded) else [folded, folded.replace(" ", "")]
    yield from joined
    yield from (article + word for word in joined for article in ARTICLES if _is_written_after(article, word))
    yield from (
        folded.replace(NUKTA, ""),
        *(unicodedata.normalize("NFD", word) for word in joined if _HANGUL.search(word)),
    )


def _is_written_after(article: str, word: str) -> bool:
    """Return whether article and word are of the same script; a letter without a Unicode name has none."""
    return unicodedata.name(article[0]).split(" ")[0] == unicodedata.name(word[:1] or " ", "").split(" ")[0]
