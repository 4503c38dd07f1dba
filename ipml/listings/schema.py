"""Schema: checks listings by the table of fields, frames column by column and records with pydantic.

Both follow the same rules. Nothing is repaired: a row that breaks a rule is set aside, with everything wrong in it.

Records with only valid fields, as services mostly send, are accepted by a fast check. The full check,
`validate_record`, takes several times as long. It is the specification: it accepts what the fast check accepts, as
the same record, and handles all else. Listings sent together as mappings, such as those of one request, are all
checked, and every problem is reported.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd

from ipml.errors import InvalidListings
from ipml.listings.extra import read_extra
from ipml.listings.fields import COLUMNS, FIELDS, Field
from ipml.listings.frames import (
    ROW,
    as_frame,
    check_cells,
    check_columns,
    list_problems,
    number_rows,
    read_cells,
    show,
    show_cell,
)
from ipml.listings.kinds import READERS, Kind, is_missing, join_texts, read_moment, read_vector
from ipml.listings.maps.translation import name_remedy
from ipml.listings.repeats import find_repeats, make_repeat
from ipml.records import Listing, Problem

if TYPE_CHECKING:
    from pydantic import BaseModel


Read = Callable[[object], object]


class _NotPlain(ValueError):
    """A value needs the full check."""


def read_plain_record(record: Mapping[str, object]) -> Listing | None:
    """Return a listing whose fields are all plainly valid; None where the full check is needed.

    >>> bag = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
    >>> read_plain_record(bag).title, read_plain_record({**bag, "title": 7}), read_plain_record({**bag, "price": "9.5"})
    ('Bag', None, None)
    """
    try:
        cells = {name: _READ[name](value) for name, value in record.items() if value is not None}
        is_priced = cells.get("price") is None or "currency" in cells
        return Listing(**cells) if is_priced and cells.keys() >= _REQUIRED else None  # type: ignore[arg-type]
    except (KeyError, ValueError, AttributeError):  # unknown field, value that needs the full check, or not a record
        return None


def _make_reader(field: Field) -> Read:
    if field.kind is Kind.TEXT:
        return _make_text_reader(field)
    if field.kind is Kind.MOMENT:
        return read_moment
    if field.kind is Kind.VECTOR:
        return _read_plain_vector
    if field.kind is Kind.EXTRA:
        return read_extra
    return _read_flag if field.kind is Kind.FLAG else _make_number_reader(field)


def _make_text_reader(field: Field) -> Read:
    shortest, longest = field.min_length, field.max_length or 0
    matches = re.compile(field.pattern).fullmatch if field.pattern else None
    is_list = field.is_list

    def read(value: object) -> object:
        if is_list and (value := join_texts(value)) is None:
            return None
        if type(value) is not str or not shortest <= len(value) <= longest or "\0" in value:
            raise _NotPlain
        if not value.isascii():
            value.encode()  # half a surrogate pair raises UnicodeEncodeError, a ValueError
        if matches and not matches(value):
            raise _NotPlain
        return value

    return read


def _make_number_reader(field: Field) -> Read:
    least, most = field.least, field.most
    assert least is not None
    assert most is not None

    def read(value: object) -> object:
        if (type(value) is not float and type(value) is not int) or not least <= value <= most:
            raise _NotPlain
        return float(value)

    return read


def _read_flag(value: object) -> object:
    if type(value) is not bool:
        raise _NotPlain
    return value


def _read_plain_vector(value: object) -> object:
    return tuple(read_vector(value).tolist())


_READ = {field.name: _make_reader(field) for field in FIELDS}
_REQUIRED = {field.name for field in FIELDS if field.is_required}


_BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
_ORDER = {name: at for at, name in enumerate(["", *COLUMNS])}
_NO_CURRENCY = "a currency beside the price"
_NO_FIELD = "one of the fields of a listing"
_A_RECORD = "the fields of a listing by name"


@dataclass(frozen=True)
class Validation:
    """Listings that keep every rule, and the problems of the others.

    Attributes
    ----------
    listings : DataFrame
        The good rows: all columns of the schema in its order and dtypes, missing where not given. The index is that
        of the input.
    problems : tuple of Problem
        One for each bad cell or row, in the order of the rows.
    rejects : mapping from int to str
        The bad rows as in the file, by row number; empty without a file.
    """

    listings: pd.DataFrame
    problems: tuple[Problem, ...]
    rejects: Mapping[int, str] = dataclasses.field(default_factory=dict)

    def reject(self, problems: Sequence[Problem]) -> Validation:
        """Return the validation with more problems and without their rows; the index must number the rows."""
        if not problems:
            return self
        is_bad = np.isin(self.listings.index, [problem.row for problem in problems])
        every = sorted([*self.problems, *problems], key=lambda problem: (problem.row, _ORDER[problem.column]))
        return Validation(self.listings[~is_bad], tuple(every), self.rejects)

    @property
    def bad_rows(self) -> tuple[int, ...]:
        """Numbers of the rows with at least one problem, ascending."""
        return tuple(sorted({problem.row for problem in self.problems}))


def validate_listings(frame: pd.DataFrame, source: str = "listings") -> Validation:
    """Check a frame of listings against the schema, all rows and all cells at once.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Canonical columns in any order; optional ones may be absent. Cells may be text, as in a CSV file. Rows count
        from 1, or have their numbers in an index named "row".
    source : str, default="listings"
        Name of the rows in messages, such as that of their file.

    Returns
    -------
    Validation
        If good rows have the same listing_id and observed_at, the first counts and the later ones are problems, so a
        copy can neither replace nor remove a listing.

    Raises
    ------
    MissingColumns, Refused
        If a required column is absent, or a column is not in the schema.

    Examples
    --------
    >>> frame = pd.DataFrame({"listing_id": ["1", "2"], "seller_id": "s", "title": ["Bag", None]})
    >>> validation = validate_listings(frame)
    >>> validation.listings["title"].tolist()
    ['Bag']
    >>> print(validation.problems[0])
    row 2, title: found '', expected text of 1 to 2,000 characters, without NUL or broken letters
    """
    numbered = frame.set_axis(pd.Index(number_rows(frame), name=ROW))
    validation = validate_rows(numbered, source)
    validation = validation.reject(find_repeats(validation.listings))
    kept = frame.index[np.isin(numbered.index, validation.listings.index)]
    return Validation(validation.listings.set_axis(kept), validation.problems)


def validate_rows(frame: pd.DataFrame, source: str = "listings") -> Validation:
    """Check a part of a file as `validate_listings` does, but allow repeated keys.

    Parameters
    ----------
    frame : DataFrame
        As for `validate_listings`, indexed by the numbers of its rows.
    """
    check_columns(frame, FIELDS, source)
    listings, is_bad = check_cells(frame, FIELDS)
    problems = [
        dataclasses.replace(one, expected=one.expected + name_remedy(one.value, _BY_NAME[one.column].kind))
        for one in list_problems(frame, is_bad, FIELDS)
    ]
    return Validation(listings, ()).reject(problems + _find_lone_prices(frame))


def check_listings(frame: pd.DataFrame, source: str = "listings") -> pd.DataFrame:
    """Return the frame in canonical form; raise InvalidListings with all problems if any row is bad.

    Parameters
    ----------
    frame : DataFrame
        As for `validate_listings`; also a frame of polars or pyarrow.
    source : str, default="listings"
        Name of the rows in the message, such as that of their file.

    Examples
    --------
    >>> check_listings(pd.DataFrame({"listing_id": ["1"], "seller_id": ["s"], "title": ["Bag"]})).shape
    (1, 37)
    """
    validation = validate_listings(as_frame(frame), source)
    if validation.problems:
        raise InvalidListings(validation.problems, source)
    return validation.listings


def validate_record(record: Mapping[str, object]) -> Listing:
    """Check one listing, such as a JSON object, and return it as a record; NaN (as in pandas) is missing.

    Raises `InvalidListings` with every bad field, as row 1. The rules are those of `validate_listings`.

    >>> validate_record({"listing_id": "1", "seller_id": "s", "title": "Bag"}).title
    'Bag'
    """
    return read_plain_record(record) or check_record(record)


def check_record(record: Mapping[str, object]) -> Listing:
    """Check a listing as `validate_record` does, always with the full check."""
    from pydantic import ValidationError

    if not isinstance(record, Mapping):
        raise InvalidListings([Problem(1, "", type(record).__name__, _A_RECORD)])
    record = {name: value for name, value in record.items() if not is_missing(value)}
    problems: dict[str, Problem] = {}
    if not is_missing(record.get("price")) and is_missing(record.get("currency")):
        problems["currency"] = Problem(1, "currency", "", _NO_CURRENCY)
    try:
        checked = _make_record_model().model_validate(dict(record))
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(fault["loc"][0])
            field = _BY_NAME.get(name)
            shown = show_cell(record.get(name), field.kind if field else None)
            problems[name] = Problem(1, show(name), shown, field.expected if field else _NO_FIELD)
    if problems:
        order = [*COLUMNS, *sorted(problems.keys() - set(COLUMNS))]
        raise InvalidListings([problems[name] for name in order if name in problems])
    return Listing(**dict(checked))


def listings_to_frame(listings: Iterable[Listing]) -> pd.DataFrame:
    """Return records as a frame in canonical form, without checking rules again.

    Raises `InvalidListings` if a field does not fit its column, such as a time without a zone.

    >>> listings_to_frame([Listing("1", "s", "Bag")])["title"].tolist()
    ['Bag']
    """
    rows = list(listings)
    cells = {name: [getattr(listing, name) for listing in rows] for name in COLUMNS}
    given = {name: column for name, column in cells.items() if any(cell is not None for cell in column)}
    frame = pd.DataFrame(given, index=pd.RangeIndex(len(rows)), dtype=object)
    canonical, is_bad = read_cells(frame, FIELDS)
    if problems := list_problems(frame, is_bad, FIELDS):
        raise InvalidListings(problems)
    return canonical


def frame_to_listings(frame: pd.DataFrame) -> Iterator[Listing]:
    """Yield the rows of a canonical frame as records; missing cells and absent columns become None.

    >>> [listing.brand for listing in frame_to_listings(listings_to_frame([Listing("1", "s", "Bag")]))]
    [None]
    """
    absent = [None] * len(frame)
    columns = [_list_cells(frame[field.name], field.kind) if field.name in frame else absent for field in FIELDS]
    for cells in zip(*columns, strict=True):
        yield Listing(*cells)


def _list_cells(column: pd.Series[Any], kind: Kind) -> list[Any]:
    if kind is Kind.VECTOR:
        return [None if is_missing(cell) else tuple(cell.tolist()) for cell in column]
    cells = column.dt.to_pydatetime() if kind is Kind.MOMENT else column
    return pd.Series(cells, dtype=object).where(column.notna().to_numpy(), None).tolist()


def _find_lone_prices(frame: pd.DataFrame) -> list[Problem]:
    """Return problems of prices without a currency: money keeps its currency."""
    if "price" not in frame.columns:
        return []
    is_lone = frame["price"].notna().to_numpy()
    if "currency" in frame.columns:
        is_lone = is_lone & frame["currency"].isna().to_numpy()
    return [Problem(int(row), "currency", "", _NO_CURRENCY) for row in number_rows(frame)[is_lone]]


@cache
def _make_record_model() -> type[BaseModel]:
    """Return the pydantic model of a record, made from the table of fields."""
    import pydantic

    types: dict[Kind, Any] = {Kind.TEXT: str, Kind.MOMENT: datetime, Kind.FLAG: bool, Kind.VECTOR: tuple[float, ...]}
    types[Kind.EXTRA] = str
    readers = READERS | {Kind.VECTOR: _read_plain_vector}

    def make_annotation(field: Field) -> Any:
        rules = pydantic.Field(
            ge=field.least,
            le=field.most,
            min_length=field.min_length if field.kind is Kind.TEXT else None,
            max_length=field.max_length,
            pattern=field.pattern and f"^(?:{field.pattern})$",
        )
        value: Any = types.get(field.kind, float)
        value = Annotated[value, pydantic.BeforeValidator(readers[field.kind]), rules]
        value = value if field.is_required else value | None
        return Annotated[value, pydantic.BeforeValidator(join_texts)] if field.is_list else value

    annotations: dict[str, Any] = {
        field.name: (make_annotation(field), ... if field.is_required else None) for field in FIELDS
    }
    config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)
    return pydantic.create_model("ListingRecord", __config__=config, **annotations)


_MOST_FIELDS = 2 * len(COLUMNS)
_FIELD_ORDER = {name: at for at, name in enumerate(COLUMNS)}
_PLAIN = "a plain value: text, a number, true, false or null"


def check_records(listings: Sequence[Mapping[str, Any]]) -> list[Listing]:
    """Return listings as records, in their order.

    Parameters
    ----------
    listings : sequence of mapping
        As for `validate_record`; callers may be hostile.

    Raises
    ------
    InvalidListings
        Some break the rules of the schema, or repeat listing_id and observed_at of an earlier one: all are reported,
        with rows counted from 1.

    Examples
    --------
    >>> check_records([{"listing_id": "1", "seller_id": "s", "title": "Bag"}])[0].title
    'Bag'
    >>> check_records([{"listing_id": "1", "seller_id": "s", "title": ["Bag"]}])
    Traceback (most recent call last):
    ipml.errors.InvalidListings: listings: 1 bad row: row 1, title: found 'a list', expected a plain value: ...
    """
    records: list[Listing] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, datetime | None], int] = {}
    for row, listing in enumerate(listings, start=1):
        try:
            record = _check(listing)
        except InvalidListings as error:
            problems += [replace(problem, row=row) for problem in error.problems]
            continue
        first = seen.setdefault((record.listing_id, record.observed_at), row)
        if first != row:
            problems.append(make_repeat(row, record.listing_id, first))
        records.append(record)
    if problems:
        raise InvalidListings(problems)
    return records


def _check(listing: Mapping[str, Any]) -> Listing:
    """Check one listing; values that no field can hold are handled apart, since they may be nested too deeply."""
    if len(listing) > _MOST_FIELDS:
        raise InvalidListings([Problem(1, "", f"{len(listing):,} fields", "only the fields of a listing")])
    problems = dict(_find_impossible(listing))
    if not problems:
        return validate_record(listing)
    try:
        validate_record({name: None if name in problems else listing[name] for name in COLUMNS if name in listing})
    except InvalidListings as error:
        problems = {problem.column: problem for problem in error.problems} | problems
    raise InvalidListings(
        sorted(problems.values(), key=lambda problem: _FIELD_ORDER.get(problem.column, len(_FIELD_ORDER)))
    )


def _find_impossible(listing: Mapping[str, Any]) -> Iterator[tuple[str, Problem]]:
    for name, value in listing.items():
        is_nested = isinstance(value, list | dict)
        found = ("a list" if isinstance(value, list) else "an object") if is_nested else show(value)
        if name not in _FIELD_ORDER:
            yield name, Problem(1, show(name), found, "one of the fields of a listing")
        elif is_nested and _BY_NAME[name].kind is Kind.VECTOR:
            if isinstance(value, dict) or any(isinstance(one, list | dict) for one in value):
                yield name, Problem(1, name, found, _BY_NAME[name].expected)
        elif is_nested and _BY_NAME[name].kind is Kind.EXTRA:
            if isinstance(value, list) or any(isinstance(one, list | dict) for one in value.values()):
                found = found if isinstance(value, list) else show_cell(value, Kind.EXTRA)
                yield name, Problem(1, name, found, _BY_NAME[name].expected)
        elif is_nested and not (_BY_NAME[name].is_list and isinstance(join_texts(value), str | None)):
            yield name, Problem(1, name, found, _PLAIN)
