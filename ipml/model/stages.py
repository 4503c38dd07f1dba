"""The stages of the classifier: a listing by itself, then joined with what its seller's other listings show.

`CounterfeitClassifier.transform` writes every n-gram of every listing into a matrix, which learning and explaining
need. To score, it is enough to add up what each extractor's features weigh, and that is many times as quick. Learning
keeps texts as texts until someone asks for their n-grams.

Long texts are read passage by passage, so that harmless words around the telling ones do not drown them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ipml.features.columns import SPELT, Extractor, ListingColumns, Reading
from ipml.features.compiled.numbers import add_rows
from ipml.features.compiled.texts import Texts, concat, cut_passages, have_plain_letters
from ipml.features.goods import claimed_brands, tell_brands
from ipml.features.names import Names
from ipml.features.text import NgramSums, TextFeatures
from ipml.kit.estimator import Estimator, check_fitted
from ipml.model.calibration.seller_weights import limit_sellers
from ipml.model.changes import TEXTS, TextChanges
from ipml.model.compiled_stage import (
    HAS_NO_PLAIN_LETTERS,
    IS_UNFAMILIAR,
    PASSAGE_WORDS,
    CompiledStage,
    Weighed,
)
from ipml.model.regression import Design, Ngrams


def split_long_texts(listings: ListingColumns, column: str) -> tuple[ListingColumns, NDArray[np.intp]] | None:
    """Return each passage of the long texts as a listing of its own, and which listing each is from.

    Parameters
    ----------
    listings : ListingColumns
    column : {"title", "description"}

    Returns
    -------
    tuple of ListingColumns and array of int, or None
        None where no text is long.

    Examples
    --------
    >>> listings = ListingColumns({"title": ["short", " ".join(f"w{number}" for number in range(24))]})
    >>> passages, owners = split_long_texts(listings, "title")
    >>> owners.tolist(), passages.raw("title").text(1).split()[0]
    ([1, 1, 1, 1, 1], 'w4')
    """
    if column not in listings:
        return None
    passages, owners = cut_passages(listings.folded(column), *PASSAGE_WORDS[column])
    return (listings.take(owners, {column: passages}), owners) if len(owners) else None


def has_long_texts(listings: ListingColumns) -> bool:
    """Say whether any listing is read passage by passage."""
    return any(split_long_texts(listings, column) is not None for column in PASSAGE_WORDS)


Floats = NDArray[np.float64]
_MOST_REMEMBERED = 4_096
"""How many different texts of a column of few, such as categories, are kept with what they weigh."""


class Features(Estimator):
    """Extractors side by side.

    Parameters
    ----------
    transformer_list : list of (str, extractor)
        Named as in scikit-learn's `FeatureUnion`, which serves where extractors are asked for, too.
    transformer_weights : dict of str to float, or None
        What the values of each are multiplied by; 1 where nothing is said.

    Examples
    --------
    >>> features = Features([("title", TextFeatures(bits=2))]).set_params(title__bits=1)
    >>> features.get_feature_names_out().tolist()
    ['title__ngram_0', 'title__ngram_1']
    """

    def __init__(
        self, transformer_list: list[tuple[str, Any]], transformer_weights: dict[str, float] | None = None
    ) -> None:
        self.transformer_list = transformer_list
        self.transformer_weights = transformer_weights

    def parts(self) -> dict[str, Any]:
        """Return the extractors by name."""
        return dict(self.transformer_list)

    def set_params(self, **params: Any) -> Self:
        """Set parameters of extractors, as `title__letters`, or put another extractor in the place of one."""
        others = {name: params.pop(name) for name in self.parts().keys() & params}
        self.transformer_list = [(name, others.get(name, part)) for name, part in self.transformer_list]
        return super().set_params(**params)

    def fit(self, listings: ListingColumns, y: Any = None) -> Self:
        """Let each extractor learn."""
        for _, extractor in self.transformer_list:
            extractor.fit(listings, y)
        return self

    def get_feature_names_out(self) -> NDArray[np.object_]:
        """Return the names of all features, each with its extractor's before it."""
        parts = self.transformer_list
        return np.array([f"{name}__{of}" for name, part in parts for of in part.get_feature_names_out()], dtype=object)


