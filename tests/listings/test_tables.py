"""Files are read as they are: nothing lost, nothing repaired, what is broken named; vectors of pictures among it."""

import gzip
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import InvalidListings, UnreadableFile, UnusableSetting
from ipml.listings.maps.column_guess import guess_columns
from ipml.listings.maps.column_maps import load_columns
from ipml.listings.readers import read_listings
from ipml.listings.schema import (
    check_listings,
    check_records,
    frame_to_listings,
    listings_to_frame,
    validate_listings,
    validate_record,
)
from ipml.listings.tables import RawTable, TextFormat, read_table, read_tables
from ipml.listings.writers import write_listings


def read_bytes(folder: Path, name: str, content: bytes) -> RawTable:
    """Write a file and read it whole."""
    (folder / name).write_bytes(content)
    (table,) = read_tables(folder / name, None)
    return table


def test_cells_of_csv_are_text(tmp_path: Path) -> None:
    """Ids keep their zeros, "NA", "null" and "None" are titles like any other, and only the empty cell is missing."""
    table = read_bytes(tmp_path, "a.csv", b"title,brand\nNA,\nnull,None\n007,1.50\n")
    assert table.frame["title"].tolist() == ["NA", "null", "007"]
    assert table.frame["brand"].isna().tolist() == [True, False, False]
    assert table.frame["brand"].tolist()[1:] == ["None", "1.50"]


def test_rows_are_numbered_from_1_without_header_and_empty_lines(tmp_path: Path) -> None:
    """A row's number counts rows, not lines."""
    table = read_bytes(tmp_path, "a.csv", b'a,b\n1,"x\ny"\n\n2,z\n')
    assert (table.frame.index.tolist(), table.frame["b"].tolist()) == ([1, 2], ["x\ny", "z"])


def test_line_endings_and_byte_order_marks_are_no_part_of_cells(tmp_path: Path) -> None:
    """Files of all systems are read alike."""
    for ending, mark in product((b"\n", b"\r\n", b"\r"), (b"", b"\xef\xbb\xbf")):
        table = read_bytes(tmp_path, "a.csv", mark + ending.join([b"a,b", b"1,2", b"3,4"]))
        assert table.frame.to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}, (ending, mark)


def test_a_broken_row_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    """A row that is no row of the table is a problem, kept as it stands; the rows around it are read."""
    broken = {b"3": "2 cells; found 1", b"4,5,6": "2 cells; found 3", b'"x"y,1': "CSV (',' expected after '\"')"}
    for line, expected in broken.items():
        table = read_bytes(tmp_path, "a.csv", b"a,b\n1,2\n" + line + b"\n7,8\n")
        assert table.frame["a"].to_dict() == {1: "1", 3: "7"}
        assert [(problem.row, problem.expected) for problem in table.problems] == [(2, expected)]
        assert table.broken == {2: line.decode()}


def test_a_quote_that_never_closes_is_a_problem(tmp_path: Path) -> None:
    """A file that ends inside a quoted cell is not taken for whole; what follows the quote is kept, not read."""
    table = read_bytes(tmp_path, "a.csv", b'a,b\n1,2\n3,"4\n5,6\n')
    assert (table.frame["a"].tolist(), table.broken) == (["1"], {2: '3,"4\n5,6'})


def test_bytes_of_another_encoding_stay_in_their_cell(tmp_path: Path) -> None:
    """A cell that is not UTF-8 hurts no other cell, and does not pass for text."""
    table = read_bytes(tmp_path, "a.csv", b"a,b\n\xcf\xf0,2\nx,4\n")
    assert table.frame["b"].tolist() == ["2", "4"]
    with pytest.raises(UnicodeEncodeError):
        table.frame["a"].iloc[0].encode()


def test_another_encoding_can_be_named(tmp_path: Path) -> None:
    """A file in a known encoding is read as such, and an encoding that does not exist raises."""
    (tmp_path / "a.csv").write_bytes("a\nЖ\n".encode("cp1251"))
    assert read_table(tmp_path / "a.csv", text=TextFormat("cp1251"))["a"].tolist() == ["Ж"]
    with pytest.raises(UnusableSetting, match="encoding"):
        read_table(tmp_path / "a.csv", text=TextFormat("utf-9"))


