"""Of what kind each letter is, as the engine looks it up."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALNUM, DECIMAL, SPACE = 1, 2, 4
_LAST = 0x40000  # code points from here on are of no kind


@lru_cache(maxsize=1)
def letter_kinds() -> NDArray[np.uint8]:
    r"""Return of what kinds each code point is: the sum of `ALNUM`, `DECIMAL` and `SPACE`, as `str.isalnum` has them.

    Examples
    --------
    >>> letter_kinds()[[ord(letter) for letter in "aж٣ -"]].tolist()
    [1, 1, 3, 4, 0]
    """
    letters: Any = np.arange(_LAST, dtype=np.uint32).view("<U1")
    kinds = np.char.isalnum(letters) * ALNUM + np.char.isdecimal(letters) * DECIMAL + np.char.isspace(letters) * SPACE
    return np.asarray(kinds, dtype=np.uint8)
