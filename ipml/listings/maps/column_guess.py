"""Column guess: writes a first column map of a file from its beginning, for a person to check and correct.

Each guess comes with its evidence. Facts that the file does not show, such as the time zone or whether 03/04/2025 is
in March, become comments.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args

from ipml.errors import MissingColumns
from ipml.kit.toml import quote
from ipml.listings.fields import FIELDS, Field
from ipml.listings.kinds import Kind, is_missing, read_flag, read_moment, read_number
from ipml.listings.maps.column_maps import list_bundled, load_columns
from ipml.listings.maps.dialects import HEAD_ROWS, guess_text_format
from ipml.listings.maps.translation import DateOrder, follow_path, read_date_text, read_number_text
from ipml.listings.tables import RawTable, read_tables

_FEWEST_SOUND = 0.9
"""Share of readable cells from which on a reading is accepted."""
_SCALES = {1.0: None, 5.0: 0.2, 10.0: 0.1, 100.0: 0.01}
"""Factors that scale ratings up to a number to 0-1."""
_ORDERS: tuple[DateOrder, ...] = get_args(DateOrder)
_ISO_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?")
_BESIDE = re.compile(r"([^0-9.,+-]*)[+-]?[0-9](?:[0-9.,'\u2019 \u00a0\u202f]*[0-9])?([^0-9]*)")
"""A number, with the text before and after it."""
_SHOWN, _LONG, _MOST_KEYS = 60, 100, 50
_Way = TypeVar("_Way", bound=str)
_PLAIN_RELATION = 0.9


@dataclass(frozen=True)
class _Column:
    """A column of the file: its name, its cells as texts without missing ones, and its number of cells."""

    name: str
    texts: tuple[str, ...]
    n_rows: int

    @property
    def distinct(self) -> float:
        return len(set(self.texts)) / max(len(self.texts), 1)

    @property
    def mean_length(self) -> float:
        return sum(map(len, self.texts)) / max(len(self.texts), 1)

    def without_nothing(self) -> tuple[_Column, tuple[str, ...]]:
        """Return the column without the words that mean a missing value, and these words."""
        silent = tuple(
            sorted({text for text in self.texts if text.strip().casefold() in read_names()["nothing"]["words"]})
        )
        return _Column(self.name, tuple(text for text in self.texts if text not in silent), self.n_rows), silent

    def describe(self) -> str:
        if not self.texts:
            return "all cells are empty"
        return f"such as {_shorten(self.texts[0])}, {len(set(self.texts)):,} different in {self.n_rows:,} rows"


@dataclass(frozen=True)
class _Signs:
    """Decimal sign and order of dates, from columns of the file that are unambiguous."""

    decimal: str | None
    order: DateOrder | None


@dataclass(frozen=True)
class _Reading:
    """Reading of a column's cells as a field: entries of the map, evidence, and open questions."""

    says: Mapping[str, Any]
    why: str = ""
    open: str = ""
    is_certain: bool = True


def guess_columns(path: Path, zone: str | None = None) -> str:
    """Return a first column map of a file, as TOML with comments; it loads without changes.

    Parameters
    ----------
    path : Path
        CSV, JSON lines or Parquet, as for `read_tables`; only its beginning is read.
    zone : str, optional
        Zone of times without one, such as "Europe/Berlin".

    Raises
    ------
    UnreadableFile
        If the file as a whole is not of its type.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "shop.csv"
    ...     text = "Artikel-Nr.;Verkäufer;Titel;Preis (EUR)\\n7;s;Tasche;1.234,50\\n"
    ...     size = path.write_text(text, encoding="cp1252")
    ...     print(guess_columns(path))
    # A first column map of shop.csv, guessed from its first row: read it and correct it.
    <BLANKLINE>
    name = "shop"
    separator = ";"  # 1 of 1 rows are as wide as the header, of 4 cells
    encoding = "cp1252"  # not UTF-8; it gives words such as "Verkäufer": do they look right?
    <BLANKLINE>
    [columns]
    listing_id = "Artikel-Nr."  # such as "7", 1 different in 1 rows
    seller_id = "Verkäufer"  # such as "s", 1 different in 1 rows
    title = "Titel"  # such as "Tasche", 1 different in 1 rows
    price = { column = "Preis (EUR)", decimal = "," }  # such as "1.234,50", 1 different in 1 rows
    currency = { value = "EUR" }  # as the name "Preis (EUR)" says
    <BLANKLINE>
    """
    text, remarks = guess_text_format(path)
    table = next(read_tables(path, HEAD_ROWS, text=text))
    columns = _list_columns(table)
    rows = "its first row" if len(table.frame) == 1 else f"its first {len(table.frame):,} rows"
    lines = [f"# A first column map of {path.name}, guessed from {rows}: read it and correct it.", ""]
    if fitting := _find_fitting_maps(table):
        lines[1:1] = [f"# The file has all columns of a bundled map: `--columns {name}` may do." for name in fitting]
    lines += [f"name = {quote(path.name.partition('.')[0] or 'listings')}", *remarks, "", "[columns]"]
    return "\n".join([*lines, *_write_columns(columns, zone)]) + "\n"


