"""Leakage audit: finds columns, texts and moments of labelled listings that will be absent when a model is used.

The audit reads any table, before or after its columns are mapped, and measures how well a column, or a few together,
predict the label of unseen sellers and of listings drawn at random. Ordinary columns pass its limits: on two real
marketplaces no honest number or category reached a third of the way from chance to perfection across sellers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import Refused
from ipml.listings.frames import number_rows
from ipml.model.leakage.columns import (
    MEMORY_GAP,
    find_one_class,
    find_one_sided,
    find_outcome_names,
    find_seller_names,
    find_too_good,
)
from ipml.model.leakage.leak import KINDS, Leak, LeakageReport
from ipml.model.leakage.prediction import Flags, Folds, Places, is_text_column, predict_quickly
from ipml.model.leakage.rows import (
    find_contradicting_labels,
    find_dominant_seller,
    find_later_history,
    find_later_moments,
    find_wrong_moments,
)
from ipml.model.leakage.texts import find_copies, find_damage, find_revealing_words

MOST_LISTINGS = 20_000  # that models are fitted on
MOST_OF_SELLER = 2_000  # of these, while other sellers have any
FEWEST_OF_KIND = 100  # counterfeits, and genuine listings, of these if there are so many
SUSPICIOUS_PRECISION = 0.97
"""Average precision on unseen sellers above which a model is audited before it is believed."""

_OURS = frozenset({"is_counterfeit", "labelled_at", "label_weight", "label_probability", "listing_id", "seller_id"})


def audit_leakage(
    table: pd.DataFrame,
    y: ArrayLike,
    *,
    sellers: ArrayLike | None = None,
    listings: pd.DataFrame | None = None,
    events: pd.DataFrame | None = None,
    leave_out: Sequence[str] = (),
    as_of: datetime | None = None,
    seed: int = 0,
) -> LeakageReport:
    """Find what gives the label away in a table of labelled listings.

    Parameters
    ----------
    table : DataFrame of shape (n_listings, …)
        Any columns, canonical or not.
    y : array of shape (n_listings,)
        True or 1 where the listing is counterfeit; at least ten of each kind.
    sellers : array of shape (n_listings,), optional
        Seller of each listing; by default the column `seller_id`. Without sellers half of the checks are left out, and
        the report says so.
    listings : DataFrame of shape (n_listings, …), optional
        The same listings in canonical columns, whose moments and counts are checked; by default the table.
    events : DataFrame, optional
        Seller events, from which the history in `listings` is computed anew.
    leave_out : sequence of str
        Columns to ignore, such as the label and the ids.
    as_of : datetime, optional
        Moment of the table, by default now; no label can be later.

    Raises
    ------
    Refused
        Lengths differ, or there are not ten listings of each kind.

    Examples
    --------
    >>> y = np.array([True, False] * 30)
    >>> table = pd.DataFrame({"price": np.arange(60) // 4, "refunds": 3 * y, "seller_id": np.arange(60) // 2 * 2 + y})
    >>> for leak in audit_leakage(table, y).leaks:
    ...     print(leak.kind, "|", leak.sentence)
    outcome name | refunds: named like something that is known only after the decision
    too good | refunds: alone it predicts the label of unseen sellers with average precision 1.00, where 0.50 is chance
    """
    truth, rows = _check(table, y), number_rows(table)
    sellers = table.get("seller_id") if sellers is None else sellers
    ids = None if sellers is None else np.asarray(sellers, dtype=object)
    codes = np.arange(len(table)) if ids is None else pd.factorize(ids)[0] + 1
    columns = _columns_to_audit(table, leave_out)
    leaks = [*find_outcome_names(columns), *find_one_class(columns, truth, codes)]
    drawn = _draw(ids, truth, seed)
    leaks += _learn(columns.iloc[drawn], truth[drawn], None if ids is None else ids[drawn], leaks, seed)
    canonical = (table if listings is None else listings).reset_index(drop=True)
    leaks += find_wrong_moments(canonical, rows, as_of)
    if "observed_at" in canonical:
        leaks += find_later_moments(columns, canonical["observed_at"], rows)
    if events is not None:
        leaks += find_later_history(canonical, events, rows)
    leaks += find_contradicting_labels(canonical, truth, rows)
    if ids is not None:
        leaks += find_dominant_seller(ids, rows)
    leaks.sort(key=lambda leak: KINDS.index(leak.kind))
    return LeakageReport(len(table), int(truth.sum()), tuple(leaks), tuple(_note(columns, truth, ids, len(drawn))))


def _columns_to_audit(table: pd.DataFrame, leave_out: Sequence[str]) -> pd.DataFrame:
    """Return the columns in which listings differ; nested cells as texts."""
    columns = table.drop(columns=[name for name in table if name in _OURS or name in leave_out])
    is_nested = columns.map(lambda cell: isinstance(cell, list | dict | np.ndarray)).any()
    nested = columns.columns[is_nested]
    columns[nested] = columns[nested].map(str)
    return columns.loc[:, columns.nunique(dropna=False) > 1].reset_index(drop=True)


def _draw(sellers: Any, y: Flags, seed: int) -> NDArray[np.intp]:
    """Return the positions of all listings, or of `MOST_LISTINGS` of sellers drawn at random, some of each kind."""
    if len(y) <= MOST_LISTINGS:
        return np.arange(len(y))
    order = np.random.default_rng(seed).permutation(len(y))
    turn = np.arange(len(y))
    if sellers is not None:
        codes, _ = pd.factorize(sellers[order])  # sellers numbered in the order in which they are drawn
        nth = pd.Series(codes).groupby(codes).cumcount().to_numpy()
        turn = np.where(nth < MOST_OF_SELLER, codes, len(y) + nth)
    for kind in (y[order], ~y[order]):
        turn[np.flatnonzero(kind)[:FEWEST_OF_KIND]] = -1
    return np.sort(order[np.argsort(turn, kind="stable")[:MOST_LISTINGS]])


def _learn(columns: pd.DataFrame, y: Flags, sellers: Any, known: list[Leak], seed: int) -> list[Leak]:
    """Find what predictions show, column by column and then together."""
    folds = Folds.of(y, sellers, seed=seed)
    codes: Places = np.arange(len(y)) if sellers is None else pd.factorize(sellers)[0] + 1
    good = [*find_too_good(columns, y, codes, folds), *find_revealing_words(columns, y, codes, folds)]
    others = _without(columns, [*known, *good])
    good += find_one_sided(others, y, codes)
    innocent = _without(others, good)
    if not folds.by_seller:
        return good
    return [
        *good,
        *find_seller_names(innocent, y, codes, folds),
        *find_damage(innocent, y, sellers),
        *find_copies(innocent, sellers),
        *_try_all_columns(innocent, y, folds),
    ]


def _without(columns: pd.DataFrame, leaks: list[Leak]) -> pd.DataFrame:
    """Return the columns without those found to leak."""
    return columns.drop(columns=[name for name in {leak.column for leak in leaks} if name in columns])


def _try_all_columns(columns: pd.DataFrame, y: Flags, folds: Folds) -> Iterator[Leak]:
    """Find whether a quick model of all columns predicts too well, or much worse across sellers."""
    if columns.empty:
        return
    seen, unseen = (predict_quickly(columns, y, part) for part in (folds.random, folds.by_seller))
    if unseen >= SUSPICIOUS_PRECISION:
        sentence = "A quick model of all columns predicts the label of unseen sellers with average precision "
        yield Leak("too good", "", f"{sentence}{unseen:.2f}: honest listings leave more doubt")
    if seen - unseen >= MEMORY_GAP:
        sentence = f"A random split flatters: a quick model reaches average precision {seen:.2f} on it"
        yield Leak("split", "", f"{sentence}, and {unseen:.2f} across sellers; split by seller")


def _check(table: pd.DataFrame, y: ArrayLike) -> Flags:
    truth = np.asarray(y).astype(float)
    if truth.shape != (len(table),):
        raise Refused("Cannot compare", f"{truth.shape} labels for {len(table)} listings", "a label for each listing")
    if not np.isin(truth, (0.0, 1.0)).all() or min(truth.sum(), (1 - truth).sum()) < 10:
        raise Refused(
            "Cannot compare",
            f"{int((truth == 1).sum())} counterfeit and {int((truth == 0).sum())} genuine of {len(truth)} listings",
            "ten of each at least, and no other label",
        )
    return np.asarray(truth == 1, dtype=bool)


def _note(columns: pd.DataFrame, y: Flags, sellers: Any, n_learnt: int) -> Iterator[str]:
    if sellers is None or min(len(set(sellers[y])), len(set(sellers[~y]))) < 2:
        yield (
            "No sellers, or one of a kind only: whether columns name sellers, texts are damaged or copied, or a random "
            "split flatters could not be seen."
        )
    if n_learnt < len(columns):
        yield f"Predictions were tried on {n_learnt:,} listings of sellers drawn at random."
    if not any(is_text_column(columns[name]) for name in columns):
        yield "No column of texts was found."
