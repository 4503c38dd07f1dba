"""Read ASCII signs that stand for letters: `ipml.features.normalisation`, compiled.

`may_stand_for_letters` looks at folded bytes and never misses a text in which signs are read; the rest works on the
characters in lower case with their flags, see `ipml.features.compiled.characters`.
"""

import numpy as np

from ipml.features.compiled.characters import ASCII, CODE, WORD
from ipml.features.compiled.machine_code import plain_njit

_READINGS = {"@": "a", "$": "s", "!": "i", "|": "l", "+": "t", "(": "c"}
_SIGN, _STANDS_ALONE, _AT_OR_DOLLAR, _BEGINS, _LETTER, _DIGIT = 1, 2, 4, 8, 16, 32
_FEWEST_BETWEEN_LETTERS = 3


def _describe_ascii():
    kinds = np.zeros(256, dtype=np.uint8)
    for sign in _READINGS:
        kinds[ord(sign)] = (
            _SIGN | _STANDS_ALONE * (sign in "@$!") | _AT_OR_DOLLAR * (sign in "@$") | _BEGINS * (sign != "(")
        )
    kinds[ord("a") : ord("z") + 1] = _LETTER
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    return kinds


_KINDS = _describe_ascii()
_LETTER_READ = np.zeros(128, dtype=np.int64)
_LETTER_READ[[ord(sign) for sign in _READINGS]] = [ASCII[ord(letter)] for letter in _READINGS.values()]


@plain_njit
def _kind(text, at, n):
    """Return what is known of a character; nothing beyond ASCII and beyond the text."""
    return np.int64(_KINDS[text[at] & CODE]) if 0 <= at < n and text[at] & CODE < 0x80 else 0


@plain_njit
def may_stand_for_letters(data, start, end):
    """Say whether signs may be read in an ASCII text in lower case: where in doubt, they may."""
    has_at_or_dollar = touches = False
    at = start
    while at < end:
        if not _KINDS[data[at]] & _SIGN:
            at += 1
            continue
        begin = at
        kinds = 0
        while at < end and _KINDS[data[at]] & _SIGN:
            kinds |= np.int64(_KINDS[data[at]])
            at += 1
        after = np.int64(_KINDS[data[at]]) if at < end else 0
        is_after_letter = begin > start and _KINDS[data[begin - 1]] & _LETTER
        begins_word = begin == start or data[begin - 1] == 0x20
        if _may_be_read(data, begin, at, end, kinds, after, is_after_letter, begins_word):
            return True
        has_at_or_dollar |= (kinds & _AT_OR_DOLLAR) != 0
        touches |= is_after_letter or (after & _LETTER and kinds & _BEGINS)
    return has_at_or_dollar and touches


@plain_njit
def _may_be_read(data, begin, at, end, kinds, after, is_after_letter, begins_word):
    if is_after_letter:
        if at - begin == 1 and data[begin] == 0x24 and after & _DIGIT:
            return False
        if kinds & _AT_OR_DOLLAR:
            return True
        return after & (_LETTER | _DIGIT) and (kinds & _STANDS_ALONE or at - begin > 1)
    has_letter_next = at + 1 < end and _KINDS[data[at + 1]] & _LETTER
    return begins_word and kinds & _AT_OR_DOLLAR and after & (_LETTER | _DIGIT) and has_letter_next


@plain_njit
def read_signs(text, n, written):
    """Read signs as letters in or at a word, in place; everywhere, if the text is written in them throughout.

    Parameters
    ----------
    text
        The characters.
    n : int
        Their number.
    written : array of characters
        Is filled with the text as it was.
    """
    if not _is_worth_a_look(text, n):
        return
    for at in range(n):
        written[at] = text[at]
    if _is_written_in_signs(written, n):
        for at in range(n):
            if _kind(written, at, n) & _SIGN and _is_read_anywhere(written, n, at):
                text[at] = _LETTER_READ[written[at] & CODE]
        return
    at = 0
    while at < n:
        if not _kind(written, at, n) & _SIGN:
            at += 1
            continue
        end = _end_of_signs(written, at, n)
        for place in range(at, _end_in_word(written, n, at, end)):
            text[place] = _LETTER_READ[written[place] & CODE]
        at = end


@plain_njit
def _is_worth_a_look(text, n):
    for at in range(n):
        kind = _kind(text, at, n)
        if kind & _BEGINS and _kind(text, at + 1, n) & (_LETTER | _DIGIT | _SIGN):
            return True
        if kind & _AT_OR_DOLLAR and not _is_word(text, at + 1, n):
            return True
    return False


@plain_njit
def _is_word(text, at, n):
    return at < n and text[at] & WORD


@plain_njit
def _end_of_signs(text, at, n):
    while _kind(text, at, n) & _SIGN:
        at += 1
    return at


