"""Plain texts: Parquet's plain encoding of texts, each after its length in four bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ipml.engine.library import bind

_find_longest = bind("find_longest")


def find_longest(data: npt.NDArray[np.uint8], n_texts: int) -> int:
    """Return the length of the longest of `n_texts` encoded texts; the bytes may end before.

    Examples
    --------
    >>> data = np.frombuffer(b"\\3\\0\\0\\0bag\\4\\0\\0\\0belt", dtype=np.uint8)
    >>> find_longest(data, 2), find_longest(data, 1)
    (4, 3)
    """
    return int(_find_longest(data, min(n_texts, len(data))))
