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
    for last, (numbers, length, is_stem) in automaton.iter(text):
        start, end = last - length + 1, last + 1
        if not (_is_boundary(text, start, -1) and (is_stem or _is_boundary(text, end, 0))):
            continue
        for number in numbers:
            yield number, start, end


def _is_boundary(text: str, position: int, side: int) -> bool:
    """Say whether a word may begin (side -1) or end (side 0) at a position."""
    outside = position + side
    inside = position if side == -1 else position - 1
    if outside < 0 or outside >= len(text) or ord(text[inside]) >= _FIRST_CJK:
        return True
    return not (text[inside].isalnum() and text[outside].isalnum())


@lru_cache(maxsize=64)
def _compile(phrases: tuple[str, ...]) -> Any:
    found: dict[tuple[str, bool], list[int]] = {}
    for number, phrase in enumerate(phrases):
        folded = fold_text(phrase.removesuffix("*"))
        if folded:
            found.setdefault((folded, phrase.endswith("*")), []).append(number)
    if not found:
        return None
    automaton = ahocorasick.Automaton()
    for (folded, is_stem), numbers in found.items():
        if is_stem or folded not in automaton:
            automaton.add_word(folded, (tuple(numbers), len(folded), is_stem))
    automaton.make_automaton()
    return automaton
