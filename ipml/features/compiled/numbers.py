"""Numbers: computes the values of listings, prices and sellers row by row.

numpy works in blocks, and the last bit of a logarithm can depend on the position in an array. Here it does not, so a
listing scores the same alone and in any batch. Unknown values, NaN, become 0 at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import bind, make_struct

NEVER = np.iinfo(np.int64).min
"""An unknown time."""
MICROSECONDS_A_DAY = 86_400_000_000

_N_OF_LISTING, _N_OF_SELLER, _N_OF_PRICE = 9, 4, 3  # values, besides one for each step

Floats = NDArray[np.float64]


def natural_log(values: Floats) -> Floats:
    """Return the natural logarithm of each value."""
    values = _floats(values)
    logs = np.empty(values.size)
    _natural_log(values, logs)
    return logs


def add_rows(values: Floats, weights: Floats, total: Floats) -> None:
    """Add to each total the weighted sum of its row, from left to right."""
    _check(values.shape == (total.size, weights.size), values, weights, total)
    _add_rows(_floats(values), _floats(weights), total)


def project_vectors(vectors: NDArray[np.float32], mean: Floats, directions: Floats) -> Floats:
    """Return the projection of each vector, scaled to length 1 and centred, on some directions; 0 for a zero vector.

    Parameters
    ----------
    vectors : array of float32, shape (n_vectors, n_numbers)
    mean : array of shape (n_numbers,)
    directions : array of shape (n_numbers, n_directions)
    """
    _check(vectors.shape[1] == mean.size == len(directions), vectors, mean, directions)
    values = np.empty((len(vectors), directions.shape[1]))
    _project_vectors(np.ascontiguousarray(vectors, np.float32), _floats(mean), _floats(directions), values)
    return values


def count_days(begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Floats:
    """Return the days from one time in microseconds to another; NaN where either is unknown."""
    _check(begins.shape == ends.shape, begins, ends)
    days = np.empty(begins.size)
    _count_days(_integers(begins), _integers(ends), days)
    return days


def choose_moments(wanted: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times in microseconds, or the alternatives where they are unknown, converted to nanoseconds.

    Where both are unknown the result is `NEVER` + 1.
    """
    _check(wanted.shape == others.shape, wanted, others)
    moments = np.empty(wanted.size, np.int64)
    _choose_moments(_integers(wanted), _integers(others), moments)
    return moments


def describe_listings(
    figures: Mapping[str, Floats],
    letters: NDArray[np.int64],
    has_code: NDArray[np.bool_],
    age_steps_days: Floats,
    prior_sales: float,
) -> Floats:
    """Return the values of `ListingFeatures`, shape (n_listings, 9 + number of steps).

    `figures` holds age_days, sales, returns, rating and reviews.
    """
    columns = *figures.values(), letters, has_code
    _check(len({column.shape for column in columns}) == 1, *columns)
    struct = make_struct(
        "listing_figures",
        **{name: _floats(figure) for name, figure in figures.items()},
        letters=_integers(letters),
        has_code=np.ascontiguousarray(has_code, np.bool_).view(np.uint8),
    )
    values = np.empty((letters.size, _N_OF_LISTING + age_steps_days.size))
    _describe_listings(struct, age_steps_days, prior_sales, values)
    return values


def describe_sellers(figures: Mapping[str, Floats], usual: Floats, prior_sales: float, most: float) -> Floats:
    """Return the values of `SellerFeatures`, shape (n_listings, 4).

    `figures` holds sales, returns, complaints, rating and strikes; `usual` the usual rates of returns and of
    complaints, and the usual rating.
    """
    columns = figures.values()
    _check(len({column.shape for column in columns}) == 1 and usual.shape == (3,), *columns, usual)
    struct = make_struct("seller_figures", **{name: _floats(figure) for name, figure in figures.items()})
    values = np.empty((figures["sales"].size, _N_OF_SELLER))
    _describe_sellers(struct, usual, prior_sales, most, values)
    return values


def describe_prices(
    to_reference: Floats, to_category: Floats, steps: Floats, least_of_category: float, most: float
) -> Floats:
    """Return the values of `PriceFeatures` from price ratios, shape (n_listings, 3 + number of steps)."""
    _check(to_reference.shape == to_category.shape, to_reference, to_category)
    values = np.empty((to_reference.size, _N_OF_PRICE + steps.size))
    _describe_prices(_floats(to_reference), _floats(to_category), steps, least_of_category, most, values)
    return values


def _floats(values: Any) -> Floats:
    return np.ascontiguousarray(values, np.float64)


def _integers(values: Any) -> NDArray[np.int64]:
    return np.ascontiguousarray(values, np.int64)


def _check(is_right: bool, *arrays: NDArray[Any]) -> None:
    """Refuse arrays of inconsistent shapes: the engine would read beyond them."""
    if not is_right:
        raise ValueError(f"found arrays of shapes {', '.join(str(array.shape) for array in arrays)}")


_natural_log = bind("natural_log")
_add_rows = bind("add_rows")
_project_vectors = bind("project_vectors")
_count_days = bind("count_days")
_choose_moments = bind("choose_moments")
_describe_listings = bind("describe_listings")
_describe_sellers = bind("describe_sellers")
_describe_prices = bind("describe_prices")
