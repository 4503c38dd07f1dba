"""Portfolios: measures how suspicious a seller's earlier listings looked, in a few numbers per seller.

The seller's other listings are the best evidence that carries over to unknown sellers. Only earlier listings count,
in training as in scoring, so the state of a seller is updated as listings arrive. A listing counts only if it looks
suspicious itself; clean listings earn no credit, so nobody can buy trust with thirty cheap ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.compiled.ngrams import find_distinct
from ipml.features.compiled.numbers import NEVER, choose_moments
from ipml.features.compiled.texts import Texts, hash_text, hash_texts
from ipml.kit.moments import to_microseconds
from ipml.records import PRIOR_LISTINGS, SUSPICION_STEPS, EarlierListings, Listing, StoredPortfolio

SILENT_BELOW = 0.2
"""Listings with a lower probability do not count against the seller."""

Floats = NDArray[np.float64]
Moments = NDArray[np.int64]


class EarlierOfEach(NamedTuple):
    """The earlier listings for each of some listings, as arrays of shape (n_listings,)."""

    n: Floats
    suspicion: Floats

    @property
    def shares(self) -> Floats:
        """The shares of suspicion."""
        return np.asarray(self.suspicion / (self.n + PRIOR_LISTINGS))

    def of(self, row: int) -> EarlierListings:
        """Return the earlier listings of one row."""
        return EarlierListings(int(self.n[row]), float(self.suspicion[row]))

    def with_others(self, others: Sequence[EarlierListings]) -> EarlierOfEach:
        """Return the same with other earlier listings of each seller added.

        >>> known = EarlierOfEach(np.array([3.0]), np.array([1.5]))
        >>> known.with_others([EarlierListings(1, 0.25)]).of(0)
        EarlierListings(n=4, suspicion=1.75)
        """
        n, suspicion = np.array(others, dtype=np.float64).reshape(-1, 2).T
        return EarlierOfEach(self.n + n, self.suspicion + suspicion)


class _State(NamedTuple):
    """State of a seller: sums up to the latest time, and sums before it."""

    n: int = 0
    suspicion: int = 0
    latest: int = NEVER
    n_before: int = 0
    suspicion_before: int = 0

    def with_listing(self, suspicion: int, moment: int) -> _State:
        """Return the state with one more listing; the order of additions makes no difference."""
        n, total = self.n + 1, self.suspicion + suspicion
        if moment > self.latest:
            return _State(n, total, moment, self.n, self.suspicion)
        if moment == self.latest:
            return _State(n, total, moment, self.n_before, self.suspicion_before)
        return _State(n, total, self.latest, self.n_before + 1, self.suspicion_before + suspicion)

    def with_others(self, other: _State) -> _State:
        """Return the combined state of two sets of listings."""
        if other.latest < self.latest:
            return other.with_others(self)
        n, suspicion = (self.n, self.suspicion) if self.latest < other.latest else self[3:]
        return _State(
            *(self.n + other.n, self.suspicion + other.suspicion, other.latest),
            *(n + other.n_before, suspicion + other.suspicion_before),
        )


class SellerPortfolios:
    """Portfolios of all sellers, by when their listings were listed.

    Sellers are stored under a hash of their id. A listing is compared with those listed strictly before it. A listing
    older than the seller's latest one counts as a first listing, since the state before it is no longer known. One
    thread may add while others read.

    >>> portfolios = SellerPortfolios()
    >>> portfolios.add(["ann", "ann"], np.array([0.9, 0.8]), np.array([1, 2]))
    >>> portfolios.shares(Texts.of(["ann", "bob"]), np.array([3, 3])).round(3)
    array([0.135, 0.   ])
    """

    def __init__(self) -> None:
        self._states: dict[int, _State] = {}
        self._n_added = 0
        self._sorted = (-1, np.zeros(0, dtype=np.uint64), np.zeros((0, 5), dtype=np.int64))

    def __len__(self) -> int:
        return len(self._states)

    def add(self, sellers: Iterable[str], probabilities: Floats, moments: Moments) -> None:
        """Add listings, in any order; the state afterwards does not depend on the order.

        Parameters
        ----------
        probabilities : array of shape (n_listings,)
            Calibrated probability of each listing's own score, 0-1; listings with NaN are not added.
        moments : array of int, shape (n_listings,)
            When each was listed, as from `listing_moments`.
        """
        rows = zip(sellers, _suspicion(probabilities).tolist(), moments.tolist(), strict=True)
        for seller, suspicion, moment in rows:
            self._add(seller_key(seller), suspicion, moment)

    @classmethod
    def of_one(cls, seller: str, earlier: EarlierListings) -> SellerPortfolios:
        """Return portfolios that hold these earlier listings of one seller, at any time, and no other seller.

        >>> SellerPortfolios.of_one("ann", EarlierListings(3, 1.25)).known("ann", 7)
        EarlierListings(n=3, suspicion=1.25)
        """
        portfolios = cls()
        state = _State(int(earlier.n), round(earlier.suspicion * SUSPICION_STEPS), NEVER)
        portfolios._states[seller_key(seller)] = state
        return portfolios

    def known(self, seller: str, moment: int) -> EarlierListings:
        """Return a seller's listings before a time.

        >>> portfolios = SellerPortfolios()
        >>> portfolios.add(["ann"], np.array([0.6]), np.array([1]))
        >>> portfolios.known("ann", 2), portfolios.known("ann", 1)
        (EarlierListings(n=1, suspicion=0.5), EarlierListings(n=0, suspicion=0.0))
        """
        return self._known(seller_key(seller), moment)

    def known_of_each(self, sellers: Texts, moments: Moments) -> EarlierOfEach:
        """Return the listings that each seller had before a time, one row per listing."""
        if len(sellers) == 1 and self._states:
            n, suspicion = self.known(sellers.text(0), int(moments[0]))
            return EarlierOfEach(np.array([float(n)]), np.array([suspicion]))
        earlier = EarlierOfEach(np.zeros(len(sellers)), np.zeros(len(sellers)))
        if self._states:
            known, states = self._sorted_states()
            numbers, firsts = find_distinct(sellers)
            keys = hash_texts(sellers.take(firsts))
            places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            rows = np.flatnonzero((known[places] == keys)[numbers])
            earlier.n[rows], earlier.suspicion[rows] = _sums_before(states[places[numbers[rows]]], moments[rows])
        return earlier

    def weigh_later(self, sellers: Iterable[str], probabilities: Floats, moments: Moments) -> list[float | None]:
        """Return the suspicion of listings that are counted elsewhere, in addition to these portfolios.

        None for a listing that is no later than the seller's latest one here, since it may be counted already, and
        for an unknown probability.

        >>> portfolios = SellerPortfolios()
        >>> portfolios.add(["ann"], np.array([0.6]), np.array([7]))
        >>> portfolios.weigh_later(["ann", "ann", "bob"], np.array([0.6, 0.6, 0.6]), np.array([7, 8, 7]))
        [None, 0.5, 0.5]
        """
        rows = zip(sellers, probabilities.tolist(), moments.tolist(), strict=True)
        return [self.weigh_later_one(*row) for row in rows]

    def weigh_later_one(self, seller: str, probability: float, moment: int) -> float | None:
        """Return `weigh_later` of a single listing; much faster."""
        state = self._states.get(seller_key(seller))
        if isnan(probability) or (state is not None and moment <= state.latest):
            return None
        return round(max(probability - SILENT_BELOW, 0.0) / (1.0 - SILENT_BELOW) * SUSPICION_STEPS) / SUSPICION_STEPS

    def shares(self, sellers: Texts, moments: Moments) -> Floats:
        """Return the share of suspicion in each seller's earlier listings, shape (n_listings,)."""
        return self.known_of_each(sellers, moments).shares

    def shares_in_time(self, sellers: Iterable[str], probabilities: Floats, moments: Moments) -> Floats:
        """Return the share for each listing in order of time, adding each listing on the way.

        Equivalent to reading the shares of all listings of one time before adding them, time by time.
        """
        sellers = list(sellers)
        shares = np.zeros(len(sellers))
        suspicions = _suspicion(probabilities).tolist()
        keys = [seller_key(seller) for seller in sellers]
        order = np.argsort(moments, kind="stable")
        cuts = np.flatnonzero(np.diff(moments[order])) + 1
        for rows in np.split(order, cuts):
            moment = int(moments[rows[0]]) if len(rows) else 0
            for row in rows.tolist():
                shares[row] = self._known(keys[row], moment).share
            for row in rows.tolist():
                self._add(keys[row], suspicions[row], moment)
        return shares

    def add_stored(self, stored: Iterable[StoredPortfolio]) -> None:
        """Add stored portfolios; their listings must differ from those added already.

        >>> from datetime import UTC, datetime
        >>> noon, portfolios = datetime(2026, 5, 1, 12, tzinfo=UTC), SellerPortfolios()
        >>> portfolios.add(["ann"], np.array([0.6]), np.array([1]))
        >>> portfolios.add_stored([StoredPortfolio("ann", 2, 1_500, noon, 1, 1_000)])
        >>> [portfolios.known("ann", moment).n for moment in (1_000 * to_microseconds(noon), NEVER, 2**62)]
        [2, 0, 3]
        """
        for seller_id, n, suspicion, latest, n_before, suspicion_before in stored:
            added = _State(n, suspicion, 1_000 * to_microseconds(latest), n_before, suspicion_before)
            key = seller_key(seller_id)
            self._n_added += 1
            self._states[key] = self._states.get(key, _State()).with_others(added)

    def copy(self) -> SellerPortfolios:
        """Return an independent copy."""
        twin = SellerPortfolios()
        twin.__setstate__(self.__getstate__())
        return twin

    def _known(self, key: int, moment: int) -> EarlierListings:
        state = self._states.get(key)
        if state is None or moment < state.latest:
            return EarlierListings(0, 0.0)
        if moment == state.latest:
            return EarlierListings(state.n_before, state.suspicion_before / SUSPICION_STEPS)
        return EarlierListings(state.n, state.suspicion / SUSPICION_STEPS)

    def _add(self, key: int, suspicion: int, moment: int) -> None:
        if suspicion >= 0:
            self._n_added += 1
            self._states[key] = self._states.get(key, _State()).with_listing(suspicion, moment)

    def _sorted_states(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return keys and states in the order of the keys; cached until listings are added."""
        n_added, keys, states = self._sorted
        if n_added != self._n_added:
            n_added = self._n_added
            found = self.__getstate__()
            order = np.argsort(found["keys"])
            keys, states = found["keys"][order], found["states"][order]
            self._sorted = n_added, keys, states
        return keys, states

    def __getstate__(self) -> dict[str, Any]:
        """Return the state as arrays, which a model file can hold."""
        items = list(self._states.items())  # at once, since another thread may add
        return {
            "keys": np.array([key for key, _ in items], dtype=np.uint64),
            "states": np.array([state for _, state in items], dtype=np.int64).reshape(-1, 5),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        keys, states = state["keys"], state["states"]
        if (keys.dtype, states.dtype, states.shape) != (np.uint64, np.int64, (len(keys), 5)):
            raise ValueError(f"found keys of {keys.dtype} and states of {states.dtype}, shape {states.shape}")
        rows = map(_State._make, states.tolist())
        self.__init__()  # type: ignore[misc]
        self._states = dict(zip(keys.tolist(), rows, strict=True))


def shares_of_others(sellers: Iterable[str], probabilities: Floats) -> Floats:
    """Return the share of suspicion in each seller's other listings, earlier or later, shape (n_listings,).

    For listings without times, and for evaluation in hindsight.

    >>> shares_of_others(["ann", "ann", "bob"], np.array([0.9, 0.1, 0.9])).round(3)
    array([0.  , 0.08, 0.  ])
    """
    suspicion = np.maximum(_suspicion(probabilities), 0) / SUSPICION_STEPS
    _, seller = np.unique(np.array(list(sellers), dtype=str), return_inverse=True)
    total, n = np.bincount(seller, suspicion), np.bincount(seller)
    return np.asarray((total[seller] - suspicion) / (n[seller] - 1 + PRIOR_LISTINGS))


def listing_moment(listing: Listing) -> int:
    """Return `listing_moments` of a single listing."""
    for moment in (listing.listed_at, listing.observed_at):
        if moment is not None:
            return 1_000 * to_microseconds(moment)
    return NEVER + 1


def listing_moments(listings: ListingColumns) -> Moments:
    """Return when each listing was listed, or else first observed, in nanoseconds UTC.

    A listing without either counts as the first of its seller.
    """
    return np.asarray(choose_moments(listings.moments("listed_at"), listings.moments("observed_at")))


@lru_cache(maxsize=65_536)
def seller_key(seller: str) -> int:
    """Return the key of a seller: eight bytes of a hash of the id."""
    return hash_text(seller.encode("utf-8", "surrogatepass"))


def _sums_before(states: NDArray[np.int64], moments: Moments) -> tuple[Floats, Floats]:
    """Return the sums of each seller's state before a time, as `SellerPortfolios.known` does."""
    n, suspicion, latest, n_before, suspicion_before = states.T
    is_latest, is_older = moments == latest, moments < latest
    n = np.where(is_older, 0, np.where(is_latest, n_before, n))
    suspicion = np.where(is_older, 0, np.where(is_latest, suspicion_before, suspicion))
    return n.astype(np.float64), suspicion / SUSPICION_STEPS


def _suspicion(probabilities: Floats) -> NDArray[np.int64]:
    """Return how far each probability exceeds `SILENT_BELOW`, in thousandths; -1 where unknown."""
    above = np.maximum(probabilities - SILENT_BELOW, 0.0) / (1.0 - SILENT_BELOW)
    return np.where(np.isnan(above), -1, np.rint(np.nan_to_num(above) * SUSPICION_STEPS)).astype(np.int64)
