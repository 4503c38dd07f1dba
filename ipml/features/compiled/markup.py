"""Take markup and entities of HTML out of texts: the first step of `ipml.features.normalisation`, compiled.

A text is its bytes; nothing gets longer on the way. A rare entity, a tag that may hide what it holds, and what may be
written in escapes is left to the plain function.
"""

import html
import html.entities

import numpy as np

from ipml.features.compiled.machine_code import plain_njit

_MOST_UNWRAPS, _MOST_ZEROS = 3, 40
_MOST_IN_TAG, _MOST_IN_COMMENT = 500, 2_000
_BREAKING = ("br", "p", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr")
_MAY_HIDE = ("span", "i", "b", "em", "font", "small", "s", "u")
_WITHOUT_SEMICOLON = sorted(name for name in html.entities.html5 if not name.endswith(";"))
_COMMON = (
    *("apos", "hellip", "ndash", "mdash", "lsquo", "rsquo", "sbquo", "ldquo", "rdquo", "bdquo", "bull", "trade"),
    *("euro", "dagger", "thinsp", "ensp", "emsp", "lsaquo", "rsaquo", "prime", "Prime", "star", "check", "hearts"),
)
_LONGEST_NAME = 8
_NOTHING, _UNREADABLE = -1, 0xFFFD


def _pack(names):
    """Return names of up to eight letters as numbers, in order."""
    return np.array([int.from_bytes(name.encode(), "little") for name in names], dtype=np.uint64)


def _sort_entities(names):
    """Return packed names, in order, and the codes of their characters."""
    codes = np.array([ord(html.entities.html5[name]) for name in names], dtype=np.int64)
    packed = _pack(name.rstrip(";") for name in names)
    order = np.argsort(packed)
    return packed[order], codes[order]


def _read_numbers(count):
    """Return the character that each number stands for; browsers read some as they were once used."""
    return np.array([ord(html.unescape(f"&#{number};") or "\x00") or _NOTHING for number in range(count)])


_BREAKING_TAGS, _HIDING_TAGS = _pack(_BREAKING), _pack(_MAY_HIDE)
_NAMES, _CODES = _sort_entities([f"{name};" for name in (*_WITHOUT_SEMICOLON, *_COMMON)])
_OPEN_NAMES, _OPEN_CODES = _sort_entities(_WITHOUT_SEMICOLON)
_NUMBERS = _read_numbers(0xA0)


@plain_njit
def _is_letter(byte):
    return 0x61 <= byte | 0x20 <= 0x7A


@plain_njit
def _is_digit(byte):
    return 0x30 <= byte <= 0x39


@plain_njit
def may_hold_markup(data, start, end):
    """Say whether some "<" or "&" may begin a tag, a comment or an entity, or some sign an escape: in doubt, it may."""
    for at in range(start, end - 2):
        byte = data[at]
        if byte == 0x3C:
            after = data[at + 1]
            if _is_letter(after) or after >= 0x80 or after == 0x2F or after == 0x21:
                return True
        if byte == 0x26:
            after, second = data[at + 1], data[at + 2]
            is_word = _is_letter(second) or second >= 0x80 or second == 0x5F or _is_digit(second)
            if after == 0x23 or (_is_letter(after) and is_word):
                return True
        if (byte == 0x25 or byte == 0x5C) and _may_be_escape(data, start, at, end):
            return True
    return False


@plain_njit
def _may_be_escape(data, start, at, end):
    """Say whether a percent sign or a backslash may begin an escape; a percent sign after a digit hardly does."""
    if at + 2 >= end:
        return False
    after, second = data[at + 1], data[at + 2]
    if data[at] == 0x5C:
        return after == 0x75 or after == 0x78
    if _digit(np.int64(after), 16) == 16 or _digit(np.int64(second), 16) == 16:
        return False
    return at == start or not _is_digit(data[at - 1]) or (after == 0x32 and second == 0x35)


@plain_njit
def _may_hold_escapes(text, n):
    """Say whether some sign of a text may begin an escape."""
    found = False
    for at in range(n):
        if text[at] == 0x25 or text[at] == 0x5C:
            found |= _may_be_escape(text, 0, at, n)
    return found


@plain_njit
def unwrap(data, start, end, text, other):
    """Write a text without markup; return its length, -1 if it is left to the plain function.

    Parameters
    ----------
    data, start, end
        The text.
    text : array of bytes
        Is written.
    other : array of bytes
        Room to work in, of the same length.
    """
    n = end - start
    for at in range(n):
        text[at] = data[start + at]
    if _may_hold_escapes(text, n):
        return -1
    for _ in range(_MOST_UNWRAPS):
        shorter = _unwrap_once(text, n, other)
        if shorter < 0 or _may_hold_escapes(other, shorter):
            return -1
        is_same = shorter == n
        for at in range(shorter):
            is_same &= text[at] == other[at]
            text[at] = other[at]
        n = shorter
        if is_same:
            break
    return n


@plain_njit
def _unwrap_once(text, n, other):
    to = at = 0
    while at < n:
        end, code = at, _NOTHING
        if text[at] == 0x3C:
            end, code = _read_tag(text, at, n)
        elif text[at] == 0x26:
            end, code = _read_entity(text, at, n)
        if end < 0:
            return -1
        if end > at:
            to = _put(code, other, to)
            at = end
        else:
            other[to] = text[at]
            to += 1
            at += 1
    return to


@plain_njit
def _put(code, text, to):
    if code == _NOTHING:
        return to
    if code < 0x80:
        text[to] = code
        return to + 1
    if code < 0x800:
        text[to] = 0xC0 | code >> 6
        text[to + 1] = 0x80 | code & 0x3F
        return to + 2
    if code < 0x10000:
        text[to] = 0xE0 | code >> 12
    else:
        text[to] = 0xF0 | code >> 18
        text[to + 1] = 0x80 | code >> 12 & 0x3F
        to += 1
    text[to + 1] = 0x80 | code >> 6 & 0x3F
    text[to + 2] = 0x80 | code & 0x3F
    return to + 3


@plain_njit
def _read_name(text, at, n, lower):
    """Return the number of a word of ASCII letters, digits and underscores, and its end; 0 if it is too long."""
    name = np.uint64(0)
    start = at
    while at < n and (_is_letter(text[at]) or _is_digit(text[at]) or text[at] == 0x5F):
        if at - start < _LONGEST_NAME:
            byte = np.uint64(text[at]) | (np.uint64(0x20) if lower else np.uint64(0))
            name |= byte << np.uint64(8 * (at - start))
        at += 1
    return (name if at - start <= _LONGEST_NAME else np.uint64(0)), at


@plain_njit
def _holds(names, name):
    is_found = False
    for i in range(names.size):
        is_found |= names[i] == name
    return is_found


@plain_njit
def _read_tag(text, start, n):
    """Return the end of a tag or comment, its start if it is none, and what stands for it; -1 if it may hide words."""
    if start + 3 < n and text[start + 1] == 0x21 and text[start + 2] == 0x2D and text[start + 3] == 0x2D:
        return _end_of_comment(text, start, n), _NOTHING
    begin = start + 1 + (start + 1 < n and text[start + 1] == 0x2F)
    if begin >= n or not _is_letter(text[begin]):
        return (-1 if begin < n and text[begin] >= 0x80 else start), _NOTHING
    name, at = _read_name(text, begin, n, True)
    if at < n and text[at] >= 0x80:
        return -1, _NOTHING
    may_hide = begin == start + 1 and _holds(_HIDING_TAGS, name)
    n_letters = at - begin - 1
    while at < n and text[at] != 0x3C and text[at] != 0x3E:
        if may_hide and _may_hide(text, at, n):
            return -1, _NOTHING
        n_letters += (text[at] & 0xC0) != 0x80
        at += 1
    if at == n or text[at] == 0x3C or n_letters > _MOST_IN_TAG:
        return start, _NOTHING
    return at + 1, 0x20 if _holds(_BREAKING_TAGS, name) else _NOTHING


@plain_njit
def _may_hide(text, at, n):
    """Say whether a place in a tag may be that of a style, or of the word "hidden"."""
    is_hidden = at + 2 < n and text[at] | 0x20 == 0x68 and text[at + 1] | 0x20 == 0x69 and text[at + 2] | 0x20 == 0x64
    return text[at] == 0x3A or text[at] >= 0x80 or is_hidden


@plain_njit
def _end_of_comment(text, start, n):
    n_letters = 0
    for at in range(start + 4, n - 2):
        if text[at] == 0x2D and text[at + 1] == 0x2D and text[at + 2] == 0x3E:
            return at + 3
        n_letters += (text[at] & 0xC0) != 0x80
        if n_letters > _MOST_IN_COMMENT:
            break
    return start


@plain_njit
def _read_entity(text, start, n):
    """Return the end of an entity, its start if it is none, and the code of its character; -1 if it is a rare one."""
    if start + 2 >= n:
        return start, _NOTHING
    if text[start + 1] == 0x23:
        if text[start + 2] | 0x20 == 0x78:
            return _read_number(text, start, start + 3, n, 16, 6)
        return _read_number(text, start, start + 2, n, 10, 7)
    if not _is_letter(text[start + 1]):
        return start, _NOTHING
    name, end = _read_name(text, start + 1, n, False)
    if end < start + 3:
        return start, _NOTHING
    if end < n and text[end] == 0x3B:
        place = _find(_NAMES, name)
        return (end + 1, _CODES[place]) if place >= 0 else (-1, np.int64(_NOTHING))
    return _read_open_name(text, start, end)


@plain_njit
def _read_open_name(text, start, end):
    """Read the longest name at the start of a word that needs no semicolon, as browsers do."""
    for last in range(min(end, start + 1 + _LONGEST_NAME), start + 2, -1):
        name, _ = _read_name(text, start + 1, last, False)
        place = _find(_OPEN_NAMES, name)
        if place >= 0:
            return last, _OPEN_CODES[place]
    return start, np.int64(_NOTHING)


@plain_njit
def _find(names, name):
    """Return the place of a name among others in order, -1 if it is not there."""
    low, high = 0, names.size
    while low < high:
        middle = (low + high) // 2
        if names[middle] < name:
            low = middle + 1
        else:
            high = middle
    return low if low < names.size and names[low] == name else -1


@plain_njit
def _digit(byte, base):
    value = byte - 0x30 if _is_digit(byte) else (byte | 0x20) - 0x57 if _is_letter(byte) else base
    return np.int64(value) if value < base else np.int64(base)


@plain_njit
def _read_number(text, start, first, n, base, most):
    number = 0
    at = first
    while at < n and at < first + _MOST_ZEROS and text[at] == 0x30:
        at += 1
    last = min(n, at + most)
    while at < last and _digit(np.int64(text[at]), base) < base:
        number = number * base + _digit(np.int64(text[at]), base)
        at += 1
    if at == first:
        return start, _NOTHING
    if at < n and text[at] == 0x3B:
        at += 1
    if number < 0xA0:
        return at, _NUMBERS[number]
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        return at, _UNREADABLE
    is_no_character = 0xFDD0 <= number <= 0xFDEF or number & 0xFFFE == 0xFFFE
    return at, _NOTHING if is_no_character else number
