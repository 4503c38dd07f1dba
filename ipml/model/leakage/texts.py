"""Texts that give the label away: words of one class only, letters damaged in encoding, and copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from ipml.features.compiled.folding import fold_text, fold_texts
from ipml.features.compiled.texts import Texts
from ipml.features.goods import brand_table
from ipml.features.lexicon import load_lexicon
from ipml.model.drift import Mean
from ipml.model.drift.drift import show_share
from ipml.model.leakage.class_shares import ClassShares
from ipml.model.leakage.columns import describe_precision
from ipml.model.leakage.leak import Leak
from ipml.model.leakage.prediction import (
    Flags,
    Folds,
    Places,
    fit_quickly,
    is_text_column,
    is_word_column,
    predict_linearly,
)

TOO_GOOD_TEXT = 0.95  # average precision; honest titles reach 0.9, where most counterfeits are called replicas
WORD_RATIO = 10.0  # between the classes' shares of a word, at least; words no seller has to hide reach 7
WORD_RATIO_GENUINE = 30.0  # the other way round
WORD_SHARE = 0.4  # of the class that has it; of honest words of counterfeiters, such as hot, 0.3
FEWEST_TEXTS = 20  # different ones, or the column is one of words to choose from
SHOWN_WORDS = 4
READ_LETTERS = 400  # from either end of a text
COPIED_SHARE = 0.05  # of listings whose text another seller has too
DAMAGE_RATIO = 2.0
DAMAGE_CHANCE = 0.05  # few columns are tested, and damage is never worth learning from

_DAMAGE = re.compile("\ufffd|[\u0080-\u009f]|[ÃÂ][\u0080-\u00bf]|â€|Ð[\u0080-\u00bf]")
_WORD = r"[^\W_]+"


def _holds_sentences(column: pd.Series[Any]) -> bool:
    """Return whether cells are read word by word: several words in most, and of many kinds."""
    if not is_word_column(column) or column.nunique() < FEWEST_TEXTS:
        return False
    return bool(column.dropna().astype("str").str.contains(" ", regex=False).mean() > 0.5)


def find_revealing_words(columns: pd.DataFrame, y: Flags, sellers: Places, folds: Folds) -> Iterator[Leak]:
    """Find texts whose words predict the label too well, or with a word of one class only.

    Words of the trade, such as "replica", and of brands are no leak however many counterfeits have them.
    """
    for name in columns:
        if not _holds_sentences(columns[name]):
            continue
        reader = CountVectorizer(lowercase=False, binary=True, token_pattern=_WORD, min_df=3)
        try:
            values = csr_matrix(reader.fit_transform(_fold_ends(columns[name])))
        except ValueError:  # no word comes three times
            continue
        words = reader.get_feature_names_out()
        precision = predict_linearly(values, y, folds.parted)
        if precision >= TOO_GOOD_TEXT:
            weights = fit_quickly(values, y).coef_[0]
            largest = [words[place] for place in np.argsort(-np.abs(weights), kind="stable")[:SHOWN_WORDS]]
            sentence = f"{name}: its words predict {describe_precision(precision, y, folds)}; the largest weights: "
            yield Leak("too good", str(name), sentence + ", ".join(largest))
        elif one_sided := _find_one_sided_words(values, words, y, sellers):
            yield Leak("one-sided", str(name), f"{name}: {'; '.join(one_sided[:SHOWN_WORDS])}")


def _fold_ends(column: pd.Series[Any]) -> list[str]:
    """Return the beginning and the end of each text, folded: where something is put before or after it."""
    texts = column.astype("str").fillna("")
    is_long = texts.str.len() > 2 * READ_LETTERS
    ends = texts.str[:READ_LETTERS] + " " + texts.str[-READ_LETTERS:]
    return fold_texts(Texts.of(ends.where(is_long, texts).tolist())).strings()


def _find_one_sided_words(values: csr_matrix, words: NDArray[Any], y: Flags, sellers: Places) -> list[str]:
    """Return sentences on the words that one class hardly ever has, the largest ratio first."""
    counts = {kind: np.asarray(values[y == kind].sum(axis=0)).ravel() for kind in (True, False)}
    shares = {kind: count / np.sum(y == kind) for kind, count in counts.items()}
    one_sided, columns = [], values.tocsc()
    for kind, limit in ((True, WORD_RATIO), (False, WORD_RATIO_GENUINE)):
        more, less = shares[kind], shares[not kind]
        for place in np.flatnonzero((more >= WORD_SHARE) & (more >= limit * less)):
            whole, beginnings = _trade_words()
            if words[place] in whole or words[place].startswith(beginnings):
                continue
            is_marked = np.zeros(len(y), dtype=bool)
            is_marked[columns[:, [place]].indices] = True
            ratio = ClassShares.of(is_marked, y if kind else ~y, sellers).ratio
            if ratio >= limit:
                of_fake, of_genuine = (show_share(shares[kind][place], 1) for kind in (True, False))
                sentence = f'"{words[place]}" is in {of_fake} of counterfeit and {of_genuine} of genuine listings'
                one_sided.append((ratio, sentence))
    return [sentence for _, sentence in sorted(one_sided, reverse=True)]


@lru_cache(maxsize=1)
def _trade_words() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the words of the lexicon and of brands, whole, and their beginnings where any ending may follow."""
    phrases = [*load_lexicon().phrases("any"), *brand_table()["phrases"]]
    parts = [part for phrase in phrases for part in phrase.split()]
    whole = {word for part in parts for word in re.findall(_WORD, fold_text(part))}
    return frozenset(whole), tuple({fold_text(part[:-1]) for part in parts if part.endswith("*") and len(part) > 3})


