"""What the n-grams of chunks between spaces weigh; many chunks are hashed in step, eight bytes of them at a time."""

import numpy as np

from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.ngram_hashes import (
    FNV_OFFSET,
    FNV_PRIME,
    MIX_1,
    MIX_2,
    MIX_SHIFT,
    SPACE,
    WORD_OFFSET,
    column_of,
    hash_letters,
    most_ngrams,
)

_AT_ONCE = 1024  # bytes, whose hashes the innermost cache holds
_inlined = compiled(_nrt=False, forceinline=True)
_ONE = np.uint64(1)
_ONE_NGRAM = np.uint64(2**32)
_HALF = np.uint64(32)
_LOW_HALF = np.uint64(2**32 - 1)
_NOTHING = np.uint64(0)
_WORD_BYTES = np.array(
    [byte >= 0x80 or 0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39 for byte in range(256)], dtype=np.bool_
)


@compiled
def weigh_chunks(data, chunks, marked, letters_min, letters_max, words):
    """Return for each chunk the sum of the weights of its n-grams, and how many it has and are known, in one number.

    `chunks` holds where each begins and ends; `words` is 0 or 1. What is returned for a chunk depends on it alone.
    """
    mask, bits = np.uint64(marked.size - 2), marked.view(np.uint64)
    most_bytes, longest = _measure(chunks)
    room = min(most_bytes, max(_AT_ONCE, longest + 1))
    letters, steps = np.empty(room + letters_max + 1, np.uint8), np.empty((6, room + 1), np.uint64)
    values, is_over, columns, counts, n_words = steps[0], steps[1], steps[2], steps[3], steps[4]
    weights = steps[5].view(np.float64)
    found = np.empty((3, most_ngrams(longest, letters_min, letters_max, 0)), np.int64)
    sums, n_ngrams = np.empty(len(chunks)), np.empty(len(chunks), np.uint64)
    done = 0
    while done < len(chunks):
        chunk, begin = done, 0
        done, width = _write_letters(data, chunks, done, room, letters_max, letters)
        _weigh_letters(
            letters, width, marked, bits, letters_min, letters_max, values, is_over, columns, weights, counts
        )
        if words > 0:
            _hash_each_word(letters, width, values, n_words)
        while chunk < done:
            start, end = chunks[chunk]
            last = begin + end - start
            total, count, is_ascii = _add_up(letters, begin, last, weights, counts)
            if not is_ascii:
                n = hash_letters(data, start, end, mask, letters_min, letters_max, 0, found[0], found[1], found[2])
                total, count = look_up(marked, bits, found[0], n)
            if words > 0:
                for word in range(n_words[begin], n_words[last + 1]):
                    column = np.uint64(column_of(values[word], mask))
                    total += marked[column]
                    count += _ONE_NGRAM | bits[column] & _ONE
            sums[chunk], n_ngrams[chunk] = total, count
            begin, chunk = last + 1, chunk + 1
    return sums, n_ngrams


@plain_njit
def look_up(marked, bits, columns, n):
    """Return the sum of the weights of the first columns, and how many they are and are known, in one number."""
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    n_known = np.uint64(0)
    whole = n - n % 4
    for at in range(0, whole, 4):
        a, b, c, d = columns[at], columns[at + 1], columns[at + 2], columns[at + 3]
        first += marked[a]
        second += marked[b]
        third += marked[c]
        fourth += marked[d]
        n_known += (bits[a] & _ONE) + (bits[b] & _ONE) + (bits[c] & _ONE) + (bits[d] & _ONE)
    for at in range(whole, n):
        first += marked[columns[at]]
        n_known += bits[columns[at]] & _ONE
    return (first + second) + (third + fourth), np.uint64(n) << _HALF | n_known


@plain_njit
def split_counts(count):
    """Return how many n-grams a number says there are, and how many are known."""
    return np.int64(count >> _HALF), np.int64(count & _LOW_HALF)


@plain_njit
def _measure(chunks):
    """Return the number of bytes of all chunks, each with a space, and of the longest one."""
    total, longest = np.int64(0), np.int64(0)
    for chunk in range(len(chunks)):
        size = chunks[chunk, 1] - chunks[chunk, 0]
        total += size + 1
        longest = max(longest, size)
    return total, longest


@_inlined
def _write_letters(data, chunks, done, room, letters_max, letters):
    """Write chunks, a space before each, as long as there is room; return how many are done, and the bytes written."""
    width = 0
    while done < len(chunks):
        start, size = chunks[done, 0], chunks[done, 1] - chunks[done, 0]
        if width + 1 + size > room:
            break
        letters[width] = 0x20
        to = np.uint64(width + 1)
        for at in range(np.uint64(size)):
            letters[to + at] = data[np.uint64(start) + at]
        width += 1 + size
        done += 1
    for at in range(width, width + letters_max + 1):
        letters[at] = 0x20
    return done, width


@plain_njit
def _weigh_letters(letters, width, marked, bits, letters_min, letters_max, values, is_over, columns, weights, counts):
    """Write what the n-grams of letters in ASCII that begin at each place weigh together, and how many they are."""
    mask = np.uint64(marked.size - 2)
    for at in range(width):
        values[at], is_over[at], weights[at], counts[at] = FNV_OFFSET, _NOTHING, 0.0, _NOTHING
    for size in range(letters_max):
        _hash_in_step(letters, width, mask, size, values, is_over, columns)
        if size + 1 >= letters_min:
            for at in range(width):
                column = columns[at]
                weights[at] += marked[column]
                counts[at] += np.uint64(column <= mask) << _HALF | bits[column] & _ONE


@_inlined
def _hash_in_step(letters, width, mask, size, values, is_over, columns):
    """Add a letter to the n-gram that begins at each place and write its column; `mask + 1` where it is over before.

    An n-gram may begin and end with a space, but has none inside.
    """
    none = mask + _ONE
    for at in range(width):
        letter = np.uint64(letters[at + size])
        value = (values[at] ^ letter) * FNV_PRIME
        values[at] = value
        value ^= value >> MIX_SHIFT
        value *= MIX_1
        value ^= value >> MIX_SHIFT
        value *= MIX_2
        value ^= value >> MIX_SHIFT
        columns[at] = value & mask & ~is_over[at] | none & is_over[at]
        is_over[at] |= _NOTHING - np.uint64((letter == SPACE) & (size > 0))


@plain_njit
def _hash_each_word(letters, width, values, n_words):
    """Write the hash of each word, and how many words end before each place; without a branch at each end."""
    value, was_word, n = WORD_OFFSET, False, _NOTHING
    for at in range(width + 1):
        byte = letters[at]
        is_word = _WORD_BYTES[byte]
        values[n] = value
        n += np.uint64(was_word & ~is_word)
        n_words[at] = n
        value = (value ^ np.uint64(byte)) * FNV_PRIME if is_word else WORD_OFFSET
        was_word = is_word


@_inlined
def _add_up(letters, begin, last, weights, counts):
    """Return what the n-grams from a space to the last letter after it weigh, how many, and whether all are ASCII."""
    total, count, joined = 0.0, _NOTHING, np.uint8(0)
    for at in range(np.uint64(begin), np.uint64(last + 1)):
        total += weights[at]
        count += counts[at]
        joined |= letters[at]
    return total, count, joined < 0x80
