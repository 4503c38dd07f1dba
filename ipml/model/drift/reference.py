"""Drift reference: summary of listings and scores when a model was made, stored as small JSON beside it.

A reference holds no listing and no seller: shares of bins and of frequent words for the watched columns, a few means,
and their chance variation. Listings of one seller are alike, so errors of means are over sellers. `ipml.model.drift`
compares later listings with it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ipml.errors import NotFound, Refused, UnreadableFile, describe_faults
from ipml.listings.extra import EXTRA, PREFIX, parse_extra
from ipml.listings.fields import FIELDS
from ipml.listings.kinds import Kind

Floats = NDArray[np.float64]
MAKE_ONE = (
    "Make it from listings of unseen sellers at the time of the model: "
    "`ipml model drift MODEL LISTINGS --remember --out REFERENCE.json`."
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Mean:
    """A mean over listings, its standard error over sellers, and what the error of another sample follows from.

    Attributes
    ----------
    spread : float
        Standard deviation of the values.
    alike : float
        Likeness of listings of a seller, from `_measure_alike`; 1 where unknown.
    n : int
        Number of listings; 0 in references of earlier releases, which hold no more than the error.
    n_effective : float
        See `DriftReference`.
    """

    value: FiniteFloat
    error: FiniteFloat
    spread: FiniteFloat = 0.0
    alike: FiniteFloat = 1.0
    n: int = 0
    n_effective: FiniteFloat = 0.0

    @classmethod
    def of(cls, values: Floats, sellers: NDArray[np.intp]) -> Self:
        """Return the mean of values; listings of one seller count as one observation for the error.

        Linearised variance of a ratio over clusters (Cochran, Sampling Techniques, 1977, section 9A).
        """
        mean, n = float(values.mean()), len(values)
        sums = np.bincount(sellers, values - mean)[np.unique(sellers)]
        n_sellers = len(sums)
        error = np.sqrt((sums**2).sum() * n_sellers / max(1, n_sellers - 1)) / n
        spread, effective = float(values.std()), _count_effective(sellers)
        effect = (error / spread) ** 2 * n if spread > 0 else np.inf
        return cls(mean, float(error), spread, float(_measure_alike(effect, n / effective)), n, effective)


def _count_effective(sellers: NDArray[np.intp]) -> float:
    """Return the least equivalent number of sellers of one listing each; see `DriftReference`."""
    return float(len(sellers) ** 2 / (np.bincount(sellers).astype(float) ** 2).sum())


def _measure_alike(effect: Any, per_seller: float) -> Any:
    """Return the likeness of listings of a seller, from the factor by which sellers widen a variance (Kish, 1965).

    It is the correlation within sellers, and more where large sellers differ from small ones.
    """
    if per_seller <= 1.0 + 1e-9:
        return np.ones_like(effect)
    return np.clip((effect - 1) / (per_seller - 1), 0.0, MOST_ALIKE)


def _separation_of(y: Floats, score: Floats, sellers: NDArray[np.intp]) -> Mean | None:
    """Return the area under the ROC curve and its error over sellers (Obuchowski, Biometrics 53, 1997)."""
    is_fake = y > 0.5
    fakes, genuine = np.sort(score[is_fake]), np.sort(score[~is_fake])
    if not len(fakes) or not len(genuine):
        return None
    # The share of the other kind that a listing beats, ties as half: its part of the area.
    placed = np.empty(len(y))
    placed[is_fake] = _share_below(genuine, score[is_fake])
    placed[~is_fake] = 1 - _share_below(fakes, score[~is_fake])
    area = float(placed[is_fake].mean())
    parts = (placed - area) / np.where(is_fake, len(fakes), len(genuine))
    fewest = min(_count_effective(sellers[is_fake]), _count_effective(sellers[~is_fake]))
    return Mean(area, float(np.sqrt((np.bincount(sellers, parts) ** 2).sum())), n_effective=fewest)


def _share_below(ordered: Floats, values: Floats) -> Floats:
    both = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(both / 2 / len(ordered), dtype=np.float64)


QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SCORE_QUANTILES = (*QUANTILES, 0.95, 0.98)  # the top is what reviewers read
MOST_ALIKE = 20.0
SEEN_SELLERS = 10.0  # of a bin; with fewer, how alike their listings are is rather that of the whole column
MOST_WORDS = 200  # of brands or categories; the others are one bin together
FEWEST_SELLERS = 30
"""Prices in a currency are compared where so many sellers ask some: the mean of fewer is not near enough to normal."""
PRICE_RATIO = "price_to_reference"
WORD_COLUMNS = ("brand", "category", "currency", "condition", "country", "title_script")
NUMBER_COLUMNS = tuple(
    field.name
    for field in FIELDS
    if field.kind in (Kind.COUNT, Kind.SHARE, Kind.NUMBER)
    and field.name not in ("price", "label_weight", "label_probability")
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ColumnReference:
    """Distribution of one column.

    Attributes
    ----------
    kind : str
        "number" or "word".
    bins : tuple of float or of str
        Edges between the bins of numbers, an edge belonging to the bin below; or the frequent words.
    shares : tuple of float
        Share of the listings per bin. Words have one bin more, for all others; the last bin is that of missing values.
    alike : tuple of float
        Per bin, likeness of listings of a seller; empty in references of earlier releases.
    """

    kind: Literal["number", "word"]
    bins: tuple[FiniteFloat, ...] | tuple[str, ...]
    shares: tuple[FiniteFloat, ...]
    alike: tuple[FiniteFloat, ...] = ()

    def __post_init__(self) -> None:
        """Refuse bins and shares that do not fit."""
        n_bins = len(self.bins) + 2
        is_word = all(isinstance(one, str) for one in self.bins)
        if (
            len(self.shares) != n_bins
            or len(self.alike) not in (0, n_bins)
            or (self.bins and is_word != (self.kind == "word"))
        ):
            raise ValueError(f"expected {n_bins} shares, and bins of the kind {self.kind}")

    def places_of(self, values: pd.Series[Any]) -> NDArray[np.intp]:
        """Return the bin of each value."""
        missing = values.isna().to_numpy()
        places: NDArray[Any]
        if self.kind == "number":
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            places = np.searchsorted(np.array(self.bins, dtype=float), numbers)
            n_bins = len(self.bins) + 1
        else:
            known = {str(word): place for place, word in enumerate(self.bins)}
            places = values.map(known).fillna(len(known)).to_numpy(dtype=np.intp)
            n_bins = len(known) + 1
        return np.where(missing, n_bins, places).astype(np.intp)

    def shares_of(self, values: pd.Series[Any]) -> Floats:
        """Return the share of each bin among values, shape (n_bins,)."""
        counts = np.bincount(self.places_of(values), minlength=len(self.bins) + 2)
        return np.asarray(counts / max(1, len(values)), dtype=float)


def find_alike(places: NDArray[np.intp], sellers: NDArray[np.intp], n_bins: int) -> Floats:
    """Return the likeness of listings of a seller per bin, shrunk towards the whole column where few have it."""
    n, n_effective = len(places), _count_effective(sellers)
    sizes = np.bincount(sellers)
    pairs, counts = np.unique(sellers * n_bins + places, return_counts=True)
    of_bin, size = pairs % n_bins, sizes[pairs // n_bins]
    shares = np.bincount(places, minlength=n_bins) / n
    squares, products = (np.bincount(of_bin, counts * other, minlength=n_bins) for other in (counts, size))
    n_sellers = int(np.sum(sizes > 0))
    sums = squares - 2 * shares * products + shares**2 * (sizes.astype(float) ** 2).sum()
    errors = sums * n_sellers / max(1, n_sellers - 1) / n**2
    independent = shares * (1 - shares) / n
    per_seller = n / n_effective
    if not independent.any():
        return np.ones(n_bins)
    whole = _measure_alike(errors.sum() / independent.sum(), per_seller)
    own = _measure_alike(np.divide(errors, independent, out=np.ones(n_bins), where=independent > 0), per_seller)
    seen = n_effective * shares
    return np.asarray((seen * own + SEEN_SELLERS * whole) / (seen + SEEN_SELLERS))


def _spread_of(
    values: pd.Series[Any], sellers: NDArray[np.intp], kind: Literal["number", "word"], is_score: bool
) -> ColumnReference:
    """Choose the bins of a column, and count."""
    known = values.dropna()
    bins: tuple[Any, ...]
    if kind == "word":
        bins = tuple(map(str, known.value_counts().index[:MOST_WORDS]))
    elif len(known):
        edges = np.quantile(known.to_numpy(dtype=float), SCORE_QUANTILES if is_score else QUANTILES)
        bins = tuple(np.unique(edges).tolist())
    else:
        bins = ()
    empty = ColumnReference(kind, bins, (0.0,) * (len(bins) + 2))
    alike = find_alike(empty.places_of(values), sellers, len(bins) + 2)
    shares = empty.shares_of(values)
    return replace(empty, shares=tuple(shares.tolist()), alike=tuple(np.round(alike, 3).tolist()))


def watched_columns(
    listings: pd.DataFrame, price_currency: str | None, score: Floats | None, price_ratio: Floats | None = None
) -> dict[str, pd.Series[Any]]:
    """Return the watched columns: those of the schema, and some derived from title, price and model."""
    nothing = pd.Series(np.nan, index=listings.index)
    titles: pd.Series[Any] = listings.get("title", nothing)
    is_priced = listings["currency"] == price_currency if "currency" in listings else nothing.isna()
    columns = {name: listings.get(name, nothing) for name in (*NUMBER_COLUMNS, *WORD_COLUMNS)}
    columns["price"] = listings["price"].where(is_priced.fillna(False)) if "price" in listings else nothing
    columns["title_letters"] = titles.map(len, na_action="ignore")
    columns["description_letters"] = listings.get("description", nothing).map(len, na_action="ignore")
    columns["title_script"] = titles.map(_script_of, na_action="ignore")
    columns |= _split_extra(listings[EXTRA]) if EXTRA in listings else {}
    for name, values in (("score", score), (PRICE_RATIO, price_ratio)):
        if values is not None:
            columns[name] = pd.Series(values, index=listings.index)
    return columns


def _split_extra(extra: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    """Return a marketplace's own columns, named as in column maps; empty without any.

    >>> {name: cells.tolist() for name, cells in _split_extra(pd.Series(['{"tier":"gold"}'])).items()}
    {'extra.tier': ['gold']}
    """
    cells = [parse_extra(text) if isinstance(text, str) else {} for text in extra]
    names = sorted({name for one in cells for name in one})
    split = {}
    for name in names:
        column = [one.get(name) for one in cells]
        is_word = any(isinstance(cell, str) for cell in column)
        split[f"{PREFIX}{name}"] = pd.Series(list(map(_write_word, column)) if is_word else column, index=extra.index)
    return split


def align_extra(
    columns: Mapping[str, pd.Series[Any]], reference: DriftReference, index: pd.Index[Any]
) -> dict[str, pd.Series[Any]]:
    """Return watched columns, with own columns in the reference's type: numbers, words, or missing."""
    aligned = dict(columns)
    for name, column in reference.columns.items():
        if not name.startswith(PREFIX):
            continue
        values = aligned.get(name, pd.Series(None, index=index, dtype=object))
        if column.kind == "number":
            numbers = [cell if isinstance(cell, float) else np.nan for cell in values]
            aligned[name] = pd.Series(numbers, index=index, dtype="float64")
        else:
            aligned[name] = values.map(_write_word, na_action="ignore")
    return aligned


