"""Texts as Parquet writes them plainly, and so in dictionaries: each behind its length, which takes four bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ipml.engine.library import bind

_find_longest = bind("find_longest")


def find_longest(data: npt.NDArray[np.uint8], n_texts: int) -> int:
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
    return int(_find_longest(data, min(n_texts, len(data))))
