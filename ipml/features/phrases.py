"""Find many phrases in a text in one pass (Aho-Corasick), also where they are misspelt on purpose.

Phrases and texts are compared by their skeletons without the spaces, so that "r0lex", "rollex" and "rol ex" are found
as "rolex". Short phrases, and those with digits or signs, would find too much that way: they must stand as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ahocorasick

from ipml.features.normalise import fold_text
from ipml.features.skeleton import skeleton, skeleton_with_origins

_FIRST_CJK = 0x2E80  # from here on, scripts write words without spaces between them
_LEAST_DISGUISABLE = 5  # letters; shorter phrases must stand exactly as they are
_LEAST_JOINED = 14  # letters; a longer word is several, written without spaces
_GAPS = str.maketrans("", "", " -_'")


@dataclass(frozen=True)
class _Entry:
    number: int
    folded: str
    is_stem: bool
    is_exact: bool


def find_phrases(text: str, phrases: tuple[str, ...]) -> Iterator[tuple[int, int, int]]:
    """Yield which phrase stands where in a folded text: (number of the phrase, start, end).

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
    >>> list(find_phrases("replicas of a rep tile", ("replica*", "rep", "tile")))
    [(0, 0, 7), (1, 14, 17), (2, 18, 22)]
    >>> list(find_phrases("r3plica r0l ex", ("replica*", "rolex")))
    [(0, 0, 7), (1, 8, 14)]
    """
    automaton = _compile(phrases)
    if automaton is None or not text:
        return
    found = list(automaton.iter(_squash(skeleton(text))))
    if not found:
        return
    origins = _origins(text)
    for last, (length, entries) in found:
        start, end = origins[last - length + 1], _end(text, origins, last)
        for entry in entries:
            stop = start + len(entry.folded) if entry.is_stem and text.startswith(entry.folded, start) else end
            if _stands(text, start, stop, entry):
                yield entry.number, start, stop


def _stands(text: str, start: int, end: int, entry: _Entry) -> bool:
    if entry.is_exact and text[start:end] != entry.folded:
        return False
    begins, ends = _is_boundary(text, start), entry.is_stem or _is_boundary(text, end)
    return (begins and ends) or (not entry.is_exact and _is_inside_joined(text, start, end))


def _is_inside_joined(text: str, start: int, end: int) -> bool:
    """Say whether a place lies within one word so long that it must be several."""
    if " " in text[start:end]:
        return False
    first, last = text.rfind(" ", 0, start) + 1, text.find(" ", end)
    return (len(text) if last < 0 else last) - first >= _LEAST_JOINED


def _is_boundary(text: str, position: int) -> bool:
    """Say whether a word may begin or end before the letter at a position."""
    if position <= 0 or position >= len(text):
        return True
    before, after = text[position - 1], text[position]
    return max(ord(before), ord(after)) >= _FIRST_CJK or not (before.isalnum() and after.isalnum())


def _squash(text: str) -> str:
    return text.translate(_GAPS)


def _origins(text: str) -> list[int]:
    """Return the position in the folded text of each letter of its squashed skeleton."""
    bones, origins = skeleton_with_origins(text)
    return [origin for bone, origin in zip(bones, origins, strict=True) if bone not in " -_'"]


def _end(text: str, origins: list[int], last: int) -> int:
    """Return where a match ends in the folded text: after all letters that its last one stands for."""
    end = origins[last] + 1
    following = origins[last + 1] if last + 1 < len(origins) else len(text)
    while end < following and text[end].isalnum():
        end += 1
    return end


@lru_cache(maxsize=64)
def _compile(phrases: tuple[str, ...]) -> Any:
    found: dict[str, list[_Entry]] = {}
    for number, phrase in enumerate(phrases):
        for folded in _ways_to_fold(phrase.removesuffix("*")):
            squashed = _squash(skeleton(folded))
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
