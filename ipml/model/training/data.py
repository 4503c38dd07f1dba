"""What a training run learns from: the listings of an experiment with their history and their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ipml.errors import InvalidListings, MissingColumns, UnusableSetting
from ipml.listings.fields import COLUMNS, FIELDS
from ipml.listings.frames import check_cells, list_problems, number_rows
from ipml.listings.marketplaces import ColumnMap, load_columns
from ipml.listings.readers import read_listings
from ipml.listings.sellers import HISTORY_COLUMNS, history_as_of, read_events
from ipml.listings.tables import read_table
from ipml.model.training.experiment import Experiment
from ipml.model.unlabelled import draw_unlabelled
from ipml.records import Problem

CHUNK_ROWS = 50_000
_TRUTH_FIELDS = tuple(
    replace(field, is_required=True) for field in FIELDS if field.name in ("listing_id", "is_counterfeit")
)


def read_training_listings(experiment: Experiment) -> pd.DataFrame:
    """Return the listings of an experiment: history computed from events, labels of reviewers put in.

    History from events is that of all listings, those in files of labels included, as scoring with these events has it.
    Where a listing comes more than once under one id and moment, the label that became known last counts; of labels
    without a moment, that of the later file. A row without a label takes none away. A label of weight 0 is none: it is
    neither learnt from nor tested by.

    Raises
    ------
    InvalidListings, UnreadableFile, UnusableSetting
        A file is missing, is not what its name says, or has bad rows: the first of them, which are among `CHUNK_ROWS`
        rows of the file, are named.
    """
    columns = _read_columns(experiment, experiment.data.columns)
    listings = pd.concat(
        [_read_good(experiment.find(name), columns) for name in experiment.data.listings], ignore_index=True
    )
    labels = [_read_good(experiment.find(name), None) for name in experiment.data.labels]
    everything = pd.concat([listings, *labels], ignore_index=True)
    if experiment.data.events:
        events = read_events([experiment.find(name) for name in experiment.data.events])
        everything[list(HISTORY_COLUMNS)] = history_as_of(events, everything)
    has_label = everything["is_counterfeit"].notna()
    by_label = everything.assign(has_label=has_label).sort_values(
        ["has_label", "labelled_at"], kind="stable", na_position="first"
    )
    latest = by_label.drop_duplicates(["listing_id", "observed_at"], keep="last").sort_index(ignore_index=True)
    latest = latest.drop(columns="has_label")
    return latest.assign(is_counterfeit=latest["is_counterfeit"].mask((latest["label_weight"] == 0).fillna(False)))


def read_unlabelled(experiment: Experiment, listings: pd.DataFrame) -> pd.DataFrame | None:
    """Return the unlabelled listings of an experiment, at most `MOST_UNLABELLED`; None where it names none.

    They are those of sellers drawn at random while the files are read. Listings that have a label, in these files or
    among `listings`, are left out.

    Raises
    ------
    InvalidListings, UnreadableFile, UnusableSetting
        A file is missing, is not what its name says, or has bad rows; or all listings have a label.
    """
    data = experiment.data
    if not data.unlabelled:
        return None
    columns = _read_columns(experiment, data.unlabelled_columns or data.columns)
    has_label = set(labelled_of(listings)["listing_id"])
    drawn = pd.DataFrame()
    for name in data.unlabelled:
        for part in _read_parts(experiment.find(name), columns):
            is_known = part["is_counterfeit"].notna() | part["listing_id"].isin(has_label)
            drawn = draw_unlabelled(pd.concat([drawn, part[~is_known]], ignore_index=True), experiment.seed)
    if drawn.empty:
        raise UnusableSetting(f"unlabelled of {experiment.name}", "no listing without a label", "at least one")
    if data.events:
        events = read_events([experiment.find(name) for name in data.events])
        drawn[list(HISTORY_COLUMNS)] = history_as_of(events, drawn)
    return drawn


def labelled_of(listings: pd.DataFrame) -> pd.DataFrame:
    """Return the listings that have a label."""
    return listings[listings["is_counterfeit"].notna()]


def read_truth(experiment: Experiment, listings: pd.DataFrame) -> pd.Series[bool]:
    """Return what each listing really is, indexed as the listings are; for the test alone.

    Where the experiment has no file of the truth, it is the label, missing where there is none.

    Raises
    ------
    MissingColumns, InvalidListings
        The file lacks `listing_id` or `is_counterfeit`, or holds something else than true and false there.
    UnusableSetting
        It does not hold the truth of every listing.
    """
    if not experiment.data.truth:
        return listings["is_counterfeit"]
    path = experiment.find(experiment.data.truth)
    truth = _read_truth_file(path)
    is_unknown = ~listings["listing_id"].isin(truth.index)
    if is_unknown.any():
        first = listings.loc[is_unknown, "listing_id"].iloc[0]
        found = f"no truth for {is_unknown.sum():,} listings, such as {first!r}"
        raise UnusableSetting(str(path), found, "the truth of all")
    return truth.loc[listings["listing_id"]].set_axis(listings.index)


def digest_listings(listings: pd.DataFrame) -> str:
    """Return 16 hexadecimal digits that change when any cell that training reads, or the order of listings, changes."""
    read = [name for name in COLUMNS if name != "label_odds" or listings[name].notna().any()]
    hashes = pd.util.hash_pandas_object(listings[read], index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()[:16]


def digest_training(listings: pd.DataFrame, unlabelled: pd.DataFrame | None) -> str:
    """Return the digest of all that a model learns from: labelled listings, and unlabelled ones where there are any."""
    labelled = labelled_of(listings)
    return digest_listings(labelled if unlabelled is None else pd.concat([labelled, unlabelled], ignore_index=True))


def _read_good(path: Path, columns: ColumnMap | None) -> pd.DataFrame:
    return pd.concat(_read_parts(path, columns), ignore_index=True)


def _read_parts(path: Path, columns: ColumnMap | None) -> Iterator[pd.DataFrame]:
    """Read a file bit by bit; a bad row is an error, since a model should not learn from half of its data unnoticed."""
    for validation in read_listings(path, columns, chunk_rows=CHUNK_ROWS):
        if validation.problems:
            raise InvalidListings(validation.problems, str(path))
        yield validation.listings


def _read_columns(experiment: Experiment, name: str | None) -> ColumnMap | None:
    """Read a column map of the experiment: a bundled one by its name, or a file beside the experiment."""
    if name is None:
        return None
    return load_columns(experiment.find(name) if name.endswith(".toml") else name)


def _read_truth_file(path: Path) -> pd.Series[bool]:
    """Return whether each listing is counterfeit, by its id."""
    table = read_table(path)
    names = [field.name for field in _TRUTH_FIELDS]
    if missing := [name for name in names if name not in table]:
        raise MissingColumns(str(path), missing, list(map(str, table.columns)))
    truth, is_bad = check_cells(table[names], _TRUTH_FIELDS)
    problems = list_problems(table, is_bad, _TRUTH_FIELDS)
    repeated = truth[truth["listing_id"].duplicated()]
    problems += [
        Problem(int(row), "listing_id", id_, "one truth for each listing")
        for row, id_ in zip(number_rows(repeated), repeated["listing_id"], strict=True)
    ]
    if problems:
        raise InvalidListings(problems, str(path))
    return truth.set_index("listing_id")["is_counterfeit"].astype(bool)
