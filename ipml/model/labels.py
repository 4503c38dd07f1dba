"""Labels: reads labels and weights, and puts unlabelled listings of the market beside them.

A model of labels alone knows only sellers that somebody suspected, and takes the market's own brands and words for
signs of counterfeits. Most unlabelled listings are genuine, so each counts as a genuine one of the least weight under
which the mean probability of those left out is plausible (Elkan and Noto, 2008, doi:10.1145/1401890.1401920).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.listings.extra import EXTRA
from ipml.listings.fields import TEXT_VECTOR
from ipml.listings.kinds import has_cells
from ipml.model.learner.problem import Floats, Labels

_GENUINE = {"counterfeit": ("genuine", "authentic", "real", "original"), "1": ("0",), "true": ("false",)}
_GENUINE["fake"] = _GENUINE["counterfeit"]
"""Names of counterfeits, and beside which names of genuine listings everybody reads them so.

1 and True are those of counterfeits wherever ipml writes labels. Yes and no are not here, since they answer "genuine?"
as well as "counterfeit?".
"""


def find_counterfeit_label(classes: NDArray[Any], pos_label: Any = None) -> int:
    """Return which of two labels is that of counterfeits, 0 or 1: `pos_label`, 1 or True, or a usual name.

    Raises `ValueError`: `pos_label` is neither; or there is none, and both could be the label of counterfeits.

    >>> find_counterfeit_label(np.array(["counterfeit", "genuine"])), find_counterfeit_label(np.array([0, 1]))
    (0, 1)
    """
    labels: list[Any] = classes.tolist()
    if pos_label is not None:
        if pos_label not in labels:
            raise ValueError(f"pos_label is {pos_label!r}; expected one of the labels, {labels[0]!r} or {labels[1]!r}.")
        return labels.index(pos_label)
    if labels[1] == 1 and labels[0] in (0, -1):
        return 1
    names = [label.strip().casefold() if isinstance(label, str) else "" for label in labels]
    if plain := [place for place in (0, 1) if names[1 - place] in _GENUINE.get(names[place], ())]:
        return plain[0]
    found = f"Found the labels {labels[0]!r} and {labels[1]!r}, and nothing that says which is that of counterfeits"
    raise ValueError(f"{found}; expected 1 and 0, or pos_label={labels[0]!r} or pos_label={labels[1]!r}.")


def find_counterfeit_column(classifier: Any) -> int:
    """Return the column of counterfeits in `predict_proba`; 1 for a classifier without labels.

    Raises `ValueError`: a model of an earlier release, which always took the second label for counterfeit, may flag
    genuine listings.
    """
    if not hasattr(classifier, "classes_"):
        return 1
    if hasattr(classifier, "pos_label_"):
        return find_counterfeit_label(np.asarray(classifier.classes_), classifier.pos_label_)
    if find_counterfeit_label(np.asarray(classifier.classes_)) == 0:
        first, second = np.asarray(classifier.classes_).tolist()
        raise ValueError(f"Found the labels {first!r} and {second!r}, of which an earlier release took the second.")
    return 1


def list_labels(y: Any, n_listings: int) -> NDArray[Any]:
    """Return the labels as plain texts or numbers; refuse missing ones and a wrong number of them."""
    from sklearn.utils.validation import column_or_1d  # scoring does without scikit-learn

    labels = column_or_1d(np.asarray(y), warn=True)
    if len(labels) != n_listings:
        raise ValueError(f"Found {len(labels)} labels for {n_listings} listings; expected one for each.")
    if n_missing := int(np.sum(pd.isna(labels) | pd.Series(labels).isin((np.inf, -np.inf)))):
        raise ValueError(f"Found {n_missing} missing labels (NaN or inf); leave listings without a label out.")
    return np.array(labels.tolist())  # frames hold them as objects


def read_labels(y: Any, weight: Floats, pos_label: Any = None) -> tuple[NDArray[Any], Labels, Any]:
    """Return both labels, sorted; 1 for counterfeit and 0 for genuine of each listing; and the label of counterfeits.

    Raises `ValueError`: a label is missing, they are not of two classes with a weight, or both could be the label of
    counterfeits.

    >>> read_labels([False, True, True], np.ones(3))
    (array([False,  True]), array([0, 1, 1], dtype=int8), True)
    """
    from sklearn.utils.multiclass import check_classification_targets  # scoring does without scikit-learn

    labels = list_labels(y, len(weight))
    check_classification_targets(labels)
    classes, y = np.unique(labels, return_inverse=True)
    if len(classes) > 2:
        found = f"multiclass: found {len(classes)} labels, such as {classes[:3].tolist()}"
        expected = "expected that of genuine listings and that of counterfeits"
        raise ValueError(f"Only binary classification is supported. The type of the target is {found}; {expected}.")
    counted = np.unique(y[weight > 0])
    if len(counted) < 2:
        found = f"only one class, the label {classes[counted[0]].item()!r}" if len(counted) else "no label"
        with_weight = "" if np.all(weight > 0) else " with a sample weight above zero"
        raise ValueError(f"Found {found}{with_weight}; expected two classes, genuine and counterfeit listings.")
    column = find_counterfeit_label(classes, pos_label)
    return classes, np.asarray(y == column, dtype=np.int8), classes.tolist()[column]


_SAME_LISTING = ("seller_id", "title", "description", "price")
"""Columns that two rows of one listing share, whatever its ids."""


def find_contradictions(listings: pd.DataFrame, y: NDArray[Any]) -> NDArray[np.bool_]:
    """Say of each row whether another row of the same listing has the opposite label.

    Rows of one listing share the seller and either `listing_id` or title, description and price.

    >>> listings = pd.DataFrame({"listing_id": ["a", "a", "b"], "seller_id": "s", "title": ["Bag", "Bag", "Cap"]})
    >>> find_contradictions(listings, np.array([1, 0, 1])).tolist()
    [True, True, False]
    """
    is_wrong = np.zeros(len(listings), dtype=bool)
    contents = [name for name in _SAME_LISTING if name in listings]
    ids = [name for name in ("listing_id", "seller_id") if name in listings]
    for names in (ids if "listing_id" in ids else [], contents if {"seller_id", "title"} <= {*contents} else []):
        if not names:
            continue
        keys = pd.util.hash_pandas_object(listings[names], index=False).to_numpy()
        codes, counts = pd.factorize(keys)[0], np.asarray(y, dtype=float)
        shares = np.bincount(codes, counts) / np.bincount(codes)
        is_wrong |= ((shares > 0) & (shares < 1))[codes] & listings[names].notna().any(axis=1).to_numpy()
    return is_wrong


def warn_of_contradictions(listings: pd.DataFrame, y: Labels) -> None:
    """Warn of rows of one listing that have opposite labels."""
    is_wrong = find_contradictions(listings, y)
    if is_wrong.any():
        first = ", ".join(map(str, np.flatnonzero(is_wrong)[:3] + 1))
        found = (
            f"{is_wrong.sum():,} rows have the opposite label of another row of the same listing, first rows {first}"
        )
        warnings.warn(f"{found}; keep the label that holds.", UserWarning, stacklevel=3)


def list_columns(X: Any) -> list[str]:
    """Return the column names of training listings; `seller_id` must be among them."""
    names = list(map(str, X))
    if "seller_id" not in names:
        found = ", ".join(names[:5]) or "none"
        raise ValueError(f"X has no column seller_id, which makes the folds; found {found}. Rename your own to it.")
    return [name for name in names if name not in (TEXT_VECTOR, EXTRA) or has_cells(X[name])]


def read_weight(sample_weight: Any, n_listings: int) -> Floats:
    """Return a weight for each listing."""
    if sample_weight is None:
        return np.ones(n_listings)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_listings,):
        raise ValueError(
            f"Found sample weights of shape {weight.shape}; expected one for each of {n_listings} listings."
        )
    return weight


PREVALENCE_BOUND = 0.08
"""At most such a share of unlabelled listings is taken to be counterfeit: marketplaces found 6.6 to 8 % of theirs."""
MOST_UNLABELLED = 10_000
"""How many are learnt from, those of sellers drawn at random; more would say little more of what is usual."""
WEIGHTS = tuple(2.0**power for power in range(-10, 1))
"""Weights of an unlabelled listing, relative to a label, ascending; at most that of a label."""


@dataclass(frozen=True, slots=True)
class UnlabelledEffect:
    """The effect of unlabelled listings on a model.

    Attributes
    ----------
    weight : float
        Weight of each beside a label; 0 where only its words, prices and brands were learnt.
    mean_before, mean_after : float
        Mean held-out probability with the weight 0 and with this one.
    bound : float
        The largest share of them that can be counterfeit.
    """

    n_listings: int
    weight: float
    mean_before: float
    mean_after: float
    bound: float

    def __str__(self) -> str:
        counted = f"each counts for {self.weight:.2g} of a label" if self.weight else "none had to count as genuine"
        means = f"their mean probability, when left out: {self.mean_before:.3f} -> {self.mean_after:.3f}"
        kept = "" if self.mean_after <= self.bound else ", NOT reached: label some of them"
        return f"{self.n_listings:,} unlabelled listings: {counted}; {means} (bound {self.bound:g}{kept})"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Labelled listings and, after them, unlabelled ones.

    Attributes
    ----------
    y : array of 0 and 1, shape (n_listings,)
        0 for unlabelled ones.
    weight : array of shape (n_listings,)
        How far each label is trusted; 0 for unlabelled ones at first.
    counted : array of shape (n_listings,)
        The weight for probabilities, which also corrects for how labels were sampled.
    """

    listings: ListingColumns
    y: Labels
    weight: Floats
    counted: Floats
    sellers: NDArray[Any]
    n_labelled: int

    def cut(self, rows: NDArray[np.intp]) -> TrainingSet:
        """Return some of the listings, in their order."""
        n_labelled = int(np.searchsorted(rows, self.n_labelled))
        weights = self.weight[rows], self.counted[rows]
        return TrainingSet(self.listings.cut(rows), self.y[rows], *weights, self.sellers[rows], n_labelled)

    def weigh_unlabelled(self, weight: float) -> TrainingSet:
        """Return the set with this weight for each unlabelled listing, counted as genuine."""
        is_labelled = np.arange(len(self.y)) < self.n_labelled
        own, counted = (np.where(is_labelled, weights, weight) for weights in (self.weight, self.counted))
        return replace(self, weight=own, counted=counted)

    def weigh_as_they_come(self) -> Floats:
        """Return how many listings of the market each represents; 1 for unlabelled ones."""
        return np.append(self.counted[: self.n_labelled], np.ones(len(self.y) - self.n_labelled))

    def groups(self, brands: NDArray[Any]) -> NDArray[Any]:
        """Return the group of each listing, given the brand of each, "" where unknown; groups are left out together.

        Labelled listings are grouped by seller. Unlabelled ones are grouped by brand, since a model learns brand names
        first and must not know them when it scores these; by seller without a brand, or where the seller has labels.
        """
        if self.n_labelled == len(self.y):
            return self.sellers
        by_seller = np.isin(self.sellers, self.sellers[: self.n_labelled]) | (brands == "")
        return np.where(by_seller, "seller " + self.sellers.astype(object), "brand " + brands)