def test_a_damaged_gzip_file_is_a_problem_after_its_good_rows(tmp_path: Path) -> None:
    """Rows before the damage are read, and the row at which the file breaks off is named."""
    contents = {
        "a.csv.gz": "\n".join(["a,b", *(f"{number},{number}" for number in range(5_000))]),
        "a.jsonl.gz": "\n".join(f'{{"a": "{number}"}}' for number in range(5_000)),
    }
    for name, content in contents.items():
        packed = gzip.compress(content.encode(), mtime=0)
        for damaged in (packed[:-30], packed[:-6] + b"abcdef"):
            table = read_bytes(tmp_path, name, damaged)
            assert table.frame["a"].tolist() == [str(number) for number in range(len(table.frame))]
            assert table.problems[-1].row == len(table.frame) + 1
            assert "gzip" in table.problems[-1].expected


NO_OBJECTS = {
    '{"a": "cut of': "a JSON object (Unterminated string starting at)",
    "[1]": "a JSON object",
    '{"a": NaN}': "a JSON object (NaN is no number)",
    '{"a": 1, "a": 2}': "a JSON object (a name comes twice)",
    "[" * 100_000: "a JSON object (nested less deeply)",
    '{"a": ' + "9" * 5_000 + "}": "a JSON object (Exceeds the limit",
}


def test_a_line_that_is_no_json_object_is_named(tmp_path: Path) -> None:
    """A line that is not plainly one object is a problem, kept as it stands; the lines around it are read."""
    for line, expected in NO_OBJECTS.items():
        table = read_bytes(tmp_path, "a.jsonl", f'{{"a": "x"}}\n{line}\n\n{{"b": "y"}}\n'.encode())
        assert (table.frame.index.tolist(), table.problems[0].row) == ([1, 3], 2)
        assert table.problems[0].expected.startswith(expected)
        assert table.broken == {2: line}


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.one_of(st.text(min_size=1), st.integers())), max_size=5))
def test_json_lines_come_back(tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]]) -> None:
    """What JSON says is what the cells hold, whatever the text; absent names are missing."""
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    frame = read_table(path)
    found = [{name: cell for name, cell in row.items() if not pd.isna(cell)} for row in frame.to_dict("records")]
    assert found == records


PARQUET_CELLS = [pa.array(["x", None, "é"], pa.large_string()), pa.array(["x", None, "é"], pa.string())]
PARQUET_CELLS += [pa.array(["x", None, "x"]).dictionary_encode(), pa.array([1.5, None, float("nan")])]
PARQUET_CELLS += [pa.array([1.5, None, 2.5], pa.float32()), pa.array([1, None, 2**60 + 1])]
PARQUET_CELLS += [pa.array([True, None, False]), pa.array([0, None, 1], pa.timestamp("us", "UTC"))]
PARQUET_CELLS += [pa.array([0, None, 1], pa.timestamp("us", "Asia/Tokyo"))]
PARQUET_CELLS += [pa.array([0, None, 1], pa.timestamp("ns", "UTC")), pa.array([0, None, 1], pa.timestamp("us"))]
PARQUET_CELLS += [pa.array([0, None, 1], pa.date32()), pa.array([[1], None, []])]
PARQUET_CELLS += [pa.array([{"a": 1}, None, {"a": None}]), pa.array([None, None, "x"]), pa.nulls(3, pa.float64())]