def _find_fitting_maps(table: RawTable) -> list[str]:
    """Return the names of the bundled maps whose columns are all in a file."""
    found = []
    for name in list_bundled():
        with suppress(MissingColumns):
            load_columns(name).apply(table.frame.head(0))
            found.append(name)
    return found


# Columns as fields


def _list_columns(table: RawTable) -> list[_Column]:
    """Return the columns of a table; JSON objects become one column for each path in them."""
    found = []
    for name in map(str, table.frame.columns):
        objects = [cell for cell in table.frame[name] if isinstance(cell, dict)]
        keys = list(dict.fromkeys(key for cell in objects for key in cell))[:_MOST_KEYS]
        for path in [f"{name}.{key}" for key in keys] or [name]:
            cells = [cell for cell in follow_path(table.frame, path) if not is_missing(cell)]
            texts = tuple(_spell(cell) for cell in cells if not isinstance(cell, dict))
            found.append(_Column(path, texts, len(table.frame)))
    return found


def _spell(cell: object) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _write_columns(columns: list[_Column], zone: str | None) -> list[str]:
    """Return the lines of `[columns]`, and comments on open questions and on columns left out."""
    signs = _find_signs(columns)
    chosen, refused = _assign(columns, signs, zone)
    lines, unsaid = [], []
    for field in FIELDS:
        if field.name not in chosen:
            continue
        column, reading = chosen[field.name]
        line = f"{field.name} = {_write_source(column.name, reading.says)}"
        why = "; ".join(part for part in (reading.why or column.describe(), reading.open) if part)
        lines.append(f"{'' if reading.is_certain else '# '}{line}  # {why}")
        if field.name == "price" and "currency" not in chosen:
            lines.append(_guess_currency(column, reading))
    missing = [field.name for field in FIELDS if field.is_required and field.name not in chosen]
    unsaid += [
        f'# {name} = ""  # found no column of it, and every listing needs one{_SUBSTITUTES.get(name, "")}'
        for name in missing
    ]
    taken = {column.name for column, _ in chosen.values()}
    left = [column for column in columns if column.name not in taken]
    if unsaid:
        lines += ["", "# Could not be determined:", *unsaid]
    if left:
        lines += ["", "# Left out; put a field before those that are one:"]
        lines += [
            f"# = {quote(column.name)}  # {refused[column.name]}"
            if column.name in refused
            else _propose(column, signs, zone)
            for column in left
        ]
    return lines


_SUBSTITUTES = {
    "listing_id": '; { row_number = "row-" } numbers the rows',
    "seller_id": '; { value = "shop" } if all are of one',
}


def _assign(
    columns: list[_Column], signs: _Signs, zone: str | None
) -> tuple[dict[str, tuple[_Column, _Reading]], dict[str, str]]:
    """Return column and reading of each field found, and why columns with a matching name were refused."""
    scored = sorted(
        (
            (_likeness(column.name, field.name), -place, -at)
            for place, field in enumerate(FIELDS)
            for at, column in enumerate(columns)
        ),
        reverse=True,
    )
    chosen: dict[str, tuple[_Column, _Reading]] = {}
    refused: dict[str, str] = {}
    taken: set[str] = set()
    for likeness, place, at in scored:
        field, column = FIELDS[-place], columns[-at]
        if likeness <= 0 or field.name in chosen or column.name in taken:
            continue
        reading = _read_column(column, field, signs, zone)
        if reading is None:
            wanted = field.shape or f"{field.kind}s that are all written in one way"
            refused[column.name] = f"named like {field.name}, but its cells are not {wanted}; {column.describe()}"
            continue
        if likeness < _PLAIN_RELATION:
            why = "by a part of its name, so check it: " + (reading.why or column.describe())
            reading = replace(reading, why=why, is_certain=reading.is_certain and field.is_required)
        chosen[field.name] = column, reading
        taken.add(column.name)
    for name, is_like in (("listing_id", _is_like_id), ("title", _is_like_title)):
        others = [column for column in columns if column.name not in taken and is_like(column, signs, zone)]
        if name not in chosen and others:
            best = max(others, key=lambda column: (column.distinct, column.mean_length if name == "title" else 0.0))
            chosen[name] = best, _Reading({}, f"by its cells alone, so check it: {best.describe()}")
            taken.add(best.name)
    return chosen, refused


