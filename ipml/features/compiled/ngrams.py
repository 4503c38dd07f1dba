"""The compiled kernel beneath n-grams.

One function, `_hash_text`, says what the n-grams of a text are; counting them, summing their weights and spreading the
weights over letters all call it, so the three cannot disagree. Everything works on the UTF-8 bytes of folded texts:
`data` holds them one after another, text `i` is `data[offsets[i]:offsets[i + 1]]`.

The hash is FNV-1a over the bytes of an n-gram with a final mix (the 64-bit finaliser of MurmurHash3), both in the
public domain.
"""

import numpy as np
from numba import njit

from ipml.features.compiled.copying import copy
from ipml.features.compiled.inner import alone, inner, plain_njit

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_WORD_SALT = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)
_SPACE = np.uint64(32)
_ONE = np.uint64(1)
_WORD_BYTES = np.array(
    [byte >= 0x80 or 0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39 for byte in range(256)], dtype=np.bool_
)


@plain_njit
def _is_word(byte):
    """A byte of a letter or digit; after folding, everything beyond ASCII is one."""
    return byte >= 0x80 or 0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39


@plain_njit
def _column(value, mask):
    value ^= value >> _SHIFT
    value *= _MIX_1
    value ^= value >> _SHIFT
    value *= _MIX_2
    value ^= value >> _SHIFT
    return np.int64(value & mask)


@plain_njit
def _most_ngrams(n_bytes, letters_min, letters_max, words):
    """An upper bound of the number of n-grams in a text of so many bytes."""
    most = n_bytes * words
    if letters_max > 0:
        most += 2 * (n_bytes + 1) * (letters_max - letters_min + 1)
    return most


@plain_njit
def _hash_letters(data, start, end, mask, letters_min, letters_max, n, columns, begins, ends):
    """Write the letter n-grams of one chunk between spaces, a space on either side; return how many there are now."""
    for position in range(start - 1, end):
        if start <= position and (data[position] & 0xC0) == 0x80:
            continue
        value = _FNV_OFFSET
        letter = position
        size = 0
        while size < letters_max and letter <= end:
            if letter < start or letter == end:
                value = (value ^ _SPACE) * _FNV_PRIME
                letter += 1
            else:
                value = (value ^ np.uint64(data[letter])) * _FNV_PRIME
                letter += 1
                while letter < end and (data[letter] & 0xC0) == 0x80:
                    value = (value ^ np.uint64(data[letter])) * _FNV_PRIME
                    letter += 1
            size += 1
            if size >= letters_min:
                columns[n] = _column(value, mask)
                begins[n] = max(position, start)
                ends[n] = min(letter, end)
                n += 1
    return n


@plain_njit
def _hash_words(data, start, end, mask, words, n, columns, begins, ends):
    """Write the word n-grams of one text; return how many there are now."""
    position = start
    while position < end:
        while position < end and not _is_word(data[position]):
            position += 1
        value = _FNV_OFFSET ^ _WORD_SALT
        letter = position
        next_word = end
        size = 0
        while size < words and letter < end:
            while letter < end and _is_word(data[letter]):
                value = (value ^ np.uint64(data[letter])) * _FNV_PRIME
                letter += 1
            size += 1
            columns[n] = _column(value, mask)
            begins[n] = position
            ends[n] = letter
            n += 1
            while letter < end and not _is_word(data[letter]):
                letter += 1
            if size == 1:
                next_word = letter
            value = (value ^ _SPACE) * _FNV_PRIME
        position = next_word
    return n


@plain_njit
def _hash_text(data, start, end, mask, letters_min, letters_max, words, columns, begins, ends):
    """Write the column, first byte and last byte (excluded) of every n-gram of one text; return their number."""
    n = 0
    if letters_max > 0:
        position = start
        while position < end:
            chunk = position
            while position < end and data[position] != 0x20:
                position += 1
            if position > chunk:
                n = _hash_letters(data, chunk, position, mask, letters_min, letters_max, n, columns, begins, ends)
            position += 1
    if words > 0:
        n = _hash_words(data, start, end, mask, words, n, columns, begins, ends)
    return n


@inner
def _scratch(offsets, letters_min, letters_max, words):
    longest = 0
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    most = _most_ngrams(longest, letters_min, letters_max, words)
    return np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)


