"""What single words of a text, and the pieces on either side of a gap, are read as."""

from __future__ import annotations

import numpy as np

from ipml.features.compiled.known_words import joined_key
from ipml.features.compiled.letters import ALNUM, is_kind, letter_after, letter_before
from ipml.features.compiled.machine_code import plain_njit
from ipml.features.compiled.slips import find_nearest
from ipml.features.compiled.table import FIRST_TARGET, LONGEST, MAY_BE_JOINED, may_have
from ipml.features.compiled.words import CODES, SHORT, SIGN, find_pair, find_word
from ipml.features.dictionary import GAPS, LEAST_LETTERS

GAP = 0x20
IS_GAP = np.array([chr(byte) in GAPS for byte in range(256)])
"""Which bytes may part two pieces of a word."""
STAYS, NO_WORD = -1, -2


@plain_njit
def _is_beside(kinds, data, before, after, start, end, kind):
    """Say whether what stands between two places of a text has a letter of a kind on either side."""
    if before > start:
        byte = data[before - 1]
        if byte != GAP and is_kind(kinds, letter_before(data, before, start), kind):
            return True
    return after < end and data[after] != GAP and is_kind(kinds, letter_after(data, after, end), kind)


@plain_njit
def is_word(kinds, data, run, run_end, start, end, seen):
    """Say whether a run of letters and signs is a word: signs only between letters, no letter or digit beside it."""
    if seen & SIGN:
        if CODES[data[run]] & SIGN or CODES[data[run_end - 1]] & SIGN:
            return False
        for at in range(run + 1, run_end):
            if CODES[data[at]] & SIGN and CODES[data[at - 1]] & SIGN:
                return False
    return not _is_beside(kinds, data, run, run_end, start, end, ALNUM)


@plain_njit
def has_word(table, lines, key, data, start, end):
    """Say whether a word is in a table; its key is used only if it is short."""
    return find_word(table, lines, key, data, start, end) >= 0


@plain_njit
def read_word(known, lines, ordinary, ordinary_lines, kinds, key, data, run, run_end, start, end, seen, scratch):
    """Return the known word for which a run of letters stands; `STAYS` if for none, `NO_WORD` if it is no word."""
    if has_word(known, lines, key, data, run, run_end):
        return np.int64(STAYS)
    if not is_word(kinds, data, run, run_end, start, end, seen):
        return np.int64(NO_WORD)
    if has_word(ordinary, ordinary_lines, key, data, run, run_end):
        return np.int64(STAYS)
    return find_nearest(known, lines, data, run, run_end, scratch)


@plain_njit
def is_closed(known, lines, ordinary, ordinary_lines, data, start, end, key, other, other_end, other_key):
    """Say whether two pieces on either side of a gap are one known word, and not two words."""
    n = end - start + other_end - other
    if n < LEAST_LETTERS or n > np.int64(known[LONGEST]):
        return False
    size = other_end - other
    joined = other_key if size >= SHORT else key << np.uint64(5 * size) | other_key
    if not may_have(known, MAY_BE_JOINED, joined_key(joined, n)):
        return False
    if CODES[data[end - 1]] & SIGN or CODES[data[other]] & SIGN:
        return False
    if find_pair(known, lines, data, start, end, other, other_end) < np.int64(known[FIRST_TARGET]):
        return False
    return not (
        _is_piece(known, lines, ordinary, ordinary_lines, key, data, start, end)
        and _is_piece(known, lines, ordinary, ordinary_lines, other_key, data, other, other_end)
    )


@plain_njit
def _is_piece(known, lines, ordinary, ordinary_lines, key, data, start, end):
    """Say whether a piece is a word by itself."""
    return end - start > 1 and (
        has_word(known, lines, key, data, start, end) or has_word(ordinary, ordinary_lines, key, data, start, end)
    )
