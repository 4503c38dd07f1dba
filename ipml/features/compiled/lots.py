"""Numbers of pieces and ranges of sizes in one text: the patterns of `ipml.features.lexicon`, letter by letter.

Each function is given a text, `data` up to `end`, and the byte `at` of its first letter or digit. Digits are those of
ASCII; texts with others are not for these functions.
"""

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.contacts import is_digit, stands_at
from ipml.features.compiled.letters import is_word, letter_after, letter_before
from ipml.features.compiled.machine_code import plain_njit

_UNITS = (
    *(
        b"x",
        b"pc",
        b"pcs",
        b"pieces",
        b"units",
        b"pairs",
        b"pack",
        b"packs",
        b"sets",
        b"sht",
        b"par",
        b"pary",
        b"shtuk",
    ),
    *(
        b"upakovok",
        b"pecas",
        b"pares",
        b"unidades",
        b"piezas",
        b"stuck",
        b"paar",
        b"paires",
        b"pezzi",
        b"paia",
        b"adet",
    ),
)
_MEASURES = (
    *(b"mm", b"sm", b"cm", b"dm", b"m", b"km", b"inch", b"inches", b"ft", b"feet", b"yd", b"mb", b"gb", b"tb", b"ml"),
    *(b"cl", b"l", b"mg", b"g", b"gr", b"kg", b"oz", b"lb", b"lbs", b"w", b"kw", b"v", b"mah", b"ah", b"hz", b"mhz"),
    *(b"ghz", b"''", b'"'),
)
_CJK_UNITS = tuple(ord(letter) for letter in "件个双套只")
_SPACE, _HYPHEN, _TILDE, _SLASH, _DOT, _QUOTE, _QUOTES = (ord(sign) for sign in " -~/.'\"")
_MOST_BYTES = 256
INITIALS = tuple(sorted({unit[0] for unit in _UNITS}))
"""What the units begin with, ideographs aside."""


def _list_beginnings() -> NDArray[np.bool_]:
    """Say of any two bytes whether a unit may begin with them, shape (65536,), the first of them the higher one."""
    may_begin = np.zeros((_MOST_BYTES, _MOST_BYTES), dtype=np.bool_)
    may_begin[0x80:] = True  # an ideograph
    for unit in _UNITS:
        may_begin[unit[0], unit[1] if len(unit) > 1 else slice(None)] = True
    return may_begin.ravel()


_BEGINNINGS = _list_beginnings()
_X, _L, _S, _M = (ord(letter) for letter in "xlsm")


@plain_njit
def _ends_word(data, at, end, kinds):
    return not is_word(kinds, letter_after(data, at, end))


@plain_njit
def _skip_space(data, at, end):
    return at + 1 if at < end and data[at] == _SPACE else at


@plain_njit
def skip_digits(data, at, end):
    """Return where the digits end that begin here."""
    while at < end and is_digit(data[at]):
        at += 1
    return at


@plain_njit
def read_number(data, at, end):
    """Return the number that some digits write."""
    number = 0
    for i in range(at, end):
        number = 10 * number + data[i] - 0x30
    return number


@plain_njit
def _is_measured(data, at, end, kinds):
    """Say whether a measure follows a number that ends here."""
    at = _skip_space(data, at, end)
    for measure in _MEASURES:
        if stands_at(data, at, end, measure):
            after = at + len(measure)
            if measure[0] in (_QUOTE, _QUOTES) or _ends_word(data, after, end, kinds):
                return True
    return False


@plain_njit
def _is_of_size(data, start, at, kinds, stands_alone):
    """Say whether a number or an inch sign stands before this x; or a word, if the x stands alone."""
    if at > start and data[at - 1] == _SPACE:
        letter = letter_before(data, at - 1, start)
        if stands_alone and is_word(kinds, letter):
            return True
    else:
        letter = letter_before(data, at, start)
    return letter in (_QUOTE, _QUOTES) or is_digit(letter)


@plain_njit
def end_of_unit(data, at, end, kinds, is_whole):
    """Return where the unit ends that follows a number, which ends here; 0 where there is none.

    A number that is not a whole word is followed by an ideograph only.
    """
    at = _skip_space(data, at, end)
    if at >= end:
        return 0
    if not _BEGINNINGS[data[at] << 8 | (data[at + 1] if at + 1 < end else 0)]:
        return 0
    if data[at] >= 0x80:
        return at + 3 if letter_after(data, at, end) in _CJK_UNITS else 0
    if is_whole:
        for unit in _UNITS:
            if stands_at(data, at, end, unit) and _ends_word(data, at + len(unit), end, kinds):
                after = at + len(unit)
                next_word = _skip_space(data, after, end)
                is_size = data[at] == _X and next_word < end and is_digit(data[next_word])
                return 0 if is_size else after
    return 0


