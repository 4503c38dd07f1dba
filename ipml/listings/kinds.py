"""Kinds: read cells of each kind, one value at a time or a whole column at once.

The readers of single values are the specification; the column readers follow them for types that pandas reads at
once, and call them for the rest. Text is read strictly: "12,50", "1e400" and " 7" are not numbers, and a time without
a zone is not a time.

Columns of text are checked by the bytes of their Arrow arrays, without reading each text. Scoring of single listings
does not need Arrow, so it is imported where it is used. These fast checks err on one side only: True is certain,
False means that each text must be checked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.kit import moments
from ipml.listings.extra import MOST_NAMES, read_extra

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 500
MOST_NUMBERS = 4_096
"""Longest vector; usual encoders give 256 to 1,536 numbers."""


def get_texts(column: pd.Series[Any]) -> pa.ChunkedArray | None:
    """Return the Arrow array of a column of text, or None where there is none.

    >>> get_texts(pd.Series(["Bag", None])).null_count
    1
    """
    dtype = column.dtype
    if not isinstance(dtype, pd.StringDtype) or dtype.storage != "pyarrow":
        return None
    return column.array.__arrow_array__()


def split_texts(texts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return the n + 1 offsets of n texts and the bytes of all, without copying them.

    >>> import pyarrow as pa
    >>> offsets, letters = split_texts(pa.array(["Bag", "Cap"]))
    >>> offsets.tolist(), letters.tobytes()
    ([0, 3, 6], b'BagCap')
    """
    _, places, data = texts.buffers()
    if len(texts) == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    width = np.int64 if texts.type == "large_string" else np.int32
    offsets = np.frombuffer(places, dtype=width, count=texts.offset + len(texts) + 1)[texts.offset :]
    if data is None or offsets[0] == offsets[-1]:
        return offsets.astype(np.int64), np.zeros(0, dtype=np.uint8)
    letters = np.frombuffer(data, dtype=np.uint8, count=int(offsets[-1]))[offsets[0] :]
    return offsets.astype(np.int64, copy=False), letters


def is_without_nul(texts: pa.ChunkedArray) -> bool:
    """Return True only if no text has a NUL.

    >>> import pyarrow as pa
    >>> is_without_nul(pa.chunked_array([["Bag", None]])), is_without_nul(pa.chunked_array([["Bag", "C\\0p"]]))
    (True, False)
    """
    return all(letters.size == 0 or letters.min() > 0 for _, letters in map(split_texts, texts.chunks))


def is_utf8(texts: pa.Array) -> bool:
    """Return True only if every text is valid UTF-8.

    The bytes of all texts must be valid together, and no text may begin within a letter.
    """
    import pyarrow as pa

    offsets, letters = split_texts(texts)
    if letters.size == 0 or letters.max() < 0x80:
        return True
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, pa.py_buffer(offsets[[0, -1]]), texts.buffers()[2]])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    starts = offsets[offsets < offsets[-1]] - offsets[0]
    return not ((letters[starts] & 0xC0) == 0x80).any()


def _find_lengths(texts: pa.Array | pa.ChunkedArray) -> tuple[int, int] | None:
    """Return the smallest and the largest number of bytes of a text, or None if all are missing.

    >>> import pyarrow as pa
    >>> _find_lengths(pa.array(["Bag", "Capé", None]))
    (3, 5)
    """
    import pyarrow.compute as pc

    if texts.null_count == len(texts):
        return None
    bounds = pc.min_max(pc.binary_length(texts)).as_py()
    return bounds["min"], bounds["max"]


def drop_empty_texts(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the texts with empty ones missing.

    >>> import pyarrow as pa
    >>> drop_empty_texts(pa.array(["Bag", ""])).to_pylist()
    ['Bag', None]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = _find_lengths(texts)
    if lengths is None or lengths[0] > 0:
        return texts
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)


