"""What the n-grams of a text are, and the column of each.

Everything works on the UTF-8 bytes of folded texts. The hash is FNV-1a over the bytes of an n-gram with a final mix
(the 64-bit finaliser of MurmurHash3), both in the public domain.
"""

import numpy as np

from ipml.features.compiled.machine_code import inner, plain_njit

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
WORD_OFFSET = FNV_OFFSET ^ np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
MIX_SHIFT = np.uint64(33)
SPACE = np.uint64(0x20)


@plain_njit
def is_word(byte):
    """A byte of a letter or digit; after folding, everything beyond ASCII is one."""
    return byte >= 0x80 or 0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39


@plain_njit
def column_of(value, mask):
    """Return the column of the bytes hashed so far."""
    value ^= value >> MIX_SHIFT
    value *= MIX_1
    value ^= value >> MIX_SHIFT
    value *= MIX_2
    value ^= value >> MIX_SHIFT
    return np.int64(value & mask)


@plain_njit
def most_ngrams(n_bytes, letters_min, letters_max, words):
    """An upper bound of the number of n-grams in a text of so many bytes."""
    most = n_bytes * words
    if letters_max > 0:
        most += 2 * (n_bytes + 1) * (letters_max - letters_min + 1)
    return most


@plain_njit
def hash_letters(data, start, end, mask, letters_min, letters_max, n, columns, begins, ends):
    """Write the letter n-grams of one chunk between spaces, a space on either side; return how many there are now."""
    for position in range(start - 1, end):
        if start <= position and (data[position] & 0xC0) == 0x80:
            continue
        value = FNV_OFFSET
        letter = position
        size = 0
        while size < letters_max and letter <= end:
            if letter < start or letter == end:
                value = (value ^ SPACE) * FNV_PRIME
                letter += 1
            else:
                value = (value ^ np.uint64(data[letter])) * FNV_PRIME
                letter += 1
                while letter < end and (data[letter] & 0xC0) == 0x80:
                    value = (value ^ np.uint64(data[letter])) * FNV_PRIME
                    letter += 1
            size += 1
            if size >= letters_min:
                columns[n] = column_of(value, mask)
                begins[n] = max(position, start)
                ends[n] = min(letter, end)
                n += 1
    return n


@plain_njit
def hash_words(data, start, end, mask, words, n, columns, begins, ends):
    """Write the word n-grams of one text; return how many there are now."""
    position = start
    while position < end:
        while position < end and not is_word(data[position]):
            position += 1
        value = WORD_OFFSET
        letter = position
        next_word = end
        size = 0
        while size < words and letter < end:
            while letter < end and is_word(data[letter]):
                value = (value ^ np.uint64(data[letter])) * FNV_PRIME
                letter += 1
            size += 1
            columns[n] = column_of(value, mask)
            begins[n] = position
            ends[n] = letter
            n += 1
            while letter < end and not is_word(data[letter]):
                letter += 1
            if size == 1:
                next_word = letter
            value = (value ^ SPACE) * FNV_PRIME
        position = next_word
    return n


@plain_njit
def hash_text(data, start, end, mask, letters_min, letters_max, words, columns, begins, ends):
    """Write the column, first byte and last byte (excluded) of every n-gram of one text; return their number."""
    n = 0
    if letters_max > 0:
        position = start
        while position < end:
            chunk = position
            while position < end and data[position] != 0x20:
                position += 1
            if position > chunk:
                n = hash_letters(data, chunk, position, mask, letters_min, letters_max, n, columns, begins, ends)
            position += 1
    if words > 0:
        n = hash_words(data, start, end, mask, words, n, columns, begins, ends)
    return n


@plain_njit
def longest_text(offsets):
    """Return the number of bytes of the longest text."""
    longest = np.int64(0)
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@inner
def make_scratch(offsets, letters_min, letters_max, words):
    """Return room for the columns, first and last bytes of the n-grams of any one of the texts."""
    most = most_ngrams(longest_text(offsets), letters_min, letters_max, words)
    return np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)


_DIGIT_BITS = 9
DIGITS = 1 << _DIGIT_BITS


@inner
def sort_columns(columns, n, bits, other, counts):
    """Return columns in order: by their last digit, then by the one before, and so on; either array may hold them.

    `counts` is room for `DIGITS` numbers.
    """
    shift = 0
    while shift < bits:
        for digit in range(DIGITS):
            counts[digit] = 0
        for i in range(n):
            counts[(columns[i] >> shift) & (DIGITS - 1)] += 1
        place = 0
        for digit in range(DIGITS):
            place, counts[digit] = place + counts[digit], place
        for i in range(n):
            digit = (columns[i] >> shift) & (DIGITS - 1)
            other[counts[digit]] = columns[i]
            counts[digit] += 1
        columns, other = other, columns
        shift += _DIGIT_BITS
    return columns
