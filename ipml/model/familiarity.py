"""Familiarity: finds whether listings differ from the training listings in words, brands, categories or scores.

Usual values come from training itself, as if each seller had been left out: a word, brand or category that only one
seller used would have been new with that seller (Good, Biometrika 40, 1953). Each seller thus has a share of new words
and a held-out probability; the mean and the variance between and within sellers follow.

A batch differs if its mean lies outside the range of chance for its listings and sellers, and by more than half a
standard deviation of sellers beyond it: a medium effect (Cohen, Statistical Power Analysis, 1988). Markets drift a
little, and with many listings every difference is beyond chance.

A title in a script that training hardly met cannot be read. The range of what titles add to the log-odds in training
bounds the score of such a listing.

Batches may have millions of listings. At most `MOST` are sampled by a hash of their content, so the sample is the same
in any chunks and any order.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.features.column import Names
from ipml.features.columns import ListingColumns
from ipml.features.compiled.ngrams import mark_known
from ipml.features.compiled.texts import Texts, hash_texts
from ipml.features.text import count_ngrams, sum_ngrams
from ipml.kit.scripts import CYRILLIC, GREEK, HAN, KANA, LATIN, NAMES, script_numbers
from ipml.model.calibration.calibration import MOST_LISTINGS
from ipml.model.calibration.seller_weights import limit_sellers
from ipml.records import Unlike

MOST = 300
"""Listings looked at; a share of them is known within 0.06, and sellers lie further apart than that."""
FEW = 30
"""Fewer listings are too few to tell: their mean is not near enough to normal."""
CHANCE = 0.05  # that a batch like the training is called unlike, were every difference beyond chance to count
TOLERANCE = 0.5  # in standard deviations of sellers
MOST_LISTINGS_OF_A_SCRIPT = 30
LEAST_SHARE_OF_A_SCRIPT = 0.01
"""A script is known that is that of so many training listings, or of such a share of them where that is fewer."""
UNREAD_SHARE = 0.5  # of the letters of a title, beyond which it is unread
BOUNDS_OF_TITLES = (0.05, 0.95)  # between which lies what nine in ten titles add, as a score does in nine cases of ten
_BITS = 18
_SHARES = ("words", "brand", "category")
_SCORE = "score"
_ROW = np.dtype([("key", "u8"), ("seller", "u8"), *((name, "f8") for name in (*_SHARES, _SCORE))])
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)

_IS_LETTER, _IS_UNREAD = 1, 2

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]


class ListingSample:
    """The sample of a batch: the rows of the `MOST` listings with the lowest keys."""

    def __init__(self) -> None:
        self.rows: NDArray[Any] = np.zeros(0, dtype=_ROW)

    def add(self, rows: NDArray[Any]) -> None:
        """Add listings, such as the rows of another sample."""
        both = np.concatenate([self.rows, rows])
        keys = both["key"]
        order = np.argsort(keys)
        if np.any(np.diff(keys[order]) == 0):  # of listings with one key, what was found of them decides
            order = np.lexsort([both[name] for name in reversed(_ROW.names or ())])
        self.rows = both[order[:MOST]]

    def find_candidates(self, keys: Keys) -> NDArray[np.intp]:
        """Return the listings that may be among those with the lowest keys."""
        rows = np.arange(len(keys))
        if len(self.rows) == MOST:
            rows = np.flatnonzero(keys <= self.rows["key"][-1])
        if len(rows) > MOST:
            rows = rows[keys[rows] <= np.partition(keys[rows], MOST - 1)[MOST - 1]]
        return rows


class Familiarity:
    """Content known from training, and usual values of unknown sellers.

    Attributes
    ----------
    known_ : dict of str to array
        The words, as bits of 2^18 hashed columns, and the hashes of the brands and categories, sorted.
    usual_ : dict of str to array of shape (5,)
        For words, brand, category and score each: mean, variance between sellers and within, sum of squares of the
        sellers' shares in the listings, number of listings. Absent where training says nothing.
    scripts_ : dict of str to int
        How many listings were written mainly in each script. Absent from models of older releases.
    title_bounds_ : array of shape (2,)
        Between what bounds lies what titles add to the log-odds. Absent where `scripts_` is.

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
        """Learn what is usual; `score` is held out, or NaN, and `weight` the listings each represents."""
        sellers = listings.names("seller_id").compact().codes
        words = count_ngrams(listings.skeletons("title"), bits=_BITS, letters=(0, 0), words=1)
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

    def fit_titles(self, listings: ListingColumns, added: Floats, weight: Floats) -> Self:
        """Learn the scripts of training listings, and the range of what titles add to log-odds (`added`)."""
        counts = _count_letters(listings.raw("title")) + _count_letters(listings.raw("description"))
        numbers, of_each = np.unique(counts.argmax(axis=1)[counts.any(axis=1)], return_counts=True)
        self.scripts_ = {NAMES[number]: int(n) for number, n in zip(numbers.tolist(), of_each, strict=True)}
        order = np.argsort(added)
        shares = np.cumsum(weight[order]) / weight.sum()
        self.title_bounds_ = added[order[np.searchsorted(shares, BOUNDS_OF_TITLES).clip(max=len(order) - 1)]]
        return self

    @property
    def knows_scripts(self) -> bool:
        """Whether it is known in which scripts the training listings were written."""
        return hasattr(self, "scripts_")

    def find_unread(self, listings: ListingColumns) -> dict[int, str]:
        """Return the script of each unreadable title, by row.

        More than half of its letters are of scripts that training hardly met, and are not read by their shape.
        """
        titles = listings.raw("title")
        rows = np.flatnonzero(_have_others(titles)) if self.knows_scripts else np.zeros(0, dtype=np.intp)
        if not len(rows):
            return {}
        titles = titles.take(rows)
        kinds, of = self._letter_kinds[_read_codes(titles)], np.repeat(np.arange(len(rows)), titles.lengths())
        n_letters, n_unread = (np.bincount(of, kinds & kind, len(rows)) / kind for kind in (_IS_LETTER, _IS_UNREAD))
        places = np.flatnonzero(n_unread > UNREAD_SHARE * n_letters)
        counts = _count_letters(titles.take(places))
        main = np.where(self._unread_scripts, counts, 0).argmax(axis=1)
        is_by_sound = (main == GREEK) | (main == CYRILLIC)
        is_left = _have_others(listings.folded("title").take(rows[places])) | is_by_sound
        return dict(zip(rows[places[is_left]].tolist(), (NAMES[script] for script in main[is_left]), strict=True))

    def name_scripts(self, titles: Texts) -> list[str]:
        """Return the main script of each title; Latin without letters."""
        counts = _count_letters(titles)
        counts[:, LATIN] += ~counts.any(axis=1)
        counts[counts[:, KANA].any(axis=1), HAN] = 0  # of both Japanese is written
        return [NAMES[script] for script in counts.argmax(axis=1)]

    def is_unread(self, title: str) -> bool:
        """Say whether `find_unread` may find a title; fast for a single one."""
        if title.isascii() or not self.knows_scripts:
            return False
        kinds = bytes(map(self._kinds_in_bytes.__getitem__, map(ord, title)))
        return kinds.count(_IS_LETTER | _IS_UNREAD) > UNREAD_SHARE * (len(title) - kinds.count(0))

    @cached_property
    def _unread_scripts(self) -> NDArray[np.bool_]:
        """Which scripts training hardly met."""
        least = min(MOST_LISTINGS_OF_A_SCRIPT, LEAST_SHARE_OF_A_SCRIPT * sum(self.scripts_.values()))
        is_unread = np.array([self.scripts_.get(name, 0) < max(least, 1) for name in NAMES])
        is_unread[[0, LATIN]] = False  # the trade and brands are known by Latin words
        return is_unread

    @cached_property
    def _letter_kinds(self) -> NDArray[np.uint8]:
        """For each code point whether it is a letter, and whether one of a script that training hardly met."""
        numbers = script_numbers()
        return (numbers > 0) * np.uint8(_IS_LETTER) | self._unread_scripts[numbers] * np.uint8(_IS_UNREAD)

    @cached_property
    def _kinds_in_bytes(self) -> bytes:
        return self._letter_kinds.tobytes()

    def add_to_sample(self, listings: ListingColumns, brands: Names, score: Floats, sample: ListingSample) -> None:
        """Add listings to a sample; the score is NaN where there is none."""
        keys = _make_keys(listings.raw("title"), listings.raw("seller_id"))
        rows = sample.find_candidates(keys)
        found = np.zeros(len(rows), dtype=_ROW)
        found["key"], found[_SCORE] = keys[rows], score[rows]
        found["seller"] = hash_texts(listings.raw("seller_id").take(rows))
        sums = sum_ngrams(listings.cut(rows).skeletons("title"), self._marked, letters=(0, 0), words=1)
        found["words"] = _divide(sums.n_all - sums.n_known, sums.n_all)
        for name, names in (("brand", brands), ("category", listings.names("category"))):
            names = names.take(rows).compact()
            is_new = ~_are_among(self.known_[name], _hash(names))
            found[name] = np.where(_are_given(names), is_new[names.codes], np.nan)
        sample.add(found)

    def find_unlike(self, sample: ListingSample) -> tuple[Unlike, ...]:
        """Return in which respects a sample differs from training; empty for too few listings."""
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
        return {name: value for name, value in vars(self).items() if name.endswith("_")}


