"""Normalisation: folds a single text to what a reader sees, whatever the disguise; see `compiled.folding`."""

from __future__ import annotations

from ipml.features.compiled.folding import MAX_TITLE_LETTERS, count_disguised_words, fold_texts, fold_with_places
from ipml.features.compiled.texts import Texts


def fold_text(text: str, max_letters: int = MAX_TITLE_LETTERS) -> str:
    """Return the folded view of a text: what a reader sees, in plain lower-case letters.

    Parameters
    ----------
    text : str
        As the seller wrote it.
    max_letters : int, default=2000
        Limit on the letters that are read, before folding and after.

    Examples
    --------
    >>> fold_text("N\u0456k\u0435  A\u200bir M\uff41x &amp; 1:1 R<b></b>\u00e9plica")
    'nike air max & 1:1 replica'
    >>> fold_text("r.e.p.l.i.c.a w.a.t.c.h")
    'replica watch'
    """
    return fold_texts(Texts.of_one(text), max_letters).text(0)


def fold_with_origins(text: str, max_letters: int = MAX_TITLE_LETTERS) -> tuple[str, list[int]]:
    """Return the folded view and, for each of its letters, its position in the text as written.

    Examples
    --------
    >>> fold_with_origins("\u00c6  b")
    ('ae b', [0, 0, 1, 3])
    """
    folded, places = fold_with_places(Texts.of_one(text), max_letters)
    return folded.text(0), places.tolist()


def count_disguises(text: str) -> int:
    """Return the number of disguised words in a text.

    Examples
    --------
    >>> [count_disguises(title) for title in ("N\u0456ke Air", "\u043a\u0435\u0434\u044b Nike", "Ni\u200bke")]
    [1, 0, 1]
    """
    return int(count_disguised_words(Texts.of_one(text))[0])
