"""Screening: holds the tables of a quick check whether an ASCII text may contain any disguise.

A small automaton over spaces, letters, digits and signs follows rows of single letters. It misses nothing that
folding joins; some of its hits are no disguise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import make_struct
from ipml.kit.look_alikes import SEPARATOR

_HAS_SIGN, _HAS_MARKUP, _HAS_CONTROL = 4, 8, 16
"""Reasons why a text may not be plain, as the engine numbers them: signs for letters, markup, control characters."""
_SPACE, _LETTER, _DIGIT, _OTHER = 0, 1, 2, 3
_WIDTH = 4  # kinds of characters
_SPACES = "\t\n\v\f\r "


class _Row(NamedTuple):
    """State of the automaton: the run of single letters and digits at the end of the text so far."""

    before_last: int = 0
    last: int = 0
    alone: int = 0
    """Kind of the last character if it may be a single one; -1 in a longer word."""
    last_in_token: int = 0
    """Like `last`, within a run without spaces; -1 if that has a longer word."""
    gap: int = 0
    """Signs since then, up to 3."""
    is_after_sign: bool = False
    """Whether the run began with another character."""


def _follow(row: _Row, kind: int) -> _Row | None:
    """Return the state after one more character; None if letters may be spaced out."""
    if kind in (_LETTER, _DIGIT):
        if row.alone == 0:
            return row._replace(alone=kind)
        return _Row(alone=-1, last_in_token=-1)
    if row.alone > 0:
        letters = (row.before_last, row.last, row.alone)
        if 0 not in letters and letters.count(_LETTER) > 1:
            return None
        if row.last_in_token > 0 and _may_be_apart(row, kind):
            return None
        in_token = row.last_in_token if row.last_in_token < 0 else row.alone
        row = _Row(row.last, row.alone, 0, in_token, 0, row.is_after_sign or row.last_in_token > 0)
    if kind == _SPACE:
        return _Row(row.before_last, row.last)
    if row.last_in_token == 0:
        return row._replace(alone=0, is_after_sign=True)
    return row._replace(alone=0, gap=min(row.gap + 1, 3) if row.last_in_token > 0 else 0)


def _may_be_apart(row: _Row, kind: int) -> bool:
    """Return whether two single characters may belong to a run of five or more with a sign at every second place."""
    if row.last_in_token == row.alone == _DIGIT:
        return row.gap > 2
    is_short = row.gap == 1 and kind == _SPACE and not row.is_after_sign
    return row.last_in_token == row.alone == _LETTER and not is_short


def _make_automaton() -> NDArray[np.uint16]:
    """Return the offset of the next state for each state and kind; the last state means a full check."""
    states = [_Row()]
    numbers = {states[0]: 0}
    following: list[list[_Row | None]] = []
    for row in states:
        following.append([_follow(row, kind) for kind in range(_WIDTH)])
        for after in following[-1]:
            if after is not None and after not in numbers:
                numbers[after] = len(states)
                states.append(after)
    last = [len(states)] * _WIDTH
    places = [[len(states) if after is None else numbers[after] for after in line] for line in following]
    return np.array([*places, last], dtype=np.uint16).ravel() * _WIDTH


def _describe_ascii() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the folded byte, the kind, and the reasons why a text may not be plain, for each byte."""
    lower, kinds, reasons = (np.zeros(256, dtype=np.uint8) for _ in range(3))
    for code in range(128):
        letter = chr(code)
        is_space = letter in _SPACES or letter == SEPARATOR
        lower[code] = ord(" " if is_space else letter.lower())
        kind = _LETTER if letter.isalpha() else _DIGIT if letter.isdigit() else _OTHER
        kinds[code] = _SPACE if letter in _SPACES else kind
        reasons[code] = _HAS_SIGN * (letter in "@$!|+") | _HAS_MARKUP * (letter in "<&%\\")
        reasons[code] |= _HAS_CONTROL * (not letter.isprintable() and letter not in _SPACES)
    return lower, kinds, reasons


def _describe_pairs() -> NDArray[np.uint16]:
    """Return an entry for each pair of bytes, shape (65536,); the first byte is the higher one."""
    is_word = (_KINDS == _LETTER) | (_KINDS == _DIGIT)
    is_again = _LOWER[:, None] == _LOWER
    # Lowest bits: the folded second byte; reasons and flags follow.
    pairs = _LOWER.astype(np.int64) | _REASONS_OF.astype(np.int64) << _TO_REASONS
    pairs = pairs | (is_again & (_KINDS == _LETTER)) * (_AGAIN | _IS_HELD)
    pairs |= (is_word & ~is_word[:, None]) * _BEGINS | (is_word[:, None] & ~is_word) * _IS_ALONE
    pairs |= ~(is_again & (_LOWER == _BLANK)) << _TO_WRITTEN
    return np.asarray(pairs.ravel(), dtype=np.uint16)


_LOWER, _KINDS, _REASONS_OF = _describe_ascii()
_AGAIN, _BEGINS = 1 << 11, 1 << 13
_IS_HELD, _IS_ALONE = _AGAIN << 1, _BEGINS << 1
"""These flags sit one bit above the one that they require: repeated letter; end of a word begun here."""
_TO_REASONS, _TO_WRITTEN = 6, 15
_BLANK = 0x20

TABLES = make_struct("screening_tables", next=_make_automaton(), kinds=_KINDS, pairs=_describe_pairs())
