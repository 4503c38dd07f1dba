"""In which script a text is written.

The language itself is not guessed: a title is a few words, half of them brand names, and holds hardly any of the
function words by which languages are told apart. The script is certain.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache

_MOST_LETTERS = 300
_SCRIPTS = {
    "CJK": "Chinese characters",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "ARABIC": "Arabic",
    "ARMENIAN": "Armenian",
    "BENGALI": "Bengali",
    "CYRILLIC": "Cyrillic",
    "DEVANAGARI": "Devanagari",
    "GEORGIAN": "Georgian",
    "GREEK": "Greek",
    "HEBREW": "Hebrew",
    "LATIN": "Latin",
    "TAMIL": "Tamil",
    "THAI": "Thai",
}
OTHER, NONE = "other", "no letters"


def writing_system(text: str) -> str:
    """Return the script of most letters of a text, as far as its first 300 characters.

    Letters dressed up as others (full width, mathematical) count as the plain ones. Japanese is told by its kana.

    Examples
    --------
    >>> writing_system("Кроссовки Nike"), writing_system("Ｎｉｋｅ shoes"), writing_system("100 %")
    ('Cyrillic', 'Latin', 'no letters')
    """
    letters = Counter(unicodedata.normalize("NFKC", text[:_MOST_LETTERS]))
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        if letter.isalpha():
            scripts[_script_of(letter)] += count
    if scripts["Japanese"]:
        scripts["Japanese"] += scripts.pop("Chinese characters", 0)
    return max(scripts, key=lambda name: (scripts[name], name)) if scripts.total() else NONE


@lru_cache(maxsize=10_000)
def _script_of(letter: str) -> str:
    return _SCRIPTS.get(unicodedata.name(letter, "").split(" ")[0], OTHER)
