"""Extra columns: extractors for a marketplace's own numbers and categories, each with its own reason.

Values count as observed with their listing. A number beyond nearly all training values counts as the bound, so an
absurd value gains nothing. An unknown value, or one of the wrong type, shows only as unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import UnusableSetting, enumerate_names
from ipml.features.own import OwnFeatures, adopt
from ipml.kit.estimator import Estimator
from ipml.listings.extra import EXTRA, PREFIX, is_extra_name, parse_extra

Floats = NDArray[np.float64]
Names = Sequence[str] | Mapping[str, str]
"""Names of own columns, optionally with labels for reasons."""
_SHARE_BEYOND = 0.005  # of the training listings on either side
_MOST_CATEGORIES = 50


class ExtraNumber(Estimator):
    """Read a marketplace's own number, and whether it is unknown.

    Parameters
    ----------
    name : str
        Key in the field `extra`.
    label : str
        Wording in reasons.

    Attributes
    ----------
    usual_, low_, high_ : float
        Median of the training listings, and bounds of nearly all of them.
    is_share_ : bool
        Whether all training values were in 0-1; such a number is written in per cent.

    Examples
    --------
    >>> frame = pd.DataFrame({"extra": ['{"returns":0.25}', '{"returns":0.5}', ""]})
    >>> number = ExtraNumber("returns", "Returns in 30 days").fit(frame)
    >>> number.transform(frame).round(5).tolist(), number.say_reason({"value": 0.3, "is_unknown": 0.0}, 1.0)
    ([[0.25125, 0.0], [0.49875, 0.0], [0.375, 1.0]], 'Returns in 30 days: 30 %, usually 38 %')
    """

    def __init__(self, name: str, label: str) -> None:
        self.name = name
        self.label = label

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the usual value and the bounds."""
        values = self._read(X)
        known = values[~np.isnan(values)]
        known = known if len(known) else np.zeros(1)
        self.usual_ = float(np.median(known))
        self.low_, self.high_ = np.quantile(known, (_SHARE_BEYOND, 1 - _SHARE_BEYOND)).tolist()
        self.is_share_ = bool(known.min() >= 0 and known.max() <= 1)
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        """Return the number (the usual one where unknown) and whether it is unknown, shape (n_listings, 2)."""
        values = self._read(X)
        is_unknown = np.isnan(values)
        bounds = np.nextafter(self.low_, -np.inf), np.nextafter(self.high_, np.inf)  # which shows that it is beyond
        return np.column_stack([np.where(is_unknown, self.usual_, values.clip(*bounds)), is_unknown])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features."""
        return np.array(["value", "is_unknown"], dtype=object)

    def say_reason(self, values: Mapping[str, float], weight: float) -> str:
        """Return the reason: the value beside the usual one."""
        if values["is_unknown"]:
            return f"{self.label}: unknown"
        value = values["value"]
        beyond = " or less" if value < self.low_ else " or more" if value > self.high_ else ""
        value = min(max(value, self.low_), self.high_)
        return f"{self.label}: {self._write(value)}{beyond}, usually {self._write(self.usual_)}"

    def _write(self, value: float) -> str:
        return f"{100 * value:.0f} %" if self.is_share_ else f"{value:,.5g}"

    def _read(self, X: pd.DataFrame) -> Floats:
        cells = (parse_extra(text).get(self.name) for text in X[EXTRA])
        return np.array([cell if isinstance(cell, float) else np.nan for cell in cells], dtype=np.float64)


class ExtraCategory(Estimator):
    """Read a marketplace's own category, among those frequent in training.

    Parameters
    ----------
    name, label : str
        As for `ExtraNumber`.
    min_listings : int, default=5
        Categories with fewer training listings are combined as rare.

    Attributes
    ----------
    categories_ : list of str

    Examples
    --------
    >>> frame = pd.DataFrame({"extra": ['{"tier":"gold"}', '{"tier":"new"}', ""]})
    >>> category = ExtraCategory("tier", "Tier", min_listings=1).fit(frame)
    >>> category.transform(frame).tolist(), category.categories_
    ([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]], ['gold', 'new'])
    """

    def __init__(self, name: str, label: str, min_listings: int = 5) -> None:
        self.name = name
        self.label = label
        self.min_listings = min_listings

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn which categories are frequent."""
        counts = Counter(filter(None, self._read(X))).most_common(_MOST_CATEGORIES)
        self.categories_ = sorted(category for category, n in counts if n >= self.min_listings)
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        """Return a column for each category, for rare ones and for unknown ones, shape (n_listings, n + 2)."""
        places = {category: place for place, category in enumerate(self.categories_)} | {"": len(self.categories_) + 1}
        codes = [places.get(category, len(self.categories_)) for category in self._read(X)]
        return np.eye(len(self.categories_) + 2)[codes]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features."""
        return np.array([f"is_{category}" for category in (*self.categories_, "rare", "unknown")], dtype=object)

    def say_reason(self, values: Mapping[str, float], weight: float) -> str:
        """Return the reason: the category."""
        named = [*self.categories_, "one that is rare", "unknown"]
        return f"{self.label}: {named[int(np.argmax(list(values.values())))]}"

    def _read(self, X: pd.DataFrame) -> list[str]:
        cells = (parse_extra(text).get(self.name) for text in X[EXTRA])
        return ["" if cell is None else cell if isinstance(cell, str) else f"{cell:g}" for cell in cells]


def make_extra_features(numbers: Names = (), categories: Names = ()) -> dict[str, OwnFeatures]:
    """Return an extractor for each of a marketplace's own columns, by name, as `make_features` takes them.

    Parameters
    ----------
    numbers, categories : sequence of str, or mapping of str to str
        Names, optionally with labels for reasons: {"returns_30d": "Returns in 30 days"}.

    Raises
    ------
    UnusableSetting
        A name is not allowed, or occurs twice.

    Examples
    --------
    >>> list(make_extra_features({"returns_30d": "Returns in 30 days"}, ["tier"]))
    ['extra.returns_30d', 'extra.tier']
    """
    made: dict[str, OwnFeatures] = {}
    for names, kind in ((numbers, ExtraNumber), (categories, ExtraCategory)):
        for name, label in _label(names):
            key = f"{PREFIX}{name}"
            if not is_extra_name(name) or key in made:
                expected = "up to 30 small letters, digits and single underscores, each name once"
                raise UnusableSetting("extra columns", f"the name {name!r:.60}", expected)
            made[key] = adopt(key, OwnFeatures(kind(name, label), [EXTRA]))
    return made


def check_extra(extra: Iterable[str | None], numbers: Names = (), categories: Names = ()) -> None:
    """Refuse own columns that no training listing has, and numbers that are texts; name the existing columns."""
    cells = [parse_extra(text) for text in extra if isinstance(text, str)]
    known = sorted({name for one in cells for name in one})
    for name in (*numbers, *categories):
        if name not in known:
            found = f"{enumerate_names([name], known)}, which no training listing has"
            raise UnusableSetting("extra columns", found, f"some of {', '.join(known) or 'none'}")
    for name in numbers:
        if texts := [one[name] for one in cells if isinstance(one.get(name), str)]:
            raise UnusableSetting("extra columns", f"{texts[0]!r} as the number {name}", "finite numbers")


def _label(names: Names) -> list[tuple[str, str]]:
    if isinstance(names, Mapping):
        return list(names.items())
    return [(name, str(name).replace("_", " ").capitalize()) for name in names]
