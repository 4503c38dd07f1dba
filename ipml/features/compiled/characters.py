"""Characters: holds the reading and the classes of every character, in tables for the engine.

Tables come in pages of 256 characters, computed when one of their characters first occurs: an English shop never pays
for Chinese.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct, make_struct
from ipml.kit import look_alikes
from ipml.kit.look_alikes import IDEOGRAPHS_AS_LETTERS, ORNAMENTS, SHAPES, SIGNS_AS_LETTERS

Int64s = NDArray[np.int64]

MOST_LETTERS_OF_A_READING = 18
MOST_LETTERS_OF_A_SOUND = 4
N_PAGES = 0x2000  # more than exist, so that even broken UTF-8 points to one
_PAGE = 256
_PADDING = np.zeros(MOST_LETTERS_OF_A_SOUND, dtype=np.int64)

CODE_BITS = 21
CODE = (1 << CODE_BITS) - 1
"""A character is a number: its code in the lowest bits, and flags of its classes above."""
WORD, LETTER, ALPHA, DIGIT, DECIMAL, GREEK, CYRILLIC, LIVING = (1 << bit for bit in range(21, 29))
OWN_SHAPE, INVISIBLE, MARK, SIGN, IDEOGRAPH, TURNED, REVERSING, MISSING, BEGINS_MARKUP = (
    1 << bit for bit in range(29, 38)
)
ORNAMENT_SHIFT = 38  # first bit of the number of the ornamental script, from 1
_N_ASPECTS = 6
"""Columns of a character's entry: itself with flags; the ASCII character that a letter of a living script looks like;
the one that a sign or ideograph replaces in context; start (times 256) plus length, among the letters, of its
lower-case reading, and of the sound of a Greek or Cyrillic letter; lower-case code with flags of disguised words."""

EAST_ASIAN = "\u3040-\u30ff\u3400-\u9fff"
"""Kana and ideographs: letters of full width are genuine beside them."""
BETWEEN_WORDS = r"\s\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f\u00d7"
"""Separators of words that may be disguised: ASCII signs and the times sign."""
_BY_COMPANY = "\u200c\u200d\uff01-\uff5e\U0001f1e6-\U0001f1ff"  # joiners, full width, letters of flags
_IN_SIZES = "xX\u0400-\u052f\u1c80-\u1c8f"

_Class = tuple[re.Pattern[str], int]
_KINDS: tuple[_Class, ...] = (
    *((re.compile(r"\w+"), WORD), (re.compile(r"[^\W\d_]+"), LETTER), (re.compile(r"\d+"), DECIMAL)),
)
_CLASSES: tuple[_Class, ...] = tuple(
    (re.compile(f"[{letters}]+"), flag)
    for letters, flag in (
        *((look_alikes.GREEK, GREEK), (look_alikes.CYRILLIC, CYRILLIC), (look_alikes.LIVING_SCRIPTS, LIVING)),
        *((script, number << ORNAMENT_SHIFT) for number, (script, _) in enumerate(ORNAMENTS, start=1)),
        *((look_alikes.SPELT_MARKS, MARK), (look_alikes.ONLY_TURNED, TURNED), ("\u202e", REVERSING)),
        (r"<&%\\", BEGINS_MARKUP),
    )
)
_NUMBER_OF_KIND = {kind: number for number, kind in enumerate(("other", "ascii", "invisible", "styled", "look-alike"))}
_BETWEEN = 5
_IN_DISGUISE: tuple[_Class, ...] = tuple(
    (re.compile(f"[{letters}]+"), flag << CODE_BITS)
    for letters, flag in ((r"\w", 8), (EAST_ASIAN, 16), (_BY_COMPANY, 32), (_IN_SIZES, 64))
)
_READ_AS_LETTERS = {**IDEOGRAPHS_AS_LETTERS, **SIGNS_AS_LETTERS}
_WITHOUT_CONTENT = frozenset(("Cn", "Co", "Cs"))  # unassigned, private use, surrogates


class Pages:
    """The tables of all pages so far.

    Adding pages makes new tables, so tables in use never change; old and new ones share arrays.

    Attributes
    ----------
    characters : Struct
        The current tables.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = np.zeros(N_PAGES, dtype=np.int32)
        self._entries, self._n_pages = np.full((_PAGE, _N_ASPECTS), MISSING, dtype=np.int64), 1
        self._entries[:, 1:] = 0
        self._letters, self._n_letters = _PADDING, 0
        self._add([0])

    def fill(self, characters: Struct) -> bool:
        """Add the pages that the engine asked for; return whether there were any, so the engine must be called again.

        Repeat until no more pages are missing.
        """
        if not characters.pages_asked[N_PAGES]:
            return False
        with self._lock:
            asked = characters.pages_asked[:N_PAGES].copy()  # other threads may go on asking
            self._add(np.flatnonzero(asked).tolist())
        return True

    def _add(self, pages: Iterable[int]) -> None:
        numbers = self._numbers.copy()
        for page in pages:
            if numbers[page]:
                continue
            entries, letters = _describe_page(page, self._n_letters)
            self._entries = _append(self._entries, self._n_pages * _PAGE, entries)
            self._letters = _append(self._letters, self._n_letters, np.concatenate([letters, _PADDING]))
            numbers[page] = self._n_pages
            self._n_pages, self._n_letters = self._n_pages + 1, self._n_letters + len(letters)
        self._numbers, asked = numbers, np.zeros(N_PAGES + 1, dtype=np.uint8)
        known = make_struct("characters", pages=numbers, entries=self._entries, letters=self._letters, asked=asked)
        known.pages_asked = asked
        self.characters = known