def _likeness(column: str, field: str) -> float:
    """Return the similarity of a column's name to a field's: from 1 a match, from 0.9 one with words such as "EUR"."""
    if column == field:
        return 2.0
    words, parts = _normalise(column), read_names()["parts"]
    best = 0.0
    for at, name in enumerate(read_names()["names"][field]):
        rest = f" {words} ".replace(f" {name} ", " ", 1).split()
        if not rest:
            best = max(best, 1 + 0.1 / (at + 1))
        elif len(" ".join(rest)) < len(words) and set(rest) <= set(parts["harmless"]):
            best = max(best, _PLAIN_RELATION)
        elif f" {name} " in f" {words} " and name not in parts["generic"]:
            best = max(best, len(name) / (len(words) + 2) / 2)
    return best


@cache
def read_names() -> dict[str, dict[str, Any]]:
    """Return the tables of `column_names.toml`: names of columns and words of labels, normalised."""
    text = files("ipml.listings.maps").joinpath("column_names.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    for name in ("names", "flags"):
        tables[name] = {key: list(dict.fromkeys(map(_normalise, words))) for key, words in tables[name].items()}
    return tables


def _normalise(name: str) -> str:
    """Return a name in lower case without accents, its words separated by single spaces."""
    name = re.sub(r"(?<=[a-zа-я])(?=[A-ZА-Я])", " ", name)
    kept = "".join(
        letter for letter in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(letter)
    )
    return " ".join(re.findall(r"[^\W_]+", kept))


def _is_like_id(column: _Column, signs: _Signs, zone: str | None) -> bool:
    is_all = len(column.texts) == column.n_rows > 1 and column.distinct == 1
    is_date = _read_moments(column, signs, zone) is not None
    return is_all and not is_date and all(re.fullmatch(r"[\w./:-]{1,60}", text) for text in column.texts)


def _is_like_title(column: _Column, signs: _Signs, zone: str | None) -> bool:
    is_words = sum(" " in text and any(map(str.isalpha, text)) for text in column.texts) > len(column.texts) / 2
    return (
        is_words
        and column.distinct > 0.5
        and 8 <= column.mean_length <= 250
        and _read_moments(column, signs, zone) is None
    )


def _propose(column: _Column, signs: _Signs, zone: str | None) -> str:
    """Return a comment line for a column without a known name: a possible reading, and examples."""
    what, reading = "", None
    if column.texts:
        readings = {"moments": _read_moments(column, signs, zone), "numbers": _read_numbers(column, signs)}
        what, reading = next(((what, one) for what, one in readings.items() if one is not None), ("", None))
    if column.mean_length > _LONG:
        what = "long texts, perhaps the description"
    why = ", ".join(part for part in (what, column.describe(), reading.open if reading else "") if part)
    return f"# = {_write_source(column.name, reading.says if reading else {})}  # {why}"


# Readings of cells


def _read_column(column: _Column, field: Field, signs: _Signs, zone: str | None) -> _Reading | None:
    """Return the reading of a column's cells as a field; None if they do not fit."""
    if not column.texts:
        return _Reading({}, "all cells are empty so far")
    if field.kind is Kind.TEXT:
        return _read_codes(column, field) if field.pattern else _Reading({})
    if field.kind is Kind.VECTOR:  # the first value represents the list
        return _Reading({}) if all(map(_is_plain_number, column.texts)) else None
    if field.kind is Kind.EXTRA:
        return _Reading({}) if all(text.startswith("{") for text in column.texts) else None
    column, silent = column.without_nothing()
    if not column.texts:
        return None
    if field.kind is Kind.MOMENT:
        reading = _read_moments(column, signs, zone)
    elif field.kind is Kind.FLAG:
        reading = _read_flags(column)
    else:
        reading = _read_numbers(column, signs, zone)
        if reading is not None and field.kind is Kind.SHARE:
            reading = _scale_shares(column, reading)
    if reading is None or not silent:
        return reading
    return _Reading({**reading.says, "missing": list(silent)}, reading.why, reading.open, reading.is_certain)


def _is_plain_number(text: str) -> bool:
    try:
        read_number(text)
    except ValueError:
        return False
    return True


def _find_signs(columns: Iterable[_Column]) -> _Signs:
    """Return decimal sign and order of dates of the columns that are unambiguous."""
    bare = [column.without_nothing()[0] for column in columns]
    decimals = {fits[0] for column in bare if len(fits := _fitting_decimals(column)) == 1 and _has_signs(column)}
    orders = {only[0] for column in bare if len(only := _fitting_orders(column)) == 1 and only[0] != "YMD"}
    return _Signs(decimals.pop() if len(decimals) == 1 else None, orders.pop() if len(orders) == 1 else None)


def _find_unit(column: _Column) -> str | None:
    """Return the unit beside the numbers of a column; "" for none, None where it varies."""
    found = [one for text in column.texts if (one := _BESIDE.fullmatch(text.strip()))]
    units = {one[1].strip() + one[2].strip() for one in found} - {""}
    return None if len(units) > 1 or not "".join(units).isprintable() else "".join(units)


def _choose_fitting(column: _Column, readers: Mapping[_Way, Callable[[str], object]]) -> list[_Way]:
    """Return the ways that read nearly all cells, without those that fail where another one succeeds."""
    read = {way: [reader(text) is not None for text in column.texts] for way, reader in readers.items()}
    return [
        way
        for way, mine in read.items()
        if sum(mine) >= max(_FEWEST_SOUND * len(mine), 1)
        and not any(other and not one for others in read.values() for one, other in zip(mine, others, strict=True))
    ]


def _fitting_decimals(column: _Column) -> list[str]:
    unit = _find_unit(column)
    if unit is None:
        return []
    readers = {sign: partial(read_number_text, decimal=sign, unit=unit or None) for sign in (",", ".")}
    return _choose_fitting(column, readers)


def _has_signs(column: _Column) -> bool:
    return any("," in text or "." in text for text in column.texts)


def _is_plain(texts: Iterable[str], read: Callable[[object], Any]) -> bool:
    """Return whether the schema reads nearly all texts unchanged."""
    known = [_can_read(text, read) for text in texts]
    return sum(known) >= max(_FEWEST_SOUND * len(known), 1)


def _can_read(text: str, read: Callable[[object], Any]) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _read_numbers(column: _Column, signs: _Signs, _zone: str | None = None) -> _Reading | None:
    fits, unit = _fitting_decimals(column), _find_unit(column)
    is_plain = not unit and _is_plain(column.texts, read_number)
    if not fits:
        return _Reading({}) if is_plain else None
    says = {"unit": unit} if unit else {}
    if len(fits) == 1 or signs.decimal or not _has_signs(column):
        decimal = fits[0] if len(fits) == 1 else signs.decimal or "."
        return _Reading({} if decimal == "." and is_plain else {"decimal": decimal, **says})
    example = quote(next(text for text in column.texts if "," in text or "." in text))
    unsaid = f'or decimal = ".": {example} can be read both ways'
    return _Reading({"decimal": ",", **says}, open=unsaid, is_certain=False)


def _scale_shares(column: _Column, reading: _Reading) -> _Reading:
    decimal, unit = reading.says.get("decimal", "."), reading.says.get("unit")
    texts = [read_number_text(text, decimal, unit) or text for text in column.texts]
    numbers = [float(text) for text in texts if _can_read(text, read_number)]
    top = next((top for top in _SCALES if max(numbers) <= top), None)
    scale = _SCALES[top] if top is not None else None
    if scale is None:
        return reading
    why = f"the highest is {max(numbers):g}, so {top:g} is taken for the best possible: check it"
    return _Reading({**reading.says, "scale": scale}, why, reading.open, reading.is_certain)


def _fitting_orders(column: _Column) -> list[DateOrder]:
    """Return the orders in which the cells are dates; only YMD for texts in ISO 8601."""
    fits = _choose_fitting(column, {order: partial(read_date_text, order=order) for order in _ORDERS})
    return [order for order in fits if order == "YMD"] or fits


def _read_moments(column: _Column, signs: _Signs, zone: str | None) -> _Reading | None:
    fits = _fitting_orders(column)
    if not fits:
        return None
    order, why, is_certain = fits[0], "", True
    texts = [read_date_text(text, order) or text for text in column.texts]
    if len(fits) > 1:
        example = max(column.texts, key=len)
        if signs.order:
            order, why = signs.order, f"{signs.order} as in other columns"
        elif all(re.match(r"[0-9]+\.", text) for text in column.texts):
            order, why = "DMY", "with points the day is first"
        else:
            why, is_certain = f'or date_order = "MDY": {quote(example)} can be read both ways', False
    elif order != "YMD":
        deciding = next(text for text in column.texts if read_date_text(text, order) and not _fits_other(text, order))
        why = f"{quote(deciding)} allows no other order"
    is_iso = _is_plain(column.texts, read_moment) or all(map(_ISO_LOCAL.fullmatch, column.texts))
    says: dict[str, Any] = {} if is_iso else {"date_order": order}
    if _is_plain(texts, read_moment):
        return _Reading(says, why, is_certain=is_certain)
    says |= {"zone": zone} if zone else {}
    unsaid = "" if zone else 'add zone = "Europe/Berlin" or where its times are from, which no cell shows'
    return _Reading(says, why, unsaid, is_certain)


def _fits_other(text: str, order: DateOrder) -> bool:
    return any(read_date_text(text, other) for other in _ORDERS if other != order)


def _read_flags(column: _Column) -> _Reading | None:
    if _is_plain(column.texts, read_flag):
        return _Reading({})
    known = {word: name == "true" for name, words in read_names()["flags"].items() for word in words} | {
        "1": True,
        "0": False,
    }
    texts = sorted(set(column.texts))
    if all(_normalise(text) in known for text in texts):
        return _Reading({"values": {text: known[_normalise(text)] for text in texts}}, "check what each value means")
    return None


def _read_codes(column: _Column, field: Field) -> _Reading | None:
    """Return how cells become codes: unchanged, in capitals, or from currency signs."""
    pattern = re.compile(field.pattern or "")
    texts = sorted(set(column.texts))
    if all(map(pattern.fullmatch, texts)):
        return _Reading({})
    signs = read_names()["currencies"] if field.name == "currency" else {}
    values = {text: signs.get(text.strip(), text.strip().upper()) for text in texts[:50]}
    if len(texts) <= 50 and all(map(pattern.fullmatch, values.values())):
        return _Reading({"values": values})
    fitting = sum(pattern.fullmatch(text) is not None for text in column.texts)
    return _Reading({}) if fitting > len(column.texts) / 2 else None


def _guess_currency(column: _Column, reading: _Reading) -> str:
    """Return the currency line for prices without a currency column."""
    signs: dict[str, str] = read_names()["currencies"]
    unit = str(reading.says.get("unit", ""))
    if unit in signs or re.fullmatch("[A-Z]{3}", unit):
        return f"currency = {{ value = {quote(signs.get(unit, unit))} }}  # as {quote(unit)} beside the prices says"
    codes = re.findall("(?<![A-Za-z])(?:[A-Z]{3}|[a-z]{3})(?![A-Za-z])", column.name)
    found = {code.upper() for code in codes} & {*signs.values(), "USD", "CHF", "JPY", "CNY", "CAD", "AUD", "SEK", "CZK"}
    found |= {code for sign, code in signs.items() if sign in column.name}
    if len(found) == 1:
        return f"currency = {{ value = {quote(found.pop())} }}  # as the name {quote(column.name)} says"
    return '# currency = { value = "EUR" }  # found no column of it, and a price needs one: correct it'


# As TOML


def _write_source(column: str, says: Mapping[str, Any]) -> str:
    if not says:
        return quote(column)
    return "{ " + ", ".join(f"{name} = {_write(value)}" for name, value in {"column": column, **says}.items()) + " }"


def _write(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{quote(name)} = {_write(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_write, value))}]"
    return quote(value) if isinstance(value, str) else json.dumps(value)


def _shorten(text: str) -> str:
    return quote(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
