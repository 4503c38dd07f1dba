"""What is written comes back the same; rejects are safe in a spreadsheet."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import UnwritableFile
from ipml.listings.fields import MOST
from ipml.listings.readers import read_listings
from ipml.listings.schema import Validation, frame_to_listings, listings_to_frame
from ipml.listings.writers import RejectsFile, write_listings
from ipml.records import Listing, Problem

NAMES = ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.parquet"]
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
listings = st.builds(
    Listing,
    listing_id=st.uuids().map(str),
    seller_id=texts,
    title=texts,
    brand=st.none() | texts,
    price=st.floats(0, MOST),
    currency=st.just("EUR"),
    listed_at=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),
    is_counterfeit=st.none() | st.booleans(),
)


@given(st.lists(listings, max_size=4, unique_by=lambda listing: listing.listing_id))
@settings(max_examples=8)
def test_listings_come_back(tmp_path_factory: pytest.TempPathFactory, written: list[Listing]) -> None:
    """Listings come back from every kind of file as they were, whatever their text."""
    for name in NAMES:
        path = tmp_path_factory.getbasetemp() / name
        write_listings(listings_to_frame(written), path)
        (validation,) = read_listings(path)
        assert validation.problems == ()
        assert list(frame_to_listings(validation.listings)) == written, name


def test_parts_make_the_file_of_the_whole(tmp_path: Path) -> None:
    """Frames written one by one make the same table as all at once."""
    frame = listings_to_frame([Listing(str(number), "s", "Bag", is_counterfeit=None) for number in range(5)])
    for name in NAMES:
        write_listings(frame, tmp_path / name)
        write_listings(iter([frame.head(2), frame.tail(3)]), tmp_path / f"parts-{name}")
        (whole,), (parts,) = read_listings(tmp_path / name), read_listings(tmp_path / f"parts-{name}")
        pd.testing.assert_frame_equal(whole.listings, parts.listings)


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    """A write that fails leaves the old file as it was, and nothing beside it."""
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail():
        yield listings_to_frame([Listing("1", "s", "Bag")])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_listings(fail(), path)
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("a.csv", "old")]


def test_where_nothing_can_be_written_raises(tmp_path: Path) -> None:
    """An unknown suffix or a folder that is not there raises, with the name."""
    for name in ("a.xlsx", "a.parquet.gz", "none/a.csv"):
        with pytest.raises(UnwritableFile, match=Path(name).name):
            write_listings(listings_to_frame([]), tmp_path / name)


@given(st.lists(st.text(max_size=4), min_size=3, max_size=3))
def test_no_reject_is_a_formula(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    """No cell of a rejects file begins as a formula does, and every problem is a line of five cells."""
    path = tmp_path_factory.getbasetemp() / "rejects.csv"
    value, raw, expected = (cell.encode(errors="replace").decode() for cell in cells)
    validation = Validation(pd.DataFrame(), (Problem(1, "title", value, expected),), {1: raw})
    with RejectsFile(path) as rejects:
        rejects.write(validation)
    with path.open(encoding="utf-8", newline="") as stream:
        _, row = csv.reader(stream, strict=True)
    assert len(row) == 5
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_a_row_with_two_problems_stands_in_the_rejects_once(tmp_path: Path) -> None:
    """Each problem has a line; the row itself stands on the first of its lines."""
    problems = (Problem(4, "title", "", "text"), Problem(4, "price", "x", "a number"))
    with RejectsFile(tmp_path / "r.csv") as rejects:
        rejects.write(Validation(pd.DataFrame(), problems, {4: '{"price": "x"}'}))
    lines = (tmp_path / "r.csv").read_text().splitlines()
    assert lines[1:] == ['4,title,,text,"{""price"": ""x""}"', "4,price,x,a number,"]
