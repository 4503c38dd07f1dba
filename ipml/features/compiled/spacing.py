"""Undo odd spacing: `ipml.features.normalisation`, compiled.

A text is an array of characters in lower case with their flags, see `ipml.features.compiled.characters`.
"""

import numpy as np

from ipml.features.compiled.characters import ALPHA, CODE, DIGIT, LETTER, WORD
from ipml.features.compiled.machine_code import plain_njit

_SEPARATOR = 0x1F
_GAPS = np.array([chr(code) in " \x1f._,;'*~+|/\\-" for code in range(128)])


@plain_njit
def close_up(text, n):
    """Join letters that stand apart, in place; return how many characters are left."""
    n = _skip_signs(text, n)
    n = _close_runs(text, n, False)
    return _close_runs(text, n, True)


@plain_njit
def _is_word(text, at):
    return text[at] & WORD and text[at] & CODE != 0x5F


@plain_njit
def _move(text, at, to):
    text[to] = text[at]
    return to + 1


@plain_njit
def _has_sign_between(text, start, end, fewest):
    """Say whether the same sign stands at every second place of a run without spaces, so many times or more."""
    if (end - start) % 2 == 0 or (end - start) // 2 < fewest:
        return False
    sign = text[start + 1] & CODE
    if sign == 0x26 or _is_word(text, start + 1):
        return False
    is_same = True
    for at in range(start + 3, end, 2):
        is_same &= text[at] & CODE == sign
    return is_same


@plain_njit
def _is_written_apart(text, start, end, step, words_only, signs_in_a_letter):
    """Say whether single letters are a word written apart: no number, no list of sizes, and not too many signs.

    Parameters
    ----------
    text, start, end
        The letters, and what stands between them.
    step : int
        2 if they stand at every second place.
    words_only : bool
        Whether signs are no letters.
    signs_in_a_letter : int
        Letters over this are the most signs there may be.
    """
    n = n_letters = n_digits = n_sizes = 0
    for at in range(start, end, step):
        code = text[at] & CODE
        if code == 0x20 or (words_only and not _is_word(text, at)):
            continue
        n += 1
        n_letters += (text[at] & ALPHA) != 0
        n_digits += (text[at] & DIGIT) != 0
        n_sizes += code == 0x73 or code == 0x6D or code == 0x6C or code == 0x78
    n_signs = n - n_letters - n_digits
    return n_letters > n_digits and n_signs * signs_in_a_letter <= n and n_sizes < n


@plain_njit
def _has_word_between(text, start, end):
    """Say whether the characters at every second place are a word, or a ratio like 1:1."""
    if end - start == 5 and text[start + 2] & CODE == 0x3A:
        first, last = text[start] & CODE, text[start + 4] & CODE
        if 0x30 <= first <= 0x39 and 0x30 <= last <= 0x39:
            return True
    return _is_written_apart(text, start, end, 2, False, 2)


@plain_njit
def _end_of_token(text, n, at):
    while at < n and text[at] & CODE != 0x20:
        at += 1
    return at


@plain_njit
def _skip_signs(text, n):
    """Close up words with the same sign at every second place; short words and numbers too, if most words have one."""
    n_found = n_apart = n_spaces = 0
    at = 0
    while at < n:
        end = _end_of_token(text, n, at)
        if _has_sign_between(text, at, end, 2):
            n_found += 1
            n_apart += _has_word_between(text, at, end)
        n_spaces += end < n
        at = end + 1
    if n_apart == 0:
        return n
    is_throughout = n_apart > 1 and n_apart * 2 > n_spaces + 1
    to = at = 0
    while at < n:
        end = _end_of_token(text, n, at)
        skips = _has_sign_between(text, at, end, 1 if is_throughout else 2) and (
            is_throughout or _has_word_between(text, at, end)
        )
        for place in range(at, end, 2 if skips else 1):
            to = _move(text, place, to)
        if end < n:
            to = _move(text, end, to)
        at = end + 1
    return to


@plain_njit
def _is_gap(text, at, by_signs):
    code = text[at] & CODE
    return code < 0x80 and _GAPS[code] if by_signs else code == 0x20


@plain_njit
def _begins_run(text, at, by_signs):
    if by_signs:
        return text[at] & LETTER and (at == 0 or not _is_word(text, at - 1))
    return text[at] & CODE != 0x20 and (at == 0 or text[at - 1] & CODE == 0x20)


@plain_njit
def _is_single(text, n, at, by_signs):
    if by_signs:
        return _is_word(text, at) and (at + 1 == n or not _is_word(text, at + 1))
    return text[at] & CODE != 0x20 and (at + 1 == n or text[at + 1] & CODE == 0x20)


@plain_njit
def _end_of_run(text, n, start, by_signs):
    """Return the end of three or more single characters with gaps of up to four; the start if there are fewer."""
    last = start
    singles = 1
    while True:
        at = last + 1
        while at < n and at < last + 6 and _is_gap(text, at, by_signs):
            at += 1
        if at == last + 1 or at > last + 5 or at >= n or not _is_single(text, n, at, by_signs):
            return last + 1 if singles > 2 else start
        last = at
        singles += 1


@plain_njit
def _width(text, start, end):
    """Return how wide a gap is: by its spaces, then by its signs."""
    n_spaces = 0
    for at in range(start, end):
        n_spaces += text[at] & CODE == 0x20
    return n_spaces * 8 + end - start


@plain_njit
def _end_of_gap(text, at, by_signs):
    while _is_gap(text, at, by_signs):
        at += 1
    return at


@plain_njit
def _close_gaps(text, start, end, by_signs, to):
    """Write a run without its narrow gaps, and with a space for wider ones."""
    narrow = 1 << 20
    at = start + 1
    while at < end:
        letter = _end_of_gap(text, at, by_signs)
        narrow = min(narrow, _width(text, at, letter))
        at = letter + 1
    to = _move(text, start, to)
    at = start + 1
    while at < end:
        letter = _end_of_gap(text, at, by_signs)
        if _width(text, at, letter) > narrow:
            text[to] = 0x20
            to += 1
        to = _move(text, letter, to)
        at = letter + 1
    return to


@plain_njit
def _close_runs(text, n, by_signs):
    to = at = 0
    while at < n:
        end = _end_of_run(text, n, at, by_signs) if _begins_run(text, at, by_signs) else at
        if end > at and _is_written_apart(text, at, end, 1, by_signs, 4):
            to = _close_gaps(text, at, end, by_signs, to)
            at = end
            continue
        for place in range(at, max(end, at + 1)):
            to = _move(text, place, to)
        at = max(end, at + 1)
    return to


@plain_njit
def _start_of_held_down(text, n):
    """Return the place of the first three characters that are the same; the end if there are none."""
    for at in range(n - 2):
        if text[at] == text[at + 2] and text[at] == text[at + 1]:
            return at
    return n


@plain_njit
def shorten(text, n):
    """Shorten a letter that is held down to two, in place; a word of nothing else is a word."""
    to = at = _start_of_held_down(text, n)
    while at < n:
        end = at + 1
        while end < n and text[end] == text[at]:
            end += 1
        is_inside = (at > 0 and _is_word(text, at - 1)) or (end < n and _is_word(text, end))
        kept = end - at
        if kept > 2 and is_inside and text[at] & CODE < 0x80 and text[at] & ALPHA:
            kept = 2
        for place in range(at, at + kept):
            to = _move(text, place, to)
        at = end
    return to


@plain_njit
def open_separators(text, n):
    """Put spaces for the signs that part words."""
    for at in range(n):
        if text[at] & CODE == _SEPARATOR:
            text[at] = 0x20
