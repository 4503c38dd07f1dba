"""How offers are made in many texts, as `ipml.features.lexicon.OfferFeatures` says of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.beginnings import CONTACTS, LOTS, find_beginnings
from ipml.features.compiled.contacts import (
    is_digit,
    is_email_at,
    is_handle_at,
    is_link_at_colon,
    is_link_at_dot,
    is_phone_at_bracket,
    is_phone_at_plus,
    stands_at,
)
from ipml.features.compiled.letters import (
    DECIMAL,
    is_kind,
    is_word,
    letter_at,
    letter_before,
    letter_kinds,
    size_of_letter,
)
from ipml.features.compiled.lots import (
    end_of_pieces,
    end_of_unit,
    is_range_at_country,
    is_range_at_letter,
    is_range_at_number,
    read_number,
)
from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.places import Places
from ipml.features.compiled.texts import Texts

_N_CONTACTS, _N_LOTS = 6, 4
_LINK, _EMAIL, _HANDLE, _PHONE, _PIECES, _RANGE = 2, 3, 4, 5, 7, 8
_COLUMN_OF = {"messenger": 0, "approach": 1, "lot_words": 6, "all_sizes": 9}
_MOST_DIGITS = 5  # of a number of pieces
_AT = ord("@")
_DOTTED_I, _KELVIN = "İ".encode(), "\u212a".encode()
_IS_TELLING = np.array([chr(byte) in ".:+(" for byte in range(256)])


def group_columns(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return the column that each phrase of an offer sets, by its group; -1 for groups that have none."""
    return np.array([_COLUMN_OF.get(group, -1) for group in groups], dtype=np.int64)