def keep_lengths(texts: pa.ChunkedArray, shortest: int, longest: int | None) -> bool:
    """Return True only if the number of code points of every text is within bounds; missing texts pass.

    A text has at least as many bytes as code points.

    >>> import pyarrow as pa
    >>> keep_lengths(pa.chunked_array([["Bag", None]]), 1, 3), keep_lengths(pa.chunked_array([["Bag", ""]]), 1, 3)
    (True, False)
    """
    lengths = _find_lengths(texts)
    if lengths is None:
        return True
    # For more than one code point, bytes are not enough.
    return shortest <= min(lengths[0], 1) and (longest is None or lengths[1] <= longest)


def match_pattern(texts: pa.ChunkedArray, pattern: str) -> bool:
    """Return whether every whole text matches a pattern; missing texts pass.

    >>> import pyarrow as pa
    >>> match_pattern(pa.chunked_array([["EUR", None]]), "[A-Z]{3}")
    True
    """
    import pyarrow.compute as pc

    if texts.null_count == len(texts):
        return True
    sample = texts.slice(0, _SAMPLE)
    if len(sample.unique()) < len(sample) // 4:  # few distinct texts
        texts = texts.unique()
    return pc.all(pc.match_substring_regex(texts, f"^(?:{pattern})$")).as_py() is not False


Mask = npt.NDArray[np.bool_]


class Kind(StrEnum):
    """Kind of values that a field of a listing holds."""

    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    SHARE = "share"
    MOMENT = "moment"
    FLAG = "flag"
    VECTOR = "vector"
    EXTRA = "object"


# Any: the stubs of pandas know dtypes as literals only.
DTYPES: dict[Kind, Any] = {
    Kind.TEXT: "str",
    Kind.NUMBER: "float64",
    Kind.COUNT: "float64",
    Kind.SHARE: "float64",
    Kind.MOMENT: "datetime64[us, UTC]",
    Kind.FLAG: "boolean",
    Kind.VECTOR: "object",
    Kind.EXTRA: "str",
}

_TEXT: Any = pd.Series([], dtype="str").dtype

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_EARLIEST, _LATEST = map(moments.to_microseconds, (moments.EARLIEST, moments.LATEST))
_NAT = np.iinfo(np.int64).min
_LARGEST = float(np.finfo(np.float32).max)
_FLAGS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def is_missing(value: object) -> bool:
    """Return whether a cell is missing: None, NaN, NA or NaT. An empty text is not missing.

    >>> is_missing(float("nan")), is_missing("")
    (True, False)
    """
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def read_text(value: object) -> str:
    """Return a text that every database can hold; ValueError for NUL, a lone surrogate, or another type."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
    return value


def join_texts(value: object) -> object:
    """Return a list of texts joined by spaces, None for an empty list, anything else unchanged.

    >>> join_texts(["https://a.example/1.jpg", "https://a.example/2.jpg"]), join_texts([]), join_texts(7)
    ('https://a.example/1.jpg https://a.example/2.jpg', None, 7)
    """
    if not isinstance(value, list | tuple | np.ndarray) or not all(isinstance(one, str) for one in value):
        return value
    return " ".join(value) or None


def read_number(value: object) -> float:
    """Return a finite number; ValueError for anything else, including text that is not a plain number.

    >>> read_number("12.5")
    12.5
    >>> read_number("12,50")
    Traceback (most recent call last):
    ...
    ValueError
    """
    if isinstance(value, str) and re.fullmatch(_NUMBER, value) is None:
        raise ValueError
    if isinstance(value, bool | np.bool_) or not isinstance(value, str | int | float | Decimal | np.number):
        raise ValueError  # noqa: TRY004  pydantic collects ValueErrors only
    try:
        number = float(value)
    except OverflowError:
        raise ValueError from None
    if not math.isfinite(number):
        raise ValueError
    return number


def read_moment(value: object) -> datetime:
    """Return an aware datetime in UTC, as `ipml.kit.moments` reads it; pandas times are cut to microseconds."""
    return moments.read_moment(value.to_pydatetime(warn=False) if isinstance(value, pd.Timestamp) else value)


def read_flag(value: object) -> bool:
    """Return True or False, also for 1 and 0 and for their texts; ValueError for anything else."""
    if isinstance(value, str):
        if value.lower() in _FLAGS:
            return _FLAGS[value.lower()]
    elif isinstance(value, bool | int | float | np.bool_ | np.number) and value in (0, 1):
        return bool(value)
    raise ValueError


def read_vector(value: object) -> npt.NDArray[np.float32]:
    """Return a list of numbers as an array of single precision; ValueError for anything else.

    Every number must be finite in single precision. Text, such as a cell of a CSV file, is not a vector.

    >>> read_vector([1, 0.5]).tolist()
    [1.0, 0.5]
    >>> read_vector("[1, 0.5]")
    Traceback (most recent call last):
    ...
    ValueError
    """
    if not isinstance(value, list | tuple | np.ndarray) or (isinstance(value, np.ndarray) and value.ndim != 1):
        raise ValueError
    if not 1 <= len(value) <= MOST_NUMBERS:
        raise ValueError
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        if not set(map(type, value)) <= {float, int} and not all(map(_is_number, value)):
            raise ValueError
        try:
            value = np.array(value, dtype=np.float64)
        except OverflowError:
            raise ValueError from None
    with np.errstate(over="ignore"):
        vector = value.astype(np.float32, copy=False)
    if not np.isfinite(vector).all():
        raise ValueError
    return vector


def _is_number(value: object) -> bool:
    """Return whether a value is a number within single precision."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return bool(-_LARGEST <= value <= _LARGEST)


