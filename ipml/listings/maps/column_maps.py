"""Column maps: define how the columns of a marketplace's files become those of the schema.

A map is a TOML file. `load_columns` loads the bundled ones by name, from the folder `marketplaces` beside this
module; `ozon-ecup.toml` there shows most of the options:

    title = "name_rus"                                       a column; "offers.price" goes into nested JSON
    currency = { value = "RUB" }                             the same for every listing
    listing_id = { row_number = "row-" }                     made from the number of the row
    title = { first_of = ["name", "headline"] }              the first column that is not missing
    seller_rating = { column = "stars", scale = 0.2 }        a number, multiplied
    condition = { column = "state", values = { "1000" = "new" }, other = "used" }
    observed_at = { column = "seen", zone = "UTC" }          a time without a zone
    listed_at = { column = "age_days", days_before = "observed_at" }
    listing_rating = { column = "stars", scale = 0.2, missing = ["0"] }
    price = { column = "Preis", decimal = ",", unit = "€" }   1.234,50 €
    listed_at = { column = "Datum", date_order = "DMY", zone = "Europe/Berlin", clock_change = "earlier" }

A text file with other separators than commas, or another encoding than UTF-8, needs these lines before [columns]:

    separator = ";"
    encoding = "cp1252"

`ipml data guess-columns FILE` writes a first map of a file, for a person to check and correct.
"""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from ipml.errors import MissingColumns, UnreadableFile, UnusableSetting, describe_faults, enumerate_names
from ipml.kit.toml import parse_toml
from ipml.listings.extra import EXTRA, PREFIX, is_extra_name, join_extra
from ipml.listings.fields import COLUMNS, FIELDS
from ipml.listings.frames import number_rows, show
from ipml.listings.kinds import Kind
from ipml.listings.maps.translation import (
    ClockChange,
    DateOrder,
    Faults,
    drop_texts,
    find_column,
    follow_path,
    give_zone,
    go_back,
    look_up,
    read_dates,
    read_numbers,
    scale_numbers,
    spell_out,
)
from ipml.listings.tables import TextFormat, check_encoding
from ipml.records import Problem

_LISTS = frozenset(field.name for field in FIELDS if field.is_list or field.kind is Kind.VECTOR)
_KINDS = {field.name: field.kind for field in FIELDS}
_REQUIRED = tuple(field.name for field in FIELDS if field.is_required)
_ORIGINS = ("column", "first_of", "value", "row_number")
_NOT_IN_FILE = (
    "Correct the column map, or leave out its lines for what this file has not, such as the label of new listings."
)
Cell = str | bool | int | float
_EXPECTED = 'a name, and in [columns] lines such as title = "name of the column in the file"'