def check_unlabelled(listings: pd.DataFrame, prevalence_bound: float) -> None:
    """Refuse unlabelled listings without rows or sellers, and a bound outside 0-1, by a ValueError."""
    if "seller_id" not in listings or listings.empty:
        found = f"{len(listings):,} rows of {', '.join(map(str, list(listings)[:5])) or 'nothing'}"
        raise ValueError(f"unlabelled: found {found}; expected listings with the columns of X, seller_id among them.")
    if not 0 < prevalence_bound < 1:
        raise ValueError(f"prevalence_bound is {prevalence_bound!r}; expected a share above 0 and below 1.")


def draw_unlabelled(listings: pd.DataFrame, seed: int, most: int = MOST_UNLABELLED) -> pd.DataFrame:
    """Return the listings of sellers drawn at random, at most `most`; of a seller with too many, the first.

    A seller's place in the draw follows from seed and name alone, so files can be drawn from part by part.

    >>> listings = pd.DataFrame({"seller_id": ["ann", "bob", "ann", "cid"]})
    >>> in_parts = draw_unlabelled(pd.concat([draw_unlabelled(listings[:3], 0, 2), listings[3:]]), 0, 2)
    >>> in_parts.equals(draw_unlabelled(listings, 0, 2))
    True
    """
    if len(listings) <= most:
        return listings
    turns = pd.util.hash_array(
        listings["seller_id"].astype(str).to_numpy(dtype=object), hash_key=f"{seed % 10**16:016}"
    )
    return listings.iloc[np.sort(np.argsort(turns, kind="stable")[:most])]


def find_weight(mean_under: Callable[[float], float], bound: float) -> float:
    """Return the least weight under which the mean, falling with the weight, is at most the bound; else the largest.

    >>> find_weight(lambda weight: 0.4 - weight, bound=0.3)
    0.125
    """
    if mean_under(0.0) <= bound:
        return 0.0
    low, high = 0, len(WEIGHTS) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if mean_under(WEIGHTS[middle]) <= bound else (middle + 1, high)
    return WEIGHTS[low]