def test_parquet_cells_of_any_type_are_what_they_were(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Beside columns that hold nothing, of the same type or another, and in chunks as in one."""
    for cells, n_rows in product(PARQUET_CELLS, (3, 1, 0)):
        with subtests.test(type=str(cells.type), n_rows=n_rows):
            check_cells(tmp_path / "a.parquet", cells.slice(0, n_rows), n_rows)


def check_cells(path: Path, cells: pa.Array, n_rows: int) -> None:
    """Write cells to a file and check that they are read as they are."""
    nothing, none_of_it = pa.nulls(n_rows), pa.nulls(n_rows, cells.type)
    table = pa.table({"none": nothing, "some": cells, "none of it": none_of_it, "again": none_of_it})
    pq.write_table(table, path, row_group_size=2)
    expected = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    for rows in (None, 2):
        frame = pd.concat([part.frame for part in read_tables(path, rows)])
        assert list(frame.columns) == list(expected.columns)
        assert frame.index.tolist() == list(range(1, n_rows + 1))
        for name in expected:
            assert list(map(repr, frame[name].dropna())) == list(map(repr, expected[name].dropna()))
            assert frame[name].isna().tolist() == expected[name].isna().tolist()


def test_a_parquet_column_of_which_there_are_two_is_read_twice(tmp_path: Path) -> None:
    """So that the schema can refuse it, even if one of the two holds nothing."""
    table = pa.table([pa.array(["x"]), pa.nulls(1, pa.string())], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    assert list(read_table(tmp_path / "a.parquet").columns) == ["a", "a"]


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    """Files are read by name, their rows numbered through; one with other columns is not read as if it had these."""
    for number in (2, 1):
        pd.DataFrame({"a": [f"{number}"]}).to_parquet(tmp_path / f"part-{number}.parquet")
    assert read_table(tmp_path)["a"].to_dict() == {1: "1", 2: "2"}
    pd.DataFrame({"b": ["x"]}).to_parquet(tmp_path / "part-2.parquet")
    with pytest.raises(UnreadableFile, match=r"part-2\.parquet"):
        read_table(tmp_path)


def test_a_file_that_is_not_what_its_name_says_raises(tmp_path: Path) -> None:
    """Empty, headless, mislabelled, foreign and missing files raise, with their name."""
    for name, content in (
        ("a.csv", b""),
        ("a.csv", b"a,a\n1,2\n"),
        ("a.csv", b"PK\x03\x04\x00\x00\n"),
        ("a.csv", b"\xff\xfea\x00\n"),
        ("a.csv.gz", b"a,b\n1,2\n"),
        ("a.parquet", b"a,b\n1,2\n"),
        ("a.parquet", b""),
        ("a.xlsx", b"PK"),
    ):
        with pytest.raises(UnreadableFile, match=name):
            read_bytes(tmp_path, name, content)
    with pytest.raises(UnreadableFile, match=r"none\.csv.*No such file"):
        read_table(tmp_path / "none.csv")


def test_chunks_are_the_whole_cut_up(tmp_path: Path) -> None:
    """Chunks hold the rows of the whole in their order, none more than was asked for; no row is one empty chunk."""
    for n_rows, sizes in ((7, [3, 3, 1]), (0, [0])):
        part = pd.DataFrame({"a": [str(number) for number in range(n_rows)]}, dtype=object)
        part.to_csv(tmp_path / "a.csv", index=False)
        part.to_parquet(tmp_path / "a.parquet")
        (tmp_path / "a.jsonl").write_text("".join(f'{{"a": "{cell}"}}\n' for cell in part["a"]))
        for name in ("a.csv", "a.parquet", "a.jsonl"):
            chunks = [table.frame for table in read_tables(tmp_path / name, 3)]
            assert [len(chunk) for chunk in chunks] == sizes, name
            pd.testing.assert_frame_equal(pd.concat(chunks), read_table(tmp_path / name), check_index_type=False)


def test_a_whole_table_has_no_broken_row(tmp_path: Path) -> None:
    """`read_table` raises where a row could not be read."""
    (tmp_path / "a.csv").write_text("a,b\n1\n")
    with pytest.raises(InvalidListings, match="2 cells"):
        read_table(tmp_path / "a.csv")


def test_a_row_that_is_too_long_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut off where it would fill the memory, and what follows it is read."""
    monkeypatch.setattr("ipml.listings.tables.MAX_ROW", 100)
    for name, content in (
        ("a.csv", b"title\n" + b"x" * 200 + b"\nBag\n"),
        ("a.csv", b'title\n"' + b"x\n" * 100 + b"Bag\n"),  # a quote that never closes
        ("a.jsonl", b'{"title": "' + b"x" * 200 + b'"}\n{"title": "Bag"}\n'),
    ):
        table = read_bytes(tmp_path, name, content)
        assert table.problems[0].row == 1
        assert "characters" in table.problems[0].expected
        assert len(table.broken[1]) <= 101
        assert table.frame["title"].iloc[-1] == "Bag"


def test_a_text_file_has_a_limited_number_of_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header beyond it is no header; a JSON object beyond it is a problem, and those before and after it are read."""
    monkeypatch.setattr("ipml.listings.tables.MAX_COLUMNS", 3)
    with pytest.raises(UnreadableFile, match="4 columns"):
        read_bytes(tmp_path, "a.csv", b"a,b,c,d\n1,2,3,4\n")
    table = read_bytes(tmp_path, "a.jsonl", b'{"a": 1, "b": 2}\n{"c": 1, "d": 2}\n{"c": 1}\n')
    assert (list(table.broken), list(table.frame.columns)) == ([2], ["a", "b", "c"])


BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
EXPECTED = "a list of 1 to 4,096 finite numbers"
NOT_VECTORS = [
    ([0.5, float("nan")], "a list of 2 values, one of them nan"),
    ([0.5, 1e300], "a list of 2 values, one of them 1e+300"),
    ([1, "0.5"], "a list of 2 values, one of them '0.5'"),
    ([True, 1.0], "a list of 2 values, one of them True"),
    ([], "an empty list"),
    ([0.0] * 5_000, "a list of 5,000 values"),
    ("[0.5, 1]", "[0.5, 1]"),
    (0.5, "the number 0.5"),
]


def frame_of(*vectors: object) -> pd.DataFrame:
    """Return listings with these vectors."""
    frame = pd.DataFrame([{**BAG, "listing_id": str(number)} for number in range(len(vectors))])
    return frame.assign(image_vector=pd.Series(list(vectors), dtype=object))


def test_a_list_of_numbers_is_a_vector():
    """In a frame and in a record, as list, tuple or array; both are the same in single precision."""
    for vector in ([1, 0.5], (1.0, 0.5), np.array([1, 0.5]), np.array([1, 0.5], dtype=np.float32)):
        (in_frame,) = frame_to_listings(check_listings(frame_of(vector)))
        in_record = validate_record({**BAG, "image_vector": vector})
        assert in_frame.image_vector == in_record.image_vector == (1.0, 0.5)
        assert [one.image_vector for one in frame_to_listings(listings_to_frame([in_record]))] == [(1.0, 0.5)]


def test_what_is_no_vector_is_named_in_one_line(subtests):
    """In a frame and in a record with the same words: what was found, and what was expected."""
    for value, found in NOT_VECTORS:
        with subtests.test(found):
            (problem,) = validate_listings(frame_of([1.0], value)).problems
            expected = (2, "image_vector", found, EXPECTED)
            assert (problem.row, problem.column, problem.value, problem.expected) == expected
            with pytest.raises(InvalidListings) as error:
                check_records([{**BAG, "image_vector": value}])
            (problem,) = error.value.problems
            assert (problem.column, problem.value, problem.expected) == expected[1:]


def test_nested_values_of_hostile_callers_are_refused():
    """However deep they are."""
    for value in ({"a": 1}, [[1.0, 2.0]], json.loads("[" * 900 + "1" + "]" * 900)):
        with pytest.raises(InvalidListings, match=r"image_vector: found '(a list|an object)', expected a list of 1 to"):
            check_records([{**BAG, "image_vector": value}])


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.float32(), 2)])
def test_lists_of_parquet_are_vectors(tmp_path: Path, kind: pa.DataType):
    """Lists of any or of fixed length are read; written and read again, they are equal, missing ones too."""
    listings = pa.table({name: [value, value] for name, value in BAG.items()} | {"listing_id": ["1", "2"]})
    # Arrow reads no missing lists of fixed length from Parquet.
    second = [0.5, 1.0] if pa.types.is_fixed_size_list(kind) else None
    pq.write_table(listings.append_column("image_vector", pa.array([[1.0, 0.5], second], kind)), tmp_path / "a.parquet")
    (read,) = read_listings(tmp_path / "a.parquet")
    for suffix in ("parquet", "jsonl.gz"):
        write_listings(read.listings, tmp_path / f"b.{suffix}")
        (again,) = read_listings(tmp_path / f"b.{suffix}")
        assert [one.image_vector for one in frame_to_listings(again.listings)] == [(1.0, 0.5), second and tuple(second)]


def test_rows_without_vectors_may_come_first(tmp_path: Path):
    """A Parquet file of several parts has one type of column, whichever part has vectors."""
    frames = [check_listings(frame_of(None)), check_listings(frame_of([0.25]))]
    write_listings(iter(frames), tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["image_vector"].to_pylist() == [None, [0.25]]


def test_csv_holds_no_vectors(tmp_path: Path):
    """They are left out of a file that is written, and a cell that looks like one is refused."""
    write_listings(check_listings(frame_of([1.0, 0.5])), tmp_path / "a.csv")
    assert "image_vector" not in (tmp_path / "a.csv").read_text()
    (tmp_path / "b.csv").write_text('listing_id,seller_id,title,image_vector\n1,s,Bag,"[1.0, 0.5]"\n')
    (read,) = read_listings(tmp_path / "b.csv")
    assert str(read.problems[0]) == f"row 1, image_vector: found '[1.0, 0.5]', expected {EXPECTED}"


def test_a_column_map_names_it(tmp_path: Path):
    """Also within an object; the guessed map finds the column of an encoder by its name."""
    row = {"id": "1", "seller": "s", "title": "Bag", "photo": {"embedding": [1.0, 0.5]}}
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({**row, "id": str(n)}) + "\n" for n in range(3)))
    guessed = guess_columns(tmp_path / "a.jsonl")
    assert 'image_vector = "photo.embedding"' in str(guessed)
    (tmp_path / "map.toml").write_text(
        'name = "shop"\n[columns]\nlisting_id = "id"\nseller_id = "seller"\ntitle = "title"\n'
        'image_vector = "photo.embedding"\n'
    )
    (read,) = read_listings(tmp_path / "a.jsonl", load_columns(tmp_path / "map.toml"))
    assert next(frame_to_listings(read.listings)).image_vector == (1.0, 0.5)