@plain_njit
def _is_between_words(data, start, first, last, end, kinds):
    """Say whether a word stands before what begins and ends here, and a word after it, with one space between."""
    if first == start or data[first - 1] != _SPACE or last == end or data[last] != _SPACE:
        return False
    return is_word(kinds, letter_before(data, first - 1, start)) and is_word(kinds, letter_after(data, last + 1, end))


@plain_njit
def end_of_pieces(data, start, at, end, kinds):
    """Return where "x10" or "x 10" ends that begins with this x; 0 where there is none, or a size or a name."""
    first = _skip_space(data, at + 1, end)
    last = skip_digits(data, first, end)
    if not (1 <= last - first <= 4 and _ends_word(data, last, end, kinds)):
        return 0
    if _is_of_size(data, start, at, kinds, first > at + 1) or _is_measured(data, last, end, kinds):
        return 0
    if _is_between_words(data, start, at, last, end, kinds) and end_of_unit(data, last, end, kinds, True) == 0:
        return 0
    return last


@plain_njit
def _is_shoe_size(data, at, end, lowest, highest):
    """Say whether a number from 30 and a lowest digit to 40 and a highest stands here."""
    if at + 2 > end or not is_digit(data[at + 1]):
        return False
    digit = data[at + 1] - 0x30
    return (data[at] == 0x33 and digit >= lowest) or (data[at] == 0x34 and digit <= highest)


@plain_njit
def is_range_at_number(data, at, end, kinds):
    """Say whether a range of European sizes begins here: "36-45", "40 to 46"."""
    if not _is_shoe_size(data, at, end, 4, 8):
        return False
    at = _skip_space(data, at + 2, end)
    if at < end and (data[at] == _HYPHEN or data[at] == _TILDE):
        at += 1
    elif stands_at(data, at, end, b"to") or stands_at(data, at, end, b"do"):
        at += 2
    elif stands_at(data, at, end, b"bis"):
        at += 3
    else:
        return False
    at = _skip_space(data, at, end)
    return _is_shoe_size(data, at, end, 5, 9) and _ends_word(data, at + 2, end, kinds)


@plain_njit
def _skip_country(data, at, end):
    is_country = stands_at(data, at, end, b"us") or stands_at(data, at, end, b"uk") or stands_at(data, at, end, b"eu")
    return at + 2 if is_country else at


@plain_njit
def is_range_at_country(data, at, end, kinds):
    """Say whether a range of sizes begins here with its country: "us7-us12", "uk 5.5 - 11"."""
    first = _skip_country(data, at, end)
    if first == at:
        return False
    first = _skip_space(data, first, end)
    at = skip_digits(data, first, end)
    if not 1 <= at - first <= 2:
        return False
    if stands_at(data, at, end, b".5"):
        at += 2
    at = _skip_space(data, at, end)
    if at >= end or data[at] != _HYPHEN:
        return False
    first = _skip_space(data, _skip_country(data, _skip_space(data, at + 1, end), end), end)
    at = skip_digits(data, first, end)
    return 1 <= at - first <= 2 and _ends_word(data, at, end, kinds)


@plain_njit
def is_range_at_letter(data, at, end, kinds):
    """Say whether a range of sizes in letters begins here: "s-xxl", "xs/2xl"."""
    first = at
    while at < end and data[at] == _X:
        at += 1
    n_x = at - first
    if at >= end or n_x > 2 or not (data[at] == _S or (n_x == 0 and data[at] == _M)):
        return False
    at = _skip_space(data, at + 1, end)
    if at >= end or not (data[at] == _HYPHEN or data[at] == _SLASH or data[at] == _TILDE):
        return False
    first = at = _skip_space(data, at + 1, end)
    if at < end and 0x32 <= data[at] <= 0x36:
        return stands_at(data, at + 1, end, b"xl") and _ends_word(data, at + 3, end, kinds)
    while at < end and data[at] == _X:
        at += 1
    return at - first <= 3 and at < end and data[at] == _L and _ends_word(data, at + 1, end, kinds)
