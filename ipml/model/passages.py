"""Long texts are read passage by passage, so that harmless words around the telling ones do not drown them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns

PASSAGE_WORDS = {"title": (20, 16, 4), "description": (90, 60, 20)}
"""For each text column: words up to which a text is read whole, words of a passage, and words from one to the next."""


def split_long_texts(listings: ListingColumns, column: str) -> tuple[ListingColumns, NDArray[np.intp]] | None:
    """Return each passage of the long texts as a listing of its own, and which listing each is from.

    Parameters
    ----------
    listings : ListingColumns
    column : {"title", "description"}

    Returns
    -------
    tuple of ListingColumns and array of int, or None
        None where no text is long.

    Examples
    --------
    >>> listings = ListingColumns({"title": ["short", " ".join(f"w{number}" for number in range(24))]})
    >>> passages, owners = split_long_texts(listings, "title")
    >>> owners.tolist(), passages.texts("title")[1].split()[0]
    ([1, 1, 1], 'w4')
    """
    longest_whole, n_words, step = PASSAGE_WORDS[column]
    texts: list[str] = []
    owners: list[int] = []
    for row, text in enumerate(listings.folded(column)):
        words = text.split(" ")
        if len(words) > longest_whole:
            starts = [*range(0, len(words) - n_words, step), len(words) - n_words]
            texts += [" ".join(words[start : start + n_words]) for start in starts]
            owners += [row] * len(starts)
    if not owners:
        return None
    rows = np.array(owners, dtype=np.intp)
    return listings.take(rows, {column: texts}), rows