def find_damage(columns: pd.DataFrame, y: Flags, sellers: Any) -> Iterator[Leak]:
    """Find texts damaged on their way into the file, more often for one class: the file was made from two sources."""
    codes = pd.factorize(sellers)[0]
    for name in columns:
        if not is_word_column(columns[name]):
            continue
        damaged = columns[name].astype("str").str.contains(_DAMAGE).fillna(False).to_numpy(dtype=float)
        fake, genuine = (Mean.of(np.asarray(damaged[mask]), codes[mask]) for mask in (y, ~y))
        error = np.hypot(fake.error, genuine.error)
        less, more = sorted((fake.value, genuine.value))
        if error > 0 and more >= DAMAGE_RATIO * less and 2 * stats.norm.sf((more - less) / error) < DAMAGE_CHANCE:
            shares = f"{show_share(fake.value)} of counterfeit and {show_share(genuine.value)} of genuine listings"
            sentence = (
                f"{name}: letters damaged in encoding (such as U+FFFD) in {shares}: it shows how the file was made"
            )
            yield Leak("damaged text", str(name), sentence)


def find_copies(columns: pd.DataFrame, sellers: Any) -> Iterator[Leak]:
    """Find texts that several sellers have, numbers and the order of words aside: no split by seller parts them."""
    for name in columns:
        if not is_text_column(columns[name]):
            continue
        is_text = columns[name].notna()
        folded = fold_texts(Texts.of(columns[name].astype("str").fillna("").tolist())).strings()
        # The words of each text, each once and in order, without numbers.
        words = (" ".join(sorted(set(re.findall(r"[^\W\d_]+", text)))) for text in folded)
        keys = pd.Series(list(words), dtype="str").where(is_text)
        keys = keys.where(keys.str.count(" ") >= 2)  # three words at least
        n_sellers = pd.Series(sellers).groupby(keys).transform("nunique")
        share = float((n_sellers > 1).mean())
        if share >= COPIED_SHARE:
            sentence = f"{name}: {show_share(share)} of the listings have a text that another seller has too, so that "
            yield Leak("copies", str(name), sentence + "a split by seller leaves copies on both sides")
