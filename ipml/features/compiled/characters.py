"""What every character reads as and counts for, in tables that the engine looks up.

Tables come in pages of 256 characters. A page is worked out, by the plain functions, when one of its characters is
first met: a shop that sells in English never pays for Chinese.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Table
from ipml.features import look_alikes
from ipml.features.normalisation import _READINGS

MOST_LETTERS_OF_A_READING = 18
MOST_LETTERS_OF_A_SOUND = 4
N_PAGES = 0x2000  # more than there are, so that even broken UTF-8 points to one
_PAGE = 256
_PADDING = np.zeros(MOST_LETTERS_OF_A_SOUND, dtype=np.int64)

CODE = (1 << 21) - 1
"""A character is a number: its code in the lowest bits, and above them the flags of what it counts for."""
WORD, LETTER, ALPHA, DIGIT, DECIMAL, GREEK, CYRILLIC, LIVING = (1 << bit for bit in range(21, 29))
OWN_SHAPE, INVISIBLE, MARK, SIGN, IDEOGRAPH, TURNED, REVERSING = (1 << bit for bit in range(29, 36))
MISSING, BEGINS_MARKUP = 1 << 37, 1 << 38
ORNAMENT, ORNAMENT_SHIFT = 7 << 39, 39  # the number of the far script, from 1
_N_ASPECTS = 6
"""What is known of a character: with its flags; as the ASCII character that a letter of a living script looks like, or
as the one that a sign or an ideograph stands for in some company, else itself; and where its reading in lower case and
the sound of a Greek or Cyrillic letter begin among the letters, times 256, plus their length."""

_KINDS = ((re.compile(r"\w+"), WORD), (re.compile(rf"{look_alikes._LETTER}+"), LETTER), (re.compile(r"\d+"), DECIMAL))
_ALPHABETS = [pattern for pattern, _ in look_alikes._ALPHABETS]
_SCRIPTS = [script for script, _ in look_alikes._ORNAMENTS]
_CLASSES = (
    *zip(_ALPHABETS, (GREEK, CYRILLIC, LIVING), strict=True),
    *((script, number << ORNAMENT_SHIFT) for number, script in enumerate(_SCRIPTS, start=1)),
    (look_alikes._IS_SPELT, MARK),
    (look_alikes._ONLY_TURNED, TURNED),
    (re.compile("\u202e"), REVERSING),
    (re.compile(r"[<&%\\]"), BEGINS_MARKUP),
)
_STAND_INS = {**look_alikes.IDEOGRAPHS_AS_LETTERS, **look_alikes.SIGNS_AS_LETTERS}


_SIGMA = "\N{GREEK CAPITAL LETTER SIGMA}"  # in lower case it is another letter at the end of a word


class Characters(Table):
    """Tables of characters; what concerns one stands at 256 times the number of its page plus its place there.

    Attributes
    ----------
    pages : array of int32
        The number of each page, -1 for those not met yet.
    entries : array of int64, shape (256 pages, 6)
    letters : array of int64
        Those of readings and sounds, and some more, so that the longest sound can be read anywhere.
    """

    _fields_: ClassVar = [
        (name, KINDS[kind]) for name, kind in (("pages", "int32s"), ("entries", "int64s"), ("letters", "int64s"))
    ]


class Pages:
    """The tables of the pages met so far; filling makes new tables, so that those in use never change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = np.full(N_PAGES, -1, dtype=np.int32)
        self._entries, self._letters = np.zeros((0, _N_ASPECTS), dtype=np.int64), _PADDING
        self.fill([0])

    def fill(self, pages: Iterable[int]) -> None:
        """Work out the tables of pages that lack them."""
        with self._lock:
            self._add(pages)
            self.characters = Characters.of(pages=self._numbers, entries=self._entries, letters=self._letters)

    def _add(self, pages: Iterable[int]) -> None:
        numbers = self._numbers.copy()
        entries, letters = [self._entries], [self._letters[: -len(_PADDING)]]
        n_letters = len(letters[0])
        for page in pages:
            if numbers[page] < 0:
                numbers[page] = numbers.max() + 1
                of_page, of_readings = _describe_page(page, n_letters)
                entries.append(of_page)
                letters.append(of_readings)
                n_letters += len(of_readings)
        self._numbers = numbers
        self._entries, self._letters = np.concatenate(entries), np.concatenate([*letters, _PADDING])


