"""What reviewers find who read only the first listings: how many counterfeits, and what these would have sold for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from ipml.model.evaluation import draw_repeats
from ipml.model.metrics import Estimate, estimate_of
from ipml.model.values import draw_values

_K = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True)
class FoundFirst:
    """What the first `k` listings hold.

    Attributes
    ----------
    k : int
    precision : Estimate
        Share of counterfeits among them.
    recall : Estimate
        Share of all counterfeits that is among them.
    value, value_share : Estimate or None
        Asking prices of these counterfeits, added up, in one currency; and their share of the prices of all
        counterfeits. None where no price is known.
    """

    k: int
    precision: Estimate
    recall: Estimate
    value: Estimate | None
    value_share: Estimate | None


def choose_k(n_listings: int) -> tuple[int, ...]:
    """Return numbers of listings that people might read of so many: round ones, up to half of all.

    Examples
    --------
    >>> choose_k(300)
    (10, 20, 50, 100)
    """
    return tuple(k for k in _K if k <= n_listings / 2) or (max(n_listings // 2, 1),)


def found_first(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    listings: pd.DataFrame,
    k: Sequence[int],
    *,
    weight: ArrayLike | None = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> tuple[FoundFirst, ...]:
    """Measure what the first `k` listings hold, for several k.

    Parameters
    ----------
    y : array of shape (n_listings,)
        True or 1 where the listing is counterfeit.
    scores : sequence of array of shape (n_listings,)
        Probabilities, one array a repeat; the figures are averaged over them.
    listings : DataFrame of shape (n_listings, …)
        With `seller_id` and, for values, what `ipml.model.values.add_values` adds.
    k : sequence of int
        How many listings are read.
    weight : array of shape (n_listings,), optional
        For how many listings each one stands: k of these are read.
    n_resamples : int, default=500
        Resamples of the sellers, for the intervals.
    seed : int, default=0

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcd"), "value": [30.0, 9.0, 10.0, 9.0], "value_currency": "EUR"})
    >>> found = found_first([1, 0, 1, 0], [[0.9, 0.8, 0.7, 0.1]], listings, [2])
    >>> found[0].precision.value, found[0].value.value, found[0].value_share.value
    (0.5, 30.0, 0.75)
    """
    names = [f"{share}_at_{n}" for n in k for share in ("precision", "recall")]
    drawn: dict[str, Any] = {"weight": weight, "n_resamples": n_resamples, "seed": seed}
    draws = draw_repeats(y, scores, listings["seller_id"], names, **drawn)
    values = draw_values(y, scores, listings, k, **drawn)
    found = []
    for place, n in enumerate(k):
        value, share = (None if values is None else estimate_of(values[part, place]) for part in (0, 1))
        precision, recall = (estimate_of(draws[f"{name}_at_{n}"]) for name in ("precision", "recall"))
        found.append(FoundFirst(n, precision, recall, value, share))
    return tuple(found)