def _append(array: NDArray[Any], n: int, more: NDArray[Any]) -> NDArray[Any]:
    """Write rows after the first `n` of an array; return a larger array where there is no room."""
    if n + len(more) > len(array):
        larger = np.zeros((2 * (n + len(more)), *array.shape[1:]), dtype=array.dtype)
        larger[:n] = array[:n]
        array = larger
    array[n : n + len(more)] = more
    return array


def _describe_page(page: int, n_letters: int) -> tuple[Int64s, Int64s]:
    """Return the entries of a page, and its letters, which follow `n_letters` others."""
    codes = np.arange(page * _PAGE, (page + 1) * _PAGE, dtype=np.int64)
    letters = "".join(map(chr, codes.tolist())) if codes[-1] <= 0x10FFFF else ""
    if _WITHOUT_CONTENT.issuperset(map(unicodedata.category, letters)) and not look_alikes.LISTED.intersection(letters):
        entries = np.zeros((_PAGE, _N_ASPECTS), dtype=np.int64)
        entries[:, [0, 1, 2, 5]] = codes[:, np.newaxis]
        return entries, codes[:0]
    itself = _flag_page(letters)
    readings = [look_alikes.read_letter(letter).lower() for letter in letters]
    sounds = [_sound(letter, flags) for letter, flags in zip(letters, itself.tolist(), strict=True)]
    assert max(map(len, readings)) <= MOST_LETTERS_OF_A_READING
    assert max(map(len, sounds)) <= MOST_LETTERS_OF_A_SOUND
    places = _places(readings + sounds, n_letters)
    shapes, read_as = _look_up(letters, itself, SHAPES), _look_up(letters, itself, _READ_AS_LETTERS)
    smalls = _describe_small(letters, readings)
    entries = np.column_stack([itself, shapes, read_as, places[:_PAGE], places[_PAGE:], smalls])
    return entries, _flag_kinds("".join(readings + sounds))


def _describe_small(letters: str, readings: Sequence[str]) -> Int64s:
    """Return lower-case codes, spaces for white space, with the flags of disguised words."""
    kinds = [_NUMBER_OF_KIND[kind] for kind in map(look_alikes.kind_of, letters, readings)]
    described = np.array(list(map(_lower, letters)), dtype=np.int64)
    between = np.zeros(len(letters), dtype=np.int64)
    _flag_matches(letters, [(re.compile(f"[{BETWEEN_WORDS}]+"), 1)], between)
    described |= np.where(between, _BETWEEN, kinds) << CODE_BITS
    _flag_matches(letters, _IN_DISGUISE, described)
    return described


def _lower(letter: str) -> int:
    """Return the lower-case code of a letter (the first where it becomes two); of white space a space."""
    return ord(" " if letter.isspace() else fold_sigma(letter.lower())[0])


def fold_sigma(text: str) -> str:
    """Return a text with every final sigma replaced by the other small sigma."""
    return text.replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")


def _sound(letter: str, flags: int) -> str:
    return look_alikes.read_by_sound(letter) if flags & (GREEK | CYRILLIC) and flags & ALPHA else ""


def _places(words: Sequence[str], start: int) -> Int64s:
    lengths = np.array(list(map(len, words)), dtype=np.int64)
    return (start + np.cumsum(lengths) - lengths) * 256 + lengths


def _look_up(letters: str, itself: Int64s, table: Mapping[str, str]) -> Int64s:
    found = itself.copy()
    for place, letter in enumerate(letters):
        if letter in table:
            found[place] = ASCII[ord(table[letter])]
    return found


def _flag_page(letters: str) -> Int64s:
    flags = _flag_kinds(letters)
    _flag_matches(letters, _CLASSES, flags)
    for place, letter in enumerate(letters):
        if not letter.isascii():
            flags[place] |= _flag_letter(letter)
    return flags


def _flag_letter(letter: str) -> int:
    has_own_shape = letter.isalpha() and not look_alikes.looks_like_a_letter(letter)
    return (
        OWN_SHAPE * has_own_shape
        | INVISIBLE * look_alikes.is_invisible(letter)
        | SIGN * (letter in SIGNS_AS_LETTERS)
        | IDEOGRAPH * (letter in IDEOGRAPHS_AS_LETTERS)
    )


def _flag_kinds(text: str) -> Int64s:
    flags = [ord(letter) | ALPHA * letter.isalpha() | DIGIT * letter.isdigit() for letter in text]
    flagged = np.array(flags, dtype=np.int64)
    _flag_matches(text, _KINDS, flagged)
    return flagged


def _flag_matches(text: str, classes: Iterable[_Class], flags: Int64s) -> None:
    for pattern, flag in classes:
        for match in pattern.finditer(text):
            flags[match.start() : match.end()] |= flag


ASCII = _flag_page("".join(map(chr, range(128))))
PAGES = Pages()
