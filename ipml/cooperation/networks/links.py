"""Links: pairs of sellers who share enough; the rarer a shared thing, the more it counts.

The weights are data: `rules.toml`, or a marketplace's own copy. Sums are whole hundredths of a bit, so they do not
depend on the order of addition. The number of sellers is rounded up to a power of two, so weights change only when a
marketplace doubles. Pairs are added up by products of sparse matrices, in pieces, without a loop over pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import networkx as nx
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import sparse

from ipml.cooperation.networks.attributes import KINDS, AttributeKind, Holdings
from ipml.kit.policy_file import read_policy

_BUNDLED = Path(__file__).with_name("rules.toml")


class KindRules(BaseModel):
    """The weight of a shared value of one kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lead: float = Field(ge=-64, le=64)
    ceiling: float = Field(default=64, ge=-64, le=64)
    most: int = Field(ge=2, le=1000)


class NetworkRules(BaseModel):
    """When two sellers are linked; the file explains each rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    needed: float = Field(ge=-10, le=64)
    kinds: dict[AttributeKind, KindRules]

    @model_validator(mode="after")
    def _know_every_kind(self) -> Self:
        if missing := [kind.value for kind in KINDS if kind not in self.kinds]:
            raise ValueError(f"no rules for {', '.join(missing)}")
        return self


def load_network_rules(path: Path | None = None) -> NetworkRules:
    """Read a file of rules, by default the bundled one.

    Raises UnusableSetting if the file is missing, is no TOML or has faults; it lists all of them in one line.
    """
    return read_policy(NetworkRules, path or _BUNDLED, "ipml/cooperation/networks/rules.toml", kind="rules")


Codes = npt.NDArray[np.int64]
HUNDREDTHS = 100


def marketplace_bits(n_sellers: int) -> int:
    """Return log2 of the number of sellers, rounded up."""
    return max(n_sellers - 1, 1).bit_length()


def compute_weights(holders: Codes, kinds: Codes, n_sellers: int, rules: NetworkRules) -> Codes:
    """Return the weight of each value for a pair that shares it, in hundredths of a bit.

    The fewer holders, the higher; with more than its kind allows a value weighs nothing. `kinds` are positions in
    `KINDS`.

    >>> payouts = np.zeros(3, dtype=np.int64)
    >>> compute_weights(np.array([2, 5, 201]), payouts, 50_000, load_network_rules()).tolist()
    [3200, 3000, 0]
    """
    lead = np.array([rules.kinds[kind].lead for kind in KINDS])[kinds]
    most = np.array([rules.kinds[kind].most for kind in KINDS])[kinds]
    bits = marketplace_bits(n_sellers) - np.log2(np.maximum(holders - 1, 1)) + lead
    counts = (holders >= 2) & (holders <= most)
    return np.where(counts, np.maximum(np.rint(bits * HUNDREDTHS), 0), 0).astype(np.int64)


def ceilings(n_sellers: int, rules: NetworkRules) -> Codes:
    """Return the highest weight of all values of a kind together, for each of `KINDS`, in hundredths of a bit."""
    bits: npt.NDArray[np.float64] = np.array([rules.kinds[kind].ceiling for kind in KINDS]) + marketplace_bits(
        n_sellers
    )
    hundredths: Codes = np.maximum(np.rint(bits * HUNDREDTHS), 0).astype(np.int64)
    return hundredths


def find_probability(bits: float, n_sellers: int) -> float:
    """Return the probability that two sellers who share so many bits belong together.

    The prior odds are 1 to 4 n (`rules.toml`).

    >>> [round(find_probability(16 + bits, 50_000), 2) for bits in (0, 2, 6, 20)]
    [0.2, 0.5, 0.94, 1.0]
    """
    return float(1 / (1 + 2.0 ** (marketplace_bits(n_sellers) + 2 - bits)))


def find_rows(keys: Codes, wanted: Codes) -> tuple[Codes, Codes]:
    """Return every match of some keys in a sorted array: the position among the wanted keys, and in the array.

    >>> [found.tolist() for found in find_rows(np.array([3, 3, 5]), np.array([5, 4, 3]))]
    [[0, 2, 2], [2, 0, 1]]
    """
    start, stop = (np.searchsorted(keys, wanted, side) for side in ("left", "right"))
    which = np.repeat(np.arange(len(wanted)), stop - start)
    places: Codes = np.arange(len(which)) + np.repeat(stop - np.cumsum(stop - start), stop - start)
    return which, places


def needed_to_link(n_sellers: int, rules: NetworkRules) -> int:
    """Return the sum that links two sellers, in hundredths of a bit."""
    return round((marketplace_bits(n_sellers) + rules.needed) * HUNDREDTHS)


_STEPS = 20_000_000  # products worked out at once: some 300 MB


@dataclass(frozen=True, slots=True)
class Sharing:
    """Sellers (or groups) and their values, each pair of positions once, sorted by `who`.

    `weights` has the weight of each value for two who share it, `ceilings` the highest weight of all values of a kind.
    """

    who: Codes
    value: Codes
    kinds: Codes
    weights: Codes
    ceilings: Codes

    def keep(self, is_kept: npt.NDArray[np.bool_]) -> Sharing:
        """Return the selected rows."""
        return Sharing(self.who[is_kept], self.value[is_kept], self.kinds, self.weights, self.ceilings)

    def without_hopeless(self, needed: int) -> Sharing:
        """Leave out sellers who cannot reach the needed sum and values with one holder left, until nothing changes."""
        sharing = self.keep(self.weights[self.value] > 0)
        while True:
            shared = np.bincount(sharing.value, minlength=len(self.weights)) > 1
            is_kept = shared[sharing.value] & sharing._may_reach(needed)
            if is_kept.all():
                return sharing
            sharing = sharing.keep(is_kept)

    def _may_reach(self, needed: int) -> npt.NDArray[np.bool_]:
        place = np.cumsum(np.diff(self.who, prepend=self.who[:1]) != 0)
        n_kinds = len(self.ceilings)
        n_cells = n_kinds * (1 + int(place.max(initial=0)))
        sums = np.bincount(place * n_kinds + self.kinds[self.value], self.weights[self.value], minlength=n_cells)
        at_most = np.minimum(sums.reshape(-1, n_kinds), self.ceilings).sum(axis=1)
        may_reach: npt.NDArray[np.bool_] = (at_most >= needed)[place]
        return may_reach


def add_up_pairs(sharing: Sharing, needed: int, among: Codes | None = None) -> tuple[Codes, Codes, Codes]:
    """Return the pairs that share at least `needed` (first below second), and how much.

    With `among`, one of each pair is among these.

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
    """Return for each kind: holders by value, its transpose with weights, and the ceiling."""
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
    holders = np.bincount(value)
    steps = np.bincount(who, holders[value])[rows].cumsum()
    cuts = np.searchsorted(steps, np.arange(_STEPS, steps[-1] if len(steps) else 0, _STEPS))
    yield from np.split(rows, cuts)


