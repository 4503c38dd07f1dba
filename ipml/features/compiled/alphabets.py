"""Read letters of other alphabets by their company: `ipml.features.look_alikes.read_words`, compiled.

A text is an array of characters with their flags, see `ipml.features.compiled.characters`.
"""

import numpy as np

from ipml.features.compiled.characters import (
    ALPHA,
    CODE,
    CYRILLIC,
    DECIMAL,
    GREEK,
    IDEOGRAPH,
    LETTER,
    MOST_LETTERS_OF_A_SOUND,
    ORNAMENT,
    ORNAMENT_SHIFT,
    OWN_SHAPE,
    SHAPE,
    SIGN,
    SOUND,
    STAND_IN,
    STANDS_IN,
    TURNED,
    WORD,
    describe,
)
from ipml.features.compiled.machine_code import inner, plain_njit

_FEWEST_ORNAMENTS = 4


@inner
def has_ornaments(text, n):
    """Say whether letters of a far script stand for Latin ones, or words may be written upside down."""
    turned = np.int64(-1)
    counts = np.zeros(8, np.int64)
    for at in range(n):
        if text[at] & TURNED:
            if turned >= 0 and text[at] != turned:
                return True
            turned = text[at]
        script = (text[at] & ORNAMENT) >> ORNAMENT_SHIFT
        if script:
            counts[script] += 1 if text[at] & STANDS_IN else -(1 << 40)
    most = counts[0]
    for script in range(1, counts.size):
        most = max(most, counts[script])
    return most >= _FEWEST_ORNAMENTS


@plain_njit
def read_signs_in_words(text, n, characters):
    """Read signs of currencies and the like as letters, where they stand at letters or at each other."""
    at = 0
    while at < n:
        if not text[at] & SIGN:
            at += 1
            continue
        end = at + 1
        while end < n and text[end] & SIGN:
            end += 1
        left = _left_alone(text, n, at, end)
        for place in range(at, end):
            if place != left:
                text[place] = describe(text[place], STAND_IN, characters)
        at = end


@plain_njit
def _left_alone(text, n, start, end):
    """Return the place of the one sign in a row that is not read as a letter; -1 if all are.

    That is a sign by itself, or one that is a letter and ends a row of signs that are none.
    """
    if (start > 0 and text[start - 1] & LETTER) or (end < n and text[end] & LETTER):
        return -1
    if end - start > 1:
        return end - 1 if text[end - 1] & LETTER and not text[end - 2] & LETTER else -1
    is_after_sign = start > 0 and _is_ascii_sign(text[start - 1] & CODE)
    return -1 if is_after_sign and not (end < n and text[end] & DECIMAL) else start


@plain_njit
def _is_ascii_sign(code):
    return code == 0x40 or code == 0x24 or code == 0x21 or code == 0x7C or code == 0x2B or code == 0x28


@plain_njit
def read_alphabet(text, n, alphabet, characters, other):
    """Write a text with the letters of one alphabet read by shape, by sound or not at all; return its length."""
    n_holding, n_mixed = _count_words(text, n, alphabet)
    if n_mixed * 2 > n_holding:
        for at in range(n):
            other[at] = describe(text[at], SHAPE, characters) if text[at] & alphabet else text[at]
        return n
    if n_mixed:
        _read_mixed(text, n, alphabet, characters)
    return _read_pure(text, n, alphabet, characters, other)


@plain_njit
def _count_words(text, n, alphabet):
    """Return how many words hold a letter of an alphabet, and how many of these hold others too."""
    n_holding = n_mixed = 0
    holds = mixes = np.int64(0)
    for at in range(n):
        is_letter = np.int64(text[at] & LETTER != 0)
        is_of_alphabet = np.int64(text[at] & alphabet != 0)
        n_holding += holds & ~is_letter
        n_mixed += holds & mixes & ~is_letter
        holds = (holds | is_of_alphabet) & is_letter
        mixes = (mixes | ~is_of_alphabet) & is_letter
    return n_holding + holds, n_mixed + (holds & mixes)


@plain_njit
def _read_mixed(text, n, alphabet, characters):
    at = 0
    while at < n:
        end = at
        while end < n and text[end] & alphabet:
            end += 1
        if end > at and ((at > 0 and text[at - 1] & ALPHA) or (end < n and text[end] & ALPHA)):
            for place in range(at, end):
                text[place] = describe(text[place], SHAPE, characters)
        at = end + 1


@plain_njit
def _end_of_pure(text, n, start, alphabet):
    """Return the end of words of one alphabet in a row; the start if none begin here."""
    if start > 0 and text[start - 1] & LETTER:
        return start
    before = start  # the end without the last word
    word = end = start
    while True:
        while end < n and text[end] & alphabet:
            end += 1
        following = end
        while following < n and not text[following] & (alphabet | LETTER):
            following += 1
        if following in (end, n) or not text[following] & alphabet:
            break
        before = end
        word = end = following
    if end == n or not text[end] & LETTER:
        return end
    for place in range(end - 1, word, -1):
        if not text[place] & LETTER:
            return place
    return before


@plain_njit
def _read_pure(text, n, alphabet, characters, other):
    to = at = 0
    while at < n:
        end = _end_of_pure(text, n, at, alphabet) if text[at] & alphabet else at
        if end == at:
            other[to] = text[at]
            to += 1
            at += 1
            continue
        if not _has_own_shape(text, at, end):
            to = _put_shapes(text, at, end, to, characters, other)
        elif text[at] & (GREEK | CYRILLIC):
            to = _put_sounds(text, at, end, to, characters, other)
        else:
            for place in range(at, end):
                other[to] = text[place]
                to += 1
        at = end
    return to


@plain_njit
def _has_own_shape(text, start, end):
    flags = np.int64(0)
    for at in range(start, end):
        flags |= text[at]
    return flags & OWN_SHAPE != 0


@plain_njit
def _put_shapes(text, start, end, to, characters, other):
    for at in range(start, end):
        other[to] = describe(text[at], SHAPE, characters)
        to += 1
    return to


@plain_njit
def _put_sounds(text, start, end, to, characters, other):
    """Write sounds, and beyond each what will be overwritten: that is quicker than to count its letters."""
    for at in range(start, end):
        if not text[at] & ALPHA:
            other[to] = text[at]
            to += 1
            continue
        sound = describe(text[at], SOUND, characters)
        for i in range(MOST_LETTERS_OF_A_SOUND):
            other[to + i] = characters.letters[(sound >> 8) + i]
        to += sound & 0xFF
    return to


@plain_njit
def read_ideographs(text, n, characters):
    """Read words of ideographs that stand for letters."""
    at = 0
    while at < n:
        end = at
        n_ideographs = n_others = 0
        while end < n and text[end] & WORD:
            if text[end] & IDEOGRAPH:
                n_ideographs += 1
            elif not (text[end] & CODE < 0x80 and text[end] & ALPHA):
                n_others += 1
            end += 1
        if end - at > 2 and n_ideographs > 1 and n_others == 0:
            for place in range(at, end):
                if text[place] & IDEOGRAPH:
                    text[place] = describe(text[place], STAND_IN, characters)
        at = end + 1
