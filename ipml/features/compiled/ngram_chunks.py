"""The chunks between spaces of some texts, or the texts, each different one once: what comes again is worked out once.

A table knows the latest chunk of each hash. One that another has pushed out is new when it comes again, which costs
time and changes nothing else.
"""

import numpy as np

from ipml.features.compiled.copying import copy
from ipml.features.compiled.machine_code import compiled, inner, plain_njit
from ipml.features.compiled.ngram_hashes import MIX_1, MIX_2, longest_text

MOST_BITS = 16
"""A table has at most 2^16 places, which the caches of a processor hold."""
_BYTES_A_PLACE = 32  # of the texts: as many as a few chunks have
_inlined = compiled(_nrt=False, forceinline=True)
_ONE = np.uint64(1)
_ALL = np.uint64(2**64 - 1)
_LOW_HALF = np.uint64(2**32 - 1)


@compiled
def find_chunks(offsets, data):
    """Return the chunk at each place, where the places of each text end, and first and last byte of each chunk.

    Compared is all that a chunk holds: its first eight bytes in the table, the others in the texts.
    """
    n_rows = offsets.size - 1
    packed, table, bits = _start(data)
    most = data.size // 2 + n_rows
    places, place_ends = np.empty(most, np.int32), np.empty(n_rows, np.int64)
    chunks, ends = np.empty((most, 2), np.int64), np.empty(longest_text(offsets) + 1, np.int64)
    n_places, n_chunks = 0, 0
    for row in range(n_rows):
        start = offsets[row]
        for i in range(_find_ends(data, start, offsets[row + 1], ends)):
            end = ends[i]
            if end > start:
                chunk = _find_chunk(packed, start, end, table, bits, chunks, n_chunks)
                n_chunks += chunk == n_chunks
                places[n_places] = chunk
                n_places += 1
            start = end + 1
        place_ends[row] = n_places
    return places[:n_places], place_ends, chunks[:n_chunks]


@compiled
def find_distinct(offsets, data):
    """Return the number of each text among the different ones, and a row where each of those stands.

    Some may stand there several times, if there are more than the table can hold.
    """
    n_rows = offsets.size - 1
    packed, table, bits = _start(data)
    numbers, rows, chunks = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64), np.empty((n_rows, 2), np.int64)
    n_found, of_empty = 0, -1
    for row in range(n_rows):
        start, end = offsets[row], offsets[row + 1]
        if end > start:
            number = _find_chunk(packed, start, end, table, bits, chunks, n_found)
        else:
            number = of_empty = n_found if of_empty < 0 else of_empty
        if number == n_found:
            rows[number] = row
            n_found += 1
        numbers[row] = number
    return numbers, rows[:n_found]


@inner
def _start(data):
    """Return the bytes in words of eight, a table without chunks, and the bits of a place in it."""
    bits = 4
    while bits < MOST_BITS and (_BYTES_A_PLACE << bits) < data.size:
        bits += 1
    return _pack(data), np.zeros((1 << bits, 2), np.uint64), bits


@inner
def _pack(data):
    """Return the bytes in words of eight, and more of them than there are bytes to read."""
    packed = np.empty(data.size // 8 + 3, np.uint64)
    for word in range(data.size // 8, packed.size):
        packed[word] = 0
    copy(data, 0, data.size, packed.view(np.uint8), 0)
    return packed


@_inlined
def _eight(packed, at):
    """Return the eight bytes from one on."""
    word, shift = np.uint64(at >> 3), np.uint64((at & 7) << 3)
    return packed[word] >> shift | packed[word + _ONE] << _ONE << (np.uint64(63) - shift)


@_inlined
def _find_ends(data, start, end, ends):
    """Write where each chunk of a text ends, empty ones too, without a branch; return how many there are."""
    n = np.uint64(0)  # of numbers without a sign numba need not ask whether they count from the end
    for at in range(np.uint64(start), np.uint64(end)):
        ends[n] = at
        n += np.uint64(data[at] == 0x20)
    ends[n] = end
    return np.int64(n) + 1


@_inlined
def _find_chunk(packed, start, end, table, bits, chunks, n_chunks):
    """Return the number of a chunk; that of the next one, put down as it, where the table does not know it."""
    size = end - start
    n_first = min(size, 8)
    kept = _ALL >> np.uint64(64 - 8 * n_first)
    first, last = _eight(packed, start) & kept, _eight(packed, end - n_first) & kept
    place = ((first * MIX_1 ^ last) * MIX_2) >> np.uint64(64 - bits)
    known = table[place, 1]
    if table[place, 0] == first and (known & _LOW_HALF) == np.uint64(size):
        chunk = np.int64(known >> np.uint64(32))
        if size <= 8 or _ends_alike(packed, start, chunks[chunk, 0], size):
            return chunk
    table[place, 0], table[place, 1] = first, (np.uint64(n_chunks) << np.uint64(32)) | np.uint64(size)
    chunks[n_chunks, 0], chunks[n_chunks, 1] = start, end
    return n_chunks


@plain_njit
def _ends_alike(packed, here, there, size):
    """Say whether two chunks of the same size have the same bytes after the first eight."""
    for done in range(8, size, 8):
        at = min(done, size - 8)
        if _eight(packed, here + at) != _eight(packed, there + at):
            return False
    return True