def show_vector(value: object) -> str | None:
    """Return in a few words why a list is not a vector; None for anything but a list.

    >>> show_vector([0.5, "x"]), show_vector([]), show_vector("[0.5]")
    ("a list of 2 values, one of them 'x'", 'an empty list', None)
    """
    if not isinstance(value, list | tuple | np.ndarray):
        return None
    cells = list(value)
    if not cells:
        return "an empty list"
    bad = [] if len(cells) > MOST_NUMBERS else [one for one in cells if not _is_number(one)]
    return f"a list of {len(cells):,} values" + (f", one of them {_show_one(bad[0])}" if bad else "")


def show_extra(value: object) -> str | None:
    """Return the part at fault of columns of a marketplace's own; None for what is no object.

    >>> show_extra({"tier": "gold", "returns": 1e308}), show_extra("gold")
    ("'returns': 1e+308", None)
    """
    with suppress(ValueError, RecursionError):
        value = json.loads(value) if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        return None
    for name, cell in value.items() if len(value) <= MOST_NAMES else ():
        try:
            read_extra({name: cell})
        except ValueError:
            return f"{_show_one(name)}: {_show_one(cell)}"
    return f"an object of {len(value):,} names"


def _show_one(value: object) -> str:
    if isinstance(value, list | tuple | dict | np.ndarray):  # may be nested deeper than Python can print
        return "a list or an object"
    return str(value) if isinstance(value, float | np.number) else ascii(value)[:40]


READERS: dict[Kind, Callable[[object], Any]] = {
    Kind.TEXT: read_text,
    Kind.NUMBER: read_number,
    Kind.COUNT: read_number,
    Kind.SHARE: read_number,
    Kind.MOMENT: read_moment,
    Kind.FLAG: read_flag,
    Kind.VECTOR: read_vector,
    Kind.EXTRA: read_extra,
}


def read_column(column: pd.Series[Any], kind: Kind) -> tuple[pd.Series[Any], Mask]:
    """Return a column in the dtype of its kind, and a mask of unreadable cells, which are missing in it.

    >>> values, is_bad = read_column(pd.Series(["12.5", "12,50", None]), Kind.NUMBER)
    >>> values.tolist(), is_bad.tolist()
    ([12.5, nan, nan], [False, True, False])
    """
    column = _unwrap(column)
    if kind is Kind.VECTOR:
        return _read_vectors(column)
    if kind is not Kind.EXTRA and (sound := _read_sound_column(column, kind)) is not None:
        return sound, np.zeros(len(column), dtype=bool)
    present = column.notna().to_numpy(dtype=bool)
    if not present.any():
        return make_empty_column(column.index, kind), np.zeros(len(column), dtype=bool)
    values = _COLUMN_READERS[kind](column).astype(DTYPES[kind])
    return values, present & values.isna().to_numpy(dtype=bool)


