"""The scores of a test, and as a file, so that a later model can be compared with this one on the same listings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import UnreadableFile
from ipml.model.evaluation import MODEL
from ipml.model.label_odds import odds_of, weigh_by_odds
from ipml.model.ranking import Floats
from ipml.model.values import VALUE, VALUE_CURRENCY
from ipml.parquet import read_whole

TESTED_FILE = "tested.parquet"
KEY = ["listing_id", "observed_at"]  # what tells listings apart: one may have been observed several times
_KEPT = [*KEY, "seller_id", "brand"]
_KEPT_IF_THERE = ["label_odds", VALUE, VALUE_CURRENCY]  # not in files of earlier releases
_SCORE = "score_"


@dataclass(frozen=True)
class Tested:
    """Scores of the model and of the baselines on listings they had not seen, one array a repeat.

    Attributes
    ----------
    listings : DataFrame of shape (n_listings, …)
    y : array of bool, shape (n_listings,)
    scores : mapping of str to list of array of shape (n_listings,)
    attacked : mapping of str to array of shape (n_listings,)
        The model's scores in the first repeat after each attack on the counterfeits; empty where none was tried.
    """

    listings: pd.DataFrame
    y: NDArray[np.bool_]
    scores: Mapping[str, list[Floats]]
    attacked: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def weight(self) -> Floats | None:
        """For how many listings each label stands; None where each stands for itself."""
        odds = odds_of(self.listings)
        return None if odds is None else weigh_by_odds(odds)


def write_tested(tested: Tested, path: Path) -> None:
    """Write the truth and the model's scores on a test, a row per listing and a column `score_1` … per repeat.

    With them go the odds of the labels and the asking prices in one currency, where known.

    Parameters
    ----------
    tested : Tested
        As `score_unseen` returns it; of the listings, only ids, moment, brand and these are kept.
    path : Path
        The Parquet file, by custom "tested.parquet".
    """
    kept = keep_scores(tested)
    scores = {f"{_SCORE}{number}": score for number, score in enumerate(kept.scores[MODEL], start=1)}
    kept.listings.assign(y=kept.y, **scores).to_parquet(path, index=False)


def keep_scores(tested: Tested) -> Tested:
    """Return what `read_tested` gives back of a test: ids, moments, brands, odds and values, truth, model's scores."""
    there = [name for name in _KEPT_IF_THERE if name in tested.listings]
    return Tested(tested.listings[[*_KEPT, *there]], tested.y, {MODEL: tested.scores[MODEL]})


def read_tested(path: Path) -> Tested:
    """Read what `write_tested` wrote; the baselines' scores are not in it.

    Raises
    ------
    UnreadableFile
        It is not such a file.
    """
    expected = f"the scores of a test: columns {', '.join(_KEPT)}, y, {_SCORE}1 …"
    table = read_whole(path, expected).to_pandas()
    kept = [*_KEPT, *(name for name in _KEPT_IF_THERE if name in table)]
    names = [f"{_SCORE}{number}" for number in range(1, table.shape[1] - len(kept))]
    if list(table.columns) != [*kept, "y", *names] or not names:
        raise UnreadableFile(path, f"columns {', '.join(map(str, table.columns))[:200]}", expected)
    if table.duplicated(KEY).any():
        raise UnreadableFile(path, "a listing twice at one moment", "each once")
    scores = [table[name].to_numpy(dtype=np.float64) for name in names]
    return Tested(table[kept], table["y"].to_numpy(dtype=bool), {MODEL: scores})
