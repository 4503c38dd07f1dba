"""Known n-grams of texts written in two bytes each, for a learner that reads many texts many times.

The columns of a text are put in order, and each is written as its distance to the one before, the first as that to
column 0. One that occurs again is at distance 0. Where a distance does not fit, `ESCAPE` says: so much further.
"""

import numpy as np

from ipml.features.compiled.copying import copy
from ipml.features.compiled.machine_code import compiled
from ipml.features.compiled.ngram_hashes import DIGITS, hash_text, make_scratch, sort_columns

ESCAPE = 65_535
_ESCAPE = np.int64(ESCAPE)


@compiled
def encode(offsets, data, rarity, bits, letters_min, letters_max, words):
    """Return the codes of some texts, where each text's begin, and how many known n-grams each has.

    An n-gram is known if its rarity is above 0.
    """
    n_rows = offsets.size - 1
    columns, begins, ends = make_scratch(offsets, letters_min, letters_max, words)
    digits = np.empty(DIGITS, np.int64)
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    most_escapes = (1 << bits) // ESCAPE
    codes = np.empty(max(1024, 2 * data.size), np.uint16)
    starts, n_known = np.zeros(n_rows + 1, np.int64), np.zeros(n_rows, np.int64)
    used = 0
    for row in range(n_rows):
        n_all = hash_text(
            data, offsets[row], offsets[row + 1], mask, letters_min, letters_max, words, columns, begins, ends
        )
        n = 0
        for i in range(n_all):
            columns[n] = columns[i]
            n += rarity[columns[i]] > 0.0
        if used + n + most_escapes > codes.size:
            grown = np.empty(2 * codes.size + n + most_escapes, np.uint16)
            copy(codes, 0, used, grown, 0)
            codes = grown
        ordered = sort_columns(columns, n, bits, begins, digits)
        last = 0
        for i in range(n):
            distance = ordered[i] - last
            while distance >= _ESCAPE:
                codes[used] = _ESCAPE
                used += 1
                distance -= _ESCAPE
            codes[used] = distance
            used += 1
            last = ordered[i]
        starts[row + 1], n_known[row] = used, n
    return codes[:used], starts, n_known


@compiled
def count_texts(offsets, data, bits, letters_min, letters_max, words):
    """Return in how many of the texts each n-gram occurs, shape (2^bits,)."""
    columns, begins, ends = make_scratch(offsets, letters_min, letters_max, words)
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    n_texts, latest = np.zeros(1 << bits, np.int64), np.full(1 << bits, -1)
    for row in range(offsets.size - 1):
        n = hash_text(
            data, offsets[row], offsets[row + 1], mask, letters_min, letters_max, words, columns, begins, ends
        )
        for i in range(n):
            if latest[columns[i]] != row:
                latest[columns[i]] = row
                n_texts[columns[i]] += 1
    return n_texts
