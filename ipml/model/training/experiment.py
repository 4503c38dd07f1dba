"""An experiment: everything one training run depends on, as written in a TOML file, and the listings it learns from.

name = "shoes"
seed = 0

[data]
listings = ["shoes.parquet"]        # relative to this file, else to the data folder of the settings
columns = "ozon-ecup"               # a bundled column map or a TOML file; left out for canonical columns
events = ["events.parquet"]         # seller events, from which history is computed as known at the time
labels = ["labels.parquet"]         # decisions of reviewers, as `ipml data labels` writes them
unlabelled = ["market.parquet"]     # other listings of the market: what is usual, and most of them genuine
unlabelled_columns = "own.toml"     # their column map, where it is not that of `columns`
prevalence_bound = 0.08             # at most this share of them can be counterfeit
brands = "brands.toml"              # where left out, those of the setting IPML_BRANDS, else the bundled ones
truth = "truth.parquet"             # simulation only: the truth of every listing, for the test alone
extra_numbers = ["returns_30d"]     # columns of your own, or a table of names with their labels in reasons
extra_categories = ["tier"]
donor = "models:/bags@champion"     # a model of another market to start from, where few labels are known

[split]
kind = "later unseen sellers"       # or "seller folds", or "leaking random"

[evaluation]
k = [100]                           # how many listings reviewers read
n_resamples = 500                   # of the sellers, for the intervals
attacks = "some"                    # disguises tried on the test: "some", "all", "none", or names in brackets
costs = { wrongful = 20, missed = 50 }  # as `ipml model analyse threshold` takes them, for the report
learning_curve = 0                  # draws of sellers for a learning curve, 12 fits each; 0 draws none, 3 is enough

[model]
C = 1.0
features__title__bits = 18          # any parameter of the classifier, as scikit-learn names them

[features.loudness]                 # an extractor of your own: a class that IPML_EXTRACTORS names
class = "mypackage.features:Loudness"
columns = ["title", "brand"]        # all but ids where left out; a single name gives the column itself
sign = "!"                          # any other key is a parameter of the class

[sweep]                             # for `ipml model sweep` alone: parameters of [model], each with the values to try
C = [0.1, 1.0, 10.0]                # lists alone: every combination; with ranges, `trials` says how many are tried
# trials = 30
# C = { low = 0.01, high = 10.0, log = true }

[external]                          # for `ipml model register-external` alone: an estimator that ipml did not train
estimator = "shoes.skops"           # its file, or the address of an endpoint
refit = false                       # fit it anew on these listings

[record]
model = "ipml-shoes"                # name in the registry
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ipml.errors import InvalidListings, MissingColumns, UnreadableFile, UnusableSetting, describe_faults
from ipml.features.extra import check_extra
from ipml.kit.canonical_json import digest
from ipml.kit.toml import parse_toml
from ipml.listings.brands import Brands, load_brands
from ipml.listings.extra import EXTRA
from ipml.listings.fields import COLUMNS, FIELDS, VECTORS
from ipml.listings.frames import check_cells, list_problems, number_rows
from ipml.listings.kinds import is_missing
from ipml.listings.maps.column_maps import ColumnMap, load_columns
from ipml.listings.readers import read_listings
from ipml.listings.seller_events import HISTORY_COLUMNS, history_as_of, read_events
from ipml.listings.tables import read_table
from ipml.model.external.source import read_source
from ipml.model.labels import PREVALENCE_BOUND, draw_unlabelled
from ipml.model.model_file.model_file import NAME_PATTERN
from ipml.model.questions.costs import Costs
from ipml.records import Problem
from ipml.settings import DEFAULT_SETTINGS, Settings, get_settings


def _list_files(value: Any) -> Any:
    """Return one name as a list, and none as an empty list, as earlier releases recorded it."""
    return (value,) if isinstance(value, str) else () if value is None else value


Files = Annotated[tuple[str, ...], BeforeValidator(_list_files)]
Names = Annotated[tuple[str, ...] | dict[str, str], BeforeValidator(_list_files)]
"""Columns of one's own, perhaps each with its label in reasons; a single one needs no list."""
_EXPECTED = "what `ipml model train --help` shows"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataPart(_Part):
    """The files to learn from."""

    listings: Files = Field(min_length=1)
    columns: str | None = None
    events: Files = ()
    labels: Files = ()
    unlabelled: Files = ()
    unlabelled_columns: str | None = None
    prevalence_bound: float = Field(PREVALENCE_BOUND, gt=0, lt=1)
    brands: str | None = None
    truth: str | None = None
    extra_numbers: Names = ()
    extra_categories: Names = ()
    donor: str | None = None
    donor_digest: str | None = Field(None, description="SHA-256 of its model file, as a run records it")


