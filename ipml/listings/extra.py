"""Extra columns: hold a marketplace's own columns in one field, each a name with a number or a short text.

The field is the text of a JSON object in canonical form, so files, databases, archives and messages treat it like any
text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

EXTRA = "extra"
"""Field of a listing that holds the own columns."""
PREFIX = "extra."
"""Prefix of their names in column maps and reasons."""
MOST_NAMES, LONGEST_TEXT, LARGEST = 50, 100, 1e12
EXPECTED = (
    f"an object of at most {MOST_NAMES} names of up to 30 small letters, digits and underscores, each with a number, "
    f"at most {LARGEST:.0e} in size, or a text of 1 to {LONGEST_TEXT} characters"
)
_LONGEST = 20_000  # characters of the whole object
_NAME = re.compile(r"[a-z](?:_?[a-z0-9]){0,29}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}\.?[0-9]{0,15}|\.[0-9]{1,15})")

Extra = dict[str, float | str]


def is_extra_name(name: Any) -> bool:
    """Return whether an own column may have this name."""
    return isinstance(name, str) and len(name) <= 30 and _NAME.fullmatch(name) is not None


def read_extra(value: object) -> str:
    """Return own columns as a canonical JSON object; missing values are left out.

    Parameters
    ----------
    value : mapping or str
        An object, or its JSON.

    Raises
    ------
    ValueError
        The value does not match `EXPECTED`.

    Examples
    --------
    >>> read_extra({"tier": "gold", "returns_30d": 0.25, "depth": None})
    '{"returns_30d":0.25,"tier":"gold"}'
    """
    if isinstance(value, str):
        if len(value) > _LONGEST:
            raise ValueError(EXPECTED)
        try:
            value = json.loads(value)
        except RecursionError:
            raise ValueError(EXPECTED) from None
    if not isinstance(value, Mapping) or len(value) > MOST_NAMES or not all(map(is_extra_name, value)):
        raise ValueError(EXPECTED)
    cells = {name: _read_cell(cell) for name, cell in value.items() if not _is_missing(cell)}
    return json.dumps(cells, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@lru_cache(maxsize=64)
def parse_extra(text: str) -> Extra:
    """Return the own columns of one listing by name; an empty mapping where the field is empty.

    >>> parse_extra('{"returns_30d":0.25}'), parse_extra("")
    ({'returns_30d': 0.25}, {})
    """
    return json.loads(text) if text else {}


def join_extra(columns: Mapping[str, Iterable[Any]]) -> list[dict[str, Any] | None]:
    """Return columns of a file as one object per row; a text in the form of a number becomes a number.

    >>> join_extra({"returns_30d": ["0.25", None], "tier": ["gold", None]})
    [{'returns_30d': 0.25, 'tier': 'gold'}, None]
    """
    rows = zip(*columns.values(), strict=True)
    joined = [{name: _read_number(cell) for name, cell in zip(columns, row, strict=True)} for row in rows]
    kept = ({name: cell for name, cell in row.items() if not _is_missing(cell)} for row in joined)
    return [row or None for row in kept]


def _read_number(cell: Any) -> Any:
    return float(cell) if isinstance(cell, str) and _NUMBER.fullmatch(cell) else cell


def _is_missing(cell: object) -> bool:
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def _read_cell(cell: object) -> float | str:
    if isinstance(cell, str):
        cell.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
        if not 1 <= len(cell) <= LONGEST_TEXT or any(unicodedata.category(letter) == "Cc" for letter in cell):
            raise ValueError(EXPECTED)
        return cell
    is_number = isinstance(cell, int | float | np.integer | np.floating) and not isinstance(cell, bool)
    if not is_number or not abs(cell) <= LARGEST:  # type: ignore[arg-type]  # NaN is in no bounds
        raise ValueError(EXPECTED)
    return float(cell)  # type: ignore[arg-type]