class FirstStage:
    """Fitted extractors and the coefficients of their features, prepared for scoring.

    Parameters
    ----------
    features : Features
        Fitted.
    coefficients : array of shape (n_features,)
    intercept : float

    Attributes
    ----------
    parts : dict of str to TextPart or NumberPart
        What the features of each extractor weigh.
    intercept : float

    Raises
    ------
    ValueError
        There is not one coefficient for each feature; compiled code would read past their end.
    """

    def __init__(self, features: Features, coefficients: Floats, intercept: float) -> None:
        self.intercept = intercept
        self.parts: dict[str, TextPart | NumberPart] = {}
        self._compiled: tuple[Reading, CompiledStage | None] | None = None
        start = 0
        for name, extractor in features.transformer_list:
            width = count_features(extractor)
            weights = coefficients[start : start + width] * (features.transformer_weights or {}).get(name, 1.0)
            start += width
            part = TextPart if isinstance(extractor, TextFeatures) else NumberPart
            self.parts[name] = part(extractor, weights)
        if np.shape(coefficients) != (start,):
            raise ValueError(f"found coefficients of shape {np.shape(coefficients)} for {start:,} features")

    def log_odds(self, listings: ListingColumns) -> Floats:
        """Return the log-odds of each listing by itself, shape (n_listings,); of long texts the worst passage counts.

        Parameters
        ----------
        listings : ListingColumns
            As the model reads them.
        """
        return self.weigh(listings).log_odds

    def weigh(self, listings: ListingColumns) -> Weighed:
        """Return the log-odds of each listing by itself, its brand, and whether its title says anything known.

        The engine does it in one call; models of other extractors than it knows are read part by part.
        """
        compiled = None if listings.are_passages else self.compiled(listings.reading)
        if compiled is None:
            return self._weigh_apart(listings)
        return compiled.weigh(listings)

    def weigh_changes(self, listings: ListingColumns, changes: TextChanges) -> Floats:
        """Return the log-odds of the listing of each change, as it is then, by itself.

        Parameters
        ----------
        listings : ListingColumns
            As the model reads them.
        changes : TextChanges
            What is taken away from their texts.
        """
        compiled = self.compiled(listings.reading)
        if compiled is None:
            return self._weigh_apart(changes.apply(listings)).log_odds
        return compiled.weigh_changes(listings, changes)

    def compiled(self, reading: Reading) -> CompiledStage | None:
        """Return what the engine knows of this stage, for listings read in this way; None where it does not know it."""
        known = self._compiled
        if known is None or known[0] is not reading:
            known = self._compiled = reading, CompiledStage.of(self.parts, self.intercept, reading)
        return known[1]

    def _weigh_apart(self, listings: ListingColumns) -> Weighed:
        """Return what `weigh` does, each extractor asked by itself."""
        log_odds = self.sum(listings)
        for column in PASSAGE_WORDS:
            if split := split_long_texts(listings, column):
                passages, owners = split
                np.maximum.at(log_odds, owners, self.sum(passages))
        brands, found = np.full(len(listings), -1), np.zeros(len(listings), dtype=np.uint8)
        if "brand" in self.parts:
            brands = claimed_brands(listings, self.number_part("brand").extractor.table_)
        if "title" in self.parts:
            part = self.text_part("title")
            found[part.extractor.is_unfamiliar(part.sum(listings))] |= IS_UNFAMILIAR
            found[~have_plain_letters(listings.folded("title"))] |= HAS_NO_PLAIN_LETTERS
        return Weighed(log_odds, brands, found)

    def text_part(self, name: str) -> TextPart:
        """Return the part of an extractor of n-grams."""
        part = self.parts[name]
        assert isinstance(part, TextPart)
        return part

    def number_part(self, name: str) -> NumberPart:
        """Return the part of another extractor."""
        part = self.parts[name]
        assert isinstance(part, NumberPart)
        return part

    def explain(self, listings: ListingColumns) -> tuple[Weighed, Floats]:
        """Return what `weigh` does, and what each feature adds to the log-odds, shape (n_listings, n_features).

        The n-grams of a text are one feature. Of a listing with long texts both are those of its worst passage.
        """
        return listings.once(("explained", self), lambda: self._explain(listings))

    def _explain(self, listings: ListingColumns) -> tuple[Weighed, Floats]:
        compiled = None if listings.are_passages else self.compiled(listings.reading)
        if compiled is None:
            return self._weigh_apart(listings), self._explain_apart(listings)
        weighed, parts = compiled.explain(listings)
        tell_brands(listings, self.number_part("brand").extractor.table_, weighed.brands)
        return weighed, parts

    def _explain_apart(self, listings: ListingColumns) -> Floats:
        """Return what each feature adds, each extractor asked by itself."""
        parts, highest = self._contributions(listings), self.sum(listings)
        for column in PASSAGE_WORDS:
            if split := split_long_texts(listings, column):
                passages, owners = split
                sums = self.sum(passages)
                worst = np.lexsort((-sums, owners))[np.flatnonzero(np.diff(owners, prepend=-1))]
                worst = worst[sums[worst] > highest[owners[worst]]]
                highest[owners[worst]] = sums[worst]
                if len(worst):
                    parts[owners[worst]] = self._contributions(passages.take(worst))
        return parts

    def _contributions(self, listings: ListingColumns) -> Floats:
        return np.concatenate([part.contributions(listings) for part in self.parts.values()], axis=1)

    def sum(self, listings: ListingColumns) -> Floats:
        """Return the log-odds of each listing read whole, shape (n_listings,)."""
        total = np.full(len(listings), self.intercept)
        for part in self.parts.values():
            part.add(listings, total)
        return total