class SplitPart(_Part):
    """The division of listings into training and test."""

    kind: Literal["later unseen sellers", "seller folds", "leaking random"] = "later unseen sellers"
    test_share: float = Field(0.25, gt=0, lt=1)
    seller_share: float = Field(0.3, gt=0, lt=1)
    moment: Literal["observed_at", "listed_at"] = "observed_at"
    n_folds: int = Field(5, ge=2, le=50)
    seeds: tuple[int, ...] = Field((0,), min_length=1)

    @model_validator(mode="after")
    def _check_seeds(self) -> SplitPart:
        # Only folds test every listing under every seed, so that figures can be averaged over seeds.
        if len(self.seeds) > 1 and self.kind != "seller folds":
            raise ValueError('only the kind "seller folds" takes several seeds')
        return self


class EvaluationPart(_Part):
    """How figures are computed."""

    n_resamples: int = Field(500, ge=10, le=10_000)
    k: tuple[int, ...] = (100,)
    attacks: Literal["some", "all", "none"] | tuple[str, ...] = "some"
    costs: Costs | None = None
    learning_curve: int = Field(0, ge=0, le=50)


def _check_feature(table: dict[str, Any]) -> dict[str, Any]:
    has_class = isinstance(table.get("class"), str)
    if not has_class:
        raise ValueError('a table of an extractor has a class, such as class = "mypackage.features:Mine"')
    return table


FeaturePart = Annotated[dict[str, Any], AfterValidator(_check_feature)]
"""The class of an extractor of one's own, what `OwnFeatures` takes beside it, and the parameters of the class."""


class ExternalPart(_Part):
    """An estimator that ipml did not train."""

    estimator: str = Field(min_length=1, description="its file, or the address of an endpoint")
    digest: str | None = Field(None, description="SHA-256 of the file, as a run records it")
    refit: bool = Field(False, description="whether it is fitted anew on the listings of the experiment")
    calibrate: bool = Field(True, description="whether its probabilities are calibrated on sellers left out")
    pos_label: str | int | bool | None = Field(
        None, description="its label of counterfeits, where 1 or the name is not"
    )


class SweepRange(_Part):
    """A range of numbers, whole if both ends are; `step` divides it, `log` spreads trials over magnitudes."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _check_range(self) -> SweepRange:
        if not self.low < self.high:
            raise ValueError("low is below high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("with log = true, low is above 0 and there is no step")
        return self


SweepValues = Annotated[list[Any], Field(min_length=1)] | SweepRange


class SweepPart(BaseModel):
    """The values of `ipml model sweep`: parameters of the classifier, each with a list or a range.

    >>> SweepPart(trials=20, C={"low": 0.01, "high": 10.0, "log": True}).space["C"].high
    10.0
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, SweepValues]

    trials: int | None = Field(None, ge=1, le=10_000)

    @property
    def space(self) -> dict[str, list[Any] | SweepRange]:
        """The values by parameter."""
        return dict(self.__pydantic_extra__)


class RecordPart(_Part):
    """The name under which the model is registered."""

    model: str = Field("ipml", pattern=NAME_PATTERN)
    alias: str | None = Field(None, pattern=NAME_PATTERN)