def has_cells(column: pd.Series[Any]) -> bool:
    """Return whether any cell is not missing; fast for columns of a checked frame.

    >>> has_cells(pd.Series([None, "Bag"])), has_cells(pd.Series([float("nan")]))
    (True, False)
    """
    texts = get_texts(column)
    if texts is not None:
        return bool(texts.null_count < len(texts))
    if column.dtype == np.float64:
        numbers = column.to_numpy()
        return not (np.isnan(numbers[:1]).all() and np.isnan(numbers).all())
    return bool(column.notna().any())


def make_empty_column(index: pd.Index[Any], kind: Kind) -> pd.Series[Any]:
    """Return a column of the kind's dtype with all cells missing."""
    if kind is Kind.FLAG:
        flags = pd.arrays.BooleanArray(np.zeros(len(index), dtype=bool), np.ones(len(index), dtype=bool))
        return pd.Series(flags, index=index)
    if kind is Kind.VECTOR:
        return pd.Series(np.full(len(index), None, dtype=object), index=index, dtype=object)
    if kind is Kind.TEXT and _TEXT.storage == "pyarrow":
        import pyarrow as pa

        return make_text_column(pa.nulls(len(index), pa.large_string()), index)
    empty: pd.Series[Any] = pd.Series(None, index=index, dtype=DTYPES[kind])
    return empty


def make_text_column(texts: pa.Array | pa.ChunkedArray, index: pd.Index[Any]) -> pd.Series[Any]:
    """Return an Arrow array of large_string as a column of text, several times faster than pandas.

    >>> import pyarrow as pa
    >>> make_text_column(pa.array(["Bag", None], pa.large_string()), pd.RangeIndex(2)).tolist()
    ['Bag', nan]
    """
    import pyarrow as pa

    chunks = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])
    cells = pd.arrays.ArrowStringArray(chunks, dtype=_TEXT)  # type: ignore[call-arg]  # not in stubs
    return pd.Series(cells, index=index)


def _read_sound_column(column: pd.Series[Any], kind: Kind) -> pd.Series[Any] | None:
    """Return a column whose cells are all valid, checked as a whole; None where each cell must be checked."""
    dtype = column.dtype
    if pd.api.types.is_object_dtype(dtype):
        return _read_sound_objects(column, kind)
    if isinstance(dtype, pd.StringDtype):
        return _read_sound_strings(column, kind)
    if kind is Kind.TEXT:
        return None
    if kind is Kind.FLAG:
        return column if isinstance(dtype, pd.BooleanDtype) else None
    if kind is Kind.MOMENT:
        return _read_sound_moments(column)
    return column if dtype == "float64" and not np.isinf(column.to_numpy()).any() else None


def _read_sound_objects(column: pd.Series[Any], kind: Kind) -> pd.Series[Any] | None:
    """Do the same for Python objects: flags and integers beside missing cells, as in a Parquet file."""
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred == "empty":
        return make_empty_column(column.index, kind)
    if inferred == "boolean" and kind is Kind.FLAG:
        return column.astype("boolean")
    if inferred == "string":
        try:
            return _read_sound_strings(column.astype("str"), kind)
        except UnicodeEncodeError:  # a lone surrogate
            return None
    if inferred == "integer" and kind in (Kind.NUMBER, Kind.COUNT, Kind.SHARE):
        try:
            return column.astype("float64")
        except (OverflowError, TypeError):  # too large for a float, or NA
            return None
    return None


def _read_sound_strings(column: pd.Series[Any], kind: Kind) -> pd.Series[Any] | None:
    texts = get_texts(column)
    if texts is None or kind is Kind.FLAG:
        return None
    if kind is Kind.TEXT:
        return column if column.dtype == _TEXT and is_without_nul(texts) else None
    import pyarrow as pa

    try:
        if kind is Kind.MOMENT:
            return _read_sound_moments(_cast(column, texts, moments.PATTERN, pa.timestamp("us", "UTC")))
        return _read_sound_column(_cast(column, texts, _NUMBER, pa.float64()), kind)
    except pa.ArrowInvalid:
        return None


