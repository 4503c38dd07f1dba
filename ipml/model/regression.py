"""Logistic regression on the features of listings, on its way to the best fit, and how far it is from there.

The features are held as the learner reads them: row by row, many times, in little memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.errors import Refused
from ipml.features.compiled.ngrams import encode, order_known
from ipml.features.compiled.texts import Texts
from ipml.model.solver import StoredRows, ascend, measure, multiply

Floats = NDArray[np.float64]


@dataclass(eq=False)
class LinearLearner:
    """What was learnt: log-odds that are linear in the features.

    Attributes
    ----------
    coef_ : array of shape (1, n_features)
    intercept_ : array of shape (1,)
    n_iter_ : int
        How often the fit went through the listings.
    """

    coef_: Floats
    intercept_: Floats
    n_iter_: int

    def decision_function(self, values: Any) -> Floats:
        """Return the log-odds of a matrix of features, shape (n_listings,)."""
        return np.asarray(values @ self.coef_[0] + self.intercept_[0])


@dataclass(frozen=True, slots=True, eq=False)
class Ngrams:
    """Texts and what their n-grams are worth: an n-gram that occurs `c` times in a text with `n` known ones has the
    value `weight * c * rarity / sqrt(n)`, as `TextFeatures` gives it.

    Attributes
    ----------
    first : int
        The number of the first of their columns.
    texts : Texts
        Skeletons of folded texts, one for each listing.
    rarity : array of shape (2^bits,)
        `TextFeatures.idf_`; 0 for the unknown.
    letters : tuple of (int, int)
    words : int
    weight : float, default=1.0
    """

    first: int
    texts: Texts
    rarity: Floats
    letters: tuple[int, int]
    words: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """The features of some listings; rows that are taken out are not copied.

    Of hundreds of thousands of columns most have nothing in them. The others stand side by side in what is stored, so
    that those of a listing come from little memory.

    Attributes
    ----------
    stored : StoredRows
    rows : array of int64, shape (n_listings,)
        Which of the stored rows these are.
    columns : array of int64, shape (n_stored,)
        Which feature each stored column is: known n-grams, the most frequent of a text first, then others.
    n_columns : int
        How many features there are.

    Examples
    --------
    >>> design = Design.of(scipy.sparse.csr_matrix([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
    >>> design[np.array([2, 1])] @ np.array([1.0, 10.0])
    array([ 3., 20.])
    """

    stored: StoredRows
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    n_columns: int

    @classmethod
    def of(cls, values: scipy.sparse.csr_matrix, ngrams: Sequence[Ngrams] = ()) -> Design:
        """Return features as a design.

        Parameters
        ----------
        values : csr_matrix of shape (n_listings, n_features)
        ngrams : sequence of Ngrams
            What stands in columns in which `values` has nothing. Kept in two bytes each.

        Raises
        ------
        ValueError
            A value is not a finite number, or there is not one text for each listing.
        """
        _check_values(values, ngrams)
        blocks = [block for block in ngrams if block.rarity.any()]
        known = [order_known(block.rarity) for block in blocks]
        is_other = np.ones(values.shape[1], dtype=np.bool_)
        for block in ngrams:
            is_other[block.first : block.first + block.rarity.size] = False
        of_blocks = (block.first + columns for block, columns in zip(blocks, known, strict=True))
        columns = np.concatenate([*of_blocks, np.flatnonzero(is_other)])
        places = np.zeros(values.shape[1], dtype=np.int32)
        places[columns] = np.arange(columns.size)
        stored = StoredRows(
            pointers=values.indptr.astype(np.int64, copy=False),
            indices=places[values.indices],
            values=values.data.astype(np.float64, copy=False),
            **_encode_blocks(blocks, known, values.shape[0]),
            firsts=np.cumsum([0, *map(len, known)], dtype=np.int64)[: len(blocks)],
            rarity=_join_rarity(blocks, values.shape[1])[columns],
        )
        return cls(stored, np.arange(values.shape[0]), columns, values.shape[1])

    @classmethod
    def join(cls, parts: Iterable[Design]) -> Design:
        """Return the features of the listings of each part, one part after another.

        Each part has all rows that it stores, in order, and the same n-grams. It is asked for when those before have
        been read, so that no more than one of them need be in memory beside what comes of them.

        Examples
        --------
        >>> parts = (Design.of(scipy.sparse.csr_matrix([[number, 1.0]])) for number in (2.0, 3.0))
        >>> Design.join(parts) @ np.array([1.0, 10.0])
        array([12., 13.])
        """
        grown: dict[str, _Grown] = {}
        for part in parts:
            of = part.stored._asdict()
            for name, begun in (("starts", "codes"), ("pointers", "values")) if grown else ():
                of[name] = of[name] + grown[begun].n
            of["pointers"] = of["pointers"][1:] if grown else of["pointers"]
            for name in _OF_ROWS:
                grown.setdefault(name, _Grown(of[name].dtype)).add(of[name])
        joined = {name: array.take() for name, array in grown.items()}
        n_rows = len(joined["pointers"]) - 1
        for name in ("starts", "lengths", "scales"):
            joined[name] = joined[name].reshape(n_rows, len(part.stored.firsts))
        return replace(part, stored=part.stored._replace(**joined), rows=np.arange(n_rows))

    @property
    def shape(self) -> tuple[int, int]:
        """How many listings and how many features there are."""
        return len(self.rows), self.n_columns

    def scale(self, factors: Floats) -> Design:
        """Return each feature times its factor; all n-grams of a text have that of their first column."""
        stored, factors = self.stored, factors[self.columns]
        scales, values = stored.scales * factors[stored.firsts], stored.values
        factors[: stored.rarity.size][stored.rarity > 0] = 1.0  # n-grams have theirs
        if (factors != 1.0).any():
            values = values * factors[stored.indices]
        return replace(self, stored=stored._replace(scales=scales, values=values))

    def append(self, column: Floats) -> Design:
        """Return the features, of which all rows are stored in order, with one more after them.

        Examples
        --------
        >>> Design.of(scipy.sparse.csr_matrix([[1.0], [0.0]])).append(np.array([2.0, 3.0])) @ np.array([1.0, 10.0])
        array([21., 30.])
        """
        stored = self.stored
        shape = len(self.rows), len(self.columns)
        values = scipy.sparse.csr_matrix((stored.values, stored.indices, stored.pointers), shape=shape)
        wider = scipy.sparse.csr_matrix(scipy.sparse.hstack([values, scipy.sparse.csr_matrix(column[:, np.newaxis])]))
        _check_values(wider, ())
        stored = stored._replace(
            pointers=wider.indptr.astype(np.int64), indices=wider.indices.astype(np.int32), values=wider.data
        )
        columns = np.append(self.columns, self.n_columns)
        return replace(self, stored=stored, columns=columns, n_columns=self.n_columns + 1)

    def __getitem__(self, rows: NDArray[Any]) -> Design:
        return replace(self, rows=self.rows[rows])

    def __matmul__(self, coefficients: Floats) -> Floats:
        return multiply(self.stored, self.rows, coefficients[self.columns])


def _check_values(values: scipy.sparse.csr_matrix, ngrams: Sequence[Ngrams]) -> None:
    if n_wrong := int(np.count_nonzero(~np.isfinite(values.data))):
        raise ValueError(f"{n_wrong} of {values.nnz} values are not finite. Every feature needs a finite number.")
    for block in ngrams:
        if len(block.texts) != values.shape[0]:
            raise ValueError(f"Got {len(block.texts)} texts for {values.shape[0]} listings; expected one for each.")


def _encode_blocks(blocks: Sequence[Ngrams], known: Sequence[NDArray[np.int64]], n_rows: int) -> dict[str, Any]:
    """Return the codes of the n-grams, block after block, where each row's begin, how many it has, and its scales."""
    codes, used = [np.empty(0, dtype=np.uint16)], 0
    starts, lengths = (np.empty((n_rows, len(blocks)), dtype=kind) for kind in (np.int64, np.int32))
    scales = np.empty((n_rows, len(blocks)))
    for number, block in enumerate(blocks):
        bits = block.rarity.size.bit_length() - 1
        part, ends, n_known = encode(block.texts, known[number], bits, *block.letters, block.words)
        starts[:, number], lengths[:, number] = used + ends[:-1], np.diff(ends)
        scales[:, number] = block.weight / np.sqrt(np.maximum(n_known, 1))
        codes.append(part)
        used += part.size
    return {"codes": np.concatenate(codes), "starts": starts, "lengths": lengths, "scales": scales}


_OF_ROWS = ("pointers", "indices", "values", "codes", "starts", "lengths", "scales")


class _Grown:
    """An array that others are written behind, without a second copy where memory has room.

    Attributes
    ----------
    n : int
        How much was written.
    """

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._array, self.n = np.empty(0, dtype=kind), 0

    def add(self, part: NDArray[Any]) -> None:
        """Write an array, row after row."""
        if self.n + part.size > self._array.size:
            self._array.resize((self.n + part.size) * 5 // 4, refcheck=False)
        self._array[self.n : self.n + part.size] = part.ravel()
        self.n += part.size

    def take(self) -> NDArray[Any]:
        """Return what was written."""
        self._array.resize(self.n, refcheck=False)
        return self._array


def _join_rarity(blocks: Sequence[Ngrams], n_columns: int) -> Floats:
    """Return the rarity of each column, 0 where it is no known n-gram's."""
    rarity = np.zeros(n_columns)
    for block in blocks:
        rarity[block.first : block.first + block.rarity.size] = block.rarity
    return rarity


_MOST_PASSES = 2_000
_STEP = 10.0  # from one penalty on the way to the next weaker one; those of a search lie closer together
_ON_THE_WAY = 1e-1  # how exact a fit is that only another one begins from
_FINER = 4.0  # a pass takes its gap from rows as it met them: where that was too good, it goes on to a smaller one
_MOST_DESCENTS = 8
_MOST_STEPS = 5_000  # of one descent
_TINY = 1e-300
_SEED = 0  # of the order in which rows are visited


class SolverState(NamedTuple):
    """Where an ascent may begin: each listing's share in the coefficients, 0-1, and the intercept."""

    shares: Floats
    intercept: float

    def take(self, rows: NDArray[np.intp]) -> SolverState:
        """Return where one of some of the listings may begin."""
        return SolverState(self.shares[rows], self.intercept)


class DualSolver:
    """Fit a logistic regression with a penalty on the coefficients, the intercept free of it.

    Parameters
    ----------
    design : Design of shape (n_listings, n_features)
    y : array of 0 and 1, shape (n_listings,)
    weight : array of shape (n_listings,)
    only_raises : array of bool, shape (n_features,)
        Whose coefficients may not be negative. N-grams may not be among them.
    C : float
        Inverse strength of the penalty.
    start : SolverState, optional

    Examples
    --------
    >>> design = Design.of(scipy.sparse.csr_matrix([[0.0], [1.0], [2.0], [3.0]]))
    >>> ascent = DualSolver(design, np.array([0, 1, 0, 1]), np.ones(4), np.array([False]), C=1.0)
    >>> ascent.fit(1e-9)
    >>> ascent.coefficients.round(3), round(ascent.intercept, 3)
    (array([0.453]), -0.679)
    """

    def __init__(
        self,
        design: Design,
        y: NDArray[Any],
        weight: Floats,
        only_raises: NDArray[np.bool_],
        C: float,
        start: SolverState | None = None,
    ) -> None:
        _check_labels(design, y, weight)
        counted = np.flatnonzero(weight > 0)  # a label that is not trusted at all teaches nothing
        self._design, self._n_listings, self._counted = design[counted], len(y), counted
        self._sign = np.where(y[counted] == 1, 1.0, -1.0)
        self._weight = np.ascontiguousarray(weight[counted])
        self._least = np.where(only_raises[design.columns], 0.0, -np.inf)
        self._shares = np.zeros(len(counted)) if start is None else start.shares[counted]
        cost = C * self._weight
        self._squares, self._sums = measure(
            self._design.stored, self._design.rows, cost * self._sign * self._shares, len(design.columns)
        )
        share = float(self._weight[self._sign > 0].sum() / self._weight.sum())
        shares = np.array([share, 1 - share])
        self._null_loss = float(scipy.special.entr(shares).sum() * self._weight.sum())
        self._coefficients = np.maximum(self._sums, self._least)
        self.intercept = float(np.log(share / (1 - share))) if start is None else start.intercept
        self.C, self.n_passes, self._reached = C, 0, 0.0 if start is None else C

    def set_penalty(self, C: float) -> None:
        """Go on under another penalty; each listing keeps its share."""
        self._sums *= C / self.C
        self.C = C

    def fit(self, tolerance: float) -> None:
        """Improve the fit until the objective is at most `tolerance` times the loss of a null model above its least.

        A weak penalty is reached by way of stronger ones: from far away the ascent takes very long. Where it still does
        not arrive, scipy's L-BFGS-B goes on.

        Raises
        ------
        Refused
            Neither arrives: the fit is not to be used.
        """
        wanted = self.C
        self._approach()
        allowed, aimed_at = tolerance * wanted * self._null_loss, tolerance
        gap = np.inf
        while gap > allowed and self._ascend(aimed_at):
            self._coefficients = np.maximum(self._sums, self._least)
            gap = self._duality_gap()
            aimed_at /= _FINER
        for finer in range(_MOST_DESCENTS if gap > allowed else 0):
            self._descend(allowed / _FINER**finer)
            gap = self._duality_gap()
            if gap <= allowed:
                break
        if not gap <= allowed:
            raise Refused(
                f"Cannot fit with C = {wanted:g}",
                f"a fit that may be {gap / (wanted * self._null_loss):.1e} from the best, in parts of the loss of a "
                "model without features",
                f"{tolerance:.1e}",
                "Choose a smaller C.",
            )
        self._reached = wanted

    def fit_approximately(self, tolerance: float, most_passes: int) -> bool:
        """Improve the fit as `fit` does, but give up after so many passes; say whether it took itself for done.

        It does not prove that it arrived, which is enough to compare penalties with each other.
        """
        self._approach()
        is_done = self._ascend(tolerance, most_passes)
        self._coefficients = np.maximum(self._sums, self._least)
        self.intercept = _best_intercept(self._multiply(), self._sign, self.C * self._weight, self.intercept)
        self._reached = self.C
        return is_done

    def _approach(self) -> None:
        """Fit roughly under stronger penalties, one after another, and return to the penalty that is wanted."""
        wanted = self.C
        for C in self._penalties_on_the_way(wanted):
            self.set_penalty(C)
            self._ascend(_ON_THE_WAY)
        self.set_penalty(wanted)

    def _penalties_on_the_way(self, wanted: float) -> Iterator[float]:
        """Yield those between where the fit stands and where it is wanted, the strongest first.

        Under the first one, with nothing fitted yet, a row of mean length moves no other one much.
        """
        C = max(self._reached * _STEP, 1.0 / max(float(self._squares.mean()), 1e-12))
        while wanted > C:
            yield C
            C *= _STEP

    def _ascend(self, tolerance: float, most_passes: int = _MOST_PASSES) -> bool:
        """Visit rows until the ascent takes its gap for small enough, or has done so very often; say which."""
        stored, rows = self._design.stored, self._design.rows
        fitted, cost = (self._sign, self.C * self._weight), (self._least, self._squares, self._shares, self._sums)
        allowed = tolerance * self.C * self._null_loss
        self.intercept, gap, n_passes = ascend(
            stored, rows, *fitted, *cost, self.intercept, allowed, most_passes, _SEED
        )
        self.n_passes += n_passes
        return bool(gap <= allowed)

    def _duality_gap(self) -> float:
        """Put the intercept where it is best, and return how far the objective is above its least, at most.

        Of millions of listings each number takes much memory: those that are no longer needed make room for others.

        It is compared with the dual objective, which is below the least one at any shares whose signed costs sum to 0:
        whichever way coefficients and shares were found, the bound holds. Those of the larger side are scaled to fit.
        """
        cost, sign = self.C * self._weight, self._sign
        products = self._multiply()
        self.intercept = _best_intercept(products, sign, cost, self.intercept)
        products += self.intercept
        primal = self._objective(products, self._coefficients)
        spent = np.multiply(cost, self._shares, out=products)
        of_counterfeit, of_genuine = (float(spent[sign == side].sum()) for side in (1.0, -1.0))
        least = min(of_counterfeit, of_genuine)
        shares = np.where(sign > 0, least / max(of_counterfeit, _TINY), least / max(of_genuine, _TINY))
        shares *= self._shares
        parts = np.multiply(cost, sign, out=spent)
        parts *= shares
        _, sums = measure(self._design.stored, self._design.rows, parts, len(self._sums))
        best = np.maximum(sums, self._least, out=sums)
        others = np.subtract(1.0, shares, out=parts)
        entropy = scipy.special.entr(shares, out=shares)
        entropy += scipy.special.entr(others, out=others)
        return float(primal - (cost @ entropy - 0.5 * best @ best))

    def _objective(self, log_odds: Floats, coefficients: Floats) -> float:
        loss = self._sign * log_odds
        np.logaddexp(0.0, np.negative(loss, out=loss), out=loss)
        return float(self.C * (self._weight @ loss) + 0.5 * coefficients @ coefficients)

    def _descend(self, allowed: float) -> None:
        """Improve coefficients and intercept by L-BFGS-B, which takes longer but bears values of any size."""
        stored, rows, n_columns = self._design.stored, self._design.rows, len(self._sums)
        cost, sign = self.C * self._weight, self._sign
        used = np.flatnonzero(measure(stored, rows, np.random.default_rng(0).random(len(rows)), n_columns)[1])
        self._coefficients, before = np.zeros(n_columns), self._coefficients

        def evaluate(point: Floats) -> tuple[float, Floats]:
            self._coefficients[used] = point[:-1]
            log_odds = self._multiply() + point[-1]
            error = -cost * sign * scipy.special.expit(-sign * log_odds)
            _, slopes = measure(stored, rows, error, n_columns)
            return self._objective(log_odds, point[:-1]), np.append(slopes[used] + point[:-1], error.sum())

        start = np.append(before[used], self.intercept)
        if not evaluate(start)[0] < self.C * self._null_loss:
            start = np.append(np.zeros(len(used)), 0.0)  # nothing was gained on the way here
        # The objective curves at least as a parabola: it is above its least by at most half the square of the slopes.
        options = {"maxiter": _MOST_STEPS, "maxfun": 2 * _MOST_STEPS, "maxcor": 20, "ftol": 0.0}
        found = scipy.optimize.minimize(
            evaluate,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[*((least, None) for least in self._least[used]), (None, None)],
            options=options | {"gtol": np.sqrt(max(allowed, 0.0) / (len(used) + 1))},
        )
        self.n_passes += found.nfev
        evaluate(found.x)
        products = self._multiply()
        self.intercept = _best_intercept(products, sign, cost, float(found.x[-1]))
        self._shares = scipy.special.expit(-sign * (products + self.intercept))
        _, self._sums = measure(stored, rows, cost * sign * self._shares, n_columns)

    def _multiply(self) -> Floats:
        """Return what the coefficients say of each listing, without the intercept."""
        return multiply(self._design.stored, self._design.rows, self._coefficients)

    @property
    def coefficients(self) -> Floats:
        """What each feature weighs, shape (n_features,); 0 where none of the listings has it."""
        coefficients = np.zeros(self._design.n_columns)
        coefficients[self._design.columns] = self._coefficients
        return coefficients

    def score(self, design: Design) -> Floats:
        """Return the log-odds of listings, other rows of what is stored of those it was fitted on, (n_listings,)."""
        return np.asarray(multiply(design.stored, design.rows, self._coefficients) + self.intercept)

    def learner(self) -> LinearLearner:
        """Return the fit."""
        return LinearLearner(self.coefficients[np.newaxis], np.array([self.intercept]), self.n_passes)

    @property
    def state(self) -> SolverState:
        """Where the ascent is: another one, of the same listings or more, can begin there."""
        shares = np.zeros(self._n_listings)
        shares[self._counted] = self._shares
        return SolverState(shares, self.intercept)


def _best_intercept(products: Floats, sign: Floats, cost: Floats, near: float) -> float:
    """Return the intercept with the least loss, given what the coefficients say of each listing."""
    signed, against = cost * sign, np.empty(len(products))

    def fall(intercept: float) -> float:
        np.add(products, intercept, out=against)
        np.multiply(against, sign, out=against)
        np.negative(against, out=against)
        return float(signed @ scipy.special.expit(against, out=against))

    width = 1.0
    while fall(near - width) < 0.0 or fall(near + width) > 0.0:
        width *= 4.0
    return float(scipy.optimize.brentq(fall, near - width, near + width, xtol=1e-12, rtol=1e-14))


def has_both(y: NDArray[Any], weight: Floats) -> bool:
    """Say whether there are labels of both kinds that have a weight."""
    return bool((weight[y == 1] > 0).any() and (weight[y == 0] > 0).any())


def _check_labels(design: Design, y: NDArray[Any], weight: Floats) -> None:
    if not len(y) == len(weight) == design.shape[0]:
        raise ValueError(f"Got {len(y)} labels and {len(weight)} weights for {design.shape[0]} listings.")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("Some weights are negative or no finite numbers. Every label needs a weight of 0 or more.")
    if not has_both(y, weight):
        raise ValueError("All labels with a weight are the same. There must be counterfeit and genuine listings.")
