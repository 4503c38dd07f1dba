"""The parts that several peers are made of: TF-IDF, scaled numbers, a word list."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from experiments.benchmark.inputs import Inputs
from ipml.listings.brands import load_brands

Columns = list[tuple[str, Any, Any]]
N_GRAMS = (("word", (1, 2)), ("char_wb", (3, 5)))
REPLICA_WORDS = (
    *("replica", "replicas", "rep", "aaa", "aaa+", "aa", "1:1", "mirror", "grade", "copy", "clone", "fake", "fakes"),
    *("counterfeit", "ua", "unauthorized", "inspired", "dupe", "swiss eta", "factory", "super", "oem", "look-alike"),
    *("реплика", "копия", "люкс", "аналог", "подделка", "1в1", "паль", "топ качество", "lux"),
)


def make_logistic() -> LogisticRegression:
    """Return the linear learner of the TF-IDF peers."""
    return LogisticRegression(C=10.0, class_weight="balanced", solver="liblinear", random_state=0)


def text_columns(inputs: Inputs) -> Columns:
    """Return TF-IDF of words and of letters for each text column."""
    return [
        (
            f"{name} {analyzer}",
            TfidfVectorizer(analyzer=analyzer, ngram_range=span, min_df=2, sublinear_tf=True, strip_accents="unicode"),
            name,
        )
        for name in inputs.texts
        for analyzer, span in N_GRAMS
    ]


def hashed_columns(inputs: Inputs, n_features: int) -> Columns:
    """Return hashed words and letters of each text column."""
    return [
        (f"{name} {analyzer}", HashingVectorizer(n_features=n_features, analyzer=analyzer, ngram_range=span), name)
        for name in inputs.texts
        for analyzer, span in N_GRAMS
    ]


def table_columns(inputs: Inputs) -> Columns:
    """Return scaled logarithms of the numbers, and brand and category one-hot."""
    categories = OneHotEncoder(handle_unknown="ignore", min_frequency=3)
    return [("numbers", scale_numbers(), list(inputs.numbers)), ("categories", categories, list(inputs.categories))]


def scale_numbers() -> Pipeline:
    """Return the steps from raw numbers to those a linear model can use; a flag says which were missing."""
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    return make_pipeline(FunctionTransformer(signed_log), imputer, StandardScaler())


def signed_log(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return sign(x) log(1 + |x|), so that a few giants do not rule.

    Examples
    --------
    >>> signed_log(pd.DataFrame({"price": [-np.e + 1, 0.0]}))["price"].tolist()
    [-1.0, 0.0]
    """
    return pd.DataFrame(np.sign(numbers) * np.log1p(np.abs(numbers)))


def count_trade_words(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return how many replica words a title has, and whether it names a brand, shape (n_listings, 2).

    Examples
    --------
    >>> count_trade_words(pd.DataFrame({"title": ["AAA+ replica of a Rolex", "Wool hat"]})).tolist()
    [[2.0, 1.0], [0.0, 0.0]]
    """
    words, brands = _pattern_of(REPLICA_WORDS), _brand_pattern()
    titles = frame["title"].str.lower()
    counts = [[len(set(words.findall(title))), bool(brands.search(title))] for title in titles]
    return np.array(counts, dtype=np.float64).reshape(-1, 2)


def _pattern_of(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(map(re.escape, words), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)")


@cache
def _brand_pattern() -> re.Pattern[str]:
    return _pattern_of(tuple(brand.name.lower() for brand in load_brands()))