def _have_others(texts: Texts) -> NDArray[np.bool_]:
    """Say which texts have letters beyond ASCII."""
    others = np.concatenate([[0], np.cumsum(texts.data >= 0x80)])
    return np.asarray(np.diff(others[texts.offsets]) > 0)


def _read_codes(texts: Texts) -> NDArray[np.uint32]:
    """Return the code points of all letters, one text after another."""
    letters = texts.data.tobytes().decode("utf-8", "surrogatepass")
    return np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _count_letters(texts: Texts) -> NDArray[np.int64]:
    """Return how many letters of each script each text has, shape (n_texts, n_scripts)."""
    scripts = script_numbers()[_read_codes(texts)]
    rows = np.repeat(np.arange(len(texts)), texts.lengths())
    met, numbers = np.unique(scripts, return_inverse=True)
    counts = np.zeros((len(texts), len(NAMES)), dtype=np.int64)
    counts[:, met] = np.bincount(rows * len(met) + numbers, minlength=len(texts) * len(met)).reshape(
        counts[:, met].shape
    )
    counts[:, 0] = 0
    return counts


def _describe(values: Floats, sellers: NDArray[np.int64], weight: Floats) -> Floats | None:
    """Return the values of `usual_`; None where there are none.

    Variances come from the one-way analysis of variance with unequal groups (Searle, Casella and McCulloch, Variance
    Components, 1992, section 3.6). By the rule of succession one seller more has 0 and one more has 1: a market without
    new brands so far is not closed to any.
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
    """Return the range of a mean of values in 0-1, exceeded by chance on each side, by the beta distribution."""
    n = mean * (1 - mean) / variance - 1 if variance > 0 else np.inf
    if n <= 0:
        return 0.0, 1.0
    if np.isinf(n):
        return mean, mean
    low, high = scipy.special.betaincinv(mean * n, (1 - mean) * n, [chance, 1 - chance])
    return float(low), float(high)


def _are_of_one(codes: NDArray[Any], sellers: NDArray[np.int64], n_codes: int) -> NDArray[np.bool_]:
    """Say of each occurrence of a word or name whether all occurrences are of one seller."""
    first, last = np.full(n_codes, np.iinfo(np.int64).max), np.full(n_codes, -1)
    np.minimum.at(first, codes, sellers)
    np.maximum.at(last, codes, sellers)
    return np.asarray((first == last)[codes])


def _make_keys(titles: Texts, sellers: Texts) -> Keys:
    """Return a key for each listing, hashed from the middle of its title and of its seller's id."""
    keys = _read_middles(titles)
    keys *= _MIX[0]
    keys ^= keys >> np.uint64(32)
    keys ^= _read_middles(sellers)
    for factor in _MIX[1:]:
        keys *= factor
        keys ^= keys >> np.uint64(32)
    return keys


def _read_middles(texts: Texts) -> Keys:
    """Return the eight bytes from the middle of each text as a number; of a shorter text all."""
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
    """Return the sentence of a difference."""
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
