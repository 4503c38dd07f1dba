"""Labels may be any two, and the second of them is that of counterfeits."""

from contextlib import nullcontext
from itertools import product

import numpy as np
import pandas as pd
import pytest

from ipml.model.labels import read_labels


def test_any_two_labels_teach_the_same():
    """The second, when sorted, is that of counterfeits, which is said unless it is 1; both are kept as given."""
    y = np.array([0, 1, 1, 0, 0])
    pairs = [(False, True), (-1, 1), (0.0, 1.0), (1, 2), ("genuine", "replica")]
    for (genuine, counterfeit), make in product(pairs, (list, np.array, pd.Series)):
        said = f"{counterfeit!r}, the second of the labels, is taken for counterfeit"
        with nullcontext() if counterfeit == 1 else pytest.warns(UserWarning, match=said):
            classes, codes = read_labels(make([counterfeit if label else genuine for label in y]), np.ones(5))
        np.testing.assert_array_equal(codes, y)
        assert classes.tolist() == [genuine, counterfeit]