class Experiment(_Part):
    """One training run; `load_experiment` reads it from a file.

    >>> Experiment(name="shoes", data={"listings": "shoes.csv"}).data.listings
    ('shoes.csv',)
    """

    name: str = Field(pattern=NAME_PATTERN)
    seed: int = Field(0, ge=0)
    data: DataPart
    split: SplitPart = SplitPart()
    evaluation: EvaluationPart = EvaluationPart()
    model: dict[str, Any] = Field(default_factory=dict)
    features: dict[str, FeaturePart] = Field(default_factory=dict)
    sweep: SweepPart = SweepPart()
    external: ExternalPart | None = None
    record: RecordPart = RecordPart()
    folder: Path = Field(Path(), exclude=True, description="where the file lies; names of files start here")
    text: str = Field("", exclude=True, description="the file as written, recorded with the run")
    settings: Settings = Field(DEFAULT_SETTINGS, exclude=True, repr=False)

    def stored_at(self, tracking_uri: str | None) -> Experiment:
        """Return the experiment with another MLflow store in its settings, if one is given."""
        return self.model_copy(update={"settings": self.settings.with_tracking(tracking_uri)})

    def read_brands(self) -> Brands:
        """Return the brands of the experiment, else of the settings, else the bundled ones."""
        return load_brands(self.find(self.data.brands) if self.data.brands else self.settings.brands)

    def find_all(self) -> list[Path]:
        """Return the paths of all files, so that a missing one is reported at once."""
        return [self.find(name) for _, name in self.list_files()]

    def list_files(self) -> list[tuple[str, str]]:
        """Return the purpose and name of each file, as in the table [data].

        >>> Experiment(name="shoes", data={"listings": "a.csv", "labels": "b.csv"}).list_files()
        [('listings', 'a.csv'), ('labels', 'b.csv')]
        """
        data = self.data
        maps = {"columns": data.columns, "unlabelled_columns": data.unlabelled_columns}
        single = {name: file for name, file in maps.items() if file and file.endswith(".toml")}
        single |= {name: file for name, file in (("brands", data.brands), ("truth", data.truth)) if file}
        several = {name: getattr(data, name) for name in ("listings", "labels", "unlabelled", "events")}
        return [(name, file) for name, files in several.items() for file in files] + list(single.items())

    def digest_files(self) -> list[tuple[str, str, str]]:
        """Return purpose, name and SHA-256 of each file, including the brands of the settings."""
        found = [(role, name, self.find(name)) for role, name in self.list_files()]
        if not self.data.brands and (brands := self.settings.brands):
            found.append(("brands", brands.name, brands))
        digests = []
        for role, name, path in found:
            with path.open("rb") as file:
                digests.append((role, name, hashlib.file_digest(file, "sha256").hexdigest()))
        return digests

    def find(self, name: str) -> Path:
        """Return the path of a file: beside the experiment, or else in the data folder."""
        places = [self.folder / name, self.settings.data / name]
        for place in places:
            if place.exists():
                return place
        raise UnreadableFile(name, "no such file", " or ".join(str(place) for place in places))


def start_from(experiment: Experiment, donor: str | None) -> Experiment:
    """Return the experiment with this source model, or unchanged for None.

    >>> shoes = Experiment(name="shoes", data={"listings": "shoes.csv"})
    >>> start_from(shoes, "models:/ipml-bags@champion").data.donor
    'models:/ipml-bags@champion'
    """
    if donor is None:
        return experiment
    data = experiment.data.model_copy(update={"donor": donor, "donor_digest": None})
    return experiment.model_copy(update={"data": data})


def name_external(
    experiment: Experiment, estimator: str | None, *, refit: bool = False, calibrate: bool = True
) -> Experiment:
    """Return an experiment with an external estimator, pinned by its digest.

    `estimator` is a file or an address, default that of the experiment; `refit` and `calibrate` add to `ExternalPart`.

    Raises
    ------
    UnusableSetting, UnreadableFile
        None is named, or it cannot be read.
    """
    part = experiment.external
    name = str(Path(estimator).absolute()) if estimator and Path(estimator).exists() else estimator
    name = name or (part.estimator if part else None)
    if name is None:
        raise UnusableSetting(experiment.name, "no estimator", "`estimator` under [external], or --estimator FILE")
    part = (part or ExternalPart(estimator=name)).model_copy(update={"estimator": name})
    changes = {
        "digest": read_source(name, experiment.find).digest,
        "refit": refit or part.refit,
        "calibrate": calibrate and part.calibrate,
    }
    return experiment.model_copy(update={"external": part.model_copy(update=changes)})


def read_recorded(text: str, folder: Path, source: str, settings: Settings = DEFAULT_SETTINGS) -> Experiment:
    """Read an experiment that was recorded with a run, with its files in `folder`; refuse others by an UnusableSetting.

    >>> shoes = Experiment(name="shoes", data={"listings": "shoes.csv"})
    >>> read_recorded(shoes.model_dump_json(), Path(), "a run") == shoes
    True
    """
    try:
        return Experiment.model_validate_json(text).model_copy(update={"folder": folder, "settings": settings})
    except ValidationError as error:
        raise UnusableSetting(
            source, describe_faults(error), "an experiment as `ipml model train` records it"
        ) from error