class Source(BaseModel):
    """Source of one column of the schema, and the steps applied to its cells.

    Attributes
    ----------
    column, first_of, value, row_number
        The origin; exactly one of them. See the examples of this module.
    missing : tuple of str
        Texts that mean a missing value in this column, besides those of the whole map.
    values, other
        Replacements by a cell's text, and the replacement of all other cells. Without `other` such a cell is a
        problem.
    scale : float or None
        Factor of a number.
    decimal : "," or "." or None
        Decimal sign of numbers; the other one, a space or an apostrophe may then group thousands. Without it a number
        has a point and no groups.
    unit : str or None
        Text allowed beside a number, such as "€" or "%".
    date_order : "DMY" or "MDY" or "YMD" or None
        Order of day, month and year in dates such as 03/04/2025, which no cell shows.
    zone : str or None
        Zone of times without one, such as "Europe/Moscow".
    clock_change : "earlier" or "later" or None
        The time meant by a local time that occurs twice or never at a change of the clock; without it each is a
        problem.
    days_before : str or None
        Name of a time column of the schema: the cell is the number of days before that time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str | None = None
    first_of: tuple[str, ...] | None = None
    value: Cell | None = None
    row_number: str | None = None
    missing: tuple[str, ...] = ()
    values: dict[str, Cell] | None = None
    other: Cell | None = None
    decimal: Literal[",", "."] | None = None
    unit: str | None = None
    scale: float | None = None
    date_order: DateOrder | None = None
    zone: str | None = None
    clock_change: ClockChange | None = None
    days_before: str | None = None

    @model_validator(mode="after")
    def _check_origin(self) -> Source:
        if sum(getattr(self, origin) is not None for origin in _ORIGINS) != 1:
            raise ValueError(f"expected exactly one of {', '.join(_ORIGINS)}")
        if self.clock_change is not None and self.zone is None:
            raise ValueError("clock_change goes with a zone")
        if self.unit is not None and self.decimal is None:
            raise ValueError("unit goes with a decimal sign")
        return self

    @field_validator("zone")
    @classmethod
    def _check_zone(cls, zone: str | None) -> str | None:
        try:
            return zone and ZoneInfo(zone).key
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("expected a time zone such as Europe/Moscow") from None

    @field_validator("days_before")
    @classmethod
    def _check_moment(cls, name: str | None) -> str | None:
        if name is not None and _KINDS.get(name) is not Kind.MOMENT:
            raise ValueError("expected a moment of the schema, such as observed_at")
        return name

    @property
    def paths(self) -> tuple[str, ...]:
        """The columns of the file that are read; one of them is enough."""
        return (self.column,) if self.column is not None else self.first_of or ()


class ColumnMap(BaseModel):
    """A map from the columns of a marketplace to those of the schema.

    Attributes
    ----------
    name, description : str
        Its name and purpose.
    separator : str
        Separator of the cells of a CSV file.
    encoding : str
        Python's name of a text file's encoding, such as "utf-16".
    missing : tuple of str
        Texts that mean a missing value, such as "N/A", besides the empty one.
    columns : dict from str to Source
        The source of each column of the schema that the marketplace has.

    Examples
    --------
    >>> columns = ColumnMap(name="shop", columns={"title": {"column": "name"}, "currency": {"value": "EUR"}})
    >>> mapped, problems = columns.apply(pd.DataFrame({"name": ["Bag"]}))
    >>> mapped.iloc[0].to_dict()
    {'title': 'Bag', 'currency': 'EUR'}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    separator: str = ","
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ()
    columns: dict[str, Source]

    @field_validator("separator")
    @classmethod
    def _check_separator(cls, separator: str) -> str:
        if len(separator) != 1 or separator.isalnum() or separator in '"\r\n':
            raise ValueError('expected one sign, such as ";", or "\\t" for a tab')
        return separator

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str) -> str:
        try:
            return check_encoding(encoding)
        except LookupError as error:
            raise ValueError(f"expected {error}") from None

    @field_validator("columns")
    @classmethod
    def _check_names(cls, columns: dict[str, Source]) -> dict[str, Source]:
        if astray := [name for name in ("separator", "encoding", "missing") if name in columns]:
            raise ValueError(f"{', '.join(astray)} among the fields; write it before [columns]")
        if unknown := [name for name in columns if name not in COLUMNS and not _is_extra(name)]:
            raise ValueError(f"unknown {enumerate_names(unknown, COLUMNS)}; expected some of {', '.join(COLUMNS)}")
        for name, source in columns.items():
            is_moment = _kind_of(name) is Kind.MOMENT and source.days_before is None
            if not is_moment and (source.date_order or source.zone):
                raise ValueError(f"date_order and zone are for times; {name} is not a time")
            if (is_moment or _kind_of(name) in (Kind.TEXT, Kind.FLAG, Kind.VECTOR)) and source.decimal:
                raise ValueError(f"decimal and unit are for numbers; {name} is not a number")
            of = source.days_before
            if of is not None and (of not in columns or columns[of].days_before is not None):
                raise ValueError(f"{name} lies before {of}, which has to be mapped too, to a moment of its own")
        return columns

    @property
    def text_format(self) -> TextFormat:
        """Encoding and separator of a text file."""
        return TextFormat(self.encoding, self.separator)

    def apply(
        self, frame: pd.DataFrame, *, source: str = "listings", is_sparse: bool = False
    ) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
        """Return the mapped columns, not yet checked, and the cells that the map does not cover.

        `is_sparse` allows optional columns to be absent, as in JSON; messages name the file by `source`.

        Raises `MissingColumns` if the file lacks columns that the map names.
        """
        self._check_file(frame, source, is_sparse=is_sparse)
        mapped: dict[str, pd.Series[Any]] = {}
        problems: list[Problem] = []
        for name in sorted(self.columns, key=lambda name: self.columns[name].days_before is not None):
            cells = self._gather(frame, name)
            mapped[name], faults = _translate(cells, self.columns[name], name)
            problems += faults
            if self.columns[name].days_before is not None:
                mapped[name] = go_back(mapped[name], mapped[str(self.columns[name].days_before)])
        if own := {name.removeprefix(PREFIX): mapped[name] for name in self.columns if _is_extra(name)}:
            mapped[EXTRA] = pd.Series(join_extra(own), index=frame.index, dtype=object)
        ordered = {name: mapped[name] for name in COLUMNS if name in mapped}
        return pd.DataFrame(ordered, index=frame.index), tuple(problems)

    def _check_file(self, frame: pd.DataFrame, source: str, *, is_sparse: bool) -> None:
        if is_sparse and frame.empty:
            return
        names = [str(name) for name in frame.columns]
        wanted = [one.paths for name, one in self.columns.items() if name in _REQUIRED or not is_sparse]
        is_there = [not paths or any(find_column(names, path) is not None for path in paths) for paths in wanted]
        missing = [" or ".join(paths) for paths, found in zip(wanted, is_there, strict=True) if not found]
        if missing:
            raise MissingColumns(source, missing, names, _NOT_IN_FILE)

    def _gather(self, frame: pd.DataFrame, name: str) -> pd.Series[Any]:
        source = self.columns[name]
        if source.value is not None:
            return pd.Series([source.value] * len(frame), index=frame.index, dtype=object)
        if source.row_number is not None:
            texts = [f"{source.row_number}{row}" for row in number_rows(frame)]
            return pd.Series(texts, index=frame.index, dtype="str")
        silent = {*self.missing, *source.missing}
        found = [drop_texts(follow_path(frame, path, is_list=name in _LISTS), silent) for path in source.paths]
        cells = found[0]
        for other in found[1:]:
            cells = cells.astype(object).where(cells.notna(), other.astype(object))
        return spell_out(cells) if _kind_of(name) is Kind.TEXT else cells


