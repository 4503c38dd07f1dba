"""The compiled solver of the linear learner: logistic regression by ascent on the dual, one row at a time.

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

from ipml.features.compiled.machine_code import compiled, inner, plain_njit

ESCAPE = 65_535
"""The code that says: so much further, and no n-gram there."""
_ESCAPE = np.uint64(ESCAPE)
_ONE = np.uint64(1)
_NONE = ~np.uint64(0)
_RUN = 16  # rows visited one after another as they are stored, which memory is quicker at
_MOST_REST = 7  # passes
_LITTLE = 0.3  # of the mean gain
_MOST_STEPS = 50
_ENOUGH = 1e-8  # a margin need be no more exact


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
    starts : array of int64, shape (n_blocks, n_rows + 1)
        Where among the codes each row of each block of columns begins.
    firsts : array of int64, shape (n_blocks,)
        The first column of each block.
    scales : array of shape (n_blocks, n_rows)
    rarity : array of shape (n_columns,)
        An n-gram has the value count * rarity * scale.
    """

    pointers: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float64]
    codes: NDArray[np.uint16]
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    scales: NDArray[np.float64]
    rarity: NDArray[np.float64]


@plain_njit
def _read_row(stored, row, columns, entries):
    """Write the columns and values of one row; return how many are n-grams, and how many there are."""
    n = np.uint64(0)
    for block in range(stored.firsts.size):
        column = np.uint64(stored.firsts[block])
        scale = stored.scales[block, row]
        last = _NONE
        for at in range(np.uint64(stored.starts[block, row]), np.uint64(stored.starts[block, row + 1])):
            code = np.uint64(stored.codes[at])
            column += code
            if code == _ESCAPE:
                continue
            if column == last:
                entries[n - _ONE] += stored.rarity[column] * scale
            else:
                columns[n], entries[n] = column, stored.rarity[column] * scale
                n += _ONE
                last = column
    n_ngrams = n
    for at in range(np.uint64(stored.pointers[row]), np.uint64(stored.pointers[row + 1])):
        columns[n], entries[n] = stored.indices[at], stored.values[at]
        n += _ONE
    return n_ngrams, n


@inner
def _scratch(stored, rows):
    """Return room for the columns and values of any of some rows."""
    longest = 0
    for row in rows:
        n = stored.pointers[row + 1] - stored.pointers[row]
        for block in range(stored.firsts.size):
            n += stored.starts[block, row + 1] - stored.starts[block, row]
        longest = max(longest, n)
    return np.empty(longest, np.uint32), np.empty(longest, np.float64)


@compiled
def multiply(stored, rows, coefficients):
    """Return the product of each row with the coefficients."""
    columns, entries = _scratch(stored, rows)
    products = np.zeros(rows.size)
    for i in range(rows.size):
        _, n = _read_row(stored, rows[i], columns, entries)
        for k in range(n):
            products[i] += entries[k] * coefficients[np.uint64(columns[k])]
    return products


@compiled
def measure(stored, rows, parts, n_columns):
    """Return the square of each row's length, and the sum of the rows, each times its part."""
    columns, entries = _scratch(stored, rows)
    squares, sums = np.zeros(rows.size), np.zeros(n_columns)
    for i in range(rows.size):
        _, n = _read_row(stored, rows[i], columns, entries)
        for k in range(n):
            squares[i] += entries[k] * entries[k]
            sums[np.uint64(columns[k])] += entries[k] * parts[i]
    return squares, sums


@plain_njit
def _shuffle(order, state):
    """Put numbers in another order, drawn by SplitMix64; return the state to go on from."""
    for last in range(order.size - 1, 0, -1):
        state += np.uint64(0x9E3779B97F4A7C15)
        drawn = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        drawn = (drawn ^ (drawn >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        other = np.int64((drawn ^ (drawn >> np.uint64(31))) % np.uint64(last + 1))
        order[last], order[other] = order[other], order[last]
    return state


@plain_njit
def _loss(margin):
    return max(-margin, 0.0) + np.log1p(np.exp(-abs(margin)))


@plain_njit
def _negative_entropy(share):
    if share <= 0.0 or share >= 1.0:
        return 0.0
    return share * np.log(share) + (1.0 - share) * np.log1p(-share)


@plain_njit
def _best_share(margin, reach, share):
    """Return the share s for which s = 1 / (1 + exp(margin + reach * (s - share))), by Newton steps within bounds.

    `reach` is how far the margin moves as the share goes from 0 to 1.
    """
    low = margin - reach * share
    high = low + reach
    at, best = margin, 1.0 / (1.0 + np.exp(margin))
    for _ in range(_MOST_STEPS):
        excess = at - margin - reach * (best - share)
        if excess > 0.0:
            high = at
        else:
            low = at
        new = at - excess / (1.0 + reach * best * (1.0 - best))
        if not low <= new <= high:
            new = 0.5 * (low + high)
        moved, at = abs(new - at), new
        best = 1.0 / (1.0 + np.exp(at))
        if moved <= _ENOUGH * (1.0 + abs(at)):
            break
    return best


@compiled
def ascend(stored, rows, sign, cost, least, squares, shares, sums, intercept, tolerance, most_passes, seed):
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
    columns, entries = _scratch(stored, rows)
    gains, rests, left = np.zeros(rows.size), np.zeros(rows.size, np.int8), np.zeros(rows.size, np.int8)
    runs = np.arange((rows.size + _RUN - 1) // _RUN)
    balance = np.sum(sign * cost * shares)
    little, gap, state = 0.0, np.inf, np.uint64(seed)
    n_passes = 0
    while n_passes < most_passes:
        is_full = n_passes == 0 or gap <= tolerance
        state = _shuffle(runs, state)
        for run in runs:
            for i in range(run * _RUN, min((run + 1) * _RUN, rows.size)):
                if left[i] > 0 and not is_full:
                    left[i] -= 1
                    continue
                n_ngrams, n = _read_row(stored, rows[i], columns, entries)
                total = intercept + balance
                for k in range(n_ngrams):
                    total += entries[k] * sums[np.uint64(columns[k])]
                for k in range(n_ngrams, n):
                    column = np.uint64(columns[k])
                    total += entries[k] * max(sums[column], least[column])
                margin = sign[i] * total
                gains[i] = cost[i] * (_loss(margin) + _negative_entropy(shares[i]) + shares[i] * margin)
                rests[i] = min(2 * rests[i] + 1, _MOST_REST) if gains[i] < little else 0
                left[i] = rests[i]
                share = _best_share(margin, cost[i] * (squares[i] + 1.0), shares[i])
                change = sign[i] * cost[i] * (share - shares[i])
                shares[i] = share
                balance += change
                for k in range(n):
                    sums[np.uint64(columns[k])] += change * entries[k]
        n_passes += 1
        intercept += balance
        gap = np.sum(gains)
        little = _LITTLE * gap / rows.size
        if is_full and gap <= tolerance:
            break
    return intercept, gap, n_passes
