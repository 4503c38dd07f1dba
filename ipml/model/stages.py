"""Stages of the classifier: a listing on its own, then joined with its seller's portfolio.

`CounterfeitClassifier.transform` writes every n-gram into a matrix. Scoring only sums the weights of each extractor's
features, which is many times faster. Training keeps texts until their n-grams are needed.

Long texts are read passage by passage, so that harmless words cannot drown suspicious ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ipml.features.column import SPELT, Reading
from ipml.features.columns import ListingColumns
from ipml.features.compiled.texts import Texts, concat, cut_passages
from ipml.features.extractor import Extractor
from ipml.features.goods import BrandTable
from ipml.features.own import adopt, is_dropped
from ipml.features.text import TextFeatures
from ipml.kit.estimator import Estimator, check_fitted
from ipml.model.calibration.seller_weights import limit_sellers
from ipml.model.compiled_stage import PASSAGE_WORDS, CompiledStage, ScoreOne, StageScores
from ipml.model.parts import Part, TextPart, complete, find_brand_table, make_part
from ipml.model.regression import Design, Ngrams


def split_long_texts(listings: ListingColumns, column: str) -> tuple[ListingColumns, NDArray[np.intp]] | None:
    """Return each passage of the long texts as a listing, and the row of its listing; None where no text is long.

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
_READ_AT_ONCE = 20_000  # listings with their passages


class Features(Estimator):
    """Extractors side by side; scikit-learn's `FeatureUnion` serves as well, and "drop" leaves an extractor out.

    Parameters
    ----------
    transformer_list : list of (str, extractor)
    transformer_weights : dict of str to float, or None
        Factor of each extractor's values; default 1.

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

    @property
    def brand_table(self) -> BrandTable:
        """The brands, as `ipml.features.goods.brand_table` gives them; once fitted."""
        return find_brand_table(self.parts().values())

    def __getstate__(self) -> dict[str, Any]:
        named = [(name, adopt(name, extractor)) for name, extractor in self.transformer_list]
        return vars(self) | {"transformer_list": named}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of extractors, such as `title__letters`, or replace an extractor."""
        others = {name: adopt(name, params.pop(name)) for name in self.parts().keys() & params}
        self.transformer_list = [(name, others.get(name, part)) for name, part in self.transformer_list]
        return super().set_params(**params)

    def fit(self, listings: ListingColumns, y: Any = None) -> Self:
        """Fit each extractor; the user's own transformers become extractors."""
        kept = [(name, extractor) for name, extractor in self.transformer_list if not is_dropped(extractor)]
        if not kept:
            raise ValueError("features: found no extractor; expected at least one.")
        self.transformer_list = [(name, adopt(name, extractor)) for name, extractor in kept]
        for _, extractor in self.transformer_list:
            extractor.fit(listings, y)
        return self

    def get_feature_names_out(self) -> NDArray[np.object_]:
        """Return the names of all features, each with its extractor's before it."""
        parts = self.transformer_list
        return np.array([f"{name}__{of}" for name, part in parts for of in part.get_feature_names_out()], dtype=object)


class FirstStage:
    """Fitted extractors and the coefficients of their features, prepared for scoring; `parts` holds them by extractor.

    Raises `ValueError`: the numbers of coefficients and features differ; compiled code would read past their end.
    """

    is_additive = True
    """Whether what the features add, with the intercept, is all of the log-odds."""

    def __init__(self, features: Features, coefficients: Floats, intercept: float) -> None:
        self.intercept = intercept
        self.parts: dict[str, Part] = {}
        self._compiled: tuple[Reading, CompiledStage] | None = None
        start = 0
        for name, extractor in features.transformer_list:
            width = count_features(extractor)
            weights = coefficients[start : start + width] * _weight(features, name)
            start += width
            self.parts[name] = make_part(extractor, weights)
        if np.shape(coefficients) != (start,):
            raise ValueError(f"found coefficients of shape {np.shape(coefficients)} for {start:,} features")

    def log_odds(self, listings: ListingColumns) -> Floats:
        """Return the log-odds of each listing, shape (n_listings,); of long texts the worst passage counts."""
        return self.score(listings).log_odds

    def score(self, listings: ListingColumns) -> StageScores:
        """Return the first-stage scores of listings."""
        return self.compiled(listings.reading).score(listings)

    def explain(self, listings: ListingColumns) -> tuple[StageScores, Floats]:
        """Return scores, and what each feature adds to the log-odds, shape (n_listings, n_features).

        The n-grams of a text are one feature. Both are those of the worst passage of a long text.
        """
        return listings.memoise(("explained", self), lambda: self.compiled(listings.reading).explain(listings))

    def score_one(self, reading: Reading) -> ScoreOne:
        """Return the function that scores a single listing, to the same bits as `score`."""
        return self.compiled(reading).score_one

    def compiled(self, reading: Reading) -> CompiledStage:
        """Return the stage in the engine's form, for listings read in this way."""
        if self._compiled is None or self._compiled[0] is not reading:
            self._compiled = reading, CompiledStage(self.parts, self.intercept, reading)
        return self._compiled[1]

    @cached_property
    def complete(self) -> dict[str, Part]:
        """The parts that the engine knows; those that the model lacks have zero weights."""
        return complete(self.parts)

    def sum(self, listings: ListingColumns) -> Floats:
        """Return the log-odds of each listing read whole, shape (n_listings,)."""
        total = np.full(len(listings), self.intercept)
        for part in self.parts.values():
            part.add(listings, total)
        return total

    def text_part(self, name: str) -> TextPart:
        """Return the part of an extractor of n-grams that the engine knows."""
        part = self.complete[name]
        assert isinstance(part, TextPart)
        return part


