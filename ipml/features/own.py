"""Extractors of one's own: any scikit-learn transformer of listing columns beside those of ipml.

The transformer is given a frame of the columns that it names. A text that is missing is "", a number NaN, a moment NaT,
so that a listing alone and one among others have the same types. Texts are as the seller wrote them; long ones are not
cut into passages. Everything the transformer returns is checked, since compiled code reads it, and any fault names the
extractor.

The transformer never sees labels: they are learnt from later, on sellers left out, and features that know them would
make every later figure too good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from ipml.errors import IpmlError, Refused, enumerate_names, first_line
from ipml.features.columns import ListingColumns
from ipml.features.extractor import Extractor
from ipml.listings.extra import EXTRA, PREFIX, is_extra_name, parse_extra
from ipml.listings.fields import COLUMNS, FIELDS, VECTORS
from ipml.listings.kinds import Kind
from ipml.records import Listing

LABELS = ("is_counterfeit", "labelled_at", "label_weight", "label_probability")
_NAMELESS = ("listing_id", "seller_id", "image_hash", "url", "image_urls", *VECTORS, EXTRA, *LABELS)
USUAL_COLUMNS = tuple(name for name in COLUMNS if name not in _NAMELESS)
"""The columns of an extractor that names none: all but ids, addresses, vectors and labels."""
RESERVED = frozenset(
    (
        *("title", "description", "category", "words", "brand", "goods", "offer", "price", "listing", "seller"),
        *("picture", "image", "text_vector", "absence", "portfolio", "rest"),
    )
)
"""First parts of the names that extractors of ipml and their reasons have, such as `price.brand`."""
MOST_FEATURES = 1 << 20
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9.-]){0,39}")
_PLACEHOLDER = re.compile(r"\{([^{}:]{1,200})(?::(,?(?:\.[0-9])?[f%]))?\}")
_LONGEST_SENTENCE = 300
_MOST_NAMED = 3
_TRIED = 16  # training listings that are tried in another order
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9  # how close values of a listing alone and among others are
_BARE = Listing(listing_id="bare", seller_id="bare", title="x")

Floats = NDArray[np.float64]
Values: TypeAlias = "Floats | scipy.sparse.csr_matrix"  # as a text: to score loads no more of scipy than it needs


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Mean and factor of each feature: a scaled value is (value - mean) * factor."""

    mean: Floats
    factor: Floats


