"""Long texts are read passage by passage, so that harmless words around the telling ones do not drown them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.compiled.passages import cut_passages

PASSAGE_WORDS = {"title": (16, 8, 4), "description": (90, 60, 20)}
"""For each text column: words up to which a text is read whole, words of a passage, and words from one to the next.

The 80 letters that large marketplaces allow a title are at most some 16 words, and what gives a listing away, a brand
with a word of the trade, is at most five: some passage of eight in steps of four holds it with few words around it.
"""


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
    >>> owners.tolist(), passages.raw("title").text(1).split()[0]
    ([1, 1, 1, 1, 1], 'w4')
    """
    if column not in listings:
        return None
    passages, owners = cut_passages(listings.folded(column), *PASSAGE_WORDS[column])
    return (listings.take(owners, {column: passages}), owners) if len(owners) else None
