"""Looking at whole columns first changes nothing but the time it takes: the closer look finds the same."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.listings import frames, kinds, tables
from ipml.listings.fields import COLUMNS, FIELDS
from ipml.listings.kinds import DTYPES, READERS, Kind, is_missing, is_without_nul, read_column, split_texts
from ipml.listings.readers import read_listings
from ipml.listings.schema import validate_listings

PARIS = timezone(timedelta(hours=1))
one_by_one = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)

missing = st.sampled_from([None, float("nan"), pd.NA])
texts = st.one_of(
    st.text(max_size=3),
    st.sampled_from(
        ["EUR", "EUR\n", "eur", "DE", "12345678", "x" * 201, "é" * 150, "a\0", "\ud800", "", "true", "0.0"]
    ),
    st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["2026-03-01T09:30Z", "2026-02-30T00:00Z", "0000-01-01T00:00Z", "2199-12-31T23:30:00.5-01:00"]),
    st.datetimes(timezones=st.just(PARIS)).map(lambda moment: moment.isoformat()),
)
numbers = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, -0.0, 1e12, 1.1e12, -1e-9]))
whole = st.one_of(st.integers(-3, 3), st.sampled_from([2**53 + 1, 2**70, 10**400, np.int8(1)]))
aware = st.one_of(
    st.datetimes(timezones=st.sampled_from([UTC, PARIS])),
    st.sampled_from([datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC), pd.NaT]),
)
odd = st.sampled_from([True, np.True_, Decimal("1.5"), Decimal("NaN"), b"x", ["a"], datetime(2026, 1, 1), pd.NaT])


def make_cells(*cells: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Return lists of cells, most of them of one sort, some with missing ones among them."""
    return st.one_of(*(st.lists(st.one_of(one, other), max_size=6) for one in cells for other in (one, missing)))


def make_column(cells: list[Any], dtype: str) -> pd.Series:
    """Return cells in a dtype, or as they are where they do not fit it."""
    try:
        return pd.Series(cells, dtype=dtype)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError, pa.ArrowException, RuntimeWarning):
        return pd.Series(cells, dtype=object)


columns = st.builds(
    make_column,
    make_cells(texts, numbers, whole, aware, st.booleans(), missing, odd, st.one_of(texts, whole, odd)),
    st.sampled_from(
        [
            *["object", "str", "string", "float64", "Int64", "boolean", "category", "large_string[pyarrow]"],
            *["datetime64[us, UTC]", "datetime64[ns, UTC]", "datetime64[us, Europe/Paris]"],
        ]
    ),
)


@given(column=columns)
@one_by_one
def test_a_column_is_read_as_by_the_closer_look(monkeypatch: pytest.MonkeyPatch, column: Any) -> None:
    """Values, dtype and bad cells of any column, read as any kind, are those that the closer look finds."""
    for kind in Kind:
        values, is_bad = read_column(column, kind)
        with monkeypatch.context() as patch:
            patch.setattr(kinds, "_read_sound_column", lambda *_: None)
            expected, is_expected = read_column(column, kind)
        pd.testing.assert_series_equal(values, expected, check_names=False)
        assert values.dtype == expected.dtype, kind
        assert str(getattr(values.dtype, "tz", "")) == str(getattr(expected.dtype, "tz", "")), kind
        assert is_bad.tolist() == is_expected.tolist(), kind


@given(column=columns)
@settings(one_by_one, max_examples=15)
def test_a_column_is_judged_as_by_the_closer_look(monkeypatch: pytest.MonkeyPatch, column: Any) -> None:
    """The cells that break a rule of any field are those that the closer look finds."""
    frame = pd.DataFrame(dict.fromkeys(COLUMNS, column))
    _, is_bad = frames.check_cells(frame, FIELDS)
    with monkeypatch.context() as patch:
        patch.setattr(frames, "keeps_rules", lambda *_: False)
        _, is_expected = frames.check_cells(frame, FIELDS)
    assert {name: cells.tolist() for name, cells in is_bad.items()} == {
        name: cells.tolist() for name, cells in is_expected.items()
    }


