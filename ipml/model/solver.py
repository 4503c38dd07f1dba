"""The solver of the linear learner: logistic regression by ascent on the dual, one row at a time.

It minimises

    sum over rows of cost * log(1 + exp(-sign * (row @ coefficients + intercept))) + |coefficients|^2 / 2

where some coefficients have a least value, 0 or none; the intercept is not penalised. Each row has a share between 0
and 1. The sums over rows of sign * cost * share * row, raised to their least value, are the coefficients. Rows are
visited in an order drawn anew for each pass, and each visit sets the row's share to the best one given those of the
others (Shalev-Shwartz and Zhang 2013; Yu, Huang and Lin 2011). What each row has left to gain sums to the duality gap,
a bound on how far the objective lies above its least. A row with little to gain rests for some passes.

The intercept is the multiplier of the dual's one constraint, that the signed costs * shares sum to 0. Within a pass it
moves with that sum as if all rows had a column of ones; the next pass starts from where it stands (Rockafellar 1976).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, bind, make_struct

Floats = NDArray[np.float64]


class StoredRows(NamedTuple):
    """The rows that the solver reads: n-grams in two bytes each, other values as a CSR matrix.

    N-gram columns of a row are written in order, each as its distance to the one before; the first one of a block to
    the block's first column. One that occurs again is at distance 0.

    Attributes
    ----------
    pointers, indices, values : arrays of int64, int32 and float64
        The CSR matrix.
    codes : array of uint16
        The distances.
    starts : array of int64, shape (n_rows, n_blocks)
        Where among the codes each row of each block of columns begins.
    lengths : array of int32, shape (n_rows, n_blocks)
        How many codes it has.
    firsts : array of int64, shape (n_blocks,)
        The first column of each block.
    scales : array of shape (n_rows, n_blocks)
    rarity : array of shape (n_columns,)
        An n-gram has the value count * rarity * scale.
    """

    pointers: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: Floats
    codes: NDArray[np.uint16]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    firsts: NDArray[np.int64]
    scales: Floats
    rarity: Floats


_multiply = bind("multiply_rows")
_measure = bind("measure_rows")
_ascend = bind("ascend")
_as_engine_takes = KINDS["stored_rows"].from_param


def multiply(stored: StoredRows, rows: NDArray[np.int64], coefficients: Floats) -> Floats:
    """Return the product of each row with the coefficients."""
    products = np.empty(rows.size)
    _multiply(_as_engine_takes(stored), rows, np.ascontiguousarray(coefficients, np.float64), products)
    return products


def measure(stored: StoredRows, rows: NDArray[np.int64], parts: Floats, n_columns: int) -> tuple[Floats, Floats]:
    """Return the square of each row's length, and the sum of the rows, each times its part."""
    squares, sums = np.empty(rows.size), np.empty(n_columns)
    _measure(_as_engine_takes(stored), rows, np.ascontiguousarray(parts, np.float64), squares, sums)
    return squares, sums


def ascend(
    stored: StoredRows,
    rows: NDArray[np.int64],
    sign: Floats,
    cost: Floats,
    least: Floats,
    squares: Floats,
    shares: Floats,
    sums: Floats,
    intercept: float,
    tolerance: float,
    most_passes: int,
    seed: int,
) -> tuple[float, float, int]:
    """Visit rows until the gap is no larger than the tolerance; change `shares` and `sums` in place.

    Parameters
    ----------
    stored : StoredRows
    rows : array of int64, shape (n_rows,)
        Which of the stored rows count.
    sign, cost, squares, shares : arrays of shape (n_rows,)
        1 or -1; what its loss is multiplied by, more than 0; as `measure` gives them; where to start from.
    least : array of shape (n_columns,)
        0 or minus infinity. That of n-grams is not looked at.
    sums : array of shape (n_columns,)
        That of the rows times sign * cost * share.

    Returns
    -------
    intercept, gap, n_passes
    """
    fitted = make_struct("fitted_rows", rows=rows, sign=sign, cost=cost, least=least, squares=squares)
    reached, gap = np.array([float(intercept)]), np.empty(1)
    told = _as_engine_takes(stored), fitted, shares, sums, float(tolerance), most_passes, seed, reached, gap
    n_passes = _ascend(*told)
    return float(reached[0]), float(gap[0]), n_passes
