"""Copy within compiled code: to assign one slice to another takes numba seconds to compile."""

import numpy as np

from ipml.features.compiled.machine_code import plain_njit


@plain_njit
def copy(source, start, end, target, at):
    """Copy a stretch of an array into another, from a place on."""
    for i in range(end - start):
        target[np.uint64(at + i)] = source[np.uint64(start + i)]  # no place is looked for from the end


@plain_njit
def copy_rows(source, n, target):
    """Copy the first rows of a table into another that is as wide."""
    for row in range(n):
        for column in range(source.shape[1]):
            target[row, column] = source[row, column]