def _write_word(cell: Any) -> str | None:
    return f"{cell:g}" if isinstance(cell, float) else cell


def _is_of_words(name: str, values: pd.Series[Any]) -> bool:
    """Return whether a column is compared by frequent words: own columns if a cell is a text."""
    return name in WORD_COLUMNS or (name.startswith(PREFIX) and any(isinstance(cell, str) for cell in values))


def _script_of(text: str) -> str:
    """Return the script of most letters of a text by its Unicode name; "none" without letters."""
    if text.isascii():
        return "LATIN" if any(map(str.isalpha, text)) else "none"
    scripts = Counter(_script_of_letter(letter) for letter in text if letter.isalpha())
    return scripts.most_common(1)[0][0] if scripts else "none"


@lru_cache(maxsize=16_384)
def _script_of_letter(letter: str) -> str:
    return unicodedata.name(letter, "UNNAMED").split(" ")[0].split("-")[0]


FORMAT: Literal[1] = 1
"""Raise it when older references can no longer be compared with."""

MAX_BYTES = 1 << 20
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class LabelReference:
    """Labels and their agreement with the scores.

    Attributes
    ----------
    rate : Mean
        Share of labelled listings that are counterfeit.
    surplus : Mean
        That share less the mean score of the same listings: 0 for calibrated probabilities.
    separation : Mean or None
        Chance that a counterfeit scores above a genuine listing (the area under the ROC curve), independent of the
        numbers of each; None where one kind is absent.
    """

    n_labels: int
    rate: Mean
    surplus: Mean
    separation: Mean | None

    @classmethod
    def of(cls, y: Floats, score: Floats, sellers: NDArray[np.intp]) -> Self:
        """Summarise labels (0 or 1) and scores of the same listings."""
        return cls(len(y), Mean.of(y, sellers), Mean.of(y - score, sellers), _separation_of(y, score, sellers))


