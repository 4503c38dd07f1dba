"""What a classifier knows, put together for the one compiled call that judges a listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ipml.features.brand import BrandFeatures, BrandFinder
from ipml.features.compiled.letters import letter_kinds
from ipml.features.compiled.skeletons import letter_bones
from ipml.features.dictionary import compiled_ordinary_words
from ipml.features.goods import GoodsFeatures
from ipml.features.lexicon import TradeWords
from ipml.features.listing import ListingFeatures
from ipml.features.names import Names
from ipml.features.normalise import MAX_TITLE_LETTERS
from ipml.features.offer import OfferFeatures
from ipml.features.price import PriceFeatures
from ipml.features.seller import SellerFeatures
from ipml.features.text import TextFeatures
from ipml.model.calibration import HierarchicalCalibration
from ipml.model.first_stage import FirstStage
from ipml.model.passages import PASSAGE_WORDS
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.second_stage import SecondStage

_KINDS: dict[str, type[BaseEstimator]] = {
    "title": TextFeatures,
    "description": TextFeatures,
    "category": TextFeatures,
    "words": TradeWords,
    "brand": BrandFeatures,
    "goods": GoodsFeatures,
    "offer": OfferFeatures,
    "price": PriceFeatures,
    "listing": ListingFeatures,
    "seller": SellerFeatures,
}
"""The extractors that the compiled call knows, in the order in which it adds what they weigh."""
_NUMBERS = ("words", "brand", "goods", "offer", "price", "listing", "seller")
_TEXTS = ("title", "description", "category")


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What `ipml.model.single.compiled.judge` is told of a model, in the order of its parameters.

    Attributes
    ----------
    spelling : tuple
        Known words, ordinary words, and of what kind letters are.
    passages : tuple of int
        From how many words on a title is cut, and into what.
    model : tuple
        What the extractors of the first stage look up, what their features weigh, and the intercept.
    stage : tuple of float
        The second stage, and the share of n-grams in use.
    calibration : tuple
        Line, effects, quantile, covariances, and the number of each brand.
    """

    spelling: Any
    passages: tuple[int, int, int]
    model: Any
    stage: tuple[float, float, float, float]
    calibration: Any


def is_known(classifier: CounterfeitClassifier) -> bool:
    """Say whether a classifier is made of the parts that the compiled call knows."""
    extractors = dict(classifier.features_.transformer_list)
    if list(extractors) != list(_KINDS) or any(type(extractors[name]) is not kind for name, kind in _KINDS.items()):
        return False
    finders = {id(BrandFinder.of(extractors[name].table_)) for name in ("brand", "goods", "price")}
    return (
        [extractors[name].column for name in _TEXTS] == list(_TEXTS)
        and len(finders) == 1
        and type(classifier.calibration_) is HierarchicalCalibration
        and type(classifier.second_stage_) is SecondStage
        and classifier.spelling_._compiled is not None
    )


def make_tables(classifier: CounterfeitClassifier) -> Tables:
    """Put together what a classifier knows, one for which `is_known` holds."""
    stage, second = classifier.first_stage, classifier.second_stage_
    return Tables(
        spelling=_spelling(classifier),
        passages=PASSAGE_WORDS["title"],
        model=_first_stage(classifier, stage),
        stage=(second.slope_, second.portfolio_weight_, second.intercept_, stage.text_part("title").extractor.prepared),
        calibration=_calibration(classifier),
    )


def _spelling(classifier: CounterfeitClassifier) -> Any:
    known, ordinary = classifier.spelling_._compiled, compiled_ordinary_words()
    assert known is not None
    return known.table, known.lines, ordinary.table, ordinary.lines, letter_kinds()


def _first_stage(classifier: CounterfeitClassifier, stage: FirstStage) -> Any:
    of: dict[str, Any] = dict(classifier.features_.transformer_list)
    title, words, goods, seller = of["title"], of["words"].prepared[1], of["goods"].prepared[1], of["seller"]
    return (
        letter_kinds(),
        letter_bones(),
        classifier.reading.finder._tables,
        (stage.text_part("title").marked, *title.letters, title.words),
        words.parts,
        _brands(of["brand"]),
        (goods.phrase_kinds, goods.often_copied, goods.of_brand),
        (of["offer"].prepared[1], (MAX_TITLE_LETTERS, True, of["offer"].n_of_title)),
        (_references(of["price"]), of["price"].bounds),
        of["listing"].bounds,
        seller.bounds,
        tuple(stage.number_part(name).weights for name in _NUMBERS),
        stage.intercept,
    )


def _brands(extractor: BrandFeatures) -> Any:
    finder = BrandFinder.of(extractor.table_)
    has_authorised = np.array([number in finder.authorised for number in range(len(finder.names))])
    spellings = finder.spellings.starts, finder.spellings.texts.offsets, finder.spellings.texts.data
    return finder.phrase_brands, (spellings, has_authorised, MAX_TITLE_LETTERS)


def _references(extractor: PriceFeatures) -> Any:
    """Return the reference price of each brand of the table; NaN where it has none."""
    finder = BrandFinder.of(extractor.table_)
    return Names(np.arange(len(finder.names)), finder.names).look_up(extractor.prepared.get)


def _calibration(classifier: CounterfeitClassifier) -> Any:
    calibration = classifier.calibration_
    finder = BrandFinder.of(dict(classifier.features_.transformer_list)["brand"].table_)
    brands = Names(np.arange(len(finder.names)), finder.names)
    return *calibration.tables(), calibration.brand_numbers(brands)
