"""The skeleton of a folded text: letters and digits that stand in for each other are one, doubled letters are single.

Sellers write "r3pl1c4", "Ro1ex", "repplica"; people read on. In the skeleton i, l, j and 1 are one letter, so are
o and 0, e and 3, a and 4, s and 5, t and 7, b and 8, g, 6 and 9, z and 2. Since models learn from skeletons and score
skeletons, such spellings cost nothing; all that is lost is the difference between 5a and sa.
"""

from __future__ import annotations

import re

_CLASSES = ("il1j", "o0", "e3", "a4", "s5", "t7", "b8", "g69", "z2")
_SAME = str.maketrans({other: letters[0] for letters in _CLASSES for other in letters[1:]})
_DOUBLED = re.compile(r"(\w)\1+")


def skeleton(folded: str) -> str:
    """Return the skeleton of a folded text.

    A word of one letter only ("aaa", a grade) keeps its length.

    Examples
    --------
    >>> skeleton("r3plica r0llex aaa"), skeleton("replica rolex aaa")
    ('repica roiex aaa', 'repica roiex aaa')
    """
    return _DOUBLED.sub(_single, folded.translate(_SAME))


def skeleton_with_origins(folded: str) -> tuple[str, list[int]]:
    """Return the skeleton and, for each of its letters, its position in the folded text."""
    merged = folded.translate(_SAME)
    dropped = {
        at for match in _DOUBLED.finditer(merged) for at in range(match.start() + len(_single(match)), match.end())
    }
    kept = [at for at in range(len(merged)) if at not in dropped]
    return "".join(merged[at] for at in kept), kept


def _single(match: re.Match[str]) -> str:
    start, end, text = match.start(), match.end(), match.string
    is_word = not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())
    return match.group() if is_word else match.group(1)
