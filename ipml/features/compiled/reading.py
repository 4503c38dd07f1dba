"""From UTF-8 to characters with their flags, from each of these to what it reads as, and back to UTF-8."""

import numpy as np

from ipml.features.compiled.characters import (
    ASCII,
    CODE,
    CYRILLIC,
    GREEK,
    IDEOGRAPH,
    INVISIBLE,
    ITSELF,
    LIVING,
    MARK,
    MISSING,
    ORNAMENT,
    READING,
    REVERSING,
    SIGN,
    TURNED,
    describe,
)
from ipml.features.compiled.machine_code import plain_njit
from ipml.features.look_alikes import read_letter

_NEEDS_COMPANY = GREEK | CYRILLIC | LIVING | MARK | SIGN | IDEOGRAPH | TURNED | REVERSING | ORNAMENT
_NOTHING = -1
_END_OF_REVERSED = 0x202C


def _read_ascii():
    """Return what each ASCII character reads as, in lower case."""
    readings = [read_letter(chr(code)) for code in range(128)]
    return np.array([ASCII[ord(reading)] if reading else _NOTHING for reading in readings])


_READINGS = _read_ascii()


@plain_njit
def cut(data, start, end, most):
    """Return the end of the first letters of a text."""
    if end - start <= most:
        return end
    n = 0
    for at in range(start, end):
        n += (data[at] & 0xC0) != 0x80
        if n > most:
            return at
    return end


@plain_njit
def _decode_letter(data, at):
    """Return the code of one character beyond ASCII, and the place of the next."""
    code = np.int64(data[at])
    if code < 0xE0:
        return (code & 0x1F) << 6 | (data[at + 1] & 0x3F), at + 2
    if code < 0xF0:
        return (code & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F), at + 3
    high = (code & 0x07) << 18 | (data[at + 1] & 0x3F) << 12
    return high | (data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F), at + 4


@plain_njit
def read_alone(data, start, end, most, characters, read):
    """Write what a text reads as in ASCII; return its length, or -1 if a character depends on others or is not known.

    So it does where there may be markup.

    Parameters
    ----------
    data, start, end
        The text.
    most : int
        Letters beyond this are not written.
    characters : Characters
    read : array of bytes
        Is written.
    """
    n = 0
    at = start
    while at < end and n < most:
        if data[at] < 0x80:
            letter = _READINGS[data[at]]
            if data[at] == 0x3C or data[at] == 0x26 or data[at] == 0x25 or data[at] == 0x5C:
                return -1
            read[n] = letter & CODE
            n += letter != _NOTHING
            at += 1
            continue
        code, at = _decode_letter(data, at)
        if characters.pages[code >> 8] < 0:
            return -1
        flags = describe(code, ITSELF, characters)
        if flags & _NEEDS_COMPANY:
            return -1
        if flags & INVISIBLE:
            continue
        reading = describe(code, READING, characters)
        for place in range(reading >> 8, (reading >> 8) + (reading & 0xFF)):
            letter = characters.letters[place] & CODE
            if letter >= 0x80:
                return -1
            if n < most:
                read[n] = letter
                n += 1
    return n


@plain_njit
def decode(data, start, end, characters, missing, text):
    """Write the characters of a text; return their number, and all their flags."""
    n = 0
    seen = np.int64(0)
    at = start
    while at < end:
        if data[at] < 0x80:
            text[n] = ASCII[data[at]]
            at += 1
        else:
            code, at = _decode_letter(data, at)
            if characters.pages[code >> 8] < 0:
                missing[code >> 8] = True
                text[n] = code | MISSING
            else:
                text[n] = describe(code, ITSELF, characters)
        seen |= text[n]
        n += 1
    return n, seen


@plain_njit
def turn_round(text, n):
    """Put runs that are shown from right to left into the order in which they are read, in place."""
    to = at = 0
    while at < n:
        if not text[at] & REVERSING:
            text[to] = text[at]
            to += 1
            at += 1
            continue
        start = at + 1
        end = start
        while end < n and not text[end] & REVERSING and text[end] & CODE != _END_OF_REVERSED:
            end += 1
        for i in range((end - start) // 2):
            text[start + i], text[end - 1 - i] = text[end - 1 - i], text[start + i]
        for place in range(start, end):
            text[to] = text[place]
            to += 1
        at = end + (end < n and text[end] & CODE == _END_OF_REVERSED)
    return to


@plain_njit
def drop_invisible(text, n):
    """Drop letters without a width of their own but where they are spelt with the letter before."""
    kept = 0
    for at in range(n):
        if text[at] & INVISIBLE and not (kept > 0 and text[at] & MARK and text[kept - 1] & MARK):
            continue
        text[kept] = text[at]
        kept += 1
    return kept


@plain_njit
def read_letters(text, n, most, characters, read):
    """Write what every character reads as; return how many letters that are, and whether all are ASCII."""
    written = 0
    every = np.int64(0)
    for at in range(n):
        if written >= most:
            break
        code = text[at] & CODE
        if code < 0x80:
            if _READINGS[code] != _NOTHING:
                read[written] = _READINGS[code]
                written += 1
            continue
        reading = describe(code, READING, characters)
        for place in range(reading >> 8, (reading >> 8) + min(reading & 0xFF, most - written)):
            read[written] = characters.letters[place]
            every |= read[written]
            written += 1
    return written, every & CODE < 0x80


@plain_njit
def widen(data, start, end, is_read, text):
    """Write the characters that ASCII bytes read as, unless they are readings already; return their number."""
    n = 0
    for at in range(start, end):
        letter = ASCII[data[at]] if is_read else _READINGS[data[at]]
        if letter != _NOTHING:
            text[n] = letter
            n += 1
    return n


@plain_njit
def narrow(text, n, read):
    """Write ASCII characters as bytes."""
    for at in range(n):
        read[at] = text[at] & CODE


@plain_njit
def encode(text, n, folded, first):
    """Write characters in UTF-8, with single spaces; return where they end."""
    to = first
    for at in range(n):
        code = text[at] & CODE
        if code == 0x20 and (to == first or folded[to - 1] == 0x20):
            continue
        if code < 0x80:
            folded[to] = code
            to += 1
            continue
        if code < 0x800:
            folded[to] = 0xC0 | code >> 6
            to += 1
        else:
            if code < 0x10000:
                folded[to] = 0xE0 | code >> 12
                to += 1
            else:
                folded[to] = 0xF0 | code >> 18
                folded[to + 1] = 0x80 | code >> 12 & 0x3F
                to += 2
            folded[to] = 0x80 | code >> 6 & 0x3F
            to += 1
        folded[to] = 0x80 | code & 0x3F
        to += 1
    return to - 1 if to > first and folded[to - 1] == 0x20 else to
