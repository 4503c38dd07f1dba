"""What is given with the listings to learn from: labels, weights, and columns that have names."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from ipml.model.strengths import Floats, Labels


def read_labels(y: Any, weight: Floats) -> tuple[NDArray[Any], Labels]:
    """Return both labels, sorted, and 1 for each listing with that of counterfeits, the second, else 0.

    Parameters
    ----------
    y : array of shape (n_listings,)
        Of two labels; a warning says which is taken for that of counterfeits where it is not 1.
    weight : array of shape (n_listings,)
        What each counts: both labels must have some.

    Raises
    ------
    ValueError
        Not one for each listing, one is missing, or they are not of two classes.

    Examples
    --------
    >>> read_labels([False, True, True], np.ones(3))
    (array([False,  True]), array([0, 1, 1], dtype=int8))
    """
    labels = column_or_1d(np.asarray(y), warn=True)
    if len(labels) != len(weight):
        raise ValueError(f"Found {len(labels)} labels for {len(weight)} listings; expected one for each.")
    if n_missing := int(np.sum(pd.isna(labels) | np.isin(labels, (np.inf, -np.inf)))):
        raise ValueError(f"Found {n_missing} missing labels (NaN or inf); leave listings without a label out.")
    labels = np.array(labels.tolist())  # of objects, as frames hold them, the plain texts or numbers
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
    if classes[1] != 1:
        said = f"{classes[1].item()!r}, the second of the labels, is taken for counterfeit, {classes[0].item()!r} for"
        warnings.warn(f"{said} genuine; if it is the other way round, give 1 and 0.", UserWarning, stacklevel=3)
    return classes, np.asarray(y, dtype=np.int8)


def list_columns(X: Any) -> list[str]:
    """Return the names of the columns of training listings, among which those that make folds must be."""
    names = list(map(str, X))
    if "seller_id" not in names:
        found = ", ".join(names[:5]) or "none"
        raise ValueError(f"X has no column seller_id, which makes the folds; found {found}. Rename your own to it.")
    return names


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
