"""Whether listings are like those a model was trained on: their words, brands, categories, and how they score.

What is usual is taken from training itself, as if each of its sellers had been left out: a word, brand or category that
only one of them used would have been new with that seller (the idea of Good, Biometrika 40, 1953). So each seller has a
share of new words, and a probability by a model that did not know that seller; from these follow the mean, and how far
sellers and listings lie apart.

A batch is unlike where its own mean lies outside of what so many listings of so many sellers may have by chance, and by
more than half a standard deviation of sellers beyond that: a medium effect by the convention of Cohen (Statistical
Power Analysis, 1988). Times change a market a little, and with many listings every difference is beyond chance.

Batches may have millions of listings. Looked at are those that what stands in them picks, `MOST` at most: in whatever
chunks and in whatever order they come, these are the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.compiled.ngrams import mark_known
from ipml.features.compiled.texts import Texts, hash_texts
from ipml.features.names import Names
from ipml.features.text import count_ngrams, sum_ngrams
from ipml.model.calibration.calibration import MOST_LISTINGS
from ipml.model.calibration.seller_weights import limit_sellers
from ipml.records import Unlike

MOST = 300
"""Listings looked at; a share of them is known within 0.06, and sellers lie further apart than that."""
FEW = 30
"""Fewer listings are too few to tell: their mean is not near enough to normal."""
CHANCE = 0.05  # that a batch like the training is called unlike, were every difference beyond chance to count
TOLERANCE = 0.5  # in standard deviations of sellers
_BITS = 18
_SHARES = ("words", "brand", "category")
_SCORE = "score"
_ROW = np.dtype([("key", "u8"), ("seller", "u8"), *((name, "f8") for name in (*_SHARES, _SCORE))])
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]


class ListingSample:
    """The listings of a batch that are looked at: those with the lowest keys, `MOST` at most.

    Attributes
    ----------
    rows : structured array
        Key, seller, share of new words, whether brand and category are new (NaN without any), and score.
    """

    def __init__(self) -> None:
        self.rows: NDArray[Any] = np.zeros(0, dtype=_ROW)

    def add(self, rows: NDArray[Any]) -> None:
        """Take in further listings, such as the rows of another sample."""
        both = np.concatenate([self.rows, rows])
        keys = both["key"]
        order = np.argsort(keys)
        if np.any(np.diff(keys[order]) == 0):  # of listings with one key, what was found of them decides
            order = np.lexsort([both[name] for name in reversed(_ROW.names or ())])
        self.rows = both[order[:MOST]]

    def find_candidates(self, keys: Keys) -> NDArray[np.intp]:
        """Return which further listings may be among those with the lowest keys, given the keys of all."""
        rows = np.arange(len(keys))
        if len(self.rows) == MOST:
            rows = np.flatnonzero(keys <= self.rows["key"][-1])
        if len(rows) > MOST:
            rows = rows[keys[rows] <= np.partition(keys[rows], MOST - 1)[MOST - 1]]
        return rows


class Familiarity:
    """What training knows, and what is usual among sellers it does not.

    Attributes
    ----------
    known_ : dict of str to array
        The words, as bits of 2^18 hashed columns, and the hashes of the brands and categories, sorted.
    usual_ : dict of str to array of shape (5,)
        Of each of words, brand, category and score: mean, variance between sellers and within, sum of squares of the
        sellers' shares in the listings, number of listings. Absent where training says nothing.

    Examples
    --------
    >>> def make(titles):
    ...     return ListingColumns({"seller_id": list(map(str, range(200))), "title": titles * 50})
    >>> training = make(["wool hat", "wool scarf", "leather hat", "leather belt"])
    >>> nothing = Names.of_none(200)
    >>> familiarity = Familiarity().fit(training, nothing, np.full(200, 0.1))
    >>> sample = ListingSample()
    >>> seen = make(["hat of steel", "copper kettle", "pan", "iron pan"])
    >>> familiarity.add_to_sample(seen, nothing, np.full(200, 0.1), sample)
    >>> [(unlike.subject, round(unlike.found, 2), round(unlike.high, 2)) for unlike in familiarity.find_unlike(sample)]
    [('words', 0.92, 0.07)]
    """

    def fit(self, listings: ListingColumns, brands: Names, score: Floats, weight: Floats | None = None) -> Self:
        """Learn from the training listings.

        Parameters
        ----------
        listings : ListingColumns
            As the model reads them.
        brands : Names
            The brand of each, "" for none.
        score : array of shape (n_listings,)
            The probability by models that did not know the seller; NaN where there is none.
        weight : array of shape (n_listings,), optional
            How many listings that come by each stands for.
        """
        sellers = listings.names("seller_id").compact().codes
        words = count_ngrams(listings.bones("title"), bits=_BITS, letters=(0, 0), words=1)
        rows = np.repeat(np.arange(len(listings)), np.diff(words.indptr))
        is_new = _are_of_one(words.indices, sellers[rows], 1 << _BITS)
        n_words, n_new = (np.bincount(rows, counts, len(listings)) for counts in (words.data, words.data * is_new))
        values = {"words": _divide(n_new, n_words), _SCORE: score}
        known = np.zeros(1 << _BITS, dtype=bool)
        known[words.indices] = True
        self.known_: dict[str, NDArray[Any]] = {"words": np.packbits(known)}
        for name, names in (("brand", brands), ("category", listings.names("category"))):
            names = names.compact()
            self.known_[name] = np.unique(_hash(names))
            is_new = _are_of_one(names.codes, sellers, len(names.names))
            values[name] = np.where(_are_given(names), is_new, np.nan)
        weight = np.ones(len(listings)) if weight is None else weight
        weight = weight * limit_sellers(sellers, MOST_LISTINGS)  # one with hundreds must not decide what is usual
        weight = weight / weight.mean()
        self.usual_ = {
            name: usual for name, of in values.items() if (usual := _describe(of, sellers, weight)) is not None
        }
        return self

    def add_to_sample(self, listings: ListingColumns, brands: Names, score: Floats, sample: ListingSample) -> None:
        """Take listings into a sample.

        Parameters
        ----------
        listings : ListingColumns
            As the model reads them.
        brands : Names
            The brand of each, "" for none.
        score : array of shape (n_listings,)
            NaN where there is none.
        sample : ListingSample
        """
        keys = _make_keys(listings.raw("title"), listings.raw("seller_id"))
        rows = sample.find_candidates(keys)
        found = np.zeros(len(rows), dtype=_ROW)
        found["key"], found[_SCORE] = keys[rows], score[rows]
        found["seller"] = hash_texts(listings.raw("seller_id").take(rows))
        sums = sum_ngrams(listings.cut(rows).bones("title"), self._marked, letters=(0, 0), words=1)
        found["words"] = _divide(sums.n_all - sums.n_known, sums.n_all)
        for name, names in (("brand", brands), ("category", listings.names("category"))):
            names = names.take(rows).compact()
            is_new = ~_are_among(self.known_[name], _hash(names))
            found[name] = np.where(_are_given(names), is_new[names.codes], np.nan)
        sample.add(found)

    def find_unlike(self, sample: ListingSample) -> tuple[Unlike, ...]:
        """Return in what the listings of a sample are unlike those of training; nothing where too few are known."""
        compared = (self._compare(name, sample.rows) for name in (*_SHARES, _SCORE) if name in self.usual_)
        return tuple(unlike for unlike in compared if unlike is not None)

    def _compare(self, name: str, rows: NDArray[Any]) -> Unlike | None:
        rows = rows[~np.isnan(rows[name])]
        n = len(rows)
        if n < FEW:
            return None
        mean, between, within, squares, n_usual = self.usual_[name].tolist()
        sizes = np.unique(rows["seller"], return_counts=True)[1]
        variance = between * (float((sizes / n) @ (sizes / n)) + squares) + within * (1 / n + 1 / n_usual)
        low, high = _bounds(mean, variance, CHANCE / (len(_SHARES) + 1))
        tolerance = TOLERANCE * between**0.5
        low = low * mean / (mean + tolerance) if name == _SCORE else 0.0  # by the factor that is allowed upwards
        high = min(high + tolerance, 1.0)
        found = float(rows[name].mean())
        if low <= found <= high:
            return None
        return Unlike(name, found, mean, low, high, n, _say(name, found, mean, low, high))

    @cached_property
    def _marked(self) -> Floats:
        """The known words as the engine reads them."""
        known = np.unpackbits(self.known_["words"]).astype(bool)
        return mark_known(np.zeros(len(known)), known)

    def __getstate__(self) -> dict[str, Any]:
        return {"known_": self.known_, "usual_": self.usual_}


def _describe(values: Floats, sellers: NDArray[np.int64], weight: Floats) -> Floats | None:
    """Return what `usual_` keeps of values; None where there are none.

    Variances between and within sellers are those of the one-way analysis of variance with unequal groups (Searle,
    Casella and McCulloch, Variance Components, 1992, section 3.6). One seller more has 0 and one more has 1, by the
    rule of succession: a market to which no new brand has come is not closed to any.
    """
    is_known = ~np.isnan(values) & (weight > 0)
    values, sellers, weight = values[is_known], np.unique(sellers[is_known], return_inverse=True)[1], weight[is_known]
    if not len(values):
        return None
    sizes = np.bincount(sellers, weight)
    means = np.bincount(sellers, weight * values) / sizes
    surplus, n_more = float(weight @ (values - means[sellers]) ** 2), len(values) - len(sizes)
    within = surplus / n_more if n_more else 0.0
    sizes, means = np.append(sizes, [sizes.mean()] * 2), np.append(means, [0.0, 1.0])
    shares = sizes / sizes.sum()
    mean = float(shares @ means)
    squares = float(shares @ shares)
    spread = float(shares @ (means - mean) ** 2) - (len(sizes) - 1) * within / sizes.sum()
    between = max(spread, 0.0) / (1 - squares)
    return np.array([mean, between, within, squares, sizes.sum()])


def _bounds(mean: float, variance: float, chance: float) -> tuple[float, float]:
    """Return between what a mean of values in 0-1 lies but for chance on each side, by the beta distribution."""
    n = mean * (1 - mean) / variance - 1 if variance > 0 else np.inf
    if n <= 0:
        return 0.0, 1.0
    if np.isinf(n):
        return mean, mean
    low, high = scipy.special.betaincinv(mean * n, (1 - mean) * n, [chance, 1 - chance])
    return float(low), float(high)


def _are_of_one(codes: NDArray[Any], sellers: NDArray[np.int64], n_codes: int) -> NDArray[np.bool_]:
    """Say of each occurrence of a word or name whether a single seller has all of that one's."""
    first, last = np.full(n_codes, np.iinfo(np.int64).max), np.full(n_codes, -1)
    np.minimum.at(first, codes, sellers)
    np.maximum.at(last, codes, sellers)
    return np.asarray((first == last)[codes])