def _is_extra(name: str) -> bool:
    """Return whether a name in a map is that of an own column, such as extra.returns_30d."""
    return name.startswith(PREFIX) and is_extra_name(name.removeprefix(PREFIX))


def _kind_of(name: str) -> Kind:
    """Return the kind of a field; own columns are translated like numbers."""
    return Kind.NUMBER if _is_extra(name) else _KINDS[name]


def load_columns(name_or_path: str | Path) -> ColumnMap:
    """Return a bundled column map by its name, or load one from a TOML file.

    Raises
    ------
    UnreadableFile
        If the file is missing, or not TOML.
    UnusableSetting
        If the map is invalid, or no bundled map has that name.

    Examples
    --------
    >>> load_columns("mercadolibre").columns["currency"].value
    'BRL'
    """
    bundled = list_bundled()
    if str(name_or_path) in bundled:
        folder = files("ipml.listings.maps").joinpath("marketplaces")
        text, where = folder.joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8"), f"{name_or_path}"
    elif not str(name_or_path).endswith(".toml"):
        raise UnusableSetting("--columns", repr(str(name_or_path)), f"a TOML file, or one of {', '.join(bundled)}")
    else:
        text, where = _read_file(Path(name_or_path)), str(name_or_path)
    try:
        table = parse_toml(text)
        columns = table.get("columns")
        if isinstance(columns, dict):
            short = {name: {"column": source} for name, source in columns.items() if isinstance(source, str)}
            table["columns"] = columns | short
        # As JSON: its strict rules accept a list for a tuple, but no text for a number.
        return ColumnMap.model_validate_json(json.dumps(table, default=str), strict=True)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFile(where, str(error), "a column map in TOML") from error
    except ValidationError as error:
        raise UnusableSetting(f"column map {where}", describe_faults(error, ColumnMap), _EXPECTED) from error


def list_bundled() -> list[str]:
    """Return the names of the bundled column maps.

    >>> list_bundled()
    ['mercadolibre', 'ozon-ecup', 'schema-org']
    """
    folder = files("ipml.listings.maps").joinpath("marketplaces")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error), "a column map in TOML") from error
    except UnicodeDecodeError as error:
        raise UnreadableFile(path, str(error), "a column map in UTF-8") from error


def _translate(cells: pd.Series[Any], source: Source, name: str) -> tuple[pd.Series[Any], list[Problem]]:
    came = cells
    faults: Faults = []
    if source.values is not None:
        cells, is_unknown = look_up(cells, source.values, source.other)
        faults.append((is_unknown, f"one of {', '.join(source.values)}"))
    if source.decimal is not None:
        cells, found = read_numbers(cells, source.decimal, source.unit)
        faults += found
    if source.scale is not None:
        cells = scale_numbers(cells, source.scale)
    if source.date_order is not None:
        cells, found = read_dates(cells, source.date_order)
        faults += found
    if source.zone is not None:
        cells, found = give_zone(cells, source.zone, source.clock_change)
        faults += found
    rows = number_rows(came.to_frame())
    return cells, [
        Problem(int(row), name, show(cell), expected)
        for is_bad, expected in faults
        if is_bad.any()
        for row, cell in zip(rows[is_bad], came[is_bad], strict=True)
    ]
