"""Long texts cut into passages that overlap, in whole words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.copying import copy
from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.texts import Texts


def cut_passages(texts: Texts, longest_whole: int, n_words: int, step: int) -> tuple[Texts, NDArray[np.int64]]:
    """Return each passage of the texts that are long, in order, and which text each is from.

    Words are what stands between single spaces, as in folded texts. The last passage ends where its text does.

    Parameters
    ----------
    texts : Texts
    longest_whole : int
        Texts of so many words are not cut.
    n_words : int
        Words of a passage.
    step : int
        Words from the beginning of one passage to that of the next.

    Examples
    --------
    >>> passages, owners = cut_passages(Texts.of(["a b", "a b c d e"]), longest_whole=3, n_words=3, step=1)
    >>> passages.strings(), owners.tolist()
    (['a b c', 'b c d', 'c d e'], [1, 1, 1])
    """
    offsets, data, owners = _cut(texts.offsets, texts.data, longest_whole, n_words, step)
    return Texts(offsets, data), owners


@plain_njit
def _count_words(offsets, data, row):
    """Return how many words a text has; with places that have no sign, several bytes are read at once."""
    n = 1
    for at in range(np.uint64(offsets[row]), np.uint64(offsets[row + 1])):
        n += data[at] == 0x20
    return n


@compiled
def _cut(offsets, data, longest_whole, n_words, step):
    n_passages, n_bytes, most_words, n_long = 0, 0, 0, 0
    long_rows = np.empty(offsets.size - 1, np.int64)
    for row in range(offsets.size - 1):
        words = _count_words(offsets, data, row)
        if words > longest_whole:
            most_words = max(most_words, words)
            n_passages += (words - n_words + step - 1) // step + 1
            long_rows[n_long] = row
            n_long += 1
    owners, cut = np.empty(n_passages, np.int64), np.zeros(n_passages + 1, np.int64)
    starts, ends = np.empty(n_passages, np.int64), np.empty(n_passages, np.int64)
    begins = np.empty(most_words + 1, np.int64)
    n = 0
    for row in long_rows[:n_long]:
        words = _count_words(offsets, data, row)
        _find_words(offsets, data, row, begins)
        first = 0
        while True:
            first = min(first, words - n_words)
            owners[n], starts[n], ends[n] = row, begins[first], begins[first + n_words] - 1
            n_bytes += ends[n] - starts[n]
            cut[n + 1] = n_bytes
            n += 1
            if first == words - n_words:
                break
            first += step
    taken = np.empty(n_bytes, np.uint8)
    for passage in range(n_passages):
        copy(data, starts[passage], ends[passage], taken, cut[passage])
    return cut, taken, owners


@plain_njit
def _find_words(offsets, data, row, begins):
    """Write where each word begins, and at last where one more would."""
    begins[0] = offsets[row]
    n = 1
    for at in range(offsets[row], offsets[row + 1]):
        if data[at] == 0x20:
            begins[n] = at + 1
            n += 1
    begins[n] = offsets[row + 1] + 1