class TextPart:
    """What the n-grams of a text column weigh.

    Attributes
    ----------
    extractor : TextFeatures
    marked : array of shape (2^bits + 1,)
        The weight of each n-gram.
    """

    def __init__(self, extractor: TextFeatures, weights: Floats) -> None:
        self.extractor = extractor
        self.marked = extractor.mark(weights)
        self._weigh_one = lru_cache(_MOST_REMEMBERED)(lambda text: float(self._weigh_all([text])[0]))

    def sum(self, listings: ListingColumns) -> NgramSums:
        """Return what the n-grams of each listing weigh."""
        return listings.once(self, lambda: self.extractor.sum(listings, self.marked))

    def add(self, listings: ListingColumns, total: Floats) -> None:
        """Add to the total of each listing."""
        column = self.extractor.column
        if column not in listings:
            return
        total += listings.once_a_row((self, "added"), [column], self._weigh)

    def contributions(self, listings: ListingColumns) -> Floats:
        """Return what the n-grams of each listing add together, shape (n_listings, 1)."""
        total = np.zeros(max(len(listings), 1))  # columns without any are those of one that says nothing
        self.add(listings, total)
        return total[:, np.newaxis]

    def _weigh(self, listings: ListingColumns) -> Floats:
        """Return what the n-grams of each listing add together."""
        if (column := self.extractor.column) in SPELT:
            return self.sum(listings).weights
        names = listings.names(column)
        return self._weigh_each(names)[names.codes]

    def _weigh_each(self, names: Names) -> Floats:
        """Return what each of few different texts weighs."""
        return np.array([self._weigh_one(names.names[0])]) if len(names.names) == 1 else self._weigh_all(names.names)

    def _weigh_all(self, texts: list[str]) -> Floats:
        return self.extractor.sum(ListingColumns({self.extractor.column: texts}), self.marked).weights