def count_features(extractor: Extractor) -> int:
    """Return how many features a fitted extractor makes."""
    return len(extractor.idf_) if isinstance(extractor, TextFeatures) else len(extractor.get_feature_names_out())


def mark_ngrams(features: Features) -> NDArray[np.bool_]:
    """Say of each feature whether it is an n-gram of a title or a description."""
    return np.concatenate(
        [np.full(count_features(extractor), name in SPELT) for name, extractor in features.transformer_list]
    )


def mark_used(features: Features) -> NDArray[np.bool_]:
    """Say of each feature whether a training listing may have it; n-grams that none had are left out."""
    return np.concatenate(
        [
            extractor.idf_ > 0 if isinstance(extractor, TextFeatures) else np.ones(count_features(extractor), np.bool_)
            for _, extractor in features.transformer_list
        ]
    )


def mark_only_raising(features: Features) -> NDArray[np.bool_]:
    """Say of each feature whether it may only raise a score, as its extractor says."""
    flags = []
    for _, extractor in features.transformer_list:
        if raising := list(getattr(extractor, "only_raises", ())):
            flags.append(np.isin(extractor.get_feature_names_out(), raising))
        else:  # n-grams are hundreds of thousands, and so would be their names
            flags.append(np.zeros(count_features(extractor), dtype=np.bool_))
    return np.concatenate(flags)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureValues:
    """The feature values of some listings.

    Attributes
    ----------
    numbers : csr_matrix of shape (n_listings, n_features)
        Weighted; empty in the columns of n-grams.
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
                texts[name] = listings.skeletons(extractor.column)
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
        """Return the values as the learner reads them, with n-grams in little memory."""
        ngrams, first = [], 0
        for name, extractor in self.features.transformer_list:
            if isinstance(extractor, TextFeatures):
                texts, weight = self.texts[name], _weight(self.features, name)
                ngrams.append(Ngrams(first, texts, extractor.idf_, extractor.letters, extractor.words, weight))
            first += count_features(extractor)
        return Design.of(self.numbers, ngrams)

    def matrix(self) -> scipy.sparse.csr_matrix:
        """Return the values with all n-grams, shape (n_listings, n_features)."""
        ngrams = [
            extractor.weigh(self.texts[name]) * _weight(self.features, name)
            if isinstance(extractor, TextFeatures)
            else scipy.sparse.csr_matrix((self.numbers.shape[0], count_features(extractor)))
            for name, extractor in self.features.transformer_list
        ]
        return scipy.sparse.csr_matrix(self.numbers + scipy.sparse.csr_matrix(scipy.sparse.hstack(ngrams)))


def read_values(
    features: Features, listings: ListingColumns, stage: FirstStage | None = None
) -> Iterator[FeatureValues]:
    """Yield the values of listings in parts: they take several times as much memory as their listings.

    With a first stage, long texts have the values of their passage with the highest log-odds.
    """
    for first in range(0, max(len(listings), 1), _READ_AT_ONCE):
        part = listings.cut(np.arange(first, min(first + _READ_AT_ONCE, len(listings))))
        yield FeatureValues.of(features, part) if stage is None else take_worst(features, part, stage)


def take_worst(features: Features, listings: ListingColumns, stage: FirstStage) -> FeatureValues:
    """Return the values of each listing, or of its passage with the highest log-odds."""
    values = FeatureValues.of(features, listings)
    split = [found for column in PASSAGE_WORDS if (found := split_long_texts(listings, column))]
    if not split:
        return values
    rows = np.concatenate([np.arange(len(listings)), *(owners for _, owners in split)])
    log_odds = np.concatenate([stage.sum(listings), *(stage.sum(texts) for texts, _ in split)])
    worst = np.lexsort((-log_odds, rows))  # by listing, the highest first
    passages = [FeatureValues.of(features, texts) for texts, _ in split]
    return FeatureValues.join([values, *passages]).take(worst[np.unique(rows[worst], return_index=True)[1]])


def _weight(features: Features, name: str) -> float:
    return float((features.transformer_weights or {}).get(name, 1.0))


MOST_LISTINGS = 20.0
"""A seller counts as at most so many listings: one with thousands must not decide what portfolios mean."""
_RIDGE = 0.5  # of a logistic regression with C = 1


class SecondStage(Estimator):
    """Join a listing's log-odds with its seller's portfolio: slope * log-odds + weight * share + intercept.

    Slope and weight are not negative and a first listing has the share 0, so a portfolio can only raise a score: clean
    listings cannot buy trust. Fitted on log-odds and shares of sellers left out of the first stage. The form was chosen
    on the published scores of a large marketplace.

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
        """Fit slope, weight and intercept by penalised logistic regression."""
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
