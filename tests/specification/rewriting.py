"""Texts rewritten piece by piece, with the record of where each of their letters was written."""

import re
from collections.abc import Mapping

Origins = list[int] | None
"""The place of each letter in the text as written; None where nobody asks, which is faster."""

Rewritten = tuple[str, list[int]]
"""A new piece of text, and for each of its letters the place in the old piece that it comes from."""


def rewrite(pattern, change, text, origins):
    """Change every match of a pattern."""
    if origins is None:
        return pattern.sub(lambda match: change(match)[0], text), None
    if pattern.search(text) is None:
        return text, origins
    pieces: list[str] = []
    kept: list[int] = []
    end = 0
    for match in pattern.finditer(text):
        piece, places = change(match)
        pieces += [text[end : match.start()], piece]
        kept += [*range(end, match.start()), *(match.start() + place for place in places)]
        end = match.end()
    pieces.append(text[end:])
    return "".join(pieces), moved(origins, [*kept, *range(end, len(text))])


def moved(origins: Origins, kept: list[int]) -> Origins:
    """Return the origins of the letters that are kept, given by their places."""
    return None if origins is None else [origins[place] for place in kept]


def unchanged(match: re.Match[str]) -> Rewritten:
    """Return a match as it is."""
    return match.group(), list(range(len(match.group())))


def look_up(match: re.Match[str], letters: Mapping[str, str]) -> Rewritten:
    """Return a match letter by letter as a table says, one for one; what the table lacks stays."""
    word = match.group()
    return "".join(letters.get(letter, letter) for letter in word), list(range(len(word)))
