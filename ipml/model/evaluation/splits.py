"""Splits: by seller and by time, for honest tests.

Listings of one seller resemble each other, and a model is used on later listings than it learnt from. A split that
ignores either measures memory: on real listings a random split raised an average precision of 0.77 to 0.96. Splits
depend on the ids and the seed, never on the order of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedGroupKFold

from ipml.errors import Refused

Positions = NDArray[np.intp]
NEVER = pd.Timestamp("2262-01-01", tz="UTC")
"""Moment of a label that is used in tests only."""
_BEFORE_NEVER = NEVER - pd.Timedelta(days=1)
_BY_SELLER = 'split.kind = "seller folds"'


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth to compare by
class Split:
    """Training and test listings, as positions in the frame.

    Attributes
    ----------
    train, test : array of int
        Positions for `listings.iloc`, rising.
    cut : datetime or None
        The moment between them; None where time plays no part.
    leaks : bool
        Whether training has sellers or moments of the test: its figures are too good.
    """

    train: Positions
    test: Positions
    cut: datetime | None = None
    leaks: bool = False


def seller_folds(
    listings: pd.DataFrame, y: ArrayLike, n_folds: int = 5, seed: int = 0
) -> Iterator[tuple[Positions, Positions]]:
    """Yield the train and test positions of folds in which no seller is on both sides.

    The folds hold about equal shares of counterfeits (scikit-learn's `StratifiedGroupKFold`, shuffled). Every listing
    is tested once.

    Parameters
    ----------
    listings : DataFrame
        With the column `seller_id`.
    n_folds : int, default=5

    Raises
    ------
    Refused
        Fewer than `n_folds` sellers with counterfeits, or with genuine listings: a fold would lack a class.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("aabbccdd")})
    >>> train, test = next(seller_folds(listings, [1, 0, 1, 0, 1, 0, 1, 0], n_folds=2))
    >>> sorted(set(listings["seller_id"].iloc[train]) & set(listings["seller_id"].iloc[test]))
    []
    """
    sellers, truth = _sellers(listings), np.asarray(y, dtype=int)
    for kind, is_kind in (("counterfeit", truth == 1), ("genuine", truth == 0)):
        if (count := len(set(sellers[is_kind]))) < n_folds:
            raise Refused(
                "Cannot split",
                f"{count} sellers of {kind} listings",
                f"at least {n_folds}, one for each fold",
                "Take fewer folds or more sellers.",
            )
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    yield from folds.split(np.zeros(len(truth)), truth, sellers)


def later_unseen_sellers(
    listings: pd.DataFrame,
    test_share: float = 0.25,
    seller_share: float = 0.3,
    seed: int = 0,
    moment: str = "observed_at",
) -> Split:
    """Train on what was known at a cut; test on later listings of sellers that training has not seen.

    The cut is the moment after which the last `test_share` of all listings lie. Training holds listings up to the cut
    whose label was known by then. If no label was, because all come from one later campaign, it holds all listings that
    are ever labelled, and only sellers and the moments of listings separate the sides. A `seller_share` of the sellers
    is held back from training. They, and sellers who appear only later, are tested on their labelled listings after the
    cut.

    Parameters
    ----------
    listings : DataFrame
        With the columns `seller_id`, `is_counterfeit` (missing where unlabelled) and `moment`; also `labelled_at`,
        where known. A label without a moment counts as known when its listing was observed; one of the moment `NEVER`
        is not learnt from.
    test_share : float, default=0.25
        Share of all listings after the cut, in 0-1; fewer where many share one moment.
    seller_share : float, default=0.3
        Share of sellers held back, in 0-1.
    moment : str, default="observed_at"
        Column of the moment; "listed_at" suits listings that were all observed at once.

    Raises
    ------
    Refused
        A moment is missing, or a side holds no counterfeit or no genuine listing.
    """
    sellers, moments = _sellers(listings), _moments(listings, moment)
    n_earlier = len(listings) - round(len(listings) * test_share)
    cut = moments.sort_values().iloc[max(n_earlier, 1) - 1]
    is_labelled = listings["is_counterfeit"].notna().to_numpy()
    is_later, is_known = (moments > cut).to_numpy(), is_labelled & ~_is_later(listings, "labelled_at", _BEFORE_NEVER)
    is_known_by_cut = is_labelled & ~_is_later(listings, "labelled_at", cut)
    if not (is_known_by_cut & ~is_later).any():
        is_known_by_cut = is_known
    train = ~is_later & is_known_by_cut & (_draw(sellers, seed) >= seller_share)
    test = is_later & is_labelled & ~pd.Series(sellers).isin(sellers[train]).to_numpy()
    split = Split(np.flatnonzero(train), np.flatnonzero(test), cut.to_pydatetime(warn=False))
    return _checked(listings, split, int(np.sum(is_known & ~is_known_by_cut & ~is_later)))


def leaking_random_split(listings: pd.DataFrame, test_share: float = 0.25, seed: int = 0) -> Split:
    """Split labelled listings at random, regardless of seller and time: this leaks, and flatters any model.

    It exists to measure the leak. Each listing is drawn by its id.
    """
    is_labelled = listings["is_counterfeit"].notna().to_numpy()
    is_test = _draw(listings["listing_id"].to_numpy(dtype=object), seed) < test_share
    train, test = np.flatnonzero(is_labelled & ~is_test), np.flatnonzero(is_labelled & is_test)
    return _checked(listings, Split(train, test, leaks=True))


def _checked(listings: pd.DataFrame, split: Split, n_late: int = 0) -> Split:
    """Return the split if both sides hold counterfeit and genuine listings; `n_late` labels came after the cut."""
    late = (
        f" Labels of {n_late:,} earlier listings are not learnt from: their labelled_at is after the cut."
        if n_late
        else ""
    )
    for side, positions in (("training", split.train), ("test", split.test)):
        truth = listings["is_counterfeit"].iloc[positions].astype(bool)
        if truth.nunique() < 2:
            raise Refused(
                "Cannot split",
                f"{int(truth.sum())} counterfeit and {int((~truth).sum())} genuine listings for {side}",
                "some of both",
                f"Take more listings, other shares for the test, or split by seller alone: {_BY_SELLER}.{late}",
            )
    return split


def _sellers(listings: pd.DataFrame) -> NDArray[np.object_]:
    sellers = listings["seller_id"]
    if sellers.nunique() < 2 or sellers.isna().any():
        raise Refused(
            "Cannot split",
            f"{sellers.nunique()} sellers, and none named in {int(sellers.isna().sum())} listings",
            "a seller for every listing, and two at least",
            "Fill in seller_id.",
        )
    return sellers.to_numpy(dtype=object)


def _moments(listings: pd.DataFrame, moment: str) -> pd.Series[pd.Timestamp]:
    missing = int(listings[moment].isna().sum()) if moment in listings else len(listings)
    if missing or not isinstance(listings[moment].dtype, pd.DatetimeTZDtype):
        raise Refused(
            "Cannot split",
            f"{missing} of {len(listings)} listings without a moment in {moment}",
            "an aware moment for every listing",
            "Fill it in, name another column, or split by seller only.",
        )
    moments: pd.Series[pd.Timestamp] = listings[moment].dt.tz_convert("UTC")
    return moments


def _is_later(listings: pd.DataFrame, column: str, cut: pd.Timestamp) -> NDArray[np.bool_]:
    """Return which listings are after the cut; those without a moment are not."""
    if column not in listings or listings[column].isna().all():
        return np.zeros(len(listings), dtype=bool)
    return (listings[column] > cut).to_numpy(dtype=bool)


def _draw(ids: NDArray[np.object_], seed: int) -> NDArray[np.float64]:
    """Return a number in 0-1 for each id, the same wherever the id occurs."""
    drawn = {
        id_: int.from_bytes(hashlib.blake2b(f"{seed}:{id_}".encode(), digest_size=8).digest()) / 2**64
        for id_ in set(ids)
    }
    return np.array([drawn[id_] for id_ in ids])
