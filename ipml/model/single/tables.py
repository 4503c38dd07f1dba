"""What a classifier knows, put together for the one compiled call that judges a listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ipml.features.columns import MAX_LETTERS, SPELT
from ipml.features.compiled.letters import letter_kinds
from ipml.features.compiled.skeletons import letter_bones, letter_pairs
from ipml.features.dictionary import compiled_ordinary_words
from ipml.features.figures import ListingFeatures, PriceFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures, BrandFinder, GoodsFeatures
from ipml.features.lexicon import OfferFeatures, TradeWords
from ipml.features.names import Names
from ipml.features.normalisation import MAX_TITLE_LETTERS
from ipml.features.text import TextFeatures
from ipml.model.calibration import HierarchicalCalibration
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.stages import PASSAGE_WORDS, FirstStage, SecondStage

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
    """What `ipml.model.single.compiled.judge` is told of a model.

    Attributes
    ----------
    reading : tuple
        For title and description: letters that are read; the words that others may stand for; from how many words on
        a text is cut, and into what.
    model : tuple
        What the extractors of the first stage look up, what their features weigh, and the intercept.
    stages : tuple
        The second stage; the share of n-grams of titles in use; the calibration, and its number of each brand.
    """

    reading: Any
    model: Any
    stages: Any


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
    most, passages = (tuple(of[name] for name in SPELT) for of in (MAX_LETTERS, PASSAGE_WORDS))
    return Tables(
        reading=(most, _spelling(classifier), passages),
        model=_first_stage(classifier, stage),
        stages=(
            (second.slope_, second.portfolio_weight_, second.intercept_),
            stage.text_part("title").extractor.prepared,
            _calibration(classifier),
        ),
    )


def _spelling(classifier: CounterfeitClassifier) -> Any:
    known, ordinary = classifier.spelling_._compiled, compiled_ordinary_words()
    assert known is not None
    return known.table, known.lines, ordinary.table, ordinary.lines, letter_kinds()


def _first_stage(classifier: CounterfeitClassifier, stage: FirstStage) -> Any:
    of: dict[str, Any] = dict(classifier.features_.transformer_list)
    goods = of["goods"].prepared[1]
    finder, columns = classifier.reading.finder, of["offer"].prepared[1]
    return (
        *(_text(stage, of["offer"], name) for name in SPELT),
        (letter_kinds(), (letter_bones(), letter_pairs()), finder._tables, of["words"].prepared[1].parts, columns),
        _brands(of["brand"]),
        (goods.phrase_kinds, goods.often_copied, goods.of_brand),
        of["price"].bounds,
        of["listing"].bounds,
        of["seller"].bounds,
        tuple(stage.number_part(name).weights for name in _NUMBERS),
        stage.intercept,
    )


def _text(stage: FirstStage, offer: OfferFeatures, name: str) -> Any:
    part = stage.text_part(name)
    ngrams = part.marked, *part.extractor.letters, part.extractor.words
    return ngrams, (MAX_LETTERS[name], name == "title", offer.count_values(name))


def _brands(extractor: BrandFeatures) -> Any:
    finder = BrandFinder.of(extractor.table_)
    has_authorised = np.array([number in finder.authorised for number in range(len(finder.names))])
    spellings = finder.spellings.starts, finder.spellings.texts.offsets, finder.spellings.texts.data
    return finder.phrase_brands, (spellings, has_authorised, MAX_TITLE_LETTERS)


def _calibration(classifier: CounterfeitClassifier) -> Any:
    calibration = classifier.calibration_
    finder = BrandFinder.of(dict(classifier.features_.transformer_list)["brand"].table_)
    brands = Names(np.arange(len(finder.names)), finder.names)
    return calibration.brand_numbers(brands), calibration.tables()
