"""Read ASCII signs that stand for letters: "r@lex", "$uper", and texts in which they stand for letters throughout."""

from __future__ import annotations

import re
from functools import partial

from ipml.features.rewriting import Origins, look_up, rewrite

SIGNS = "@$!|+"
"""One of these stands in every text that there is something to read in."""
_READINGS = {"@": "a", "$": "s", "!": "i", "|": "l", "+": "t", "(": "c"}
_WORTH_A_LOOK = re.compile(r"[@$!|+][a-z0-9@$!|+(]|[@$](?!\w)")
_SIGN_AT_LETTER = re.compile(r"[a-z][@$!|+(]+[a-z]|(?<!\S)\(?[@$!|+][@$!|+(]*[a-z]|[a-z][@$!|+(]*[@$|](?!\S)")
_BETWEEN_LETTERS = re.compile(r"(?<=[a-z])[@$!|+(]+(?=[a-z])")
_FEWEST_BETWEEN_LETTERS = 3
_ANYWHERE = re.compile(
    r"(?!\$[1-9]|\([^()]*\)|(?<=\d)\+(?![a-z@$!|(])|(?<=@@)\+)(?:(?<=[^ ])[@$!|+(]|[@$!|+(](?=[^ ]))"
)
_AFTER_A_LETTER = r"(?:(?<=[a-z][@!|+])|(?<=[a-z]\$)(?!\d)|(?<=[a-z]\()(?!\$\d))"  # unless it is a price
_IN_WORD = re.compile(  # first a sign, for which a text is searched quickly, then what must stand around it
    rf"[@$!|+(](?:(?<![|+]){_AFTER_A_LETTER}[@$!(]*(?=[a-z0-9])(?<=[@$!])"
    rf"|{_AFTER_A_LETTER}[@$!|+(]+(?=[a-z0-9])"
    r"|(?<!\S.)(?:(?<=[@$])[@$!|+(]{0,4}|[@$!|+(]{0,3}[@$][@$!|+(]{0,4})(?=[a-z0-9][a-z])"
    r"|(?<=[a-z]{2}.)(?:[@$!|+(]*[@$]|(?<=[@$]))(?!\w))"
)


def read_signs(text: str, origins: Origins) -> tuple[str, Origins]:
    """Read signs as letters where they stand in or at a word; everywhere, if the text is written in them throughout.

    A bar or a plus alone between two words parts them ("black|white"); a sign of dollars before a number is a price.

    Examples
    --------
    >>> [read_signs(text, None)[0] for text in ("r@lex $uper", "black|white 50+ $30", "+!p $(@m rep|!(@ (new) @@@+")]
    ['ralex super', 'black|white 50+ $30', 'tip scam replica (new) aaa+']
    """
    if _WORTH_A_LOOK.search(text) is None:
        return text, origins
    pattern = _ANYWHERE if _is_written_in_signs(text) else _IN_WORD
    return rewrite(pattern, partial(look_up, letters=_READINGS), text, origins)


def _is_written_in_signs(text: str) -> bool:
    """Say whether three signs or more stand between letters, or signs in half of all words; @ or $ among them."""
    between = "".join(_BETWEEN_LETTERS.findall(text))
    if len(between) >= _FEWEST_BETWEEN_LETTERS and ("@" in between or "$" in between):
        return True
    words = text.split()
    if sum(map(text.count, _READINGS)) * 2 < len(words):
        return False
    holding = [word for word in words if _SIGN_AT_LETTER.search(word)]
    return len(holding) > 1 and len(holding) * 2 >= len(words) and any("@" in word or "$" in word for word in holding)