def _make_keys(titles: Texts, sellers: Texts) -> Keys:
    """Return a number for each listing that follows from the middle of its title and that of its seller's id."""
    keys = _read_middles(titles)
    keys *= _MIX[0]
    keys ^= keys >> np.uint64(32)
    keys ^= _read_middles(sellers)
    for factor in _MIX[1:]:
        keys *= factor
        keys ^= keys >> np.uint64(32)
    return keys


def _read_middles(texts: Texts) -> Keys:
    """Return eight bytes of each text as a number: from its middle on, or its last; of a shorter text all."""
    data = np.concatenate([texts.data, np.zeros(8, dtype=np.uint8)]) if len(texts.data) < 8 else texts.data
    starts, ends = texts.offsets[:-1], texts.offsets[1:]
    begins = starts + ends
    begins >>= 1
    np.minimum(begins, ends - 8, out=begins)
    np.maximum(begins, starts, out=begins)
    last = len(data) - 8
    read: Keys = np.ndarray(last + 1, dtype="<u8", buffer=data, strides=(1,))[np.minimum(begins, last)]
    short = np.flatnonzero(ends - begins < 8)
    if len(short):  # the other bytes belong to the texts beside
        before, n_bytes = np.maximum(begins[short] - last, 0), (ends - begins)[short]
        kept = np.where(before < 8, read[short] >> (8 * before).astype(np.uint64), 0)
        read[short] = kept & ((np.uint64(1) << (8 * n_bytes).astype(np.uint64)) - np.uint64(1))
    return read


def _hash(names: Names) -> Keys:
    return np.asarray(hash_texts(Texts.of(names.names)), dtype=np.uint64)


def _are_among(known: Keys, keys: Keys) -> NDArray[np.bool_]:
    """Say which of some keys are among those known, which are sorted and at least one."""
    return np.asarray(known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys)


def _are_given(names: Names) -> NDArray[np.bool_]:
    return np.array([name != "" for name in names.names], dtype=bool)[names.codes]


def _divide(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Return the share of each, NaN of nothing."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _say(name: str, found: float, mean: float, low: float, high: float) -> str:
    """Say in what listings are unlike those of training."""
    for_so_many = "would be usual for this many listings and sellers"
    if name == _SCORE:
        usual = f"{100 * low:.0f} to {100 * high:.0f} % {for_so_many} (expected prevalence {100 * mean:.0f} %)"
        return f"the mean probability is {100 * found:.0f} %; {usual}"
    subject = {
        "words": "of the words in titles were never met in training",
        "brand": "of the listings with a brand name one never met in training",
        "category": "of the listings with a category name one never met in training",
    }
    return (
        f"{100 * found:.0f} % {subject[name]}; up to {100 * high:.0f} % {for_so_many} ({100 * mean:.0f} % on average)"
    )