def _cast(column: pd.Series[Any], texts: pa.ChunkedArray, pattern: str, target: pa.DataType) -> pd.Series[Any]:
    """Return texts as values; raise ArrowInvalid where one does not match the pattern, or is empty."""
    import pyarrow as pa

    if not match_pattern(texts, pattern):
        raise pa.ArrowInvalid(pattern)
    return texts.cast(target).to_pandas().set_axis(column.index)  # type: ignore[no-any-return]


def _read_sound_moments(column: pd.Series[Any]) -> pd.Series[Any] | None:
    if not isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.unit != "us":
        return None
    numbers = column.to_numpy(dtype="datetime64[us]").view(np.int64)
    if numbers.max(initial=_NAT) >= _LATEST:
        return None
    if numbers.min(initial=_LATEST) < _EARLIEST and ((numbers < _EARLIEST) & (numbers != _NAT)).any():
        return None
    return column if column.dtype.tz is UTC else column.dt.tz_convert(UTC)


def _unwrap(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return categories and Arrow-typed cells as their values."""
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype | pd.ArrowDtype) else column


def _read_texts(column: pd.Series[Any]) -> pd.Series[Any]:
    if not isinstance(column.dtype, pd.StringDtype):
        return _read_cells(column, Kind.TEXT)
    has_nul = column.str.contains("\0", regex=False, na=False).to_numpy(dtype=bool)
    return column.where(~has_nul) if has_nul.any() else column


def _read_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.StringDtype):
        column = column.where(column.str.fullmatch(_NUMBER, na=False))
    elif not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return _read_cells(column, Kind.NUMBER)
    numbers = column.astype("float64")
    return numbers.where(np.isfinite(numbers))


def _read_moments(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.StringDtype):
        column = column.where(column.str.fullmatch(moments.PATTERN, na=False))
        column = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    elif not isinstance(column.dtype, pd.DatetimeTZDtype):
        return _read_cells(column, Kind.MOMENT)
    is_sound = (column >= moments.EARLIEST) & (column < moments.LATEST)
    return column.where(is_sound).dt.tz_convert("UTC")  # type: ignore[no-any-return]


def _read_flags(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.StringDtype):
        return column.str.lower().map(_FLAGS).astype(object)
    if pd.api.types.is_bool_dtype(column.dtype):
        return column
    return _read_cells(column, Kind.FLAG)


def _read_vectors(column: pd.Series[Any]) -> tuple[pd.Series[Any], Mask]:
    """Return a column of arrays, and a mask of cells that are not vectors."""
    cells, is_bad = np.full(len(column), None, dtype=object), np.zeros(len(column), dtype=bool)
    for row in np.flatnonzero(column.notna().to_numpy(dtype=bool)).tolist():
        try:
            cells[row] = read_vector(column.iat[row])
        except ValueError:
            is_bad[row] = True
    return pd.Series(cells, index=column.index, dtype=object), is_bad


def _read_cells(column: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    """Read cell by cell, for columns of mixed types."""
    read = READERS[kind]

    def read_or_none(value: object) -> object:
        try:
            return None if is_missing(value) else read(value)
        except ValueError:
            return None

    cells = [read_or_none(value) for value in column.astype(object)]
    return pd.Series(cells, index=column.index, dtype=DTYPES[kind])


_COLUMN_READERS: dict[Kind, Callable[[pd.Series[Any]], pd.Series[Any]]] = {
    Kind.TEXT: _read_texts,
    Kind.NUMBER: _read_numbers,
    Kind.COUNT: _read_numbers,
    Kind.SHARE: _read_numbers,
    Kind.MOMENT: _read_moments,
    Kind.FLAG: _read_flags,
    Kind.EXTRA: lambda column: _read_cells(column, Kind.EXTRA),
}
