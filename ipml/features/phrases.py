"""Find many phrases in texts in one pass (Aho-Corasick), also where they are misspelt on purpose.

Phrases and texts are compared by their skeletons without the spaces, so that "r0lex", "rollex" and "rol ex" are found
as "rolex". Short phrases, and those with digits or signs, would find too much that way: they must stand as they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

import ahocorasick
import numpy as np

from ipml.features.normalise import fold_text
from ipml.features.skeleton import BREAK, GAPS, Skeletons, skeleton

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
