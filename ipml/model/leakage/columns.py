"""Columns that say more of the label than anything known in time could: their names, and what they predict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.listings.fields import COLUMNS
from ipml.model.drift.drift import show_share
from ipml.model.leakage.class_shares import ClassShares
from ipml.model.leakage.leak import Leak
from ipml.model.leakage.prediction import (
    Flags,
    Folds,
    Places,
    Prediction,
    as_numbers,
    is_text_column,
    is_word_column,
    predict_by,
    predict_by_all,
    predict_from_codes,
    predict_from_column,
)

TOO_GOOD = 0.5  # of the way from the share of counterfeits to an average precision of 1
NEARLY_PERFECT = 0.9  # average precision that is no chance, however few sellers have counterfeits
BEYOND_CHANCE = 0.2  # below, the more often suspected, the precision may be that of a few sellers
TOO_CERTAIN = 0.45  # more often are counterfeits suspected than genuine listings, at least; honest columns reach 0.4
TOO_CERTAIN_PAIR = 0.7  # the same of two together, which an honest market may reach one half with
MEMORY_GAP = 0.15  # average precision lost across sellers
MEMORY_SHARE = 2 / 3  # of what one column seemed to know beyond chance, lost across sellers
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
    """Find columns called like what is known only later."""
    for name in map(str, columns):
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
        if any(_OUTCOMES.match(word.lower()) for word in words):
            sentence = f"{name}: called like something that is known only once the listing was judged"
            yield Leak("outcome name", name, sentence)


def find_too_good(columns: pd.DataFrame, y: Flags, sellers: Places, folds: Folds) -> Iterator[Leak]:
    """Find columns, and then pairs of columns, that predict the label of sellers they were not learnt from."""
    parted = folds.by_seller or folds.random
    whose = "unseen sellers" if folds.by_seller else "listings drawn at random"
    poor = []
    for name in columns:
        if is_text_column(columns[name]):
            continue
        prediction = predict_from_column(columns[name], y, parted)
        if is_too_good(prediction, y, sellers):
            yield Leak("too good", str(name), f"{name}: alone it {_say_precision(prediction, y, whose)}")
        else:
            poor.append(name)
    codes = _codes_to_pair(columns[poor])
    found: set[str] = set()
    for names in (*combinations(codes, 1), *combinations(list(codes)[:MOST_PAIRED], 2)):
        if found & {*names}:
            continue
        joint = sum(codes[name] * (FEW_VALUES + 1) ** place for place, name in enumerate(names))
        if _spread(joint, y) < TOO_CERTAIN_PAIR:
            continue
        prediction = predict_from_codes(joint, y, parted)
        if is_too_good(prediction, y, sellers, TOO_CERTAIN_PAIR):
            found |= {*names}
            what = "together they" if len(names) > 1 else "it"
            sentence = f"{', '.join(names)}: {what} {_say_precision(prediction, y, whose, plural=len(names) > 1)}"
            yield Leak("too good", ", ".join(names), sentence)


def is_too_good(prediction: Prediction, y: Flags, sellers: Places, certain: float = TOO_CERTAIN) -> bool:
    """Say whether a prediction from a column is better than an honest one could be.

    It is half of the way to perfect, or suspects counterfeits so much more often that it must be the label with noise:
    where counterfeits are rare, some noise makes most of the suspected ones genuine.
    """
    difference = ClassShares.of(prediction.is_suspected, y, sellers).difference
    if prediction.precision >= y.mean() + TOO_GOOD * (1 - y.mean()):
        return prediction.precision >= NEARLY_PERFECT or difference >= BEYOND_CHANCE
    return difference >= certain


def _say_precision(prediction: Prediction, y: Flags, whose: str, *, plural: bool = False) -> str:
    predict = "predict" if plural else "predicts"
    return (
        f"{predict} the label of {whose} with average precision {prediction.precision:.2f}, where {y.mean():.2f} is "
        "chance"
    )


def _codes_to_pair(columns: pd.DataFrame) -> dict[str, NDArray[np.intp]]:
    """Return columns of few values as codes, and of others the half and the parity of their numbers."""
    codes = {}
    for name in columns:
        column = columns[name]
        if column.nunique(dropna=False) <= FEW_VALUES:
            codes[str(name)] = pd.factorize(column)[0] + 1
        elif not is_word_column(column):
            numbers = as_numbers(column)
            codes[str(name)] = np.where(np.isnan(numbers), 0, 1 + (numbers > np.nanmedian(numbers)))
            is_whole = numbers[~np.isnan(numbers)] % 1 == 0
            if is_whole.all():
                codes[f"{name} (odd or even)"] = np.where(np.isnan(numbers), 0, 1 + np.nan_to_num(numbers % 2))
    return {name: values.astype(np.intp) for name, values in codes.items()}


def _spread(codes: Places, y: Flags) -> float:
    """Return how far the classes are apart: 0 where all codes are as common in both, 1 where none is in both."""
    of_fake, of_genuine = (np.bincount(codes[mask], minlength=codes.max() + 1) / mask.sum() for mask in (y, ~y))
    return float(np.abs(of_fake - of_genuine).sum() / 2)


def find_one_class(columns: pd.DataFrame, y: Flags, sellers: Places) -> Iterator[Leak]:
    """Find columns filled for one class only, where the other class is filled too often for that to be chance."""
    for name in columns:
        is_filled = columns[name].notna().to_numpy()
        for kind, mask in (("counterfeit", y), ("genuine", ~y)):
            share = is_filled[~mask].mean()
            if is_filled[mask].any() or share < ONE_CLASS_SHARE:
                continue
            shares = ClassShares.of(is_filled, y, sellers)
            if (1 - share) ** (shares.n_counterfeit if kind == "counterfeit" else shares.n_genuine) < ONE_CLASS_CHANCE:
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
    codes, words = pd.factorize(column)
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


def find_seller_names(columns: pd.DataFrame, y: Flags, sellers: Any, folds: Folds) -> Iterator[Leak]:
    """Find columns, and then all that a seller's listings have in common together, that predict who sells."""
    shared = []
    for name in columns:
        if name in COLUMNS or is_text_column(columns[name]):
            continue  # those of the schema are meant to say something of sellers, and features know of it
        if columns[name].groupby(sellers).nunique(dropna=False).eq(1).mean() > 0.9 and _repeats(sellers):
            shared.append(name)
        seen, unseen = (predict_by(columns[name], y, part, fine=True) for part in (folds.random, folds.by_seller))
        if seen - unseen >= max(MEMORY_GAP, MEMORY_SHARE * (seen - y.mean())):
            yield Leak("names sellers", str(name), _say_memory(f"{name}: it predicts", seen, unseen))
    shared = [name for name in shared if columns[name].nunique() > 2]
    if len(shared) > 1:
        seen, unseen = (predict_by_all(columns[shared], y, part) for part in (folds.random, folds.by_seller))
        if seen - unseen >= MEMORY_GAP:
            names = ", ".join(map(str, shared))
            subject = f"{names}: the same in all listings of a seller; together they predict"
            yield Leak("names sellers", names, _say_memory(subject, seen, unseen))


def _say_memory(subject: str, seen: float, unseen: float) -> str:
    return (
        f"{subject} with average precision {seen:.2f} where sellers are on both sides, but {unseen:.2f} where they "
        "are not: it tells who sells, not what"
    )


def _repeats(sellers: Any) -> bool:
    """Say whether sellers have several listings at all, so that what they share can be seen."""
    return len(sellers) >= 1.5 * len(set(sellers))
