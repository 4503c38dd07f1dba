"""Columns that reveal more of the label than anything known in time could: by name, prediction or seller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.listings.fields import COLUMNS
from ipml.model.drift.drift import show_share
from ipml.model.leakage.class_shares import CHANCE, ClassShares, bound_share
from ipml.model.leakage.leak import Leak
from ipml.model.leakage.prediction import (
    Flags,
    Folds,
    Places,
    Prediction,
    as_numbers,
    is_text_column,
    is_word_column,
    predict_from_codes,
    predict_from_column,
)

TOO_GOOD = 0.5  # of the way from the share of counterfeits to an average precision of 1
NEARLY_PERFECT = 0.9  # average precision beyond chance, however few sellers have counterfeits
BEYOND_CHANCE = 0.2  # least difference with which a precision is not that of a few sellers
TOO_CERTAIN = 0.45  # difference between suspected counterfeits and genuine listings; honest columns reach 0.4
TOO_CERTAIN_PAIR = 0.7  # the same for two columns, with which an honest market may reach one half
MEMORY_GAP = 0.15  # average precision lost across sellers
MEMORY_SHARE = 2 / 3  # of the precision beyond chance, lost across sellers
ALONE_BY_CHANCE = float(np.exp(-1))  # of many sellers, where each draws one of as many values
ONE_CLASS_SHARE = 0.05  # of the other class filled, where this class never is
ONE_CLASS_CHANCE = 0.01
ONE_SIDED_SHARE = 0.1  # of the counterfeits have a value
ONE_SIDED_RATIO = 4.0  # times as often as genuine listings, at least; values in honest columns reach 3
ONE_SIDED_RATIO_GENUINE = 20.0  # the other way round; honest ones reach 12, as copies have no product code
MOST_VALUES = 20  # of a column, the commonest, are looked at
FEW_VALUES = 8  # columns of so many are tried in pairs, others by halves and parity
MOST_PAIRED = 60

_OUTCOMES = re.compile(
    r"^(?:fakes?|counterfeits?|infring\w*|fraud\w*|refund\w*|chargebacks?|ban|bans|banned|block|blocked|suspend\w*|"
    r"takedowns?|removed?|removal|deleted?|delisted?|decisions?|verdicts?|resolution|resolved|moderat\w*|rejected|"
    r"status|outcome|labell?e?d?|appeal\w*|confiscat\w*|seiz\w*|test_?purchase)$"
)


def find_outcome_names(columns: pd.DataFrame) -> Iterator[Leak]:
    """Find columns with names of outcomes, which are known only later."""
    for name in map(str, columns):
        if any(_OUTCOMES.match(word.lower()) for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)):
            sentence = f"{name}: named like something that is known only after the decision"
            yield Leak("outcome name", name, sentence)


def find_too_good(columns: pd.DataFrame, y: Flags, sellers: Places, folds: Folds) -> Iterator[Leak]:
    """Find columns, and then pairs of columns, that predict the label of unseen sellers too well."""
    n_sellers, n_tried = len(np.unique(sellers)), columns.shape[1] * (columns.shape[1] + 1) / 2
    is_dealt_easily = CHANCE * comb(n_sellers, len(np.unique(sellers[y]))) < n_tried

    def is_dealt(values: Any) -> bool:
        """Return whether chance may give such values, one per seller, to counterfeiters alone."""
        return is_dealt_easily and bool(pd.Series(values).groupby(sellers).nunique(dropna=False).eq(1).all())

    def report(names: tuple[Any, ...], prediction: Prediction) -> Leak:
        column = ", ".join(map(str, names))
        subject = "alone it predicts" if len(names) == 1 else "together they predict"
        return Leak("too good", column, f"{column}: {subject} {describe_precision(prediction.precision, y, folds)}")

    poor = []
    for name in columns:
        if is_text_column(columns[name]):
            continue
        prediction = predict_from_column(columns[name], y, folds.parted)
        if _is_too_good(prediction, y, sellers) and not is_dealt(columns[name]):
            yield report((name,), prediction)
        else:
            poor.append(name)
    codes = _codes_to_pair(columns[poor])
    found: set[str] = set()
    for names in (*combinations(codes, 1), *combinations(list(codes)[:MOST_PAIRED], 2)):
        if found & {*names}:
            continue
        joint = sum(codes[name] * (FEW_VALUES + 1) ** place for place, name in enumerate(names))
        of_fake, of_genuine = (np.bincount(joint[mask], minlength=joint.max() + 1) / mask.sum() for mask in (y, ~y))
        if np.abs(of_fake - of_genuine).sum() / 2 < TOO_CERTAIN_PAIR:  # no prediction can differ by more
            continue
        prediction = predict_from_codes(joint, y, folds.parted)
        if _is_too_good(prediction, y, sellers, TOO_CERTAIN_PAIR) and not any(is_dealt(codes[name]) for name in names):
            found |= {*names}
            yield report(names, prediction)


def _is_too_good(prediction: Prediction, y: Flags, sellers: Places, certain: float = TOO_CERTAIN) -> bool:
    """Return whether a prediction from a column is better than an honest one could be.

    It is half of the way to perfect, or suspects counterfeits so much more often, and so many times as often, that it
    must be the label with noise: where counterfeits are rare, some noise makes most of the suspected ones genuine.
    Honest columns may suspect all counterfeits, as where these are of few brands, but then many genuine listings too.
    """
    shares = ClassShares.of(prediction.is_suspected, y, sellers)
    if prediction.precision >= y.mean() + TOO_GOOD * (1 - y.mean()):
        return prediction.precision >= NEARLY_PERFECT or shares.difference >= BEYOND_CHANCE
    return shares.difference >= certain and shares.ratio >= ONE_SIDED_RATIO


def describe_precision(precision: float, y: Flags, folds: Folds) -> str:
    """Return the kind of sellers predicted, and the precision, in words."""
    whose = "unseen sellers" if folds.by_seller else "listings drawn at random"
    return f"the label of {whose} with average precision {precision:.2f}, where {y.mean():.2f} is chance"


def _codes_to_pair(columns: pd.DataFrame) -> dict[str, NDArray[np.intp]]:
    """Return columns of few values as codes, and others as the half and the parity of their numbers."""
    codes = {}
    for name in columns:
        column = columns[name]
        if column.nunique(dropna=False) <= FEW_VALUES:
            codes[str(name)] = pd.factorize(column)[0] + 1
        elif not is_word_column(column):
            numbers = as_numbers(column)
            codes[str(name)] = np.where(np.isnan(numbers), 0, 1 + (numbers > np.nanmedian(numbers)))
            if (numbers[~np.isnan(numbers)] % 1 == 0).all():
                codes[f"{name} (odd or even)"] = np.where(np.isnan(numbers), 0, 1 + np.nan_to_num(numbers % 2))
    return {name: values.astype(np.intp) for name, values in codes.items()}


def find_one_class(columns: pd.DataFrame, y: Flags, sellers: Places) -> Iterator[Leak]:
    """Find columns filled for one class only, too often for an honest column that is filled mostly for this class."""
    for name in columns:
        is_filled = columns[name].notna().to_numpy()
        for kind, mask, ratio in (("counterfeit", y, ONE_SIDED_RATIO_GENUINE), ("genuine", ~y, ONE_SIDED_RATIO)):
            share = is_filled[~mask].mean()
            if is_filled[mask].any() or share < ONE_CLASS_SHARE:
                continue
            if (1 - share / ratio) ** ClassShares.of(is_filled, mask, sellers).n < ONE_CLASS_CHANCE:
                sentence = f"{name}: never filled for {kind} listings, and for {show_share(share)} of the others"
                yield Leak("one class", str(name), sentence)


def find_one_sided(columns: pd.DataFrame, y: Flags, sellers: Places) -> Iterator[Leak]:
    """Find values that many listings of one class have, and hardly any of the other."""
    for name in columns:
        if is_text_column(columns[name]):
            continue
        best = max(_list_one_sided(columns[name], y, sellers), default=None, key=lambda mark: mark[0])
        if best is not None:
            _, value, counterfeit, genuine = best
            sentence = f"{name}: {value} for {show_share(counterfeit, 1)} of counterfeit and "
            sentence += f"{show_share(genuine, 1)} of genuine listings, which nothing known in time would be"
            yield Leak("one-sided", str(name), sentence)


def _list_one_sided(column: pd.Series[Any], y: Flags, sellers: Places) -> Iterator[tuple[float, str, float, float]]:
    """Yield the ratio, the value and its shares among counterfeit and genuine listings."""
    marks = {"filled": column.notna().to_numpy()}
    # Counterfeits may have a brand to themselves, as they may its words in texts.
    codes, words = pd.factorize(column.where(column.isna()) if column.name == "brand" else column)
    counts = np.bincount(codes[codes >= 0], minlength=len(words))
    for place in np.argsort(-counts, kind="stable")[:MOST_VALUES]:
        marks[repr(words[place]) if isinstance(words[place], str) else str(words[place])] = codes == place
    if counts.size:
        marks[f"not {list(marks)[1]}"] = ~list(marks.values())[1]
    marks["missing"] = ~marks["filled"]
    for value, is_marked in marks.items():
        for classes, limit in ((y, ONE_SIDED_RATIO), (~y, ONE_SIDED_RATIO_GENUINE)):
            more, less = is_marked[classes].mean(), is_marked[~classes].mean()
            if more >= ONE_SIDED_SHARE and more >= limit * less:
                ratio = ClassShares.of(is_marked, classes, sellers).ratio
                if ratio >= limit:
                    yield ratio, value, is_marked[y].mean(), is_marked[~y].mean()


def find_seller_names(columns: pd.DataFrame, y: Flags, sellers: Places, folds: Folds) -> Iterator[Leak]:
    """Find columns that name sellers, and what a random split gains from all that a seller's listings share.

    Columns of the schema are exempt: features know that they describe sellers. A few values that many sellers share,
    such as a country, name nobody; several of them together may, which concerns the split rather than the columns.
    """
    shared = []
    for name in columns:
        column = columns[name]
        if name in COLUMNS or is_text_column(column):
            continue
        if column.groupby(sellers).nunique(dropna=False).eq(1).mean() > 0.9 and column.nunique() > 2:
            shared.append(name)
        if not _names_sellers(column, sellers):
            continue
        seen, unseen = (
            predict_from_column(column, y, part, fine=True).precision for part in (folds.random, folds.by_seller)
        )
        if seen - unseen >= max(MEMORY_GAP, MEMORY_SHARE * (seen - y.mean())):
            sentence = f"{name}: it predicts {_say_memory(seen, unseen)}: it identifies the seller, not the goods"
            yield Leak("names sellers", str(name), sentence)
    if len(shared) > 1 and len(sellers) >= 1.5 * len(np.unique(sellers)):
        codes = columns.groupby(shared, dropna=False).ngroup().to_numpy()
        seen, unseen = (predict_from_codes(codes, y, part).precision for part in (folds.random, folds.by_seller))
        if seen - unseen >= MEMORY_GAP:
            names = ", ".join(map(str, shared))
            sentence = f"{names}: the same in all listings of a seller; together they predict "
            yield Leak("split", names, f"{sentence}{_say_memory(seen, unseen)}; split by seller")


def _names_sellers(column: pd.Series[Any], sellers: Places) -> bool:
    """Return whether more sellers have values to themselves than chance leaves, were there a value for each seller.

    A listing's value is its seller's own if other listings have it, all of that seller; a number that no other listing
    has, if its neighbours in the order of numbers are. Sellers of one listing, whom nothing can name, do not count.
    """
    is_word = is_word_column(column)
    values = pd.factorize(column if is_word else as_numbers(column), sort=not is_word)[0]
    of_value = pd.Series(sellers).groupby(values)
    owner = of_value.min().where(of_value.nunique() == 1)
    is_own, is_single = owner.notna(), of_value.size() == 1
    has_neighbours = (owner == owner.shift()) & (owner == owner.shift(-1)) & (not is_word)
    is_named = (is_own & (~is_single | has_neighbours)).reindex(values).groupby(sellers)
    shares = is_named.mean()[is_named.size() > 1]
    return len(shares) > 1 and bound_share(shares.mean(), len(shares))[0] > ALONE_BY_CHANCE


def _say_memory(seen: float, unseen: float) -> str:
    return f"with average precision {seen:.2f} where sellers are on both sides, but {unseen:.2f} where they are not"
