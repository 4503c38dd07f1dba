"""An experiment: everything one training run depends on, as written in a TOML file.

name = "shoes"
seed = 0

[data]
listings = ["shoes.parquet"]        # relative to this file, else to the data folder of the settings
columns = "ozon-ecup"               # a bundled column map or a TOML file; left out for canonical columns
events = ["events.parquet"]         # seller events, from which history is computed as known at the time
labels = ["labels.parquet"]         # decisions of reviewers, as `ipml labels` writes them
unlabelled = ["market.parquet"]     # other listings of the market: what is usual, and most of them genuine
unlabelled_columns = "own.toml"     # their column map, where it is not that of `columns`
prevalence_bound = 0.08             # at most this share of them can be counterfeit
brands = "brands.toml"              # where left out, those of the setting IPML_BRANDS, else the bundled ones
truth = "truth.parquet"             # simulation only: the truth of every listing, for the test alone
donor = "models:/bags@champion"     # a model of another market to start from, where few labels are known

[split]
kind = "later unseen sellers"       # or "seller folds", or "leaking random"

[evaluation]
k = [100]                           # how many listings reviewers read
n_resamples = 500                   # of the sellers, for the intervals
attacks = "some"                    # disguises tried on the test: "some", "all", "none", or names in brackets

[model]
C = 1.0
features__title__bits = 18          # any parameter of the classifier, as scikit-learn names them

[sweep]                             # for `ipml sweep` alone: parameters of [model], each with the values to try
C = [0.1, 1.0, 10.0]

[record]
model = "ipml-shoes"                # name in the registry
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ipml.errors import UnreadableFile, UnusableSetting, describe_faults
from ipml.model.artifact.card import NAME_PATTERN
from ipml.model.unlabelled import PREVALENCE_BOUND
from ipml.settings import get_settings
from ipml.toml import parse_toml


def _list_files(value: Any) -> Any:
    """Return one file as a list of one, and none as an empty list, as earlier releases recorded it."""
    return (value,) if isinstance(value, str) else () if value is None else value


Files = Annotated[tuple[str, ...], BeforeValidator(_list_files)]
_EXPECTED = "what `ipml train --help` shows"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataPart(_Part):
    """Which files to learn from."""

    listings: Files = Field(min_length=1)
    columns: str | None = None
    events: Files = ()
    labels: Files = ()
    unlabelled: Files = ()
    unlabelled_columns: str | None = None
    prevalence_bound: float = Field(PREVALENCE_BOUND, gt=0, lt=1)
    brands: str | None = None
    truth: str | None = None
    donor: str | None = None
    donor_digest: str | None = Field(None, description="SHA-256 of its model file, as a run records it")


class SplitPart(_Part):
    """How listings are parted into those learnt from and those tested on."""

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
    """How the figures are worked out."""

    n_resamples: int = Field(500, ge=10, le=10_000)
    k: tuple[int, ...] = (100,)
    attacks: Literal["some", "all", "none"] | tuple[str, ...] = "some"


class RecordPart(_Part):
    """Under which name the model is registered."""

    model: str = Field("ipml", pattern=NAME_PATTERN)
    alias: str | None = Field(None, pattern=NAME_PATTERN)


class Experiment(_Part):
    """One training run; `load_experiment` reads it from a file.

    Examples
    --------
    >>> Experiment(name="shoes", data={"listings": "shoes.csv"}).data.listings
    ('shoes.csv',)
    """

    name: str = Field(pattern=NAME_PATTERN)
    seed: int = Field(0, ge=0)
    data: DataPart
    split: SplitPart = SplitPart()
    evaluation: EvaluationPart = EvaluationPart()
    model: dict[str, Any] = Field(default_factory=dict)
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    record: RecordPart = RecordPart()
    folder: Path = Field(Path(), exclude=True, description="where the file lies; names of files start here")
    text: str = Field("", exclude=True, description="the file as written, recorded with the run")

    def find_all(self) -> list[Path]:
        """Return the paths of all files the experiment names, so that one that is missing is known at once."""
        data = self.data
        column_maps = [name for name in (data.columns, data.unlabelled_columns) if name and name.endswith(".toml")]
        others = [name for name in (data.brands, data.truth) if name]
        return [
            self.find(name)
            for name in (*data.listings, *data.labels, *data.unlabelled, *data.events, *column_maps, *others)
        ]

    def find(self, name: str) -> Path:
        """Return the path of a file the experiment names: beside the experiment, or in the data folder.

        Raises
        ------
        UnreadableFile
            It is in neither place.
        """
        places = [self.folder / name, get_settings().data / name]
        for place in places:
            if place.exists():
                return place
        raise UnreadableFile(name, "no such file", " or ".join(str(place) for place in places))


def start_from(experiment: Experiment, donor: str | None) -> Experiment:
    """Return an experiment that starts from another model than its file says; as it is where none is named.

    Examples
    --------
    >>> shoes = Experiment(name="shoes", data={"listings": "shoes.csv"})
    >>> start_from(shoes, "models:/ipml-bags@champion").data.donor
    'models:/ipml-bags@champion'
    """
    if donor is None:
        return experiment
    data = experiment.data.model_copy(update={"donor": donor, "donor_digest": None})
    return experiment.model_copy(update={"data": data})


def read_recorded(text: str, folder: Path, source: str) -> Experiment:
    """Read an experiment that was recorded with a run, its files to be looked for in a folder.

    Raises
    ------
    UnusableSetting
        It is none, or one that this release does not know.

    Examples
    --------
    >>> shoes = Experiment(name="shoes", data={"listings": "shoes.csv"})
    >>> read_recorded(shoes.model_dump_json(), Path(), "a run") == shoes
    True
    """
    try:
        return Experiment.model_validate_json(text).model_copy(update={"folder": folder})
    except ValidationError as error:
        raise UnusableSetting(source, describe_faults(error), "an experiment as `ipml train` records it") from error


def load_experiment(path: Path) -> Experiment:
    """Read an experiment file.

    Raises
    ------
    UnreadableFile
        It does not exist or is not TOML.
    UnusableSetting
        It says something ipml does not know; every such place is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
        written = parse_toml(text)
        if ours := {"folder", "text"} & written.keys():
            raise UnusableSetting(str(path), f"unknown {', '.join(sorted(ours))}", _EXPECTED)
        return Experiment(**written, folder=path.parent, text=text)
    except OSError as error:
        raise UnreadableFile(path, error.strerror or "no readable file", "an experiment file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableFile(path, str(error), "TOML in UTF-8") from error
    except ValidationError as error:
        raise UnusableSetting(str(path), describe_faults(error, Experiment), _EXPECTED) from error
