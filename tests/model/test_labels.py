"""Labels may be any two, and the second of them is that of counterfeits."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from ipml.model.labels import read_labels


@pytest.mark.parametrize(
    ("genuine", "counterfeit", "is_said"),
    [(False, True, False), (-1, 1, False), (0.0, 1.0, False), (1, 2, True), ("genuine", "replica", True)],
)
@pytest.mark.parametrize("make", [list, np.array, pd.Series])
def test_any_two_labels_teach_the_same(genuine, counterfeit, is_said, make):
    """The second, when sorted, is that of counterfeits, which is said unless it is 1; both are kept as given."""
    y = np.array([0, 1, 1, 0, 0])
    said = f"{counterfeit!r}, the second of the labels, is taken for counterfeit"
    with pytest.warns(UserWarning, match=said) if is_said else nullcontext():
        classes, codes = read_labels(make([counterfeit if label else genuine for label in y]), np.ones(5))
    np.testing.assert_array_equal(codes, y)
    assert classes.tolist() == [genuine, counterfeit]
