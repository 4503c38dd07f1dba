"""How quality is measured: which listings are learnt from, which are tested, and what is read from the scores.

A task fixes the listings and their folds. The listings tested are scored as they are and, where the task says so, with
the titles of the counterfeits disguised; a reading takes some of these scores and some of the listings. Two readings of
one task cost one fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.benchmark.inputs import add_raw_numbers
from ipml.listings.maps.column_maps import load_columns
from ipml.listings.readers import read_listings
from ipml.model.evaluation.splits import seller_folds
from ipml.model.robustness import FAMILIES, attack_listings
from ipml.model.training import load_experiment
from ipml.model.training.experiment import read_training_listings
from ipml.settings import get_settings

EXPERIMENTS = Path(__file__).parents[1]
PLAIN = "plain"
DISGUISES = ("homoglyph, 30 % Cyrillic", "zero-width space, all", "leet digits", "spaced out", "full-width")
N_FOLDS = 5
LATER_SHARE = 0.3
LABEL_COLUMNS = ["is_counterfeit", "labelled_at", "label_weight", "label_probability"]
# Known only after buyers complained, perhaps only with the decision.
OZON_RETURNS = ("item_count_fake_returns", "item_count_returns", "ExemplarReturned")
OZON_NO_NUMBERS = ["id", "resolution", "ItemID", "SellerID"]
# Category and subcategory are the label in other words.
DARKNET_NUMBERS = ["price_usd", "sold", "vendor_level", "trust_level", "views"]
_REPLICA_WORDS = re.compile(
    r"(?<!\w)(?:1:1|(?:replicas?|a{2,3}\+*|clone|super a|super clone|master grade|factory|copy|copies|mirror|fakes?"
    r"|counterfeit|knock-?off|ua|grade|eta|inspired|dupes?)(?!\w))",
    re.IGNORECASE,
)
_TOO_MANY = 0.2

Positions = NDArray[np.intp]
Fold = tuple[Positions, Positions]


@dataclass(frozen=True)
class Reading:
    """Metric on the scores of a task.

    Attributes
    ----------
    name : str
        Heading in the tables.
    views : tuple of str
        "plain" or names of disguises; figures are averaged over them.
    rows : array of bool, shape (n_listings,), or None
        The listings measured, among those tested; all where None.
    """

    name: str
    views: tuple[str, ...] = (PLAIN,)
    rows: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Task:
    """Listings, their labels, and the folds in which they are scored by models that have not seen them.

    Attributes
    ----------
    listings : DataFrame of shape (n_listings, …)
        Canonical columns without those of the label, and the raw numbers of the file.
    y : array of 0 and 1, shape (n_listings,)
    repeats : tuple of tuple of (train, test)
        The folds of each seed, as positions.
    readings : tuple of Reading
    disguises : tuple of str
        Families of `ipml.model.robustness` by which the counterfeits are rewritten when all is scored once more.
    """

    name: str
    listings: pd.DataFrame
    y: NDArray[np.int8]
    repeats: tuple[tuple[Fold, ...], ...]
    readings: tuple[Reading, ...]
    disguises: tuple[str, ...] = ()

    @property
    def views(self) -> tuple[str, ...]:
        """The ways in which the tested listings are shown."""
        return (PLAIN, *self.disguises)

    @cached_property
    def shown_titles(self) -> str:
        """All titles under all views."""
        everything = np.arange(len(self.y))
        return "\0".join(title for view in self.views for title in self.show(everything, view)["title"])

    def show(self, rows: Positions, view: str) -> pd.DataFrame:
        """Return listings as a view shows them; only counterfeits are disguised."""
        shown = self.listings.iloc[rows]
        if view == PLAIN:
            return shown
        return attack_listings(shown, FAMILIES[view], self.y[rows])


def make_task(
    listings: pd.DataFrame,
    name: str,
    heading: str,
    *,
    n_seeds: int = 5,
    disguises: tuple[str, ...] = (),
) -> Task:
    """Return a task in which listings are tested in folds over sellers, under several seeds.

    Parameters
    ----------
    listings : DataFrame
        Canonical columns, all labelled, and raw numbers.
    heading : str
        What the tables call the figures on the listings as they are.
    n_seeds : int, default=5
    disguises : tuple of str, default=()
        Families of attacks to test with.
    """
    y = listings["is_counterfeit"].to_numpy(dtype=np.int8)
    readings = [Reading(heading)]
    if disguises:
        readings += [Reading(f"{heading}, disguised", disguises), *(Reading(view, (view,)) for view in disguises)]
    repeats = tuple(tuple(seller_folds(listings, y, N_FOLDS, seed)) for seed in range(n_seeds))
    return Task(name, _without_label(listings), y, repeats, tuple(readings), disguises)


def darknet_goods(n_seeds: int = 5) -> Task:
    """Return the goods of a dark-net market in folds over vendors, as they are and disguised."""
    return make_task(read_darknet(), "darknet", "dark-net goods", n_seeds=n_seeds, disguises=DISGUISES)


def darknet_cleaned(n_seeds: int = 5) -> Task:
    """Return the same without the negatives that are likely mislabelled; easier than reality."""
    return make_task(drop_mislabelled(read_darknet()), "darknet-cleaned", "cleaned", n_seeds=n_seeds)


def darknet_later(_n_seeds: int = 1) -> Task:
    """Return the same, learning from the first 70 % by the day of listing and tested on the rest."""
    listings = read_darknet()
    days = listings["listed_at"]
    cut = days.sort_values().iloc[round(len(days) * (1 - LATER_SHARE)) - 1]
    is_later = (days > cut).to_numpy()
    is_new = ~listings["seller_id"].isin(listings.loc[~is_later, "seller_id"]).to_numpy()
    fold = (np.flatnonzero(~is_later), np.flatnonzero(is_later))
    readings = (Reading("later, all vendors"), Reading("later, unseen vendors", rows=is_new))
    y = listings["is_counterfeit"].to_numpy(dtype=np.int8)
    return Task("darknet-later", _without_label(listings), y, ((fold,),), readings)


def ozon_sample(n_seeds: int = 5) -> Task:
    """Return the sample of a large marketplace in folds over sellers, without anything about returns."""
    return make_task(read_ozon(), "ozon", "marketplace sample", n_seeds=n_seeds)


TASKS: dict[str, Callable[[int], Task]] = {
    "darknet": darknet_goods,
    "darknet-cleaned": darknet_cleaned,
    "darknet-later": darknet_later,
    "ozon": ozon_sample,
}


def read_darknet() -> pd.DataFrame:
    """Return the dark-net listings with the raw numbers of their file and their age."""
    listings, raw = _read("darknet_goods.toml")
    numbers = raw[DARKNET_NUMBERS].assign(age_days=_days(raw["observed_on"]) - _days(raw["listed_on"]))
    return add_raw_numbers(listings, numbers)


def read_ozon() -> pd.DataFrame:
    """Return the marketplace sample with the raw numbers of its file; columns on returns are missing in both."""
    listings, raw = _read("ozon_sample.toml")
    allowed = raw.drop(columns=OZON_NO_NUMBERS).select_dtypes("number")
    allowed = allowed[[name for name in allowed if not str(name).startswith(OZON_RETURNS)]]
    listings[["listing_returns", "seller_returns"]] = np.nan
    return add_raw_numbers(listings, allowed)


def drop_mislabelled(listings: pd.DataFrame) -> pd.DataFrame:
    """Drop negatives that declare a replica, and all negatives of vendors at least a fifth of whose negatives do.

    The sign U+FFFD, left by broken encoding, becomes a space.

    Examples
    --------
    >>> titles, vendors = ["Gold ring", "Watch AAA+", "Gold chain", "Bag"], ["a", "b", "b", "b"]
    >>> listings = pd.DataFrame({"title": titles, "seller_id": vendors, "is_counterfeit": [False] * 3 + [True]})
    >>> drop_mislabelled(listings)["title"].tolist()
    ['Gold ring', 'Bag']
    """
    cleaned = listings.assign(title=listings["title"].str.replace("\N{REPLACEMENT CHARACTER}", " ", regex=False))
    is_negative = ~cleaned["is_counterfeit"].astype(bool)
    declares = is_negative & cleaned["title"].map(lambda title: bool(_REPLICA_WORDS.search(title))).astype(bool)
    shares = declares[is_negative].groupby(cleaned["seller_id"][is_negative]).mean()
    is_of_doubtful = is_negative & cleaned["seller_id"].isin(shares.index[shares >= _TOO_MANY])
    return cleaned[~declares & ~is_of_doubtful].reset_index(drop=True)


def read_mapped(columns: str, file: str) -> pd.DataFrame:
    """Return the listings of a file of `IPML_DATA`, read by a column map of `columns/` and checked."""
    chunks = read_listings(get_settings().data / file, load_columns(EXPERIMENTS / "columns" / columns))
    return pd.concat([validation.listings for validation in chunks], ignore_index=True)


def _read(experiment_file: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the listings of an experiment, and the rows of its file in the same order."""
    experiment = load_experiment(EXPERIMENTS / experiment_file)
    listings = read_training_listings(experiment)
    raw = pd.read_csv(experiment.find(experiment.data.listings[0]))
    assert len(raw) == len(listings), "the file has rows of the same id and moment"
    return listings, raw


def _without_label(listings: pd.DataFrame) -> pd.DataFrame:
    return listings.drop(columns=[name for name in LABEL_COLUMNS if name in listings]).reset_index(drop=True)


def _days(moments: pd.Series[str]) -> pd.Series[float]:
    return (pd.to_datetime(moments) - pd.Timestamp(0)) / pd.Timedelta(days=1)