cell_bytes = st.one_of(
    st.none(),
    st.text(max_size=3).map(str.encode),
    st.sampled_from([b"\xc3", b"\xa9", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\0", b"", b"\xff"]),
)


@given(
    st.lists(cell_bytes, max_size=6),
    st.sampled_from([pa.string(), pa.large_string()]),
    st.integers(0, 2),
    st.integers(0, 6),
)
def test_letters_are_refused_as_arrow_refuses_them(cells, kind, start, length):
    """Bytes that are no UTF-8, also those that only together are, raise just as in the full validation."""
    binary = pa.array(cells, pa.large_binary() if kind == pa.large_string() else pa.binary())
    array = pa.Array.from_buffers(kind, len(binary), binary.buffers(), binary.null_count).slice(start, length)
    batch = pa.RecordBatch.from_arrays([array], names=["a"])
    found = describe_fault(lambda: tables._check_letters(batch))
    assert found == describe_fault(lambda: batch.validate(full=True))


@given(st.lists(st.none() | st.text(max_size=3), max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_texts_are_split_where_they_end(cells, start, length):
    """An offset more than there are texts, also of none and of a part; a NUL is found in any of them, in no other."""
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(cells, kind).slice(start, length)
        offsets, letters = split_texts(array)
        assert len(offsets) == len(array) + 1
        parts = [letters[a - offsets[0] : b - offsets[0]].tobytes() for a, b in pairwise(offsets)]
        assert parts == [(cell or "").encode() for cell in array.to_pylist()]
        assert is_without_nul(pa.chunked_array([array])) == all("\0" not in part.decode() for part in parts)


def describe_fault(check: Any) -> str:
    """Return what a check raises as a text."""
    try:
        check()
    except pa.ArrowInvalid as error:
        return str(error)
    return ""


def test_text_of_any_arrow_type_is_read_alike(tmp_path: Path) -> None:
    """However a Parquet file holds its text, the listings are the same; an empty text is missing."""
    cells = {"listing_id": ["1", "2", "3"], "seller_id": ["s", "é", ""], "title": ["Bag", "C\0p", "Belt"]}
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        table = pa.table({name: pa.array(column).cast(kind) for name, column in cells.items()})
        pq.write_table(table, tmp_path / "a.parquet")
        (validation,) = read_listings(tmp_path / "a.parquet")
        assert validation.listings["listing_id"].tolist() == ["1"]
        problems = [(problem.row, problem.column) for problem in validation.problems]
        assert problems == [(2, "title"), (3, "seller_id")], kind


def test_a_good_frame_needs_no_closer_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """If every cell is good, no cell is checked alone."""

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(frames, "_find_broken_rules", refuse)
    monkeypatch.setattr(kinds, "_COLUMN_READERS", {})
    frame = pd.DataFrame({"listing_id": ["1", "2"], "seller_id": "é", "title": "Bag", "price": [1.5, None]})
    frame = frame.assign(currency="EUR", gtin=["12345678", None], observed_at=pd.Timestamp("2026-01-01", tz="UTC"))
    frame["is_counterfeit"] = pd.Series([True, None], dtype=object)
    frame["seller_sales"] = pd.Series([7, None], dtype=object)
    assert validate_listings(frame).problems == ()


written_cells = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}(e[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](Z|\+0[0-9]:?30)?", fullmatch=True),
    st.sampled_from(["true", "FALSE", "1", "0.0", "nan", "inf", "None", ""]),
)


def read_one(cell: object, kind: Kind) -> tuple[object, bool]:
    """Read a cell by the specification: its value, and whether it is bad."""
    try:
        return (None if is_missing(cell) else READERS[kind](cell)), False
    except ValueError:
        return None, True


@given(st.lists(written_cells, max_size=6))
def test_a_column_of_text_is_read_like_its_cells(texts: list[str | None]) -> None:
    """Reading a whole column of text as any kind gives the values and the bad cells of reading each cell."""
    for kind in Kind:
        values, is_bad = read_column(pd.Series(texts, dtype="str"), kind)
        expected = [read_one(cell, kind) for cell in texts]
        assert [None if is_missing(value) else value for value in values] == [value for value, _ in expected], kind
        assert is_bad.tolist() == [bad for _, bad in expected], kind


TYPED_COLUMNS: tuple[pd.Series, ...] = (
    pd.Series(["1", None], dtype="category"),
    pd.Series([1, 0], dtype="int64"),
    pd.Series([1, None], dtype="Int8"),
    pd.Series([1.0, None, float("inf")]),
    pd.Series([True, None], dtype="boolean"),
    pd.Series([None, None]),
    pd.Series(["a", "2026-01-01T00:00:00Z"], dtype="string"),
    pd.Series(pd.to_datetime(["2026-01-01"])),
    pd.Series(pd.to_datetime(["2026-01-01", None], utc=True)).astype("datetime64[ns, Europe/Paris]"),
    pd.Series([1, None], dtype="int64[pyarrow]"),
    pd.Series([["a"], {"b": 1}, b"c"]),
)


def test_a_column_has_the_dtype_of_its_kind() -> None:
    """Whatever comes, the column that is read has its kind's dtype, and what is bad is missing in it."""
    wrong = []
    for kind, column in product(Kind, TYPED_COLUMNS):
        values, is_bad = read_column(column, kind)
        found = str(values.dtype), values[is_bad].isna().all(), is_bad[column.isna()].any()
        wrong += [(kind, column.dtype, found)] if found != (DTYPES[kind], True, False) else []
    assert wrong == []


def test_a_naive_moment_is_bad() -> None:
    """A moment without zone is not taken for one in UTC."""
    _, is_bad = read_column(pd.Series(pd.to_datetime(["2026-01-01"])), Kind.MOMENT)
    assert is_bad.all()
