"""How a listing's text reaches the page: hostile letters stay letters.

The seller writes the text and may want to deceive the reviewer too. Characters that cannot be seen, or that
reorder the letters around them, are shown by their code point; the rest is left to the escaping of templates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from ipml.records import Highlight

# Controls, format characters, lone surrogates, line separators (categories Cc, Cf, Cs, Zl, Zp), what Unicode
# calls Default_Ignorable_Code_Point, blanks that are not called spaces, and spaces that hide inside a word.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680\u17b4\u17b5"
    "\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Letters of a listing that are drawn alike.

    Attributes
    ----------
    text : str
        The letters, or the code point of an invisible one: "U+200B".
    is_invisible : bool
        Whether `text` stands for a letter that cannot be seen.
    speaks_for : str
        "counterfeit", "genuine" or "" where the letters carried no weight.
    strength : int
        1 to 3, in thirds of the strongest weight; 0 where they carried none.
    """

    text: str
    is_invisible: bool = False
    speaks_for: str = ""
    strength: int = 0


def show_invisible(text: str) -> str:
    """Replace each invisible or reordering character by its code point in brackets.

    Line breaks and tabs stay: they are harmless in a paragraph.

    Examples
    --------
    >>> show_invisible("Ni\\u200bke")
    'Ni⟦U+200B⟧ke'
    """
    return _INVISIBLE.sub(lambda found: found[0] if found[0] in "\n\t" else f"⟦{_code_point(found[0])}⟧", text)


def cut_pieces(
    text: str, highlights: Sequence[Highlight] = (), limit: int = 500, kept: str = "", heaviest: float = 0.0
) -> tuple[Piece, ...]:
    """Cut a text into pieces that the page can mark: weights and invisible letters.

    Parameters
    ----------
    text : str
        A title or a description as written.
    highlights : sequence of Highlight
        Ranges of code points with weights; weights of ranges that overlap add up.
    limit : int, default=500
        Code points shown at most; a last piece says how many were left out.
    kept : str, default=""
        Invisible letters that stay as they are: the line breaks of a paragraph.
    heaviest : float, default=0
        The strongest weight elsewhere, if it is stronger than those of this text.

    Examples
    --------
    >>> cut_pieces("AAA bag", [Highlight(0, 3, 2.0)])
    (Piece(text='AAA', is_invisible=False, speaks_for='counterfeit', strength=3),
     Piece(text=' bag', is_invisible=False, speaks_for='', strength=0))
    """
    shown = text[:limit]
    weights = [0.0] * len(shown)
    for highlight in highlights:
        for index in range(max(highlight.start, 0), min(highlight.end, len(shown))):
            weights[index] += highlight.weight
    strongest = max(heaviest, *map(abs, weights), 0.0)
    hidden = {letter for letter in set(shown) if is_invisible(letter) and letter not in kept}
    looks = [
        Piece(_code_point(letter) if letter in hidden else "", letter in hidden, *_look(weight, strongest))
        for letter, weight in zip(shown, weights, strict=True)
    ]
    cut = [_join(look, [letter for _, letter in run]) for look, run in groupby(zip(looks, shown, strict=True), _first)]
    left_out = len(text) - len(shown)
    return (*cut, Piece(f" … and {left_out:,} more letters")) if left_out else tuple(cut)


def cut_quotes(text: str) -> list[tuple[str, bool]]:
    """Cut a letter into pieces, and say of each whether it is a seller's own words, which stand isolated in it.

    Examples
    --------
    >>> cut_quotes("Listing: \u2068Bag\u2069.")
    [('Listing: ', False), ('Bag', True), ('.', False)]
    """
    pieces = re.split("\u2068([^\u2068\u2069]*)\u2069", text)
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]


def is_invisible(letter: str) -> bool:
    """Tell whether a character cannot be seen, or reorders what can.

    Examples
    --------
    >>> is_invisible("a"), is_invisible("\\u202e")
    (False, True)
    """
    return _INVISIBLE.match(letter) is not None


def _look(weight: float, strongest: float) -> tuple[str, int]:
    if weight == 0:
        return "", 0
    return "counterfeit" if weight > 0 else "genuine", max(1, ceil(3 * (abs(weight) / strongest)))


def _first(pair: tuple[Piece, str]) -> Piece:
    return pair[0]


def _join(look: Piece, letters: list[str]) -> Piece:
    if not look.is_invisible:
        return Piece("".join(letters), False, look.speaks_for, look.strength)
    return Piece(f"{look.text} ×{len(letters)}", True, look.speaks_for, look.strength) if letters[1:] else look


def _code_point(letter: str) -> str:
    return f"U+{ord(letter):04X}"
