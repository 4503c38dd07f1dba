"""Tables: checks every table of a model before the engine reads it.

The engine looks up brands, kinds and n-grams by number and checks no bounds while scoring. So each number must be
finite and in range, related lists equally long, and all extractors must have the same brands.

An attribute without a rule is refused unless scoring cannot read it; prepared values are never taken from a file. A new
attribute of an estimator needs its rule here before the engine reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ipml.features.compiled.spelling import OrdinaryWords
from ipml.features.figures import (
    FIELD_GROUPS,
    ListingFeatures,
    MissingFields,
    PictureFeatures,
    PriceFeatures,
    SellerFeatures,
)
from ipml.features.goods import BrandFeatures, GoodsFeatures
from ipml.features.images import VECTOR_EXTRACTORS, ImageVectors, TextVectors
from ipml.features.lexicon import TradeWords
from ipml.features.offers import OfferFeatures
from ipml.features.own import RESERVED, OwnFeatures, is_name, is_sentence
from ipml.features.portfolio import SellerPortfolios
from ipml.features.spelling import Spelling
from ipml.features.text import TextFeatures
from ipml.model.calibration import HierarchicalCalibration, SigmoidCalibration
from ipml.model.external import EstimatorSource, ExternalClassifier
from ipml.model.familiarity import Familiarity
from ipml.model.learner.other import OtherLearner
from ipml.model.parts import ABSENCE, KINDS, PICTURE
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.regression import LinearLearner
from ipml.model.stages import Features, SecondStage

Rule = Callable[[Any], bool]
"""Whether a value may stand in a model."""

_LARGEST = 1e100  # of any number: products of a few of them are finite
_MOST_WHOLE = 1 << 62
_MOST_BITS = 26  # of columns of n-grams: a model of more does not unpack
_LONGEST_NGRAM = 64  # letters or words; the engine's memory for a text grows with it
_EXTRACTORS = {**KINDS, PICTURE: PictureFeatures, **VECTOR_EXTRACTORS, ABSENCE: MissingFields}


class UnsoundTable(ValueError):
    """A table that the engine cannot read safely."""

    def __init__(self, estimator: str, table: str) -> None:
        super().__init__(f"an unsound {table} of {estimator}")


def check_tables(value: Any) -> None:
    """Refuse a classifier, or a part of one, with a table that is out of range or does not fit the others.

    Raises
    ------
    UnsoundTable

    Examples
    --------
    >>> calibration = SigmoidCalibration().fit(np.array([-1.0, 1.0]), np.array([0, 1]))
    >>> check_tables(calibration)
    >>> calibration.slope_ = float("nan")
    >>> check_tables(calibration)
    Traceback (most recent call last):
    ipml.model.model_file.tables.UnsoundTable: an unsound slope_ of SigmoidCalibration
    """
    kind = type(value)
    if kind in (list, tuple):
        if not all(type(item) in (str, int) for item in value):
            for item in value:
                check_tables(item)
    elif kind is dict:
        for item in value.values():
            check_tables(item)
    elif kind in _RULES:
        of = vars(value)
        for item in of.values():
            check_tables(item)
        for name, item in of.items():
            if not (rule(item) if (rule := _RULES[kind].get(name)) else _is_unread(kind, name)):
                raise UnsoundTable(kind.__name__, name[:80])
        for name, is_sound in _TOGETHER.get(kind, {}).items():
            if not is_sound(value):
                raise UnsoundTable(kind.__name__, name)


def _is_unread(kind: type, name: str) -> bool:
    """Say whether nothing here reads an attribute: another release learnt it, and it hides none of the class."""
    return name.endswith("_") and not name.startswith("_") and not hasattr(kind, name)


def _whole(least: int, most: int = _MOST_WHOLE) -> Rule:
    """Return the rule for a whole number within bounds."""
    return lambda value: (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and least <= int(value) <= most
    )


def _number(least: float = -_LARGEST, most: float = _LARGEST) -> Rule:
    """Return the rule for a number within bounds; NaN is in none."""
    return lambda value: (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and bool(least <= value <= most)
    )


def _text(value: Any) -> bool:
    return type(value) is str


def _flag(value: Any) -> bool:
    return type(value) is bool


def _list(item: Rule, n: int | None = None) -> Rule:
    """Return the rule for a list, or a tuple, of so many items."""
    return lambda value: type(value) in (list, tuple) and n in (None, len(value)) and all(map(item, value))


def _by_name(item: Rule) -> Rule:
    return lambda value: type(value) is dict and all(map(item, value.values()))


def _or_none(rule: Rule) -> Rule:
    return lambda value: value is None or rule(value)


def _of(*kinds: type) -> Rule:
    return lambda value: type(value) in kinds


def _array(*shape: int | None, dtype: Any = np.float64, least: float = -_LARGEST) -> Rule:
    """Return the rule for an array of finite numbers; None in the shape allows any length."""

    def is_sound(value: Any) -> bool:
        if not isinstance(value, np.ndarray) or value.dtype != np.dtype(dtype) or value.ndim != len(shape):
            return False
        if any(n not in (None, found) for n, found in zip(shape, value.shape, strict=True)):
            return False
        return value.dtype.kind == "u" or not value.size or bool(least <= value.min() and value.max() <= _LARGEST)

    return is_sound


def _sorted_texts(value: Any) -> bool:
    """Say whether a value is an array of names in order, at least one."""
    is_of_names = isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.ndim == 1 and value.size > 0
    return is_of_names and bool(np.all(value[:-1] < value[1:]))


_REAL, _RATE, _COUNT = _number(), _number(0.0), _whole(0)
_POSITIVE = _number(1e-12)
_TEXTS = _list(_text)


def _is_brand_table(table: Any) -> bool:
    """Say whether brands are as `ipml.features.goods.brand_table` writes them."""
    required = {"names", "phrases", "phrase_brands", "references", "authorised", "rates", "base_currency"}
    if type(table) is not dict or table.keys() - {"categories"} != required or not _TEXTS(table["names"]):
        return False
    n = len(table["names"])
    categories = table.get("categories")
    return (
        _TEXTS(table["phrases"])
        and _list(_whole(0, n - 1), len(table["phrases"]))(table["phrase_brands"])
        and (categories is None or _list(_text, n if categories else 0)(categories))
        and _list(_or_none(_RATE), n)(table["references"])
        and _list(_TEXTS, n)(table["authorised"])
        and _by_name(_POSITIVE)(table["rates"])
        and _text(table["base_currency"])
    )


_OF_VECTORS = {"n_components": _whole(1), "mean_": _array(None), "components_": _array(None, None)}
_BRANDS = {"brands": _or_none(_is_brand_table), "table_": _is_brand_table}


def _is_known(known: Any) -> bool:
    """Say whether words, brands and categories are as `Familiarity` keeps them."""
    hashes = _array(None, dtype=np.uint64)
    return (
        type(known) is dict
        and known.keys() == {"words", "brand", "category"}
        and _array((1 << 18) // 8, dtype=np.uint8)(known["words"])
        and all(hashes(of) and of.size and np.all(of[:-1] < of[1:]) for of in (known["brand"], known["category"]))
    )


def _label(label: Any) -> bool:
    """Say whether a value can be a label."""
    return label is None or type(label) in (str, int, float, bool)


_RULES: Mapping[type, Mapping[str, Rule]] = {
    CounterfeitClassifier: {
        "features": _or_none(_of(Features)),
        "C": _or_none(_REAL),
        "n_folds": _COUNT,
        "seed": _or_none(_COUNT),
        "new_seller_limit": _or_none(_REAL),
        "learner": _or_none(_text),
        "pos_label": _label,
        "pos_label_": _label,
        "_columns": _TEXTS,
        "classes_": lambda classes: isinstance(classes, np.ndarray) and classes.shape == (2,),
        "features_": _of(Features),
        "spelling_": _of(Spelling),
        "strengths_": _array(None, 4),
        "learner_": _of(LinearLearner, OtherLearner),
        "donor_weight_": _REAL,
        "unlabelled_": _by_name(_REAL),
        "second_stage_": _of(SecondStage),
        "portfolios_": _of(SellerPortfolios),
        "listing_calibration_": _of(SigmoidCalibration),
        "calibration_": _of(HierarchicalCalibration),
        "familiarity_": _of(Familiarity),
    },
    ExternalClassifier: {
        "source": _of(EstimatorSource),
        "brands": _or_none(_is_brand_table),
        "is_calibrated": _flag,
        "refit": _flag,
        "pos_label": _label,
        "trusted": lambda value: value == "",  # it comes from the program that loads the model
        "n_folds": _COUNT,
        "seed": _COUNT,
        "classes_": lambda classes: isinstance(classes, np.ndarray) and classes.shape == (2,),
        "prices_": _of(PriceFeatures),
        "portfolios_": _of(SellerPortfolios),
        "base_rate_": _REAL,
        "calibration_": _of(HierarchicalCalibration),
        "familiarity_": _of(Familiarity),
    },
    EstimatorSource: {
        "kind": _text,
        "content": _or_none(_array(None, dtype=np.uint8)),
        "address": _text,
    },
    Features: {
        "transformer_list": _list(lambda pair: len(pair) == 2 and _text(pair[0]) and type(pair[1]) in _RULES),
        "transformer_weights": _or_none(_by_name(_REAL)),
    },
    TextFeatures: {
        "column": _text,
        "bits": _whole(1, _MOST_BITS),
        "letters": _list(_whole(0, _LONGEST_NGRAM), 2),
        "words": _whole(0, _LONGEST_NGRAM),
        "min_listings": _REAL,
        "idf_": _array(None, least=0.0),
    },
    TradeWords: {
        "lexicon": _or_none(_text),
        "phrases_": _TEXTS,
        "kinds_": _TEXTS,
        "not_near_": _list(_TEXTS),
    },
    BrandFeatures: _BRANDS,
    GoodsFeatures: {
        **_BRANDS,
        "goods": _or_none(_text),
        "names_": _TEXTS,
        "often_copied_": _list(_number(0.0, 1.0)),
        "phrases_": _TEXTS,
        "phrase_kinds_": _list(_COUNT),
        "brand_kinds_": _list(_list(_COUNT)),
    },
    OfferFeatures: {"phrases_": _TEXTS, "groups_": _TEXTS},
    PriceFeatures: {**_BRANDS, "min_listings": _REAL, "usual_": _by_name(_list(_RATE, 3))},
    ListingFeatures: {"usual_seller_age_": lambda age: (type(age) is float and age != age) or _RATE(age)},
    SellerFeatures: {
        "prior_sales": _RATE,
        "usual_return_rate_": _RATE,
        "usual_complaint_rate_": _RATE,
        "usual_rating_": _REAL,
    },
    PictureFeatures: {"is_fitted_": _flag},
    ImageVectors: _OF_VECTORS,
    TextVectors: _OF_VECTORS,
    MissingFields: {"names_": _list(lambda name: name in FIELD_GROUPS), "offsets_": _array(None, None)},
    OtherLearner: {"estimator": lambda _: True, "columns": _array(None, dtype=np.int64, least=0)},
    OwnFeatures: {
        "transformer": lambda _: True,  # registered by the program that loads, and trusted
        "transformer_": lambda _: True,
        "columns": _or_none(lambda columns: _text(columns) or _TEXTS(columns)),
        "group": _or_none(is_name),
        "sentence": _or_none(is_sentence),
        "name_": is_name,
        "names_": _TEXTS,
        "mean_": _array(None),
        "factor_": _array(None),
        "is_sparse_": _flag,
    },
    LinearLearner: {"coef_": _array(1, None), "intercept_": _array(1), "n_iter_": _COUNT},
    SecondStage: {"slope_": _RATE, "portfolio_weight_": _RATE, "intercept_": _REAL},
    SigmoidCalibration: {"slope_": _RATE, "intercept_": _REAL},
    HierarchicalCalibration: {
        "most_categories": _COUNT,
        "level": _number(0.0, 1.0),
        "slope_": _RATE,
        "intercept_": _REAL,
        **dict.fromkeys(("categories_", "brands_"), _sorted_texts),
        **dict.fromkeys(("category_effects_", "brand_effects_"), _array(None)),
        **dict.fromkeys(("category_spread_", "brand_spread_", "seller_correlation_"), _RATE),
        "n_sellers_": _COUNT,
        **dict.fromkeys(("degrees_of_freedom_", "quantile_"), _REAL),
        "line_covariance_": _array(2, 2),
        **dict.fromkeys(("category_covariance_", "brand_covariance_"), _array(None, 2)),
        **dict.fromkeys(("category_variance_", "brand_variance_"), _array(None)),
        "pair_covariance_": _array(None, None),
    },
    Familiarity: {
        "known_": _is_known,
        "usual_": _by_name(_array(5)),
        "scripts_": _by_name(_COUNT),
        "title_bounds_": _array(2),
    },
    Spelling: {
        "words": _by_name(_COUNT),
        "trade": lambda words: isinstance(words, frozenset),
        "ordinary": lambda words: isinstance(words, OrdinaryWords),  # which looks at its arrays itself
    },
    SellerPortfolios: dict.fromkeys(("_states", "_n_added", "_sorted"), lambda _: True),
}
"""Allowed values of each attribute of an estimator."""


def _knows_own_ngrams(text: TextFeatures) -> bool:
    return not hasattr(text, "idf_") or text.idf_.size == 1 << text.bits


def _has_one_space(vectors: ImageVectors) -> bool:
    return not hasattr(vectors, "mean_") or vectors.components_.shape[1] == vectors.mean_.size


def _has_equal_lengths(*names: str) -> Callable[[Any], bool]:
    """Return the rule for tables of an estimator that belong together item by item."""
    return lambda value: len({len(getattr(value, name, ())) for name in names}) == 1


def _numbers_kinds(goods: GoodsFeatures) -> bool:
    if not hasattr(goods, "names_"):
        return True
    n = len(goods.names_)
    of_brands = [kind for kinds in goods.brand_kinds_ for kind in kinds]
    return len(goods.brand_kinds_) == len(goods.table_["names"]) and all(
        kind < n for kind in (*goods.phrase_kinds_, *of_brands)
    )


def _knows_one_table(features: Features) -> bool:
    tables = [part.table_ for _, part in features.transformer_list if hasattr(part, "table_")]
    return all(table == tables[0] for table in tables)


def _has_own_extractors(features: Features) -> bool:
    names = [name for name, _ in features.transformer_list]
    return (
        len(set(names)) == len(names)
        and all(
            type(part) in (*KINDS.values(), OwnFeatures) and is_name(name)
            if name not in _EXTRACTORS
            else _EXTRACTORS[name] is type(part)
            for name, part in features.transformer_list
        )
        and not RESERVED & set(names) - _EXTRACTORS.keys()
    )


def _counts_sellers(portfolios: SellerPortfolios) -> bool:
    """Say whether sums of listings are none below 0, and none above those of which they are a part."""
    states = portfolios.__getstate__()["states"]
    n, suspicion, _, n_before, suspicion_before = states.T
    return bool(np.all((n_before >= 0) & (n_before <= n) & (suspicion_before >= 0) & (suspicion_before <= suspicion)))


def _is_of_one_calibration(calibration: HierarchicalCalibration) -> bool:
    try:
        calibration.table()
    except ValueError:
        return False
    return True


def _knows_counterfeits(classifier: CounterfeitClassifier) -> bool:
    """Say whether one of its labels is that of counterfeits; a model of an older release does not say which."""
    return not hasattr(classifier, "pos_label_") or bool(np.isin(classifier.pos_label_, classifier.classes_))


_TOGETHER: Mapping[type, Mapping[str, Callable[[Any], bool]]] = {
    CounterfeitClassifier: {"pos_label_": _knows_counterfeits},
    TextFeatures: {"idf_": _knows_own_ngrams},
    TradeWords: {"kinds_": _has_equal_lengths("phrases_", "kinds_", "not_near_")},
    GoodsFeatures: {
        "often_copied_": _has_equal_lengths("names_", "often_copied_"),
        "phrase_kinds_": _has_equal_lengths("phrases_", "phrase_kinds_"),
        "brand_kinds_": _numbers_kinds,
    },
    OfferFeatures: {"groups_": _has_equal_lengths("phrases_", "groups_")},
    OwnFeatures: {"names_": _has_equal_lengths("names_", "mean_", "factor_")},
    ImageVectors: {"components_": _has_one_space},
    TextVectors: {"components_": _has_one_space},
    MissingFields: {
        "offsets_": lambda of: not hasattr(of, "names_") or of.offsets_.shape == (len(set(of.names_)),) * 2,
    },
    Features: {"table_": _knows_one_table, "transformer_list": _has_own_extractors},
    SellerPortfolios: {"states": _counts_sellers},
    HierarchicalCalibration: {"covariances": _is_of_one_calibration},
}
"""Rules between the attributes of an estimator; each has passed its own rule."""
