"""The listings a model is most wrong about, with its reasons: the first to label anew, as the label may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.model.ranking import check_scores

Explain = Callable[[pd.DataFrame], Sequence[Sequence[str]]]
MOST_OF_ONE_SELLER = 2
MOST_REASONS = 6
_TEXTS = ("listing_id", "seller_id", "title", "brand", "category", "currency")


@dataclass(frozen=True, slots=True)
class Misjudged:
    """One listing, as its seller wrote it, with its label, its score and the first sentences that explain it."""

    listing_id: str
    seller_id: str
    title: str
    brand: str
    category: str
    currency: str
    price: float | None
    is_counterfeit: bool
    score: float
    reasons: tuple[str, ...] = ()


def most_misjudged(
    y: ArrayLike, score: ArrayLike, listings: pd.DataFrame, *, n: int = 10, explain: Explain | None = None
) -> tuple[Misjudged, ...]:
    """Return the genuine listings with the highest scores, then the counterfeits with the lowest.

    Parameters
    ----------
    y, score : array of shape (n_listings,)
        Truth (0 or 1) and score.
    listings : DataFrame of shape (n_listings, …)
    n : int, default=10
        How many of each at most; two of one seller at most, whose listings are often all alike.
    explain : function of DataFrame, optional
        Given those listings, it returns the sentences for each.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abc"), "title": ["Bag", "Watch", "Hat"]})
    >>> [(wrong.title, wrong.score) for wrong in most_misjudged([0, 1, 0], [0.8, 0.3, 0.1], listings, n=1)]
    [('Bag', 0.8), ('Watch', 0.3)]
    """
    truth, scores = check_scores(y, score, are_probabilities=False)
    sellers = listings["seller_id"].reset_index(drop=True)
    rows = np.concatenate(
        [
            _first_rows(np.where(truth == 0, -scores, np.nan), sellers, n),
            _first_rows(np.where(truth == 1, scores, np.nan), sellers, n),
        ]
    )
    shown = listings.iloc[rows]
    reasons = explain(shown) if explain and len(shown) else [()] * len(shown)
    return tuple(
        _misjudged(listing, bool(truth[row]), float(scores[row]), sentences)
        for row, listing, sentences in zip(rows, shown.to_dict("records"), reasons, strict=True)
    )


def _first_rows(keys: NDArray[np.float64], sellers: pd.Series[str], n: int) -> NDArray[np.intp]:
    """Return the rows with the lowest keys, two of a seller at most; NaN is left out."""
    order = np.argsort(keys, kind="stable")[: np.count_nonzero(~np.isnan(keys))]
    place_of_seller = sellers.iloc[order].groupby(sellers).cumcount().to_numpy()
    return order[place_of_seller < MOST_OF_ONE_SELLER][:n]


def _misjudged(listing: dict[Hashable, Any], is_counterfeit: bool, score: float, reasons: Sequence[str]) -> Misjudged:
    texts = {name: "" if pd.isna(listing.get(name)) else str(listing[name]) for name in _TEXTS}
    price = listing.get("price")
    return Misjudged(
        **texts,
        price=None if pd.isna(price) else float(price),
        is_counterfeit=is_counterfeit,
        score=score,
        reasons=tuple(reasons[:MOST_REASONS]),
    )
