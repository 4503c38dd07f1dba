"""Vectors of pictures: read from arrays, refused in one line where they are none, and written back."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ipml.errors import InvalidListings
from ipml.listings.column_guess import guess_columns
from ipml.listings.column_maps import load_columns
from ipml.listings.readers import read_listings
from ipml.listings.schema import (
    check_listings,
    check_records,
    frame_to_listings,
    listings_to_frame,
    validate_listings,
    validate_record,
)
from ipml.listings.writers import write_listings

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
    """Of any or of fixed length; and a file written of them, missing ones too, says the same."""
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
