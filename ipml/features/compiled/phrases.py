"""Find the phrases of several sets in many texts at once, also where they are misspelt on purpose.

Sellers write "r3pl1c4", "Ro1ex", "repplica"; people read on. In the skeleton of a folded text i, l, j and 1 are one
letter, so are o and 0, e and 3, a and 4, s and 5, t and 7, b and 8, g, 6 and 9, z and 2; doubled letters are single,
but in a word of one letter only ("aaa", a grade). Since models learn from skeletons and score skeletons, such spellings
cost nothing; all that is lost is the difference between 5a and sa.

Phrases and texts are compared by their skeletons without the spaces, so that "r0lex", "rollex" and "rol ex" are found
as "rolex". Short phrases, and those with digits or signs, would find too much that way: they must stand as they are.

The skeletons of all phrases make one trie. It is walked from every place of a text at which a word may begin, and from
every letter of words so long that they must be several; what ends on the way is then compared with the letters of the
text. `phrases.c`, `tries.c` and `skeletons.c` of the engine do so.
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

ARTICLES = (  # Arabic and Hebrew write these before a word, and no space
    *("ال", "و", "ب", "ل", "ك", "ف", "لل", "وال", "بال", "كال", "فال", "ولل", "وب", "ول"),
    *("ה", "ו", "ב", "ל", "מ", "ש", "כ", "וה", "שה", "מה"),
)
"""The article, prepositions and conjunctions that stand in one word with the name after them."""
GAPS = " -_'"
"""What may stand within a word that is written apart."""
NUKTA = "\u093c"
"""The dot under letters of Hindi for sounds of other languages, which many leave out."""
_PLAIN = re.compile("[a-z]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_CLASSES = ("il1j", "o0", "e3", "a4", "s5", "t7", "b8", "g69", "z2")
"""Letters that are one in a skeleton: the first of them."""
_AGAIN, _AFTER_APART, _APART, _BEYOND = (1 << bit for bit in (9, 10, 11, 12))
"""What the second byte of a pair is, beside its bone: a letter again, after no letter, no letter, beyond ASCII."""
_TO_STARTS, _TO_WRITTEN = 14, 15
"""By how many bits to shift to what says of a pair whether a walk starts there, and whether its byte is written."""

_reduce_texts = bind("reduce_texts")
_reduce_with_origins = bind("reduce_with_origins")


def skeleton_texts(folded: Texts) -> Texts:
    """Return the skeleton of each folded text.

    Parameters
    ----------
    folded : Texts
        As `fold_text` returns them.

    Examples
    --------
    >>> skeleton_texts(Texts.of(["r3plica r0llex aaa", "hat"])).strings()
    ['repica roiex aaa', 'hat']
    """
    offsets, reduced = np.empty(len(folded) + 1, dtype=np.int64), np.empty(len(folded.data), dtype=np.uint8)
    _reduce_texts(folded, skeleton_tables(), offsets, reduced)
    return Texts(offsets, reduced[: offsets[-1]])


def trace_skeletons(folded: Texts) -> tuple[Texts, NDArray[np.int64]]:
    """Return the skeleton of each folded text, and of each of their bytes which one of the texts it comes from.

    Examples
    --------
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
    """Return what the engine looks up of the letters of skeletons."""
    return make_struct("skeleton_tables", bones=_letter_bones(), pairs=_letter_pairs(), kinds=letter_kinds())


@lru_cache(maxsize=1)
def _letter_bones() -> NDArray[np.uint8]:
    """Return what each letter of ASCII is in a skeleton, shape (128,)."""
    bones = np.arange(128, dtype=np.uint8)
    for letters in _CLASSES:
        bones[[ord(letter) for letter in letters]] = ord(letters[0])
    return bones


@lru_cache(maxsize=1)
def _letter_pairs() -> NDArray[np.uint16]:
    """Return what each byte is after each other one, shape (65536,), the first of them the higher one.

    The last eight bits are its bone, the first says whether it is written.
    """
    bone = np.tile(_letter_bones(), 2).astype(np.int64)
    letters = [chr(code) for code in range(128)] * 2
    is_apart = np.array([not letter.isalnum() for letter in letters])
    again = (bone[:, None] == bone) & (~is_apart | np.array([letter == "_" for letter in letters]))
    pairs = bone | again * _AGAIN | is_apart[:, None] * _AFTER_APART | is_apart * _APART
    pairs |= (np.arange(256) >= 128) * _BEYOND | ~again << _TO_WRITTEN
    return np.asarray(pairs.ravel(), dtype=np.uint16)


_build_trie = bind("build_trie")


def _make_trie(words: list[str]) -> dict[str, Any]:
    """Return words that are in order, each once and none empty, as a double array (Aoe 1989): a step takes one look.

    The place of a node is the base of its parent plus the byte that leads to it, and a cell holds where its parent
    stands, its own base, and whether a word ends there.
    """
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


_LEAST_DISGUISABLE = 5  # letters; shorter phrases must stand exactly as they are
_NO_GAPS = str.maketrans("", "", GAPS)
_STEM, _EXACT = 1, 2
"""What an entry is: a phrase that counts with any ending, and one that must stand exactly as it is."""
_LETTER, _NO_GAP = 1, 2
"""What a letter of ASCII is: a letter or digit, and no gap."""

_find_places = bind("find_places")


class PhraseFinder:
    """Finds the phrases of several sets, all of them on one way through a text.

    Parameters
    ----------
    sets : tuple of tuple of str
        Phrases as written by people; a star at the end of one stands for any ending. They are folded here.

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
            bones=_letter_bones(),
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
        """Return where the phrases of each set stand, counted in bytes.

        A phrase counts where it stands as whole words; one that ends in a star counts with any ending, and in scripts
        without spaces between words, or inside a word of fourteen letters and more, every occurrence counts; of one or
        two letters of katakana or Hangul only at the beginning of a word. In Arabic and Hebrew, articles may stand
        before a phrase. Overlapping phrases are all found.

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
    """Return what `_letter_pairs` does, but that no gap is written; the second bit says whether a walk starts there."""
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
    for (of_set, number, phrase, folded), bones in zip(ways, skeletons, strict=True):
        if squashed := bones.translate(_NO_GAPS):
            is_exact = len(squashed) < _LEAST_DISGUISABLE or not squashed.isalpha() or not folded.isascii()
            yield _Entry(squashed, of_set, number, _STEM * phrase.endswith("*") | _EXACT * is_exact, folded)


def _fold_phrases(phrases: list[str]) -> list[tuple[str, ...]]:
    """Return the ways to write each phrase, folded; in capitals, too: сумка is read by its sound, СУМКА like CYMKA."""
    large = [phrase if phrase.isascii() else phrase.upper() for phrase in phrases]
    folded = fold_texts(Texts.of([*phrases, *large])).strings()
    ways = zip(folded[: len(phrases)], folded[len(phrases) :], strict=True)
    return [tuple(dict.fromkeys(way for small_or_large in of for way in list_ways(small_or_large))) for of in ways]


def list_ways(folded: str) -> Iterator[str]:
    """Yield the ways to write a folded phrase: as it is, and in other scripts also joined, and as its script has it.

    Examples
    --------
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
    """Say whether an article is of the script in which a word begins; a letter without a name is of none."""
    return unicodedata.name(article[0]).split(" ")[0] == unicodedata.name(word[:1] or " ", "").split(" ")[0]