class OwnFeatures(Extractor):
    """Let a transformer of one's own read listings beside the extractors of ipml.

    Features that most listings have are standardised, so that the learner's penalty has the same effect on each. Rare
    features, such as the words of a vectoriser, are only scaled down to at most 1.

    Parameters
    ----------
    transformer : transformer
        With `transform`, perhaps `fit` and `get_feature_names_out`, as scikit-learn's.
    columns : list of str or str, optional
        Columns of the frame; those of `USUAL_COLUMNS` where none are named. The name of a single column, not in a list,
        gives the column itself, as vectorisers of texts take it.
    group : str, optional
        The name of the reason; that of the extractor where none is given.
    sentence : str, optional
        The reason as a reviewer reads it, with features in braces: "Description has {letters:,.0f} letters". The
        features that add most are named where none is given. A transformer with a method `say_reason`, a function of
        the features by name and of the weight, says it instead.

    Attributes
    ----------
    name_ : str
    transformer_ : transformer
        Fitted.
    names_ : list of str
        The features.
    mean_, factor_ : array of shape (n_features,)
        Offset subtracted from each value, and factor by which the difference is multiplied.
    is_sparse_ : bool

    Raises
    ------
    Refused
        The transformer fails, or returns other than a row of finite numbers for each listing.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> own = OwnFeatures(CountVectorizer(), columns="title")
    >>> own.fit_transform({"title": ["red bag", "red red hat"]}).toarray().tolist(), own.names_
    ([[1.0, 0.0, 2.0], [0.0, 1.0, 4.0]], ['bag', 'hat', 'red'])
    """

    def __init__(
        self,
        transformer: Any,
        columns: str | Sequence[str] | None = None,
        group: str | None = None,
        sentence: str | None = None,
    ) -> None:
        self.transformer = transformer
        self.columns = columns
        self.group = group
        self.sentence = sentence

    @property
    def name(self) -> str:
        """The name in messages: that of the extractor, or of the transformer where it has none yet."""
        return getattr(self, "name_", type(self.transformer).__name__)

    def learn(self, listings: ListingColumns) -> None:
        """Fit the transformer, and see whether what it returns can be used."""
        from sklearn.base import clone  # scoring does without scikit-learn

        self.name_ = self.name
        self._check_parameters()
        self.transformer_ = clone(self.transformer, safe=False)
        if hasattr(self.transformer_, "fit"):
            self._call("fit", listings)
        found = self._call("transform", listings)
        self.names_, self.is_sparse_ = [], scipy.sparse.issparse(found)
        values = self._check(found, listings)
        self.names_ = self._list_names(found, values.shape[1])
        named = [name for name, _ in _PLACEHOLDER.findall(self.sentence or "")]
        if unknown := [name for name in named if name not in self.names_]:
            raise Refused(
                f"extractor {self.name}", f"{unknown[0]!r:.80} in its sentence", enumerate_names(self.names_, most=9)
            )
        self.mean_, self.factor_ = _find_scale(values)
        self._try_out(listings, values)

    def borrow(self, other: Self) -> None:
        """Read listings as a donor does, whose coefficients were learnt so."""
        for name in ("transformer_", "names_", "mean_", "factor_", "is_sparse_"):
            setattr(self, name, getattr(other, name))

    def prepare(self) -> Scale:
        """Return the scale as it is used."""
        return Scale(np.array(self.mean_, np.float64), np.array(self.factor_, np.float64))

    def raw(self, listings: ListingColumns) -> Values:
        """Return the features as the transformer gives them, shape (n_listings, n_features)."""
        scale = self.prepared
        return listings.memoise_rows((scale, "raw"), (), self._transform)

    def values(self, listings: ListingColumns) -> Values:
        """Return the scaled features, shape (n_listings, n_features); a passage has those of its listing."""
        scale = self.prepared
        return listings.memoise_rows((scale, "scaled"), (), lambda all_: _scale(self.raw(all_), scale))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names."""
        return np.array(self.names_, dtype=object)

    def say(self, listings: ListingColumns, row: int, weights: Floats, weight: float) -> str:
        """Return the reason of one listing as a sentence."""
        raw, added = _row(self.raw(listings), row), _row(self.values(listings), row) * weights
        if hasattr(self.transformer_, "say_reason"):
            return self._say_own(dict(zip(self.names_, raw.tolist(), strict=True)), weight)
        if self.sentence:
            return self._fill(raw)
        added = added * np.sign(weight)
        most = [place for place in np.argsort(-added, kind="stable")[:_MOST_NAMED].tolist() if added[place] > 0]
        usual = [f", usually {mean:,.3g}" if mean else "" for mean in self.mean_[most].tolist()]
        parts = (f"{self.names_[place][:60]} {raw[place]:,.5g}{of}" for place, of in zip(most, usual, strict=True))
        named = "; ".join(parts)
        direction = "raises" if weight > 0 else "lowers"
        return f"{self.name}: {named}" if named else f"{self.name} {direction} the score"

    def _say_own(self, values: Mapping[str, float], weight: float) -> str:
        try:
            said = self.transformer_.say_reason(values, weight)
        except Exception as error:
            raise self._failure("say_reason", error) from error
        if not isinstance(said, str) or not said.strip():
            raise Refused(f"extractor {self.name}", f"{said!r:.80} from say_reason", "a sentence")
        return " ".join(said.split())[:_LONGEST_SENTENCE]

    def _fill(self, raw: Floats) -> str:
        """Return the sentence with the values of features in it."""

        def write(found: re.Match[str]) -> str:
            name, spec = found.groups()
            value = float(raw[self.names_.index(name)]) if name in self.names_ else float("nan")
            return format(value, spec or ",.5g").replace("%", " %")

        return _PLACEHOLDER.sub(write, self.sentence or "")

    def _check_parameters(self) -> None:
        """Refuse columns that there are not, labels, and a sentence that names no value."""
        subject = f"extractor {self.name}"
        if not hasattr(self.transformer, "transform"):
            raise Refused(subject, f"a {type(self.transformer).__name__} without transform", "a transformer")
        columns = [self.columns] if isinstance(self.columns, str) else self.columns or ()
        if not isinstance(columns, Sequence):
            raise Refused(subject, f"columns = {columns!r:.80}", "a list of canonical columns, or the name of one")
        if labels := [name for name in columns if name in LABELS]:
            raise Refused(subject, f"the label {labels[0]!r} among its columns", "columns known before the verdict")
        if unknown := [name for name in columns if name not in KINDS]:
            raise Refused(subject, f"unknown {enumerate_names(unknown, COLUMNS)}", "canonical columns")
        if self.sentence is not None and not is_sentence(self.sentence):
            expected = "a text with features in braces, such as {letters:,.0f} or {share:.1%}"
            raise Refused(subject, f"the sentence {self.sentence!r:.80}", expected)
        if self.group is not None and not is_free(self.group):
            raise Refused(subject, f"the group {self.group!r:.80}", _NAMES_EXPECTED)

    def _call(self, method: str, listings: ListingColumns) -> Any:
        columns = self.columns or USUAL_COLUMNS
        frame = make_frame(listings, [columns] if isinstance(columns, str) else columns)
        try:
            return getattr(self.transformer_, method)(frame[columns] if isinstance(columns, str) else frame)
        except IpmlError:
            raise
        except Exception as error:  # code of others can raise anything
            raise self._failure(method, error) from error

    def _transform(self, listings: ListingColumns) -> Values:
        """Return checked features, or refuse them with the listing at fault, where a single one is."""
        try:
            return self._check(self._call("transform", listings), listings)
        except Refused as error:
            if len(listings) == 1:
                found = f"{error.found} for listing {listings.texts('listing_id')[0]!r:.80}"
                raise Refused(error.subject, found, error.expected, error.remedy) from error.__cause__
            for half in np.array_split(np.arange(len(listings)), 2):
                self._transform(listings.cut(half))
            raise

    def _failure(self, method: str, error: Exception) -> Refused:
        found = f"{type(error).__name__} in {type(self.transformer).__name__}.{method} ({first_line(error)})"
        return Refused(f"extractor {self.name}", found, "a transformer of frames of listing columns, without labels")

    def _check(self, found: Any, listings: ListingColumns) -> Values:
        """Return what the transformer returned as numbers, or refuse it."""
        values = _read_values(found, self.is_sparse_)
        n, width = len(listings), len(self.names_)
        if isinstance(values, str):
            raise self._refusal(values)
        if values.shape[0] != n:
            raise self._refusal(f"{values.shape[0]:,} rows for {n:,} listings")
        if self.names_ and values.shape[1] != width:
            raise self._refusal(f"{values.shape[1]:,} features where there were {width:,} at fit")
        if not self.names_ and not 1 <= values.shape[1] <= MOST_FEATURES:
            raise self._refusal(f"{values.shape[1]:,} features")
        if self.names_ and isinstance(found, pd.DataFrame) and list(map(str, found.columns)) != self.names_:
            raise self._refusal("features of other names than at fit")
        data = values if isinstance(values, np.ndarray) else values.data
        if not np.isfinite(data).all():
            raise self._refusal("numbers that are missing or infinite", "Fill in what is missing before.")
        if data.size and np.abs(data).max() > 1e100:
            raise self._refusal("numbers beyond 1e100")
        return values

    def _refusal(self, found: str, remedy: str = "") -> Refused:
        return Refused(f"extractor {self.name}", found, "a row of finite numbers for each listing", remedy)

    def _list_names(self, found: Any, width: int) -> list[str]:
        """Return the names of the features, numbered where the transformer gives none."""
        try:
            named = found.columns if isinstance(found, pd.DataFrame) else self.transformer_.get_feature_names_out()
        except Exception:  # a column transformer has them only if all of its parts do
            named = []
        names = [str(name) for name in named]
        if repeated := pd.Series(names, dtype=object)[lambda all_: all_.duplicated()].tolist():
            raise Refused(f"extractor {self.name}", f"the feature {repeated[0]!r:.80} twice", "a name for each feature")
        return names if len(names) == width else [f"feature_{number}" for number in range(1, width + 1)]

    def _try_out(self, listings: ListingColumns, values: Values) -> None:
        """Refuse a transformer that gives a listing other values alone, or fails on one of which nothing is known."""
        rows = np.arange(min(_TRIED, len(listings)))[::-1]
        for tried in (rows, rows[:1]):
            cut = listings.cut(tried)
            again = self._check(self._call("transform", cut), cut)
            if not np.allclose(_dense(again), _dense(values[tried]), _RELATIVE, _ABSOLUTE):
                found = "other values for a listing alone or in another order"
                raise Refused(f"extractor {self.name}", found, "values that follow from each listing alone")
        bare = ListingColumns.of_one(_BARE)
        self._check(self._call("transform", bare), bare)


_NAMES_EXPECTED = "up to 40 letters, digits, dots, hyphens and single underscores; none of ipml's own"


def is_name(name: Any) -> bool:
    """Say whether a name can be that of an extractor or a reason."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_free(name: Any) -> bool:
    """Say whether a name can be that of an extractor of one's own or of its reason.

    >>> is_free("loudness"), is_free("price.brand"), is_free("a b")
    (True, False, False)
    """
    return is_name(name) and name.partition(".")[0] not in RESERVED


