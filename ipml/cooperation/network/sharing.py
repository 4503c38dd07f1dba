"""What pairs share, added up: products of sparse matrices, a piece at a time, no loop over pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Codes = npt.NDArray[np.int64]
_STEPS = 20_000_000  # products worked out at once: some 300 MB


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who (sellers, or groups of them) has which values; both are positions, each pair of them once.

    Attributes
    ----------
    who, value : arrays of shape (n_rows,)
        Sorted by who.
    kinds, weights : arrays of shape (n_values,)
        Of each value its kind, and what it is worth to two who share it.
    ceilings : array of shape (n_kinds,)
        What all values of a kind together are worth at most.
    """

    who: Codes
    value: Codes
    kinds: Codes
    weights: Codes
    ceilings: Codes

    def keep(self, is_kept: npt.NDArray[np.bool_]) -> Sharing:
        """Return this without some rows."""
        return Sharing(self.who[is_kept], self.value[is_kept], self.kinds, self.weights, self.ceilings)

    def without_hopeless(self, needed: int) -> Sharing:
        """Leave out, again and again, who cannot reach what is needed, and values that one alone is left with."""
        sharing = self.keep(self.weights[self.value] > 0)
        while True:
            shared = np.bincount(sharing.value, minlength=len(self.weights)) > 1
            is_kept = shared[sharing.value] & sharing._is_hopeful(needed)
            if is_kept.all():
                return sharing
            sharing = sharing.keep(is_kept)

    def _is_hopeful(self, needed: int) -> npt.NDArray[np.bool_]:
        """Say of each row whether who it is of could share enough with anybody, at most."""
        place = np.cumsum(np.diff(self.who, prepend=self.who[:1]) != 0)
        n_kinds = len(self.ceilings)
        n_cells = n_kinds * (1 + int(place.max(initial=0)))
        sums = np.bincount(place * n_kinds + self.kinds[self.value], self.weights[self.value], minlength=n_cells)
        at_most = np.minimum(sums.reshape(-1, n_kinds), self.ceilings).sum(axis=1)
        is_hopeful: npt.NDArray[np.bool_] = (at_most >= needed)[place]
        return is_hopeful


def add_up_pairs(sharing: Sharing, needed: int, among: Codes | None = None) -> tuple[Codes, Codes, Codes]:
    """Return the pairs that share at least so much: first, second, and how much; first below second.

    Parameters
    ----------
    sharing : Sharing
        Who has what.
    needed : int
        Pairs that share less are left out.
    among : array, optional
        Only pairs of which at least one is among these.

    Examples
    --------
    >>> whole = np.array([0])
    >>> sharing = Sharing(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), np.array([0, 0]), np.array([5, 9]), whole + 7)
    >>> [pairs.tolist() for pairs in add_up_pairs(sharing, 6)]
    [[1], [2], [7]]
    """
    present, who = np.unique(sharing.who, return_inverse=True)
    used, value = np.unique(sharing.value, return_inverse=True)
    if not len(present):
        return tuple(np.zeros((3, 0), dtype=np.int64))  # type: ignore[return-value]
    rows = np.arange(len(present)) if among is None else np.flatnonzero(np.isin(present, among))
    matrices = _by_kind(sharing, who, value, used, len(present))
    parts = [_pairs_of(piece, matrices, needed) for piece in _pieces(rows, who, value)]
    first, second, shared = (np.concatenate(part) for part in zip(*parts, strict=True))
    low, high = np.minimum(first, second), np.maximum(first, second)
    _, once = np.unique(low * len(present) + high, return_index=True)
    return present[low[once]], present[high[once]], shared[once]


Matrices = list[tuple[sparse.csr_array, sparse.csr_array, int]]


def _by_kind(sharing: Sharing, who: Codes, value: Codes, used: Codes, n_who: int) -> Matrices:
    """Return for each kind: who has what, the same turned round with weights, and the ceiling of the kind."""
    matrices = []
    kinds = sharing.kinds[used]
    for kind in np.unique(kinds):
        is_kind = kinds[value] == kind
        shape = (n_who, len(used))
        ones = np.ones(int(is_kind.sum()), dtype=np.int64)
        plain = sparse.csr_array((ones, (who[is_kind], value[is_kind])), shape=shape)
        weights = sharing.weights[used][value[is_kind]]
        weighed = sparse.csr_array((weights, (who[is_kind], value[is_kind])), shape=shape).T.tocsr()
        matrices.append((plain, weighed, int(sharing.ceilings[kind])))
    return matrices


def _pieces(rows: Codes, who: Codes, value: Codes) -> Iterator[Codes]:
    """Cut rows so that each piece takes about as many steps."""
    holders = np.bincount(value)
    steps = np.bincount(who, holders[value])[rows].cumsum()
    cuts = np.searchsorted(steps, np.arange(_STEPS, steps[-1] if len(steps) else 0, _STEPS))
    yield from np.split(rows, cuts)


def _pairs_of(rows: Codes, matrices: Matrices, needed: int) -> tuple[Codes, Codes, Codes]:
    """Return the pairs of some rows with anyone but themselves."""
    total: sparse.csr_array | None = None
    for plain, weighed, ceiling in matrices:
        shared = plain[rows] @ weighed
        np.minimum(shared.data, ceiling, out=shared.data)
        total = shared if total is None else total + shared
    assert total is not None
    found = total.tocoo()
    first, second = rows[found.coords[0]], found.coords[1].astype(np.int64)
    is_enough = (found.data >= needed) & (first != second)
    return first[is_enough], second[is_enough], found.data[is_enough]