@plain_njit
def _is_written_in_signs(text, n):
    """Say whether three signs or more stand between letters, or signs in half of all words; @ or $ among them."""
    n_between = n_signs = kinds_between = 0
    n_words = 0
    at = 0
    while at < n:
        n_words += text[at] & CODE != 0x20 and (at == 0 or text[at - 1] & CODE == 0x20)
        if not _kind(text, at, n) & _SIGN:
            at += 1
            continue
        end = _end_of_signs(text, at, n)
        n_signs += end - at
        if _kind(text, at - 1, n) & _LETTER and _kind(text, end, n) & _LETTER:
            n_between += end - at
            for place in range(at, end):
                kinds_between |= _kind(text, place, n)
        at = end
    if n_between >= _FEWEST_BETWEEN_LETTERS and kinds_between & _AT_OR_DOLLAR:
        return True
    return n_signs * 2 >= n_words and _are_words_written_in_signs(text, n, n_words)


@plain_njit
def _are_words_written_in_signs(text, n, n_words):
    n_holding = kinds = 0
    at = 0
    while at < n:
        end = at
        while end < n and text[end] & CODE != 0x20:
            end += 1
        if end > at and _holds_signs(text, at, end):
            n_holding += 1
            for place in range(at, end):
                kinds |= _kind(text, place, n)
        at = end + 1
    return n_holding > 1 and n_holding * 2 >= n_words and kinds & _AT_OR_DOLLAR


@plain_njit
def _holds_signs(text, start, end):
    """Say whether a word has signs between letters, before a first letter or, but for ! and +, after a last one."""
    begin = start + 1 if text[start] & CODE == 0x28 else start
    if _kind(text, begin, end) & _BEGINS and _kind(text, _end_of_signs(text, begin, end), end) & _LETTER:
        return True
    at = start + 1
    while at < end:
        after = _end_of_signs(text, at, end)
        if after > at and _kind(text, at - 1, end) & _LETTER:
            last = text[after - 1] & CODE
            if _kind(text, after, end) & _LETTER:
                return True
            if after == end and (last == 0x40 or last == 0x24 or last == 0x7C):
                return True
        at = after + 1
    return False


@plain_njit
def _is_read_anywhere(text, n, at):
    """Say whether a sign is read in a text written in signs throughout: no price, no bracketed words, no "50+"."""
    code = text[at] & CODE
    after = text[at + 1] & CODE if at + 1 < n else 0x20
    if (at == 0 or text[at - 1] & CODE == 0x20) and after == 0x20:
        return False
    if code == 0x24:
        return not 0x31 <= after <= 0x39
    if code == 0x28:
        place = at + 1
        while place < n and text[place] & CODE != 0x28 and text[place] & CODE != 0x29:
            place += 1
        return place == n or text[place] & CODE == 0x28
    if code == 0x2B:
        is_read_on = _kind(text, at + 1, n) & (_LETTER | _SIGN) and after != 0x2B
        is_after_aa = at > 1 and text[at - 1] & CODE == 0x40 and text[at - 2] & CODE == 0x40
        return not is_after_aa and (is_read_on or not _kind(text, at - 1, n) & _DIGIT)
    return True


@plain_njit
def _is_after_letter(text, n, at):
    """Say whether a sign follows a letter, unless it is a price."""
    if not _kind(text, at - 1, n) & _LETTER:
        return False
    next_kind = _kind(text, at + 1, n)
    if text[at] & CODE == 0x24:
        return not next_kind & _DIGIT
    if text[at] & CODE == 0x28:
        return not (next_kind and text[at + 1] & CODE == 0x24 and _kind(text, at + 2, n) & _DIGIT)
    return True


@plain_njit
def _end_in_word(text, n, at, end):
    """Return up to where signs in a row are read as letters; their start if they are not."""
    after = _kind(text, end, n)
    is_read_on = after & (_LETTER | _DIGIT)
    is_sure = end > at + 1 or _kind(text, at, n) & _STANDS_ALONE
    if is_read_on and is_sure and _is_after_letter(text, n, at):
        return end
    begins_word = (at == 0 or text[at - 1] & CODE == 0x20) and is_read_on and _kind(text, end + 1, n) & _LETTER
    if begins_word and _begins_with_at_or_dollar(text, n, at, end):
        return end
    if _kind(text, at - 1, n) & _LETTER and _kind(text, at - 2, n) & _LETTER:
        for last in range(end - 1, at - 1, -1):
            if _kind(text, last, n) & _AT_OR_DOLLAR and not _is_word(text, last + 1, n):
                return last + 1
    return at


@plain_njit
def _begins_with_at_or_dollar(text, n, at, end):
    """Say whether @ or $ is among the first five signs before a word, and few others follow it."""
    found = False
    for place in range(max(at, end - 5), min(at + 5, end)):
        found |= _kind(text, place, n) & _AT_OR_DOLLAR != 0
    return found