@njit(cache=True, nogil=True)
def count(offsets, data, bits, letters_min, letters_max, words):
    """Return a CSR matrix of the counts of each text's n-grams: row pointers, columns (sorted in a row) and counts."""
    mask = (_ONE << np.uint64(bits)) - _ONE
    columns, begins, ends = _scratch(offsets, letters_min, letters_max, words)
    n_rows = offsets.size - 1
    indptr = np.zeros(n_rows + 1, np.int64)
    capacity = max(np.int64(1024), np.int64(data.size))
    indices = np.empty(capacity, np.int32)
    counts = np.empty(capacity, np.float64)
    used = 0
    for row in range(n_rows):
        n = _hash_text(
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
        ordered = np.sort(columns[:n])
        for i in range(n):
            if i > 0 and ordered[i] == ordered[i - 1]:
                counts[used - 1] += 1.0
            else:
                indices[used] = ordered[i]
                counts[used] = 1.0
                used += 1
        indptr[row + 1] = used
    return indptr, indices[:used].copy(), counts[:used].copy()


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def sum_rows(offsets, data, marked, letters_min, letters_max, words):
    """Return for each text the sum of the weights of its n-grams, how many it has, and how many of them are known.

    The same as `_hash_text` and a look at each weight; but the letters of texts in ASCII are hashed in step, so
    that the processor can take eight at a time.
    """
    n_rows = offsets.size - 1
    sums, n_all, n_known = np.empty(n_rows), np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    mask = np.uint64(marked.size - 2)
    columns, begins, ends = _scratch(offsets, letters_min, letters_max, words)
    room = 2
    for row in range(n_rows):
        room = max(room, offsets[row + 1] - offsets[row] + 2)
    letters, values = np.empty(room + letters_max, np.uint64), np.empty(room, np.uint64)
    is_over, hashed = np.empty(room, np.uint64), np.empty(room * (letters_max + words), np.uint32)
    for row in range(n_rows):
        start, end = offsets[row], offsets[row + 1]
        if not _pad(data, start, end, letters, letters_max):
            n = _hash_text(data, start, end, mask, letters_min, letters_max, words, columns, begins, ends)
            sums[row], n_all[row], n_known[row] = _look_up(marked, columns[:n])
            continue
        width = end - start + 1
        _hash_in_step(letters, width, mask, letters_max, values, is_over, hashed)
        n = letters_max * width
        if words == 1:
            n = _hash_each_word(data, start, end, mask, values, hashed, n)
        elif words > 1:
            found = _hash_words(data, start, end, mask, words, 0, columns, begins, ends)
            copy(columns, 0, found, hashed, n)
            n += found
        first = max(letters_min - 1, 0) * width
        sums[row], n_all[row], n_known[row] = _look_up(marked, hashed[first:n])
    return sums, n_all, n_known


@inner
def _pad(data, start, end, letters, letters_max):
    """Write a text with a space before it and spaces after it; say whether it is in ASCII."""
    letters[0] = _SPACE
    joined = np.uint8(0)
    for at in range(end - start):
        letters[at + 1] = data[start + at]
        joined |= data[start + at]
    letters[end - start + 1 : end - start + 1 + letters_max] = _SPACE
    return joined < 0x80


@alone
def _hash_in_step(letters, width, mask, letters_max, values, is_over, hashed):
    """Write the column of the n-gram of each size that begins at each place; `mask + 1` where there is none.

    An n-gram may begin and end with a space, but has none inside.
    """
    for at in range(width):
        values[at] = _FNV_OFFSET
        is_over[at] = np.uint64((letters[at] == _SPACE) & (letters[at + 1] == _SPACE))
    for size in range(letters_max):
        columns = hashed[size * width : (size + 1) * width]
        for at in range(width):
            letter = letters[at + size]
            value = (values[at] ^ letter) * _FNV_PRIME
            values[at] = value
            value ^= value >> _SHIFT
            value *= _MIX_1
            value ^= value >> _SHIFT
            value *= _MIX_2
            value ^= value >> _SHIFT
            columns[at] = value & mask if is_over[at] == 0 else mask + _ONE
            is_over[at] |= np.uint64((letter == _SPACE) & (size > 0))


@plain_njit
def _hash_each_word(data, start, end, mask, values, columns, n):
    """Do as `_hash_words` for single words, of which only the columns are wanted; without a branch at each end."""
    first, was_word = _FNV_OFFSET ^ _WORD_SALT, False
    value, n_words = first, 0
    for at in range(start, end):
        byte = data[at]
        is_word = _WORD_BYTES[byte]
        values[n_words] = value
        n_words += was_word & ~is_word
        value = (value ^ np.uint64(byte)) * _FNV_PRIME if is_word else first
        was_word = is_word
    values[n_words] = value
    n_words += was_word
    for word in range(n_words):
        columns[n + word] = _column(values[word], mask)
    return n + n_words


@inner
def _look_up(marked, columns):
    """Return the sum of the weights of some columns, how many there are, and how many are known."""
    bits = marked.view(np.uint64)
    none = np.uint32(marked.size - 1)
    n_all = 0
    for at in range(columns.size):
        n_all += columns[at] != none
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    n_known = np.uint64(0)
    whole = columns.size - columns.size % 4
    for at in range(0, whole, 4):
        a, b, c, d = columns[at], columns[at + 1], columns[at + 2], columns[at + 3]
        first += marked[a]
        second += marked[b]
        third += marked[c]
        fourth += marked[d]
        n_known += (bits[a] & _ONE) + (bits[b] & _ONE) + (bits[c] & _ONE) + (bits[d] & _ONE)
    for at in range(whole, columns.size):
        first += marked[columns[at]]
        n_known += bits[columns[at]] & _ONE
    return (first + second) + (third + fourth), n_all, np.int64(n_known)


@njit(cache=True, nogil=True)
def spread(data, marked, letters_min, letters_max, words):
    """Return the weight that each byte of one text carries; an n-gram shares its weight among its bytes."""
    mask, bits = np.uint64(marked.size - 2), marked.view(np.uint64)
    most = _most_ngrams(data.size, letters_min, letters_max, words)
    columns, begins, ends = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    n = _hash_text(data, 0, data.size, mask, letters_min, letters_max, words, columns, begins, ends)
    n_known = 0
    for i in range(n):
        n_known += np.int64(bits[columns[i]] & _ONE)
    carried = np.zeros(data.size)
    for i in range(n):
        share = marked[columns[i]] / (np.sqrt(max(n_known, 1)) * (ends[i] - begins[i]))
        for byte in range(begins[i], ends[i]):
            carried[byte] += share
    return carried
