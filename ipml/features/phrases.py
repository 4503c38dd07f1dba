"""Find many phrases in texts in one pass (Aho-Corasick), also where they are misspelt on purpose.

Sellers write "r3pl1c4", "Ro1ex", "repplica"; people read on. In the skeleton of a folded text i, l, j and 1 are one
letter, so are o and 0, e and 3, a and 4, s and 5, t and 7, b and 8, g, 6 and 9, z and 2; doubled letters are single.
Since models learn from skeletons and score skeletons, such spellings cost nothing; all that is lost is the difference
between 5a and sa.

Phrases and texts are compared by their skeletons without the spaces, so that "r0lex", "rollex" and "rol ex" are found
as "rolex". Short phrases, and those with digits or signs, would find too much that way: they must stand as they are.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import ahocorasick
import numpy as np
from numpy.typing import NDArray

from ipml.features.normalisation import fold_text

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

    def origins(self) -> Places:
        """Return the position in `joined` of each letter of the skeletons, and of the break after each of them."""
        return np.flatnonzero(self._kept)

    def squashed(self) -> tuple[str, Places]:
        """Return all skeletons without gaps, a break after each, and the position in `joined` of each letter."""
        is_bone = ~_IS_GAP[np.minimum(self._bones, 127)]
        return _to_text(self._bones[is_bone]), self.origins()[is_bone]


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


Place = tuple[int, int, int]
"""Number of a phrase, and its start and end in a text."""

_FIRST_CJK = "\u2e80"  # from here on, scripts write words without spaces between them
_LEAST_DISGUISABLE = 5  # letters; shorter phrases must stand exactly as they are
_LEAST_JOINED = 14  # letters; a longer word is several, written without spaces
_NO_GAPS = str.maketrans("", "", GAPS)


@dataclass(frozen=True)
class _Entry:
    number: int
    folded: str
    is_stem: bool
    is_exact: bool


def find_phrases(text: str, phrases: tuple[str, ...]) -> list[Place]:
    """Return which phrase stands where in a folded text: (number of the phrase, start, end), by start.

    A phrase counts where it stands as whole words; one that ends in a star counts with any ending, and in scripts
    without spaces between words, or inside a word of fourteen letters and more, every occurrence counts. Overlapping
    phrases are all found.

    Parameters
    ----------
    text : str
        Folded, as `fold_text` returns it.
    phrases : tuple of str
        As written by people; they are folded here, once for each tuple.

    Examples
    --------
    >>> find_phrases("replicas of a rep tile", ("replica*", "rep", "tile"))
    [(0, 0, 7), (1, 14, 17), (2, 18, 22)]
    >>> find_phrases("r3plica r0l ex", ("replica*", "rolex"))
    [(0, 0, 7), (1, 8, 14)]
    """
    return list(find_in_texts(Skeletons([text]), phrases)[0])


def find_in_texts(texts: Skeletons, phrases: tuple[str, ...]) -> list[Sequence[Place]]:
    """Return for each of many texts what `find_phrases` finds in it.

    Examples
    --------
    >>> find_in_texts(Skeletons(["a rolex", "a bag", "r0lex bag"]), ("rolex", "bag"))
    [[(0, 2, 7)], [(1, 2, 5)], [(0, 0, 5), (1, 6, 9)]]
    """
    found: list[Sequence[Place]] = [()] * len(texts)
    starts = texts.starts.tolist()
    in_order = sorted(_find(texts, _compile(phrases)), key=itemgetter(1, 2, 0))
    for row, places in groupby(in_order, lambda place: bisect_right(starts, place[1]) - 1):
        before = starts[row]
        found[row] = [(number, start - before, end - before) for number, start, end in places]
    return found


def _find(texts: Skeletons, automaton: Any) -> Iterator[Place]:
    """Yield what stands where in all texts together."""
    if automaton is None:
        return
    squashed, origins = texts.squashed()
    hits = list(automaton.iter(squashed))
    lasts = np.array([last for last, _ in hits], dtype=np.intp)
    firsts = lasts + 1 - np.array([length for _, (length, _) in hits], dtype=np.intp)
    spans = (origins[firsts].tolist(), origins[lasts].tolist(), origins[lasts + 1].tolist())
    text = texts.joined
    for (_, (_, entries)), start, last, following in zip(hits, *spans, strict=True):
        end = _end(text, last + 1, following)
        for entry in entries:
            stop = start + len(entry.folded) if entry.is_stem and text.startswith(entry.folded, start) else end
            if _stands(text, start, stop, entry):
                yield entry.number, start, stop


def _end(text: str, end: int, following: int) -> int:
    """Return where a match ends: after all letters that its last one stands for, before the following one."""
    while end < following and text[end].isalnum():
        end += 1
    return end


def _stands(text: str, start: int, end: int, entry: _Entry) -> bool:
    if entry.is_exact and text[start:end] != entry.folded:
        return False
    begins, ends = _is_boundary(text, start), entry.is_stem or _is_boundary(text, end)
    return (begins and ends) or (not entry.is_exact and _is_inside_joined(text, start, end))


def _is_inside_joined(text: str, start: int, end: int) -> bool:
    """Say whether a place lies within one word so long that it must be several."""
    before = text[max(start - _LEAST_JOINED, 0) : start].replace(BREAK, " ").rpartition(" ")[2]
    after = text[end : end + _LEAST_JOINED].replace(BREAK, " ").partition(" ")[0]
    return " " not in text[start:end] and len(before) + end - start + len(after) >= _LEAST_JOINED


def _is_boundary(text: str, position: int) -> bool:
    """Say whether a word may begin or end before the letter at a position."""
    if position <= 0:
        return True
    before, after = text[position - 1], text[position]
    return max(before, after) >= _FIRST_CJK or not (before.isalnum() and after.isalnum())


@lru_cache(maxsize=64)
def _compile(phrases: tuple[str, ...]) -> Any:
    found: dict[str, list[_Entry]] = {}
    for number, phrase in enumerate(phrases):
        for folded in _ways_to_fold(phrase.removesuffix("*")):
            squashed = skeleton(folded).translate(_NO_GAPS)
            if squashed:
                is_exact = len(squashed) < _LEAST_DISGUISABLE or not squashed.isalpha() or not folded.isascii()
                found.setdefault(squashed, []).append(_Entry(number, folded, phrase.endswith("*"), is_exact))
    if not found:
        return None
    automaton = ahocorasick.Automaton()
    for squashed, entries in found.items():
        automaton.add_word(squashed, (len(squashed), tuple(entries)))
    automaton.make_automaton()
    return automaton


def _ways_to_fold(phrase: str) -> tuple[str, ...]:
    """Return how a phrase folds, and how in capitals: сумка is read by its sound, СУМКА by itself looks like CYMKA."""
    return tuple(dict.fromkeys((fold_text(phrase), fold_text(phrase.upper()))))
