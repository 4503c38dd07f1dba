"""The compiled kernel beneath n-grams: counting them, summing their weights, spreading the weights over letters.

Everything works on the UTF-8 bytes of folded texts: `data` holds them one after another, text `i` is
`data[offsets[i]:offsets[i + 1]]`. What the n-grams of a text are, `hash_text` says, which all but the quickest sum
call; tests hold that one to it.
"""

import numpy as np

from ipml.features.compiled.copying import copy
from ipml.features.compiled.machine_code import compiled, inner
from ipml.features.compiled.ngram_chunks import find_chunks
from ipml.features.compiled.ngram_hashes import DIGITS, hash_text, make_scratch, most_ngrams, sort_columns
from ipml.features.compiled.ngram_sums import look_up, split_counts, weigh_chunks

_ONE = np.uint64(1)


@compiled
def count(offsets, data, bits, letters_min, letters_max, words):
    """Return a CSR matrix of the counts of each text's n-grams: row pointers, columns (sorted in a row) and counts."""
    mask = (_ONE << np.uint64(bits)) - _ONE
    columns, begins, ends = make_scratch(offsets, letters_min, letters_max, words)
    n_rows = offsets.size - 1
    indptr = np.zeros(n_rows + 1, np.int64)
    capacity = max(np.int64(1024), np.int64(data.size))
    indices = np.empty(capacity, np.int32)
    counts, digits = np.empty(capacity, np.float64), np.empty(DIGITS, np.int64)
    used = 0
    for row in range(n_rows):
        n = hash_text(
            data, offsets[row], offsets[row + 1], mask, letters_min, letters_max, words, columns, begins, ends
        )
        if used + n > capacity:
            capacity = 2 * capacity + n
            grown_indices = np.empty(capacity, np.int32)
            copy(indices, 0, used, grown_indices, 0)
            indices = grown_indices
            grown_counts = np.empty(capacity, np.float64)
            copy(counts, 0, used, grown_counts, 0)
            counts = grown_counts
        ordered = sort_columns(columns, n, bits, begins, digits)
        for i in range(n):
            if i > 0 and ordered[i] == ordered[i - 1]:
                counts[used - 1] += 1.0
            else:
                indices[used] = ordered[i]
                counts[used] = 1.0
                used += 1
        indptr[row + 1] = used
    return indptr, indices[:used].copy(), counts[:used].copy()


@compiled
def mark_known(weights, known):
    """Return the weights and a 0 after them; the last bit of each says whether its n-gram is known.

    One look at memory, which is what summing waits for, then gives both. A weight changes by less than 1e-15 of it.
    """
    marked = np.zeros(weights.size + 1)
    copy(weights, 0, weights.size, marked, 0)
    bits = marked.view(np.uint64)
    for column in range(weights.size):
        bits[column] = ((bits[column] >> _ONE) << _ONE) | np.uint64(known[column])
    return marked


@compiled
def sum_rows(offsets, data, marked, letters_min, letters_max, words):
    """Return for each text the sum of the weights of its n-grams, how many it has, and how many of them are known.

    No n-gram of letters and no single word crosses a space: what a text weighs is what its chunks between spaces weigh.
    """
    if words > 1:
        return _sum_whole(offsets, data, marked, letters_min, letters_max, words)
    n_rows = offsets.size - 1
    places, place_ends, chunks = find_chunks(offsets, data)
    weights, counts = weigh_chunks(data, chunks, marked, letters_min, letters_max, words)
    sums, n_all, n_known = np.empty(n_rows), np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    place = 0
    for row in range(n_rows):
        total, count = 0.0, np.uint64(0)
        while place < place_ends[row]:
            total += weights[places[place]]
            count += counts[places[place]]
            place += 1
        sums[row] = total
        n_all[row], n_known[row] = split_counts(count)
    return sums, n_all, n_known


@inner
def _sum_whole(offsets, data, marked, letters_min, letters_max, words):
    """Do as `sum_rows` where n-grams of several words cross spaces."""
    n_rows = offsets.size - 1
    sums, n_all, n_known = np.empty(n_rows), np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    mask, bits = np.uint64(marked.size - 2), marked.view(np.uint64)
    columns, begins, ends = make_scratch(offsets, letters_min, letters_max, words)
    for row in range(n_rows):
        n = hash_text(
            data, offsets[row], offsets[row + 1], mask, letters_min, letters_max, words, columns, begins, ends
        )
        sums[row], count = look_up(marked, bits, columns, n)
        n_all[row], n_known[row] = split_counts(count)
    return sums, n_all, n_known


@compiled
def spread(data, marked, letters_min, letters_max, words):
    """Return the weight that each byte of one text carries; an n-gram shares its weight among its bytes."""
    mask, bits = np.uint64(marked.size - 2), marked.view(np.uint64)
    most = most_ngrams(data.size, letters_min, letters_max, words)
    columns, begins, ends = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    n = hash_text(data, 0, data.size, mask, letters_min, letters_max, words, columns, begins, ends)
    n_known = 0
    for i in range(n):
        n_known += np.int64(bits[columns[i]] & _ONE)
    carried = np.zeros(data.size)
    for i in range(n):
        share = marked[columns[i]] / (np.sqrt(max(n_known, 1)) * (ends[i] - begins[i]))
        for byte in range(begins[i], ends[i]):
            carried[byte] += share
    return carried