def describe_offers(
    raw: Texts, folded: Texts, places: Places, columns: NDArray[np.int64], max_letters: int, *, has_lots: bool
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return how offers are made, and the rows that are left out: those a plain function has to read.

    Left out are texts with digits of other scripts, which folding leaves in none, and those with an @ and one of the
    two letters that turn into ASCII as small letters: İ and the sign of kelvin.

    Parameters
    ----------
    raw, folded : Texts
        As the sellers wrote them, and as `fold_text` returns them.
    places : Places
        Where the phrases of offers stand in the folded texts.
    columns : array of int64, shape (n_phrases,)
        As `group_columns` returns them.
    max_letters : int
        How many letters of a text as written are read.
    has_lots : bool
        Whether lots and ranges of sizes are asked for, too.

    Returns
    -------
    array of float64, shape (n_texts, 6 or 10)
        Messenger, approach, link, email, handle and phone; lot words, the logarithm of the number of pieces, range of
        sizes and all sizes.
    array of int
        The rows left out.

    Examples
    --------
    >>> from ipml.features.compiled.phrases import PhraseFinder
    >>> texts = Texts.of(["bags 10 pcs whatsapp +86 138 0000 0000", "sneakers 36-45"])
    >>> (places,) = PhraseFinder((("whatsapp",),)).find(texts)
    >>> values, left_out = describe_offers(texts, texts, places, group_columns(["messenger"]), 2_000, has_lots=True)
    >>> values
    array([[1., 0., 0., 0., 0., 1., 0., 1., 0., 0.],
           [0., 0., 0., 0., 0., 0., 0., 0., 1., 0.]])
    """
    values = np.zeros((len(folded), _N_CONTACTS + _N_LOTS * has_lots))
    is_left_out = np.zeros(len(folded), dtype=np.bool_)
    _set_groups(places.starts, places.number, columns, values)
    _read_folded(folded.offsets, folded.data, letter_kinds(), has_lots, values, is_left_out)
    _read_raw(raw.offsets, raw.data, max_letters, values, is_left_out)
    return values, np.flatnonzero(is_left_out)


@compiled
def _set_groups(starts, number, columns, values):
    for row in range(starts.size - 1):
        for i in range(starts[row], starts[row + 1]):
            if 0 <= columns[number[i]] < values.shape[1]:
                values[row, columns[number[i]]] = 1.0


@plain_njit
def _read_sign(data, start, end, at, kinds, found):
    """Look for the contact that a sign tells of."""
    byte = data[at]
    if byte == 0x2E:
        found[_LINK] |= is_link_at_dot(data, start, end, at, kinds)
    elif byte == 0x3A:
        found[_LINK] |= is_link_at_colon(data, start, end, at)
    elif byte == 0x2B:
        found[_PHONE] |= is_phone_at_plus(data, start, end, at, kinds)
    else:
        found[_PHONE] |= is_phone_at_bracket(data, start, end, at, kinds)


@plain_njit
def _read_letter(data, start, end, at, kinds, found, used):
    """Look for the range of sizes, or the number of pieces, that a word of these first letters may begin.

    `used` is up to where numbers of pieces are read already; it is returned.
    """
    if data[at] == 0x75 or data[at] == 0x65:  # us, uk, eu
        found[_RANGE] |= is_range_at_country(data, at, end, kinds)
        return used
    found[_RANGE] |= is_range_at_letter(data, at, end, kinds)
    if data[at] == 0x78 and at >= used:  # x10
        stop = end_of_pieces(data, start, at, end, kinds)
        if stop:
            first = at + 2 if data[at + 1] == 0x20 else at + 1
            found[_PIECES] = max(found[_PIECES], read_number(data, first, stop))
            return stop
    return used


@plain_njit
def _read_digits(data, start, end, stop, kinds, found, used):
    """Look for the range of sizes, or the number of pieces, whose digits end here; return as `_read_letter`."""
    at = stop - 1
    while at > start and is_digit(data[at - 1]):
        at -= 1
    is_whole = not is_word(kinds, letter_before(data, at, start))
    if is_whole and stop - at == 2:
        found[_RANGE] |= is_range_at_number(data, at, end, kinds)
    if at >= used and stop - at <= _MOST_DIGITS:
        unit_stop = end_of_unit(data, stop, end, kinds, is_whole)
        if unit_stop:
            found[_PIECES] = max(found[_PIECES], read_number(data, at, stop))
            return unit_stop
    return used


@plain_njit
def _has_digits_beyond(data, start, end, kinds):
    """Say whether a text has digits of other scripts."""
    at = start
    while at < end:
        if data[at] >= 0x80 and is_kind(kinds, letter_at(data, at), DECIMAL):
            return True
        at += size_of_letter(data[at])
    return False


@compiled
def _read_folded(offsets, data, kinds, has_lots, values, is_left_out):
    """Look for contacts and lots in folded texts."""
    found = np.zeros(_N_CONTACTS + _N_LOTS, np.int64)
    longest = 0
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    places = np.empty(longest + 1, np.int64)
    wanted = np.uint64(CONTACTS | LOTS if has_lots else CONTACTS)
    for row in range(offsets.size - 1):
        start, end = offsets[row], offsets[row + 1]
        n, is_ascii = find_beginnings(data, start, end, wanted, places)
        if not is_ascii:
            is_left_out[row] |= _has_digits_beyond(data, start, end, kinds)
        if n == 0:
            continue
        used = start
        found[:] = 0
        for at in places[:n]:
            if _IS_TELLING[data[at]]:
                _read_sign(data, start, end, at, kinds, found)
            elif at > start and is_digit(data[at - 1]):
                used = _read_digits(data, start, end, at, kinds, found, used)
            elif not is_word(kinds, letter_before(data, at, start)):
                used = _read_letter(data, start, end, at, kinds, found, used)
        for column in (_LINK, _PHONE):
            values[row, column] = found[column]
        if has_lots:
            values[row, _RANGE] = found[_RANGE]
            values[row, _PIECES] = math.log10(found[_PIECES]) if found[_PIECES] > 1 else 0.0


@plain_njit
def _end_of_letters(data, start, end, most):
    """Return where a text ends that is cut to so many letters."""
    if end - start > most:
        n = 0
        for at in range(start, end):
            n += (data[at] & 0xC0) != 0x80
            if n > most:
                return at
    return end


@compiled
def _read_raw(offsets, data, max_letters, values, is_left_out):
    """Look for addresses and handles in the texts as written, of which folding may read an @ as a letter."""
    for row in range(offsets.size - 1):
        start, end = offsets[row], offsets[row + 1]
        n_at = 0
        for at in range(np.uint64(start), np.uint64(end)):  # places without a sign: several bytes are read at once
            n_at += data[at] == _AT
        if n_at == 0:
            continue
        end = _end_of_letters(data, start, end, max_letters)
        for at in range(start, end):
            if data[at] == _AT:
                values[row, _EMAIL] = max(values[row, _EMAIL], is_email_at(data, start, end, at))
                values[row, _HANDLE] = max(values[row, _HANDLE], is_handle_at(data, start, end, at))
            elif stands_at(data, at, end, _DOTTED_I) or stands_at(data, at, end, _KELVIN):
                is_left_out[row] = True