class NumberPart:
    """What all features of another extractor weigh.

    Attributes
    ----------
    extractor : transformer
    weights : array of shape (n_features,)
    """

    def __init__(self, extractor: Any, weights: Floats) -> None:
        self.extractor = extractor
        self.weights = weights

    def add(self, listings: ListingColumns, total: Floats) -> None:
        """Add to the total of each listing."""
        values = self._values(listings)
        if isinstance(values, np.ndarray):
            add_rows(values, self.weights, total)
        else:
            total += values @ self.weights

    def contributions(self, listings: ListingColumns) -> Floats:
        """Return what each feature of each listing adds, shape (n_listings, n_features)."""
        values = self._values(listings)
        dense = values if isinstance(values, np.ndarray) else values.toarray()
        return np.asarray(dense * self.weights)

    def _values(self, listings: ListingColumns) -> Any:
        extractor = self.extractor
        if not isinstance(extractor, Extractor):
            return extractor.transform(listings)
        return (
            listings.once_a_row(self, extractor.reads, extractor.values)
            if extractor.reads
            else extractor.values(listings)
        )


def count_features(extractor: Extractor) -> int:
    """Return how many features a fitted extractor makes."""
    return len(extractor.idf_) if isinstance(extractor, TextFeatures) else len(extractor.get_feature_names_out())


def mark_ngrams(features: Features) -> NDArray[np.bool_]:
    """Say of each feature whether it is an n-gram of a title or a description."""
    return np.concatenate(
        [np.full(count_features(extractor), name in TEXTS) for name, extractor in features.transformer_list]
    )


def mark_only_raising(features: Features) -> NDArray[np.bool_]:
    """Say of each feature whether it may only raise a score; extractors that know name theirs."""
    flags = []
    for _, extractor in features.transformer_list:
        if raising := list(getattr(extractor, "only_raises", ())):
            flags.append(np.isin(extractor.get_feature_names_out(), raising))
        else:  # n-grams are hundreds of thousands, and so would be their names
            flags.append(np.zeros(count_features(extractor), dtype=np.bool_))
    return np.concatenate(flags)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureValues:
    """The values of the features of some listings.

    Attributes
    ----------
    features : Features
        The extractors, fitted.
    numbers : csr_matrix of shape (n_listings, n_features)
        Weighed as the union weighs them; nothing in the columns of n-grams.
    texts : dict of str to Texts
        Skeletons, by extractor of n-grams.
    """

    features: Features
    numbers: scipy.sparse.csr_matrix
    texts: dict[str, Texts]

    @classmethod
    def of(cls, features: Features, listings: ListingColumns) -> FeatureValues:
        """Return the values of listings, as the model reads them."""
        blocks, texts = [], {}
        for name, extractor in features.transformer_list:
            if isinstance(extractor, TextFeatures):
                texts[name] = listings.bones(extractor.column)
                blocks.append(scipy.sparse.csr_matrix((len(listings), extractor.idf_.size)))
            else:
                blocks.append(scipy.sparse.csr_matrix(extractor.transform(listings)) * _weight(features, name))
        return cls(features, scipy.sparse.csr_matrix(scipy.sparse.hstack(blocks)), texts)

    def take(self, rows: NDArray[np.intp]) -> FeatureValues:
        """Return the values of some listings, in the order given."""
        texts = {name: texts.take(rows) for name, texts in self.texts.items()}
        return FeatureValues(self.features, self.numbers[rows], texts)

    @classmethod
    def join(cls, parts: Sequence[FeatureValues]) -> FeatureValues:
        """Return the values of the listings of each part, one part after another; there is at least one."""
        numbers = scipy.sparse.csr_matrix(scipy.sparse.vstack([part.numbers for part in parts]))
        texts = {name: concat([part.texts[name] for part in parts]) for name in parts[0].texts}
        return cls(parts[0].features, numbers, texts)

    def design(self) -> Design:
        """Return the values as the learner reads them: n-grams in little memory."""
        ngrams, first = [], 0
        for name, extractor in self.features.transformer_list:
            if isinstance(extractor, TextFeatures):
                texts, weight = self.texts[name], _weight(self.features, name)
                ngrams.append(Ngrams(first, texts, extractor.idf_, extractor.letters, extractor.words, weight))
            first += count_features(extractor)
        return Design.of(self.numbers, ngrams)

    def matrix(self) -> scipy.sparse.csr_matrix:
        """Return the values with all n-grams spelt out, shape (n_listings, n_features)."""
        ngrams = [
            extractor.weigh(self.texts[name]) * _weight(self.features, name)
            if isinstance(extractor, TextFeatures)
            else scipy.sparse.csr_matrix((self.numbers.shape[0], count_features(extractor)))
            for name, extractor in self.features.transformer_list
        ]
        return scipy.sparse.csr_matrix(self.numbers + scipy.sparse.csr_matrix(scipy.sparse.hstack(ngrams)))


