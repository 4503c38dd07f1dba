"""Scripts: map letters to their Unicode scripts, and scripts to common names."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from confusable_homoglyphs.categories import categories_data
from numpy.typing import NDArray

NAMES: tuple[str, ...] = tuple(categories_data["iso_15924_aliases"])
"""The scripts by number; the first one holds characters of all scripts, such as digits and signs."""
LATIN, GREEK, CYRILLIC, HAN = (NAMES.index(name) for name in ("LATIN", "GREEK", "CYRILLIC", "HAN"))
KANA = [NAMES.index("HIRAGANA"), NAMES.index("KATAKANA")]
N_CODES = 0x110000
_OF_ALL, _INHERITED = 0, NAMES.index("INHERITED")
_CALLED = {
    **{"HAN": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "MYANMAR": "Burmese"},
    "CANADIAN_ABORIGINAL": "Canadian Aboriginal",
}


@lru_cache(maxsize=1)
def script_numbers() -> NDArray[np.uint8]:
    """Return the number of the script of each code point, shape (0x110000,); 0 for none.

    >>> [NAMES[script_numbers()[ord(letter)]] for letter in "aяไ1"]
    ['LATIN', 'CYRILLIC', 'THAI', 'COMMON']
    """
    numbers = np.zeros(N_CODES, dtype=np.uint8)
    for first, last, script, _ in categories_data["code_points_ranges"]:
        numbers[first : last + 1] = _OF_ALL if script == _INHERITED else script
    return numbers


def name_script(name: str) -> str:
    """Return the common name of a Unicode script.

    >>> name_script("THAI"), name_script("HANGUL"), name_script("OLD_ITALIC")
    ('Thai', 'Korean', 'Old Italic')
    """
    return _CALLED.get(name, name.replace("_", " ").title())