def is_sentence(sentence: Any) -> bool:
    """Say whether a sentence has nothing in braces but features and simple formats.

    >>> is_sentence("Has {letters:,.0f} letters"), is_sentence("{letters.__class__}{"), is_sentence("{x:>9999999}")
    (True, False, False)
    """
    if not isinstance(sentence, str) or not 1 <= len(sentence) <= _LONGEST_SENTENCE:
        return False
    return not set("{}") & set(_PLACEHOLDER.sub("", sentence))


def is_dropped(extractor: Any) -> bool:
    """Say whether an extractor is left out: "drop" stands in its place, as in scikit-learn's `FeatureUnion`."""
    return isinstance(extractor, str) and extractor == "drop"


def adopt(name: str, extractor: Any) -> Any:
    """Return an extractor as a model has it: a transformer of one's own as `OwnFeatures` of this name; "drop" as it is.

    Raises `Refused`: an extractor of ipml has this name, or none can have it.
    """
    if is_dropped(extractor) or (isinstance(extractor, Extractor) and not isinstance(extractor, OwnFeatures)):
        return extractor
    if not is_free(name):
        raise Refused(f"extractor {name!s:.80}", "a name that it cannot have", _NAMES_EXPECTED)
    own = extractor if isinstance(extractor, OwnFeatures) else OwnFeatures(extractor)
    own.name_ = name
    return own


