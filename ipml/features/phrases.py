"""Find many phrases in a text in one pass (Aho-Corasick)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import ahocorasick

from ipml.features.normalise import fold_text

_FIRST_CJK = 0x2E80  # from here on, scripts write words without spaces between them


def find_phrases(text: str, phrases: tuple[str, ...]) -> Iterator[tuple[int, int, int]]:
    """Yield which phrase stands where in a folded text: (number of the phrase, start, end).

    A phrase counts where it stands as whole words; one that ends in a star counts with any ending, and in scripts
    without spaces between words every occurrence counts. Overlapping phrases are all found.

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
    """
    automaton = _compile(phrases)
    if automaton is None or not text:
        return
    for last, (length, whole_words, stems) in automaton.iter(text):
        start, end = last - length + 1, last + 1
        if not _is_boundary(text, start):
            continue
        for number in (*stems, *whole_words) if _is_boundary(text, end) else stems:
            yield number, start, end


def _is_boundary(text: str, position: int) -> bool:
    """Say whether a word may begin or end before the letter at a position."""
    if position == 0 or position == len(text):
        return True
    before, after = text[position - 1], text[position]
    return max(ord(before), ord(after)) >= _FIRST_CJK or not (before.isalnum() and after.isalnum())


@lru_cache(maxsize=64)
def _compile(phrases: tuple[str, ...]) -> Any:
    found: dict[str, tuple[list[int], list[int]]] = {}
    for number, phrase in enumerate(phrases):
        folded = fold_text(phrase.removesuffix("*"))
        if folded:
            whole_words, stems = found.setdefault(folded, ([], []))
            (stems if phrase.endswith("*") else whole_words).append(number)
    if not found:
        return None
    automaton = ahocorasick.Automaton()
    for folded, (whole_words, stems) in found.items():
        automaton.add_word(folded, (len(folded), whole_words, stems))
    automaton.make_automaton()
    return automaton
