"""Where a word stands in a text, as reasons take it away."""

import re

_LETTER = re.compile("[^\\W\u2e80-\U0003ffff]")


def find_word(text: str, word: str) -> list[tuple[int, int]]:
    """Return the places of a word in a text, in any case: whole words if there are any, else within others.

    Scripts that are written without spaces have no letters that stand beside a word.
    """
    small, sought = text.lower(), word.lower()
    if len(small) != len(text):  # a few capitals are two letters when small
        small, sought = text, word
    places = [match.span() for match in re.finditer(re.escape(sought), small)] if sought else []
    return [place for place in places if not _is_within_word(text, *place)] or places


def _is_within_word(text: str, start: int, end: int) -> bool:
    """Say whether a letter or digit stands next to a place."""
    return bool(_LETTER.match(text[start - 1 : start]) or _LETTER.match(text[end : end + 1]))