def _describe_page(page: int, n_letters: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what is known of the characters of a page, and the letters that come after so many others."""
    characters = "".join(map(chr, range(page * _PAGE, (page + 1) * _PAGE)))
    itself = _flag_page(characters)
    readings = [_READINGS[ord(letter)].lower() for letter in characters]
    sounds = [_sound(letter, flags) for letter, flags in zip(characters, itself.tolist(), strict=True)]
    assert max(map(len, readings)) <= MOST_LETTERS_OF_A_READING
    assert max(map(len, sounds)) <= MOST_LETTERS_OF_A_SOUND
    places = _places(readings + sounds, n_letters)
    shapes, stand_ins = _look_up(characters, itself, look_alikes.SHAPES), _look_up(characters, itself, _STAND_INS)
    lowered = np.array([_lower(letter) for letter in characters], dtype=np.int64)
    entries = np.column_stack([itself, shapes, stand_ins, places[:_PAGE], places[_PAGE:], lowered])
    return entries, _flag_kinds("".join(readings + sounds))


def _lower(letter: str) -> int:
    """Return the code of a letter in lower case, that of a space for white space; -1 if it is none by itself."""
    if letter.isspace():
        return ord(" ")
    lowered = letter.lower()
    return ord(lowered) if len(lowered) == 1 and letter != _SIGMA else -1


def _sound(letter: str, flags: int) -> str:
    return look_alikes._sound(letter) if flags & (GREEK | CYRILLIC) and flags & ALPHA else ""


def _places(words: list[str], start: int) -> NDArray[np.int64]:
    lengths = np.array(list(map(len, words)), dtype=np.int64)
    return (start + np.cumsum(lengths) - lengths) * 256 + lengths


def _look_up(letters: str, itself: NDArray[np.int64], table: Mapping[str, str]) -> NDArray[np.int64]:
    found = itself.copy()
    for place, letter in enumerate(letters):
        if letter in table:
            found[place] = ASCII[ord(table[letter])]
    return found


def _flag_page(letters: str) -> NDArray[np.int64]:
    flags = _flag_kinds(letters)
    _flag_matches(letters, _CLASSES, flags)
    for place, letter in enumerate(letters):
        if not letter.isascii():
            flags[place] |= _flag_letter(letter)
    return flags


def _flag_letter(letter: str) -> int:
    has_own_shape = letter.isalpha() and not look_alikes._looks_like_a_letter(letter)
    return (
        OWN_SHAPE * has_own_shape
        | INVISIBLE * look_alikes._is_invisible(letter)
        | SIGN * (letter in look_alikes.SIGNS_AS_LETTERS)
        | IDEOGRAPH * (letter in look_alikes.IDEOGRAPHS_AS_LETTERS)
    )


def _flag_kinds(text: str) -> NDArray[np.int64]:
    flags = [ord(letter) | ALPHA * letter.isalpha() | DIGIT * letter.isdigit() for letter in text]
    flagged = np.array(flags, dtype=np.int64)
    _flag_matches(text, _KINDS, flagged)
    return flagged


def _flag_matches(text: str, classes: Iterable[tuple[re.Pattern[str], int]], flags: NDArray[np.int64]) -> None:
    for pattern, flag in classes:
        for match in pattern.finditer(text):
            flags[match.start() : match.end()] |= flag


ASCII = _flag_page("".join(map(chr, range(128))))
PAGES = Pages()
