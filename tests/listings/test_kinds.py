"""Cells: a column is read as its cells are read one by one."""

from itertools import product
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ipml.listings.kinds import DTYPES, READERS, Kind, is_missing, read_column

cells = st.one_of(
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


@given(st.lists(cells, max_size=6))
def test_a_column_of_text_is_read_like_its_cells(texts: list[str | None]) -> None:
    """Reading a whole column of text as any kind gives the values and the bad cells of reading each cell."""
    for kind in Kind:
        values, is_bad = read_column(pd.Series(texts, dtype="str"), kind)
        expected = [read_one(cell, kind) for cell in texts]
        assert [None if is_missing(value) else value for value in values] == [value for value, _ in expected], kind
        assert is_bad.tolist() == [bad for _, bad in expected], kind


COLUMNS: tuple[pd.Series, ...] = (
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
    for kind, column in product(Kind, COLUMNS):
        values, is_bad = read_column(column, kind)
        found = str(values.dtype), values[is_bad].isna().all(), is_bad[column.isna()].any()
        wrong += [(kind, column.dtype, found)] if found != (DTYPES[kind], True, False) else []
    assert wrong == []


def test_a_naive_moment_is_bad() -> None:
    """A moment without zone is not taken for one in UTC."""
    _, is_bad = read_column(pd.Series(pd.to_datetime(["2026-01-01"])), Kind.MOMENT)
    assert is_bad.all()
