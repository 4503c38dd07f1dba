"""Fold ASCII texts at once, and see on the way whether any disguise may have to be undone.

What single letters stand in a row is followed by a small automaton over spaces, letters, digits and signs. It never
misses what `ipml.features.spacing` would close up; what it finds may turn out to be no disguise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.characters import CODE, DIGIT, WORD
from ipml.features.compiled.inner import plain_njit
from ipml.features.look_alikes import SEPARATOR

IS_APART, IS_HELD_DOWN, HAS_SIGN, HAS_MARKUP, HAS_CONTROL = 1, 2, 4, 8, 16
"""Why a text may not be plain: letters apart or held down, signs for letters, markup, control characters."""
_SPACE, _LETTER, _DIGIT, _OTHER = 0, 1, 2, 3
_WIDTH = 4  # kinds of characters
_IS_LETTER, _KIND_SHIFT = 32, 6
_SPACES = "\t\n\v\f\r "


class _Row(NamedTuple):
    """What is known of a text up to some character: its letters and digits that stand alone, in a row."""

    before_last: int = 0
    last: int = 0
    alone: int = 0
    """What kind the last character has if it may stand alone; -1 in a longer word."""
    last_in_token: int = 0
    """The same as `last` within a run without spaces; -1 if that holds a longer word."""
    gap: int = 0
    """Signs since then, counted to 3."""
    is_after_sign: bool = False
    """Whether the run began with something else."""


def _follow(row: _Row, kind: int) -> _Row | None:
    """Return what is known after one more character; None if letters may be written apart."""
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
    """Say whether two single characters may belong to a run with one sign at every second place, of five or more."""
    if row.last_in_token == row.alone == _DIGIT:
        return row.gap > 2
    is_short = row.gap == 1 and kind == _SPACE and not row.is_after_sign
    return row.last_in_token == row.alone == _LETTER and not is_short


def _make_automaton() -> NDArray[np.uint16]:
    """Return the place of the next state for each state and kind; what must be looked at ends in the last state."""
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


def _describe_ascii() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return what each byte folds to, and its kind and flags."""
    lower, kinds = np.zeros(256, dtype=np.uint8), np.zeros(256, dtype=np.uint8)
    for code in range(128):
        letter = chr(code)
        is_space = letter in _SPACES or letter == SEPARATOR
        lower[code] = ord(" " if is_space else letter.lower())
        kind = _LETTER if letter.isalpha() else _DIGIT if letter.isdigit() else _OTHER
        kinds[code] = (_SPACE if letter in _SPACES else kind) << _KIND_SHIFT
        kinds[code] |= _IS_LETTER * letter.isalpha() | HAS_SIGN * (letter in "@$!|+") | HAS_MARKUP * (letter in "<&")
        kinds[code] |= HAS_CONTROL * (not letter.isprintable() and letter not in _SPACES)
    return lower, kinds


_NEXT = _make_automaton()
_LAST = len(_NEXT) - _WIDTH
_LOWER, _KINDS = _describe_ascii()
_REASONS = np.uint64(IS_HELD_DOWN | HAS_SIGN | HAS_MARKUP | HAS_CONTROL)
_TO_KIND, _TO_LETTER = np.uint64(_KIND_SHIFT), np.uint64(5)
_BLANK, _ONE = np.uint64(0x20), np.uint64(1)


@plain_njit
def is_ascii(data, start, end):
    """Say whether all bytes of a text are ASCII."""
    every = 0
    for at in range(start, end):
        every |= data[at]
    return every < 0x80


@plain_njit
def fold_ascii(data, start, end, folded, first):
    """Write a text in lower case with single spaces; return where it ends, and flags why it may not be plain.

    All numbers are unsigned: a place that might be negative would have to be looked at.
    """
    n = np.uint64(first)
    state = seen = was_same = np.uint64(0)
    before = _BLANK
    for at in range(np.uint64(start), np.uint64(end)):
        lower = np.uint64(_LOWER[data[at]])
        kind = np.uint64(_KINDS[data[at]])
        state = np.uint64(_NEXT[state | kind >> _TO_KIND])
        is_same = np.uint64(lower == before)
        seen |= kind | (is_same & was_same & kind >> _TO_LETTER) << _ONE
        was_same = is_same
        folded[n] = lower
        n += _ONE - (is_same & np.uint64(lower == _BLANK))
        before = lower
    end_of_folded = np.int64(n)
    if end_of_folded > first and folded[end_of_folded - 1] == 0x20:
        end_of_folded -= 1
    return end_of_folded, np.int64(seen & _REASONS) | (_NEXT[state] == _LAST)


@plain_njit
def _is_other(data, at):
    return _KINDS[data[at]] >> _KIND_SHIFT == _OTHER


@plain_njit
def _is_word(data, at, start, end):
    return start <= at < end and not _is_other(data, at) and data[at] != 0x20


@plain_njit
def is_spelt_plain(data, start, end):
    """Say whether the plain function folds an ASCII text at once though letters may be apart, and nothing else is odd.

    It does where it finds few characters alone between spaces, and none next to a sign.
    """
    n_alone = 0
    for at in range(start, end):
        if data[at] < 0x20:
            return False
        if data[at] == 0x20:
            continue
        begins = at == start or data[at - 1] == 0x20
        n_alone += begins and (at + 1 == end or data[at + 1] == 0x20)
        is_at_sign = at + 2 < end and _is_other(data, at + 1) and data[at + 2] != 0x20
        if is_at_sign and not (_is_word(data, at - 1, start, end) or _is_word(data, at + 3, start, end)):
            return False
    return n_alone < 3


@plain_njit
def may_be_apart(text, n):
    """Say the same of letters apart in an array of characters, see `ipml.features.compiled.characters`."""
    state = np.int64(0)
    for at in range(n):
        flags = text[at]
        kind = np.int64(_LETTER) if flags & WORD and flags & CODE != 0x5F else np.int64(_OTHER)
        kind = np.int64(_DIGIT) if flags & DIGIT else kind
        kind = np.int64(_SPACE) if flags & CODE == 0x20 else kind
        state = np.int64(_NEXT[state | kind])
    return _NEXT[state] == _LAST