def _weight(features: Features, name: str) -> float:
    return float((features.transformer_weights or {}).get(name, 1.0))


MOST_LISTINGS = 20.0
"""A seller counts as at most so many listings: one with thousands must not decide what portfolios mean."""
_RIDGE = 0.5  # of a logistic regression with C = 1


class SecondStage(Estimator):
    """Join a listing's log-odds with its seller's portfolio: slope * log-odds + weight * share + intercept.

    Neither slope nor weight is negative and a first listing has the share 0, so a portfolio can only raise a score:
    clean listings cannot buy trust. Fitted on log-odds and shares of sellers that
    the first stage had not seen. The form was chosen on the published scores of a large marketplace.

    Attributes
    ----------
    slope_, portfolio_weight_, intercept_ : float

    Examples
    --------
    >>> log_odds, share = np.array([-2.0, -1.0, -1.0, 2.0]), np.array([0.1, 0.1, 0.6, 0.7])
    >>> stage = SecondStage().fit(log_odds, share, [0, 0, 1, 1], sellers=["a", "b", "c", "d"])
    >>> stage.portfolio_weight_ > 0, stage.log_odds(log_odds, share).round(1)
    (True, array([-1. , -0.4, -0.2,  1.9]))
    """

    def fit(
        self,
        log_odds: Floats,
        share: Floats,
        y: ArrayLike,
        sample_weight: Floats | None = None,
        *,
        sellers: ArrayLike,
    ) -> Self:
        """Fit slope, weight and intercept by penalised logistic regression.

        Parameters
        ----------
        log_odds, share : array of shape (n_listings,)
        y : array of 0 and 1, shape (n_listings,)
        sample_weight : array of shape (n_listings,), optional
        sellers : array of shape (n_listings,)
            Who offers each listing.
        """
        y = np.asarray(y, dtype=np.float64)
        weight = limit_sellers(sellers, MOST_LISTINGS)
        weight = weight if sample_weight is None else weight * sample_weight
        columns = np.column_stack([log_odds, share, np.ones(len(y))])

        def loss(coefficients: Floats) -> tuple[float, Floats]:
            z = columns @ coefficients
            penalised = coefficients * (1.0, 1.0, 0.0)
            value = np.sum(weight * (np.logaddexp(0.0, z) - y * z)) + _RIDGE * np.sum(penalised**2)
            return float(value), columns.T @ (weight * (scipy.special.expit(z) - y)) + 2 * _RIDGE * penalised

        bounds = [(0.0, None), (0.0, None), (None, None)]
        found = scipy.optimize.minimize(loss, np.array([1.0, 0.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
        self.slope_, self.portfolio_weight_, self.intercept_ = (float(value) for value in found.x)
        return self

    def log_odds(self, log_odds: Floats | float, share: Floats | float) -> Floats:
        """Return the joined log-odds, shape (n_listings,)."""
        check_fitted(self, "slope_")
        return np.asarray(self.slope_ * log_odds + self.portfolio_weight_ * share + self.intercept_)