def _pairs_of(rows: Codes, matrices: Matrices, needed: int) -> tuple[Codes, Codes, Codes]:
    total: sparse.csr_array | None = None
    for plain, weighed, ceiling in matrices:
        shared = plain[rows] @ weighed
        np.minimum(shared.data, ceiling, out=shared.data)
        total = shared if total is None else total + shared
    assert total is not None
    pairs = total.tocoo()
    first, second = rows[pairs.coords[0]], pairs.coords[1].astype(np.int64)
    is_enough = (pairs.data >= needed) & (first != second)
    return first[is_enough], second[is_enough], pairs.data[is_enough]


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of sellers (positions, first below second, in order), and their weight in hundredths of a bit."""

    first: Codes
    second: Codes
    weight: Codes

    def keep(self, is_kept: npt.NDArray[np.bool_]) -> Links:
        """Return the selected links."""
        return Links(self.first[is_kept], self.second[is_kept], self.weight[is_kept])

    def and_also(self, other: Links) -> Links:
        """Return these and other links, in order."""
        first = np.concatenate([self.first, other.first])
        second = np.concatenate([self.second, other.second])
        order = np.lexsort((second, first))
        return Links(first[order], second[order], np.concatenate([self.weight, other.weight])[order])

    def renamed(self, names: Codes) -> Links:
        """Return the links with new positions; the order of sellers stays."""
        return Links(names[self.first], names[self.second], self.weight)

    def as_graph(self, members: Iterable[int]) -> nx.Graph:
        """Return the links between some members as a graph."""
        graph = nx.Graph()
        graph.add_nodes_from(members)
        graph.add_weighted_edges_from(zip(self.first.tolist(), self.second.tolist(), self.weight.tolist(), strict=True))
        return graph


def find_links(holdings: Holdings, rules: NetworkRules, among: Codes | None = None) -> Links:
    """Return all pairs of sellers who share enough; with `among`, both of them are among these sellers."""
    weights = compute_weights(holdings.holders, holdings.kinds, holdings.n_sellers, rules)
    most = ceilings(holdings.n_sellers, rules)
    sharing = Sharing(holdings.seller, holdings.value, holdings.kinds, weights, most)
    if among is not None:
        sharing = sharing.keep(np.isin(sharing.who, among))
    needed = needed_to_link(holdings.n_sellers, rules)
    return Links(*add_up_pairs(sharing.without_hopeless(needed), needed))


def update_links(holdings: Holdings, links: Links, rules: NetworkRules) -> Links:
    """Return all links, given those before the last events (in current positions).

    The sum of a pair depends on their values and on the holders of these. So it changed only if both have a value with
    new holders; a value that was too common before, and still is, counts for nothing.
    """
    most = np.array([rules.kinds[kind].most for kind in KINDS])[holdings.kinds]
    is_touched = (holdings.newcomers > 0) & (holdings.holders - holdings.newcomers <= most)
    touched = np.unique(holdings.seller[is_touched[holdings.value]])
    is_open = np.zeros(holdings.n_sellers, dtype=bool)
    is_open[touched] = True
    stay = links.keep(~(is_open[links.first] & is_open[links.second]))
    return stay.and_also(find_links(holdings, rules, among=touched)) if len(touched) else stay