@dataclass(frozen=True, config=_STRICT)
class DriftReference:
    """Summary of listings and scores when a model was made; see `reference_of`.

    Attributes
    ----------
    n_effective : float
        Least number of sellers of one listing each with the same information: n / sum of squares of the sellers' shares
        / n (Kish, 1965), as if all listings of a seller were alike.
    price_currency : str or None
        The commonest currency; prices in others are left out.
    columns : dict of str to ColumnReference
        "score" among them, where there was one.
    price_level : Mean or None
        Distribution of log(price / reference price); None without a model's reference prices.
    price_levels, prices : dict of str to Mean
        By currency, of the same logarithm and of that of the price; for currencies with enough sellers.
    """

    n_listings: int
    n_effective: FiniteFloat
    price_currency: str | None
    columns: dict[str, ColumnReference]
    mean_score: Mean | None
    labels: LabelReference | None
    labelled_share: FiniteFloat
    price_level: Mean | None = None
    price_levels: dict[str, Mean] = field(default_factory=dict)
    prices: dict[str, Mean] = field(default_factory=dict)
    format: Literal[1] = FORMAT

    def to_json(self) -> str:
        """Return the reference as JSON, for a file beside the model."""
        return _ADAPTER.dump_json(self, indent=1).decode() + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: Path | str = "drift reference") -> DriftReference:
        """Read what `to_json` wrote.

        Raises `UnreadableFile` for any other text; every wrong place is named.
        """
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            raise UnreadableFile(where, describe_faults(error)[:300], "a drift reference as ipml writes it") from None


