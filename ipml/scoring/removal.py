"""What listings lose without some of their words: the words are taken away, and the listings are scored again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from ipml.features.columns import ListingColumns
from ipml.model.pipeline import CounterfeitClassifier

_FEW_LETTERS = 20_000  # read in about the time that a call takes
_LETTER = re.compile("[^\\W\u2e80-\U0003ffff]")


class Piece(NamedTuple):
    """Letters `start` to `end` (code points, end excluded) of a text column as written."""

    column: str
    start: int
    end: int


Pieces = frozenset[Piece]


class Losses:
    """By how much the log-odds of listings fall when pieces of their texts are taken away.

    What is lost by taking a word away is all of it: its n-grams and those that it forms with its neighbours, the brand
    or the kind of goods that it names, the price that it is compared with, another passage that then counts.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted.
    listings : ListingColumns
        As the classifier reads them.
    """

    def __init__(self, classifier: CounterfeitClassifier, listings: ListingColumns) -> None:
        self._classifier = classifier
        self._listings = listings
        self._whole = classifier.first_stage.log_odds(listings)
        self._known: dict[tuple[int, Pieces], float] = {}

    def of(self, row: int, pieces: Pieces) -> float:
        """Return what one listing loses; it must have been worked out."""
        return self._known[row, pieces] if pieces else 0.0

    def work_out(self, asked: Iterable[tuple[int, Pieces]]) -> None:
        """Work out what each of some listings loses without some pieces, all of them at once."""
        together: dict[tuple[str, ...], list[tuple[int, Pieces]]] = defaultdict(list)
        for row, pieces in dict.fromkeys(asked):
            if pieces and (row, pieces) not in self._known:
                together[tuple(sorted({piece.column for piece in pieces}))].append((row, pieces))
        if len(together) > 1 and self._is_short(together):
            together = {tuple(sorted(set(chain(*together)))): list(chain(*together.values()))}
        for columns, some in together.items():
            self._take_away(columns, some)

    def _is_short(self, together: Mapping[tuple[str, ...], Sequence[tuple[int, Pieces]]]) -> bool:
        """Say whether all texts are so short that reading those again that do not change is quicker than two calls."""
        names = set(chain(*together))
        letters = sum((self._listings.letters(name) for name in names), start=np.zeros(len(self._listings)))
        return bool(sum(letters[row] for some in together.values() for row, _ in some) <= _FEW_LETTERS)

    def _take_away(self, columns: tuple[str, ...], some: Sequence[tuple[int, Pieces]]) -> None:
        """Score listings again without pieces of these columns."""
        rows = np.array([row for row, _ in some])
        texts = {name: self._listings.texts(name) for name in columns}
        written = {
            name: [without(texts[name][row], _of_column(pieces, name)) for row, pieces in some] for name in columns
        }
        left = self._classifier.first_stage.log_odds(self._listings.rewrite(rows, written))
        lost = self._classifier.second_stage_.slope_ * (self._whole[rows] - left)
        self._known |= dict(zip(some, lost.tolist(), strict=True))


def find_word(text: str, word: str) -> list[tuple[int, int]]:
    """Return where a word stands in a text in capitals or not: by itself, or else within others.

    Scripts that are written without spaces have no letters that stand beside a word.

    Examples
    --------
    >>> find_word("Bag, handbag, BAG", "bag"), find_word("handbags", "bag")
    ([(0, 3), (14, 17)], [(4, 7)])
    """
    lowered, sought = text.lower(), word.lower()
    if len(lowered) != len(text):  # a few capitals are two letters when small
        lowered, sought = text, word
    places, at = [], lowered.find(sought)
    while at >= 0 and sought:
        places.append((at, at + len(sought)))
        at = lowered.find(sought, at + len(sought))
    return [place for place in places if not _is_within_word(text, *place)] or places


def widen(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the words begin and end of which a place is a part.

    Examples
    --------
    >>> widen("2 sneakers", 2, 9)
    (2, 10)
    """
    while start > 0 and _LETTER.match(text[start - 1]) and _LETTER.match(text[start]):
        start -= 1
    while end < len(text) and _LETTER.match(text[end]) and _LETTER.match(text[end - 1]):
        end += 1
    return start, end


def _is_within_word(text: str, start: int, end: int) -> bool:
    """Say whether a letter or digit stands next to a place."""
    return bool(_LETTER.match(text[start - 1 : start]) or _LETTER.match(text[end : end + 1]))


def without(text: str, places: Iterable[tuple[int, int]]) -> str:
    """Return a text without some places, which may overlap.

    Examples
    --------
    >>> without("AAA grade bag", [(4, 10), (4, 8), (0, 4)])
    'bag'
    """
    kept, at = [], 0
    for start, end in sorted(places):
        kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])


def _of_column(pieces: Pieces, column: str) -> list[tuple[int, int]]:
    return [(piece.start, piece.end) for piece in pieces if piece.column == column]
