"""Write texts anew: without some of their gaps, with words read as others, and some rows of many replaced."""

import numpy as np

from ipml.features.compiled.copying import copy
from ipml.features.compiled.machine_code import compiled, inner, plain_njit
from ipml.features.compiled.words import word_end


@plain_njit
def close_gaps(data, start, end, gaps, n_gaps, written):
    """Write a text without the gaps that are closed; return its length."""
    n = next_gap = 0
    for at in range(start, end):
        if next_gap < n_gaps and gaps[next_gap] == at:
            next_gap += 1
        else:
            written[n] = data[at]
            n += 1
    return n


@plain_njit
def length_read(n, lines, places, n_words):
    """Return the length of a text in which words are read as others."""
    for i in range(n_words):
        word = places[i, 2]
        n += word_end(lines, word) - word - (places[i, 1] - places[i, 0])
    return n


@plain_njit
def write_read(data, start, end, lines, places, n_words, written, used):
    """Write a text with words read as others; return how many bytes are written now."""
    at = start
    for i in range(n_words + 1):
        until = places[i, 0] if i < n_words else end
        for place in range(at, until):
            written[used] = data[place]
            used += 1
        if i < n_words:
            at = places[i, 1]
            for place in range(places[i, 2], word_end(lines, places[i, 2])):
                written[used] = lines[place]
                used += 1
    return used


@inner
def grow(written, used, needed):
    """Return an array with room for so many more bytes."""
    if used + needed <= written.size:
        return written
    larger = np.empty(2 * (used + needed), np.uint8)
    copy(written, 0, used, larger, 0)
    return larger


@compiled
def put_rows(offsets, data, rows, ends, written):
    """Return texts of which some rows are replaced."""
    n_bytes = offsets[-1] + ends[-1]
    for i in range(rows.size):
        n_bytes -= offsets[rows[i] + 1] - offsets[rows[i]]
    new_offsets = np.empty(offsets.size, np.int64)
    new_data = np.empty(n_bytes, np.uint8)
    used = place = row = 0
    for i in range(rows.size + 1):
        until = rows[i] if i < rows.size else offsets.size - 1
        shift = used - offsets[row]
        for kept in range(row, until):
            new_offsets[kept] = offsets[kept] + shift
        n = offsets[until] - offsets[row]
        copy(data, offsets[row], offsets[until], new_data, used)
        used += n
        if i < rows.size:
            new_offsets[until] = used
            copy(written, place, ends[i], new_data, used)
            used += ends[i] - place
            place = ends[i]
        row = until + 1
    new_offsets[offsets.size - 1] = used
    return new_offsets, new_data