def load_experiment(path: Path, settings: Settings | None = None) -> Experiment:
    """Read an experiment file.

    Parameters
    ----------
    settings : Settings, optional
        Name the data folder, the brands and the store; by default those of the environment.

    Raises
    ------
    UnreadableFile
        It does not exist or is not TOML.
    UnusableSetting
        It holds unknown keys or values; every such place is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
        written = parse_toml(text)
        if ours := {"folder", "text", "settings"} & written.keys():
            raise UnusableSetting(str(path), f"unknown {', '.join(sorted(ours))}", _EXPECTED)
        return Experiment(**written, folder=path.parent, text=text, settings=settings or get_settings())
    except OSError as error:
        raise UnreadableFile(path, error.strerror or "no readable file", "an experiment file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableFile(path, str(error), "TOML in UTF-8") from error
    except ValidationError as error:
        raise UnusableSetting(str(path), describe_faults(error, Experiment), _EXPECTED) from error


CHUNK_ROWS = 50_000
_TRUTH_FIELDS = tuple(
    replace(field, is_required=True) for field in FIELDS if field.name in ("listing_id", "is_counterfeit")
)


def read_training_listings(experiment: Experiment) -> pd.DataFrame:
    """Return the listings of an experiment with history from events and labels of reviewers.

    History counts all listings, also those in files of labels, as does scoring with these events. If several rows have
    one id and moment, the label that became known last counts; without moments, that of the later file. Rows without a
    label remove none; a label of weight 0 is neither learnt from nor tested. A missing vector is taken from another row
    of the listing and moment, since labels from the queue have none.

    Raises
    ------
    InvalidListings, UnreadableFile, UnusableSetting
        A file is missing, unreadable or has bad rows; those of the first bad `CHUNK_ROWS` rows are named.
    """
    columns = _read_columns(experiment, experiment.data.columns)
    listings = pd.concat(
        [_read_good(experiment.find(name), columns) for name in experiment.data.listings], ignore_index=True
    )
    labels = [_read_good(experiment.find(name), None) for name in experiment.data.labels]
    everything = _lend_vectors(pd.concat([listings, *labels], ignore_index=True))
    check_extra(everything[EXTRA], experiment.data.extra_numbers, experiment.data.extra_categories)
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


def _lend_vectors(listings: pd.DataFrame) -> pd.DataFrame:
    """Fill missing vectors from other rows of the same listing and moment."""
    keys = list(zip(listings["listing_id"], listings["observed_at"], strict=True))
    for name in VECTORS:
        known = {key: vector for key, vector in zip(keys, listings[name], strict=True) if not is_missing(vector)}
        if known and not listings[name].notna().all():
            lent = [known.get(key) if is_missing(own) else own for key, own in zip(keys, listings[name], strict=True)]
            listings = listings.assign(**{name: pd.Series(lent, index=listings.index, dtype=object)})
    return listings


def read_unlabelled(experiment: Experiment, listings: pd.DataFrame) -> pd.DataFrame | None:
    """Return unlabelled listings, at most `MOST_UNLABELLED`, of sellers drawn while reading; None without files.

    Listings with a label, in these files or among `listings`, are left out.

    Raises
    ------
    InvalidListings, UnreadableFile, UnusableSetting
        A file is missing, unreadable or has bad rows; or all listings have a label.
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
    """Return the truth of each listing, for the test only; without a file, the label, missing where there is none.

    Raises
    ------
    MissingColumns, InvalidListings
        The file lacks `listing_id` or `is_counterfeit`, or holds other values there.
    UnusableSetting
        It lacks listings.
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


_SELDOM = ("label_probability", *VECTORS, EXTRA)  # columns that leave the digest of older data what it was


def digest_listings(listings: pd.DataFrame) -> str:
    """Return 16 hexadecimal digits that change with any cell that training reads and with the order."""
    read = [name for name in COLUMNS if name not in _SELDOM or listings[name].notna().any()]
    cells = listings[read]
    for name in VECTORS:
        if name in read:
            bits = [None if is_missing(vector) else vector.tobytes() for vector in cells[name]]
            cells = cells.assign(**{name: pd.Series(bits, index=cells.index, dtype=object)})
    hashes = pd.util.hash_pandas_object(cells, index=False).to_numpy()
    return digest(hashes.tobytes())[:16]


def digest_training(listings: pd.DataFrame, unlabelled: pd.DataFrame | None) -> str:
    """Return the digest of labelled and unlabelled training listings."""
    labelled = labelled_of(listings)
    return digest_listings(labelled if unlabelled is None else pd.concat([labelled, unlabelled], ignore_index=True))


def _read_good(path: Path, columns: ColumnMap | None) -> pd.DataFrame:
    return pd.concat(_read_parts(path, columns), ignore_index=True)


def _read_parts(path: Path, columns: ColumnMap | None) -> Iterator[pd.DataFrame]:
    """Read a file in chunks; a bad row is an error, so that a model does not learn from half of its data unnoticed."""
    for validation in read_listings(path, columns, chunk_rows=CHUNK_ROWS):
        if validation.problems:
            raise InvalidListings(validation.problems, str(path))
        yield validation.listings


def _read_columns(experiment: Experiment, name: str | None) -> ColumnMap | None:
    """Read a column map: a bundled one by name, or a file beside the experiment."""
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