_ADAPTER: TypeAdapter[DriftReference] = TypeAdapter(DriftReference)


def path_beside(folder: Path | str) -> Path:
    """Return the path of a model's reference: "models/shoes.drift.json" beside "models/shoes"."""
    folder = Path(folder)
    return folder.with_name(f"{folder.name}.drift.json")


def read_reference(path: Path) -> DriftReference:
    """Read a reference from a file; raises NotFound or UnreadableFile."""
    if not path.is_file():
        raise NotFound("drift reference", path, MAKE_ONE)
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableFile(path, f"more than {MAX_BYTES:,} bytes", "a drift reference as ipml writes it")
    return DriftReference.from_json(path.read_bytes(), path)


def reference_of(
    listings: pd.DataFrame, score: ArrayLike | None, y: ArrayLike | None = None, price_ratio: ArrayLike | None = None
) -> DriftReference:
    """Summarise listings, scores and labels as they were when a model was made.

    The listings should be a sample of all incoming ones, not only of those reviewed, and the scores those of unseen
    sellers: scores of training listings are further apart than later ones will be, which would look like drift.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
        Canonical columns; absent ones count as missing. At least one listing.
    score : array of shape (n_listings,), optional
        Probabilities; NaN where the model abstained.
    y : array of shape (n_listings,), optional
        1 for counterfeit, 0 for genuine, NaN or NA where there is no label.
    price_ratio : array of shape (n_listings,), optional
        Price over the model's reference price (`CounterfeitClassifier.price_ratios`); NaN where one is unknown.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcd"), "title": ["Bag"] * 4, "brand": ["Acme"] * 3 + [None]})
    >>> reference = reference_of(listings, [0.1, 0.2, 0.3, 0.9], [0, 0, None, 1])
    >>> reference.columns["brand"].bins, reference.columns["brand"].shares
    (('Acme',), (0.75, 0.0, 0.25))
    >>> reference.mean_score.value, reference.labels.n_labels
    (0.375, 3)
    >>> DriftReference.from_json(reference.to_json()) == reference
    True
    """
    counted = CountedListings.of(listings, score, y, price_ratio)
    currency = None
    if "currency" in listings and listings["currency"].notna().any():
        currency = str(listings["currency"].mode().iloc[0])
    columns = {
        name: _spread_of(values, counted.sellers, "word" if _is_of_words(name, values) else "number", name == "score")
        for name, values in watched_columns(listings, currency, counted.score, counted.price_ratio).items()
    }
    return DriftReference(
        n_listings=len(listings),
        n_effective=counted.n_effective,
        price_currency=currency,
        columns=columns,
        mean_score=counted.mean_score(),
        labels=counted.labels(),
        labelled_share=counted.labelled_share,
        price_level=counted.price_level(),
        price_levels=counted.price_levels(),
        prices=counted.mean_prices(),
    )


