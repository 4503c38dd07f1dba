"""Moves: listings that two models score most differently, and the features behind the difference.

Reasons are parts of the log-odds, so the differences by feature explain a move; a reason of only one model counts in
full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import UnmeasurableScores
from ipml.model.evaluation.label_weights import weigh_labels
from ipml.model.evaluation.metrics import Estimate, estimate_of
from ipml.model.evaluation.ranking import DEFAULT_RESAMPLING, Floats, Resampling, resample_sums, take_by_seller
from ipml.model.questions.error_slices import Explain
from ipml.records import Reason

MOVED = 0.1
"""A score that differs by more than this has moved."""
MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class ReasonChange:
    """Part of the log-odds that one feature adds in the second model, less that in the first."""

    feature: str
    sentence: str
    change: float


@dataclass(frozen=True, slots=True)
class Move:
    """One listing that two models score differently, and the reasons that differ most.

    Attributes
    ----------
    row : int
        Position among the listings.
    before, after : float
        Score by the first and the second model.
    is_counterfeit : bool or None
        None without a label.
    """

    row: int
    listing_id: str
    seller_id: str
    title: str
    before: float
    after: float
    is_counterfeit: bool | None
    reasons: tuple[ReasonChange, ...] = ()


@dataclass(frozen=True)
class Moves:
    """Differences between two models.

    Attributes
    ----------
    before, after : array of shape (n_listings,)
        Their scores; NaN where a model abstained.
    y : array of shape (n_listings,)
        Labels, NaN where there is none.
    moved : Estimate
        Share of the listings whose scores differ by more than 0.1.
    right : Estimate or None
        Share of the labelled, moved listings that moved towards their label; None for fewer than two sellers.
    moves : tuple of Move
        The largest changes first, at most two of one seller.
    """

    before: Floats
    after: Floats
    y: Floats
    moved: Estimate
    right: Estimate | None
    moves: tuple[Move, ...]


def find_moves(
    before: ArrayLike,
    after: ArrayLike,
    listings: pd.DataFrame,
    *,
    y: ArrayLike | None = None,
    explain: tuple[Explain, Explain] | None = None,
    n: int = 20,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Moves:
    """Find the listings that moved most between two models.

    Parameters
    ----------
    before, after : array of shape (n_listings,)
        Scores of the same listings by the two models; NaN where one abstained.
    listings : DataFrame of shape (n_listings, …)
        With `seller_id`, and `listing_id` and `title` if shown; labelled listings are weighted by
        `label_probability` where known.
    y : array of shape (n_listings,), optional
        Labels (0 or 1), NaN where there is none.
    explain : (function of DataFrame, function of DataFrame), optional
        Return the reasons of the first and the second model for the shown listings.
    n : int, default=20
        Number of listings to show.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abc"), "title": ["Bag", "Watch", "Hat"]})
    >>> found = find_moves([0.1, 0.2, 0.9], [0.15, 0.8, 0.5], listings, y=[0, 1, 1])
    >>> [(move.title, move.before, move.after) for move in found.moves], found.right.value
    ([('Watch', 0.2, 0.8), ('Hat', 0.9, 0.5)], 0.5)
    """
    scores = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if scores[0].shape != scores[1].shape or scores[0].shape != (len(listings),):
        found = f"scores of shapes {scores[0].shape} and {scores[1].shape} for {len(listings)} listings"
        raise UnmeasurableScores(found, "two for each listing")
    truth = np.full(len(listings), np.nan) if y is None else np.asarray(y, dtype=float)
    change = scores[1] - scores[0]
    is_scored = ~np.isnan(change)
    if listings["seller_id"][is_scored].nunique() < 2:
        raise UnmeasurableScores(
            f"scores of {is_scored.sum()} listings by both models", "those of two sellers at least"
        )
    has_moved = is_scored & (np.abs(change) > MOVED)
    weight = weigh_labels(listings)
    moved = _share(has_moved, is_scored, np.ones_like(change), listings, resampling)
    is_right = np.where(truth == 1, change > 0, change < 0)
    labelled = has_moved & ~np.isnan(truth)
    right = None
    if listings["seller_id"][labelled].nunique() > 1:
        right = _share(labelled & is_right, labelled, weight, listings, resampling)
    order = np.argsort(-np.nan_to_num(np.abs(change)), kind="stable")
    rows = take_by_seller(order[has_moved[order]], listings["seller_id"], n)
    return Moves(*scores, truth, moved, right, _show(rows, listings, scores, truth, explain))


def _share(
    chosen: NDArray[np.bool_], among: NDArray[np.bool_], weight: Floats, listings: pd.DataFrame, resampling: Resampling
) -> Estimate:
    counted = (np.column_stack([chosen, among]) * weight[:, np.newaxis])[among]
    sums = resample_sums(counted, listings["seller_id"][among], resampling)
    return estimate_of(sums[:, 0] / sums[:, 1])


def _show(
    rows: NDArray[np.intp],
    listings: pd.DataFrame,
    scores: tuple[Floats, Floats],
    y: Floats,
    explain: tuple[Explain, Explain] | None,
) -> tuple[Move, ...]:
    shown = listings.iloc[rows]
    nothing: list[Sequence[Reason]] = [()] * len(rows)
    first, second = (each(shown) for each in explain) if explain and len(rows) else (nothing, nothing)
    texts = [shown[name].astype("str").tolist() if name in shown else [""] * len(rows) for name in _TEXTS]
    return tuple(
        Move(
            int(row),
            listing_id,
            seller_id,
            title,
            float(scores[0][row]),
            float(scores[1][row]),
            None if np.isnan(y[row]) else bool(y[row]),
            _subtract_reasons(a, b)[:MOST_REASONS],
        )
        for row, listing_id, seller_id, title, a, b in zip(rows, *texts, first, second, strict=True)
    )


_TEXTS = ("listing_id", "seller_id", "title")


def _subtract_reasons(before: Sequence[Reason], after: Sequence[Reason]) -> tuple[ReasonChange, ...]:
    """Return the difference of each feature's part of the log-odds, the largest first.

    >>> _subtract_reasons([Reason("age", "Account is new", 1.0)], [Reason("age", "Account is new", 0.25)])
    (ReasonChange(feature='age', sentence='Account is new', change=-0.75),)
    """
    parts: dict[str, ReasonChange] = {}
    for sign, reasons in ((1, after), (-1, before)):
        for reason in reasons:
            earlier = parts.get(reason.feature)
            sentence, change = (earlier.sentence, earlier.change) if earlier else (reason.sentence, 0.0)
            parts[reason.feature] = ReasonChange(reason.feature, sentence, change + sign * reason.weight)
    return tuple(sorted(parts.values(), key=lambda part: -abs(part.change)))