def adopt_all(own: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """Return transformers of one's own as extractors, by name."""
    return [(name, adopt(name, extractor)) for name, extractor in (own or {}).items()]


def _read_values(found: Any, is_sparse: bool) -> Values | str:
    """Return what a transformer returned as floats, or say what it is instead."""
    if isinstance(found, pd.DataFrame):
        if any(not pd.api.types.is_numeric_dtype(dtype) for dtype in found.dtypes):
            return "columns that are no numbers"
        found = found.to_numpy(dtype=np.float64, na_value=np.nan)
    if not scipy.sparse.issparse(found):
        try:
            found = np.asarray(found)
        except ValueError:
            return "rows of different lengths"
        found = found[:, np.newaxis] if found.ndim == 1 else found
    if found.ndim != 2:
        return f"an array of {found.ndim} dimensions"
    if found.dtype.kind not in "biuf":
        return f"values of type {found.dtype}"
    if not is_sparse:
        return np.ascontiguousarray(found.toarray() if scipy.sparse.issparse(found) else found, dtype=np.float64)
    values = scipy.sparse.csr_matrix(found, dtype=np.float64)
    try:
        values.check_format(full_check=True)  # compiled code reads by these indices
    except ValueError as error:
        return f"an unsound sparse matrix ({first_line(error)})"
    values.sum_duplicates()
    return values


def _find_scale(values: Values) -> tuple[Floats, Floats]:
    """Return what is taken from each feature, and what the rest is multiplied by."""
    n_given = np.count_nonzero(values, axis=0) if isinstance(values, np.ndarray) else values.getnnz(axis=0)
    is_usual = n_given > values.shape[0] / 2
    mean = np.asarray(values.mean(axis=0)).ravel()
    square = values**2 if isinstance(values, np.ndarray) else values.power(2)
    spread = np.sqrt(np.maximum(np.asarray(square.mean(axis=0)).ravel() - mean**2, 0.0))
    largest = abs(values).max(axis=0)
    largest = np.asarray(largest.toarray() if scipy.sparse.issparse(largest) else largest).ravel()
    steady = is_usual & (spread > 1e-9 * largest)
    factor = np.divide(1.0, np.where(steady, spread, np.maximum(largest, 1.0)))
    return np.where(is_usual & isinstance(values, np.ndarray), mean, 0.0), factor


def _scale(values: Values, scale: Scale) -> Values:
    if isinstance(values, np.ndarray):
        return (values - scale.mean) * scale.factor
    scaled = values.copy()
    scaled.data *= scale.factor[scaled.indices]
    return scaled


def _dense(values: Values) -> Floats:
    return values if isinstance(values, np.ndarray) else np.asarray(values.toarray())


def _row(values: Values, row: int) -> Floats:
    return np.asarray(_dense(values[row : row + 1])[0])


KINDS = {field.name: field.kind for field in FIELDS}


def is_own_column(name: str) -> bool:
    """Return whether a column is one of the marketplace's own, such as "extra.tier"."""
    return name.startswith(PREFIX) and is_extra_name(name.removeprefix(PREFIX))


def make_frame(listings: ListingColumns, columns: Sequence[str], fills_texts: bool = True) -> pd.DataFrame:
    """Return canonical columns of listings; their types do not depend on missing values.

    Parameters
    ----------
    columns : sequence of str
        Canonical column names.
    fills_texts : bool, default=True
        Whether a missing text becomes "". If False it stays missing; a missing title becomes "" either way.

    Examples
    --------
    >>> frame = make_frame(ListingColumns({"title": ["Bag", None]}), ["title", "price", "listed_at"])
    >>> frame["title"].tolist(), frame["price"].tolist(), str(frame["listed_at"].dtype)
    (['Bag', ''], [nan, nan], 'datetime64[us, UTC]')
    """
    read: dict[str, Any] = {}
    for name in columns:
        read[name] = cells = _READERS[KINDS[name]](listings, name)
        if not fills_texts and name != "title" and KINDS[name] in (Kind.TEXT, Kind.EXTRA):
            read[name] = pd.Series(cells).where(cells != "")
    return pd.DataFrame(read, index=pd.RangeIndex(len(listings)), copy=False)


def find_own_texts(extra: Iterable[Any]) -> list[str]:
    """Return the own columns that hold a text in some listing.

    >>> find_own_texts(['{"returns":0.25,"tier":"gold"}', ""])
    ['extra.tier']
    """
    cells = (pair for text in extra if isinstance(text, str) for pair in parse_extra(text).items())
    return sorted({f"{PREFIX}{name}" for name, cell in cells if isinstance(cell, str)})


def read_own_column(extra: Iterable[Any], name: str, is_text: bool) -> NDArray[Any]:
    """Return an own column as texts or as numbers; a cell of the other type is missing.

    >>> read_own_column(['{"tier":"gold"}', ""], "extra.tier", is_text=True).tolist()
    ['gold', nan]
    """
    key, kind = name.removeprefix(PREFIX), str if is_text else float
    cells = [parse_extra(text).get(key) if isinstance(text, str) else None for text in extra]
    return np.array([cell if isinstance(cell, kind) else np.nan for cell in cells], object if is_text else np.float64)


def _read_text(listings: ListingColumns, name: str) -> pd.api.extensions.ExtensionArray:
    texts = listings.texts(name)
    try:
        return pd.array(texts, dtype="str")
    except UnicodeEncodeError:  # lone surrogates, which Arrow cannot hold
        return pd.array([text.encode("utf-8", "replace").decode() for text in texts], dtype="str")


def _read_moment(listings: ListingColumns, name: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(listings.moments(name).view("datetime64[us]")).tz_localize("UTC")


_READERS: dict[Kind, Callable[[ListingColumns, str], Any]] = {
    Kind.TEXT: _read_text,
    Kind.EXTRA: _read_text,
    Kind.MOMENT: _read_moment,
    Kind.VECTOR: lambda listings, name: pd.Series(list(listings.cells(name)), dtype=object),
    **{kind: (lambda listings, name: listings.numbers(name).copy()) for kind in (Kind.NUMBER, Kind.COUNT, Kind.SHARE)},
}
