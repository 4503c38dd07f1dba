"""Links, telephones, addresses and handles in one text: the patterns of `ipml.features.lexicon`, sign by sign.

Each function is given a text, `data` from `start` to `end`, and the byte `at` of the sign that tells. Digits are those
of ASCII; texts with others are not for these functions.
"""

import numpy as np

from ipml.features.compiled.letters import is_word, letter_after, letter_before
from ipml.features.compiled.machine_code import plain_njit

LINK_ENDS = (b"com", b"net", b"org", b"ru", b"cn", b"shop", b"store", b"onion", b"me", b"top", b"xyz")
_MOST_IN_LINK, _MOST_IN_DOMAIN = 40, 63  # letters
_HYPHEN, _DOT, _SPACE, _PLUS, _OPENS, _CLOSES = (ord(sign) for sign in "-. +()")


@plain_njit
def is_digit(byte):
    """Say whether a byte is a digit."""
    return 0x30 <= byte <= 0x39


@plain_njit
def _is_plain(byte):
    """Say whether a byte is a small letter or a digit."""
    return 0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39


@plain_njit
def stands_at(data, at, end, word):
    """Say whether some ASCII letters stand at a byte."""
    if at + len(word) > end:
        return False
    n_same = 0
    for i in range(len(word)):
        n_same += data[at + i] == word[i]
    return n_same == len(word)


@plain_njit
def _is_domain(data, start, end, at, kinds):
    """Say whether a name and an ending that domains have stand around a dot: `\\b[a-z0-9-]{2,40}\\.(?:com|…)\\b`."""
    n_ends = 0
    for word in LINK_ENDS:
        if stands_at(data, at + 1, end, word):
            n_ends += not is_word(kinds, letter_after(data, at + 1 + len(word), end))
    first = at
    while n_ends and first > start and at - first < _MOST_IN_LINK:
        first -= 1
        if not (_is_plain(data[first]) or data[first] == _HYPHEN):
            return False
        if at - first >= 2 and is_word(kinds, letter_before(data, first, start)) != (data[first] != _HYPHEN):
            return True
    return False


@plain_njit
def is_link_at_dot(data, start, end, at, kinds):
    """Say whether a link has its dot here."""
    return (at - start >= 3 and stands_at(data, at - 3, end, b"www")) or _is_domain(data, start, end, at, kinds)


@plain_njit
def is_link_at_colon(data, start, end, at):
    """Say whether a link has its colon here: `https?://`."""
    if not stands_at(data, at + 1, end, b"//"):
        return False
    return (at - start >= 4 and stands_at(data, at - 4, end, b"http")) or (
        at - start >= 5 and stands_at(data, at - 5, end, b"https")
    )


@plain_njit
def _may_begin(data, start, at, kinds):
    """Say whether a telephone may begin here: not after a letter, a digit, or a sign that stands in prices."""
    before = letter_before(data, at, start)
    return not (is_word(kinds, before) or before == 0x2E or before == 0x2C or before == 0x24)


@plain_njit
def _ends_in_digits(data, at, end, kinds, least, most, has_brackets):
    """Say whether some digits, spaces, hyphens (and brackets) follow, then a last digit, and no word after it."""
    for n in range(most + 1):
        if at + n >= end:
            return False
        byte = data[at + n]
        if n >= least and is_digit(byte) and not is_word(kinds, letter_after(data, at + n + 1, end)):
            return True
        is_bracket = byte in (_OPENS, _CLOSES)
        if not (is_digit(byte) or byte in (_SPACE, _HYPHEN) or (has_brackets and is_bracket)):
            return False
    return False


@plain_njit
def _are_digits(data, at, end, n):
    n_digits = 0
    for i in range(at, min(at + n, end)):
        n_digits += is_digit(data[i])
    return n_digits == n


@plain_njit
def is_phone_at_plus(data, start, end, at, kinds):
    """Say whether a telephone begins with this plus: `\\+\\d[\\d ()-]{8,17}\\d`."""
    return (
        _are_digits(data, at + 1, end, 1)
        and _may_begin(data, start, at, kinds)
        and _ends_in_digits(data, at + 2, end, kinds, 8, 17, True)
    )


@plain_njit
def is_phone_at_bracket(data, start, end, at, kinds):
    """Say whether this bracket is in a telephone, such as "8 (900) 000-00-00" or "(212) 555-0100"."""
    after = at + 5
    if after > end or not _are_digits(data, at + 1, end, 3) or data[at + 4] != _CLOSES:
        return False
    first = at - 1
    if first > start and data[first] == _SPACE:
        first -= 1
    if (
        first >= start
        and (data[first] == 0x37 or data[first] == 0x38)
        and _may_begin(data, start, first, kinds)
        and _ends_in_digits(data, after, end, kinds, 7, 10, False)
    ):
        return True
    if after < end and data[after] == _SPACE:
        after += 1
    return (
        after + 8 <= end
        and _are_digits(data, after, end, 3)
        and data[after + 3] == _HYPHEN
        and _are_digits(data, after + 4, end, 4)
        and not is_word(kinds, letter_after(data, after + 8, end))
        and _may_begin(data, start, at, kinds)
    )


@plain_njit
def _lower(byte):
    return byte + 0x20 if 0x41 <= byte <= 0x5A else np.int64(byte)


@plain_njit
def is_email_at(data, start, end, at):
    """Say whether an address has its @ here, in small letters or capitals."""
    before = _lower(data[at - 1]) if at > start else np.int64(0)
    if not (_is_plain(before) or before in (0x2E, 0x5F, 0x25, 0x2B, 0x2D)):  # . _ % + -
        return False
    dot = at + 1
    while dot < end and (_is_plain(_lower(data[dot])) or data[dot] == _HYPHEN):
        dot += 1
    if not (1 <= dot - at - 1 <= _MOST_IN_DOMAIN and dot + 2 < end and data[dot] == _DOT):
        return False
    return 0x61 <= _lower(data[dot + 1]) <= 0x7A and 0x61 <= _lower(data[dot + 2]) <= 0x7A


@plain_njit
def is_handle_at(data, start, end, at):
    """Say whether a handle begins with this @, in small letters or capitals."""
    before = _lower(data[at - 1]) if at > start else np.int64(0)
    if _is_plain(before) or before == _DOT or at + 3 >= end:
        return False
    n = 0
    for i in range(1, 4):
        letter = _lower(data[at + i])
        n += 0x61 <= letter <= 0x7A or letter == 0x5F or (i > 1 and (is_digit(letter) or letter == _DOT))
    return n == 3
