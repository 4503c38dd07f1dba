"""The parts of a network: members linked more among each other than with the rest, such as a distributor's accounts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

_LEAST_GAIN = 1e-12  # less is rounding


def find_communities(weights: Array) -> Codes:
    """Return the part of each member, largest part first (0), from how much each two have in common.

    Parts are joined, two at a time, for as long as that makes more of the links lie within parts than chance would
    (modularity: Clauset, Newman and Moore 2004). Of equals the earlier are joined first, so that the same links give
    the same parts.

    Parameters
    ----------
    weights : array of shape (n_members, n_members)
        Symmetric, 0 where two are not linked.

    Examples
    --------
    >>> weights = np.kron(np.eye(2), np.ones((3, 3)))
    >>> weights[0, 5] = weights[5, 0] = 1
    >>> find_communities(weights).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    part = np.arange(len(weights))
    total = float(weights.sum())
    if total:
        within = weights / total
        np.fill_diagonal(within, 0.0)
        part = _join_parts(within, within.sum(axis=1))
    return _largest_first(part)


def _join_parts(within: Array, strength: Array) -> Codes:
    """Join parts until no two are better joined; return for each member the first of its part."""
    n = len(strength)
    part = np.arange(n)
    gain = np.where(within > 0, within - np.outer(strength, strength), -np.inf)
    np.fill_diagonal(gain, -np.inf)
    best = gain.max(axis=1)
    while best.max(initial=-np.inf) > _LEAST_GAIN:
        pair = int(best.argmax())
        one, other = sorted((pair, int(gain[pair].argmax())))
        within[one] += within[other]
        within[:, one] = within[one]
        within[one, one] = 0.0
        strength[one] += strength[other]
        within[other] = within[:, other] = 0.0
        strength[other] = 0.0
        gain[other] = gain[:, other] = -np.inf
        fresh = np.where(within[one] > 0, within[one] - strength[one] * strength, -np.inf)
        gain[one] = gain[:, one] = fresh
        best = gain.max(axis=1)
        part[part == other] = one
    return part


def _largest_first(part: Codes) -> Codes:
    _, first, code, sizes = np.unique(part, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    named: Codes = rank[code]
    return named
