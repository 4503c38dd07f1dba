"""The skeleton of a folded text: letters and digits that stand in for each other are one, doubled letters are single.

Sellers write "r3pl1c4", "Ro1ex", "repplica"; people read on. In the skeleton i, l, j and 1 are one letter, so are
o and 0, e and 3, a and 4, s and 5, t and 7, b and 8, g, 6 and 9, z and 2. Since models learn from skeletons and score
skeletons, such spellings cost nothing; all that is lost is the difference between 5a and sa.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAPS = " -_'"
"""What may stand within a word that is written apart."""
BREAK = "\n"
"""Stands between texts that are read at once; no folded text holds it."""
_CLASSES = ("il1j", "o0", "e3", "a4", "s5", "t7", "b8", "g69", "z2")
_SAME = str.maketrans({other: letters[0] for letters in _CLASSES for other in letters[1:]})
_DOUBLED = re.compile(r"(\w)\1+")
_BONES = np.array([ord(chr(code).translate(_SAME)) for code in range(128)], dtype=np.uint8)
_IS_GAP = np.isin(np.arange(128), [ord(gap) for gap in GAPS])

Places = NDArray[np.int64]


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


class Skeletons:
    """The skeletons of some folded texts, worked out at once, and where their letters stand in the texts.

    Parameters
    ----------
    texts : sequence of str
        Folded, as `fold_text` returns them.

    Attributes
    ----------
    joined : str
        The texts one after another, a break after each.
    starts : array of shape (n_texts + 1,)
        Where each of them starts in `joined`.

    Examples
    --------
    >>> Skeletons(["r0llex aaa", "bag"]).each()
    ['roiex aaa', 'bag']
    >>> squashed, origins = Skeletons(["r0 l-lex", "bag"]).squashed()
    >>> squashed, origins.tolist()
    ('roiiex\\nbag\\n', [0, 1, 3, 5, 6, 7, 8, 9, 10, 11, 12])
    """

    def __init__(self, texts: Sequence[str]) -> None:
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        self.joined = BREAK.join([*texts, ""])
        self.starts = np.concatenate([[0], np.cumsum(lengths + 1)])
        bones = _merge(_to_codes(self.joined))
        self._kept = np.ones(len(bones), dtype=bool)
        self._kept[_find_doubled(bones)] = False
        self._bones = bones[self._kept]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def each(self) -> list[str]:
        """Return the skeleton of each text."""
        bones = _to_text(self._bones)
        if not len(self):
            return []
        ends = np.cumsum(np.add.reduceat(self._kept, self.starts[:-1], dtype=np.int64)).tolist()
        return [bones[start : end - 1] for start, end in pairwise([0, *ends])]

    def squashed(self) -> tuple[str, Places]:
        """Return all skeletons without gaps, a break after each, and the position in `joined` of each letter."""
        is_bone = ~_IS_GAP[np.minimum(self._bones, 127)]
        return _to_text(self._bones[is_bone]), np.flatnonzero(self._kept)[is_bone]


def _to_codes(text: str) -> NDArray[Any]:
    """Return the code points of a text, a byte each where that is enough."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _to_text(codes: NDArray[Any]) -> str:
    data = codes.tobytes()
    return data.decode("ascii") if codes.dtype == np.uint8 else data.decode("utf-32-le", "surrogatepass")


def _merge(codes: NDArray[Any]) -> NDArray[Any]:
    merged = _BONES[np.minimum(codes, 127)].astype(codes.dtype, copy=False)
    return merged if codes.dtype == np.uint8 else np.where(codes < 128, merged, codes)


def _find_doubled(bones: NDArray[Any]) -> Places:
    """Return the places of letters that repeat the one before, but not in words of one letter; the last is a break."""
    again = np.flatnonzero(bones[1:] == bones[:-1]) + 1
    again = again[_is_alnum(bones[again]) | (bones[again] == ord("_"))]
    begins = np.diff(again, prepend=-1) > 1  # each run of repeats
    firsts, lasts = again[begins], again[np.append(begins[1:], True)[: len(again)]]
    is_word = ~(_is_alnum(bones[firsts - 2]) | _is_alnum(bones[lasts + 1]))  # before the first letter is the last break
    return np.asarray(again[~is_word[np.cumsum(begins) - 1]])


def _is_alnum(codes: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([chr(code).isalnum() for code in codes.tolist()], dtype=bool)
