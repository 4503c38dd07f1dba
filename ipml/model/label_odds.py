"""What labels stand for that are no random sample: people see what a score puts before them, and a draw from the rest.

Each label counts as often as there are listings like it: one over the odds with which a person came to see its listing
(Horvitz and Thompson, 1952, doi:10.1080/01621459.1952.10483446). The odds follow from what the listing shows, so what
orders listings can be learnt without them; but shares, probabilities and figures of merit need them, since among the
reviewed the share of counterfeits is that of what was suspected.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import UnusableSetting

Floats = NDArray[np.float64]


def odds_of(listings: pd.DataFrame) -> Floats | None:
    """Return with what odds people came to see listings, NaN where unknown; None where no listing says so."""
    if "label_odds" not in listings or listings["label_odds"].isna().all():
        return None
    return listings["label_odds"].to_numpy(dtype=np.float64, na_value=np.nan)


def weigh_by_odds(odds: ArrayLike) -> Floats:
    """Return for how many listings each label stands, shape (n_listings,).

    A weight above the mean one times the root of their number is cut to that, so that no single label decides
    (Ionides, 2008, doi:10.1198/106186008X320456).

    Parameters
    ----------
    odds : array of shape (n_listings,)
        In 0-1, more than 0; NaN where nobody knows, for instance of a listing that a notice pointed to: 1 is taken.

    Raises
    ------
    UnusableSetting
        Odds are 0 or less, or more than 1.

    Examples
    --------
    >>> weigh_by_odds([1.0, 0.5, np.nan])
    array([1., 2., 1.])
    """
    known = np.nan_to_num(np.asarray(odds, dtype=np.float64), nan=1.0)
    is_wrong = (known <= 0) | (known > 1)
    if is_wrong.any():
        found = f"{known[is_wrong][0]:g} of {int(is_wrong.sum()):,} labels"
        raise UnusableSetting("label_odds", found, "numbers above 0, up to 1")
    weight = 1.0 / known
    return np.asarray(np.minimum(weight, weight.mean() * np.sqrt(len(weight))))


def effective_number(weight: Floats) -> float:
    """Return how many labels of equal weight would say as much (Kish, 1965, "Survey Sampling").

    Examples
    --------
    >>> round(effective_number(np.array([1.0, 1.0, 20.0])), 2)
    1.2
    """
    return float(weight.sum() ** 2 / (weight @ weight))


def count_by_odds(odds: ArrayLike) -> Floats:
    """Return what each label counts, so that all of them count as their effective number, shape (n_listings,).

    Examples
    --------
    >>> count_by_odds([1.0, 1.0]), count_by_odds([1.0, 0.5]).round(1)
    (array([1., 1.]), array([0.6, 1.2]))
    """
    weight = weigh_by_odds(odds)
    return np.asarray(weight * (effective_number(weight) / weight.sum()))