@dataclass(frozen=True, config=ConfigDict(arbitrary_types_allowed=True))
class CountedListings:
    """Scores, labels, prices and price ratios as floats, NaN where missing; sellers as numbers from 0."""

    score: Floats | None
    y: Floats
    price: Floats
    price_ratio: Floats | None
    currency: NDArray[Any]
    sellers: NDArray[np.intp]

    @classmethod
    def of(
        cls, listings: pd.DataFrame, score: ArrayLike | None, y: ArrayLike | None, price_ratio: ArrayLike | None
    ) -> CountedListings:
        """Check lengths and ranges; raises Refused."""
        n = len(listings)
        if n == 0:
            raise Refused("Cannot compare", "no listings", "one at least")
        numbers = np.full(n, np.nan) if y is None else _as_floats(y)
        scores = None if score is None else _as_floats(score)
        ratios = None if price_ratio is None else _as_floats(price_ratio)
        for name, values in (("score", scores), ("label", numbers), ("price ratio", ratios)):
            if values is None:
                continue
            if values.shape != (n,):
                raise Refused(
                    "Cannot compare", f"{values.shape} {name}s for {n} listings", f"one {name} for each listing"
                )
            if values is not ratios and ((values < 0) | (values > 1)).any():
                raise Refused(
                    "Cannot compare", f"{name}s from {np.nanmin(values):g} to {np.nanmax(values):g}", f"{name}s in 0-1"
                )
        nothing = pd.Series(None, index=listings.index, dtype=object)
        currency = listings.get("currency", nothing).fillna("").to_numpy(dtype=object)
        prices = _drop_worthless(_as_floats(listings.get("price", nothing)))
        ratios = None if ratios is None else _drop_worthless(ratios)
        sellers = np.arange(n, dtype=np.intp)
        if "seller_id" in listings:
            sellers = pd.factorize(listings["seller_id"])[0].astype(np.intp) + 1
        return cls(scores, numbers, prices, ratios, currency, sellers)

    @property
    def n_effective(self) -> float:
        """See `DriftReference`."""
        return _count_effective(self.sellers)

    @property
    def labelled_share(self) -> float:
        """The share of listings with a label."""
        return float(np.mean(~np.isnan(self.y)))

    def mean_score(self) -> Mean | None:
        """Return the mean score of the scored listings."""
        return self._mean_of(self.score)

    def price_level(self) -> Mean | None:
        """Return the mean logarithm of the known price ratios."""
        return self._mean_of(None if self.price_ratio is None else np.log(self.price_ratio))

    def price_levels(self) -> dict[str, Mean]:
        """Return the mean logarithm of the price ratio by currency."""
        return {} if self.price_ratio is None else self._mean_by_currency(np.log(self.price_ratio))

    def mean_prices(self) -> dict[str, Mean]:
        """Return the mean logarithm of the price by currency."""
        return self._mean_by_currency(np.log(self.price))

    def _mean_by_currency(self, values: Floats) -> dict[str, Mean]:
        means = {}
        for currency in sorted(set(self.currency[~np.isnan(values)]) - {""}):
            rows = np.flatnonzero((self.currency == currency) & ~np.isnan(values))
            if len(np.unique(self.sellers[rows])) >= FEWEST_SELLERS:
                means[str(currency)] = Mean.of(values[rows], self.sellers[rows])
        return means

    def labels(self) -> LabelReference | None:
        """Summarise the listings with both a label and a score."""
        if self.score is None:
            return None
        is_known = ~np.isnan(self.y) & ~np.isnan(self.score)
        if not is_known.any():
            return None
        return LabelReference.of(self.y[is_known], self.score[is_known], self.sellers[is_known])

    def _mean_of(self, values: Floats | None) -> Mean | None:
        if values is None or np.isnan(values).all():
            return None
        is_known = ~np.isnan(values)
        return Mean.of(values[is_known], self.sellers[is_known])


def _drop_worthless(prices: Floats) -> Floats:
    """Return prices without those of 0, which have no logarithm, and infinite ones."""
    return np.where((prices > 0) & np.isfinite(prices), prices, np.nan)


def _as_floats(values: ArrayLike) -> Floats:
    """Return numbers or flags as floats, NaN where they are missing."""
    numbers = pd.Series(np.asarray(values, dtype=object)).astype("Float64")
    return np.asarray(numbers.to_numpy(dtype=float, na_value=np.nan), dtype=np.float64)
