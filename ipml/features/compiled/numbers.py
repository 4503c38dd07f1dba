"""Arithmetic on columns of numbers of which every bit counts."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def natural_log(values):
    """Return the logarithm of each value.

    numpy works in blocks, and the last bit of a logarithm can depend on where in an array a value stands; here it does
    not, so that a listing scores the same alone and in any batch.
    """
    logs = np.empty(values.size)
    for i in range(values.size):
        logs[i] = np.log(values[i])
    return logs
