"""Texts as Parquet writes them plainly, and so in dictionaries: each behind its length, which takes four bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit


@njit(cache=True, nogil=True)
def find_longest(data: npt.NDArray[np.uint8], n_texts: int) -> Any:
    """Return how many bytes the longest of some texts has, as it is written before them.

    Parameters
    ----------
    data : array of bytes
    n_texts : int
        How many there should be; where the bytes end before, so many as there are.

    Examples
    --------
    >>> data = np.frombuffer(b"\\3\\0\\0\\0bag\\4\\0\\0\\0belt", dtype=np.uint8)
    >>> find_longest(data, 2), find_longest(data, 1)
    (4, 3)
    """
    longest: Any = 0
    at: Any = 0
    for _ in range(n_texts):
        if at + 4 > data.size:
            break
        length: Any = np.int64(0)
        for place in range(4):
            length |= np.int64(data[at + place]) << (8 * place)
        longest = max(longest, length)
        at += 4 + length
    return longest
