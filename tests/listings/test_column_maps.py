"""Column maps: the columns of a real marketplace become those of the schema, and nothing is dropped unsaid."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import MissingColumns, UnreadableFile, UnusableSetting
from ipml.listings.column_maps import ColumnMap, load_columns
from ipml.listings.readers import read_listings
from ipml.listings.schema import Validation

MAPS = Path(__file__).parents[2] / "experiments" / "columns"
BASE = {"listing_id": {"row_number": "row-"}, "seller_id": {"value": "s"}, "title": {"value": "Bag"}}


def make_map(**columns: Any) -> ColumnMap:
    """Return a map of some columns beside the required ones."""
    return ColumnMap.model_validate({"name": "shop", "columns": BASE | columns})


def apply(columns: ColumnMap, cells: dict[str, list[Any]], name: str) -> list[Any]:
    """Map a frame and return one column of the result, None for what is missing."""
    mapped, _ = columns.apply(pd.DataFrame(cells, dtype=object))
    return [None if pd.isna(cell) else cell for cell in mapped[name]]


def load_text(folder: Path, toml: str) -> ColumnMap:
    """Write a map and read it."""
    path = folder / "map.toml"
    path.write_text(toml, encoding="utf-8")
    return load_columns(path)


def read_real(path: Path, columns: str | Path) -> Validation:
    """Read a real file whole."""
    (validation,) = read_listings(path, load_columns(columns))
    return validation


OFFERS = [[{"price": 5}, {"price": 6}], {"price": 7}, {}, None]
BRANDS = [{"name": "A"}, "B", [], "C"]
TAKEN = {
    "the first of several that is not missing, row by row": (
        *("brand", {"first_of": ["brand", "maker"]}),
        *({"brand": ["A", None, None], "maker": ["B", "C", None]}, ["A", "C", None]),
    ),
    "a scaled number; what is none is left to the schema": (
        *("seller_rating", {"column": "percent", "scale": 0.01}, {"percent": ["50", "n/a", None]}, [0.5, "n/a", None]),
    ),
    "a number as an id, with all its digits": (
        *("seller_id", {"column": "id"}, {"id": [2**63 + 1, "7", None]}, ["9223372036854775809", "7", None]),
    ),
    "a path into objects, a list standing for its first element": (
        *("price", {"column": "offers.price"}, {"offers": OFFERS}, [5, 7, None, None]),
    ),
    "a path that is there in some rows": (
        *("brand", {"first_of": ["brand.name", "brand"]}, {"brand": BRANDS}, ["A", "B", None, "C"]),
    ),
    "a column of the path's whole name": ("price", {"column": "offers.price"}, {"offers.price": ["5"]}, ["5"]),
    "nothing for a text that the column names as missing": (
        *("price", {"column": "price", "missing": ["0"]}, {"price": ["N/A", "0", "1"]}, [None, None, "1"]),
    ),
    "the number of the row": ("listing_id", {"row_number": "row-"}, {"a": ["x", "y"]}, ["row-1", "row-2"]),
}


def test_a_column_is_taken_as_the_map_says(subtests: pytest.Subtests) -> None:
    """By name, path, row number or the first that says something; texts named as missing are."""
    for taken, (field, source, cells, expected) in TAKEN.items():
        with subtests.test(taken):
            columns = {"name": "shop", "missing": ["N/A"], "columns": BASE | {field: source}}
            shop = columns if "missing" in source else columns | {"missing": []}
            assert apply(ColumnMap.model_validate(shop), cells, field) == expected


def test_a_zone_is_given_to_moments_without_one() -> None:
    """A moment without zone is in the map's zone; one with a zone keeps it."""
    columns = make_map(observed_at={"column": "seen", "zone": "Europe/Moscow"})
    cells = {"seen": ["2026-03-01", "2026-03-01 09:30:00", "2026-03-01T09:30:00Z", "soon", "\ud800", None]}
    found = apply(columns, cells, "observed_at")
    expected = ["2026-02-28T21:00Z", "2026-03-01T06:30Z", "2026-03-01T09:30Z"]
    assert [pd.Timestamp(moment) for moment in found[:3]] == [pd.Timestamp(moment) for moment in expected]
    assert found[3:] == ["soon", "\ud800", None]


ODD_TIMES = ["2026-03-29 02:30:00", "2026-10-25 02:30:00", "2026-10-25T02:30:00+01:00"]


def test_a_local_time_that_never_was_or_comes_twice_is_a_problem_with_its_remedy() -> None:
    """Which moment it means is not guessed; one that says its offset is none of them."""
    columns = make_map(observed_at={"column": "seen", "zone": "Europe/Paris"})
    mapped, problems = columns.apply(pd.DataFrame({"seen": ODD_TIMES}))
    assert mapped["observed_at"].isna().tolist() == [True, True, False]
    never, twice = sorted(problems, key=lambda problem: problem.row)
    assert (never.row, never.value, twice.row, twice.value) == (1, ODD_TIMES[0], 2, ODD_TIMES[1])
    assert "never was" in never.expected
    assert "comes twice" in twice.expected
    assert all('clock_change = "earlier" or "later"' in problem.expected for problem in problems)


def test_a_map_says_which_moment_an_odd_local_time_means() -> None:
    """Of the moments by the offsets before and after the change of the clock, the earlier or the later one."""
    for choice, hour in (("earlier", "00"), ("later", "01")):
        columns = make_map(observed_at={"column": "seen", "zone": "Europe/Paris", "clock_change": choice})
        found = apply(columns, {"seen": ODD_TIMES}, "observed_at")
        expected = [f"2026-03-29T{hour}:30Z", f"2026-10-25T{hour}:30Z", "2026-10-25T01:30Z"]
        assert [pd.Timestamp(moment) for moment in found] == [pd.Timestamp(moment) for moment in expected]


@given(
    st.decimals(-(10**9), 10**9, places=2), st.sampled_from(",."), st.sampled_from(["", " ", "'", "other", "\u202f"])
)
def test_a_number_is_read_as_it_is_written(number: Decimal, sign: str, group: str) -> None:
    """Whatever stands before decimals and between thousands, and with its unit or without."""
    group = {",": ".", ".": ","}[sign] if group == "other" else group
    text = f"{number:,}".translate({ord(","): group, ord("."): sign})
    columns = make_map(price={"column": "p", "decimal": sign, "unit": "€"})
    found = apply(columns, {"p": [text, f"{text} €", f"€{text}"]}, "price")
    assert [Decimal(cell) for cell in found] == [number] * 3


@given(st.datetimes(pd.Timestamp(1970, 1, 1), pd.Timestamp(2068, 12, 31)), st.sampled_from("./-"), st.booleans())
def test_a_date_is_read_in_the_order_that_the_map_says(moment: datetime, sign: str, is_short: bool) -> None:
    """Day first, month first or year first, with any sign, a year of four digits or two, 24 hours or twice 12."""
    moment = moment.replace(microsecond=0)
    year = "%y" if is_short else "%Y"
    orders = {"DMY": ["%d", "%m", year], "MDY": ["%m", "%d", year], "YMD": ["%Y", "%m", "%d"]}
    for order, parts in orders.items():
        columns = make_map(observed_at={"column": "seen", "date_order": order, "zone": "UTC"})
        cells = [moment.strftime(f"{sign.join(parts)}{time}") for time in (" %H:%M:%S", "T%H:%M:%S", ", %I:%M:%S %p")]
        assert apply(columns, {"seen": cells}, "observed_at") == [pd.Timestamp(moment, tz="UTC")] * 3


def test_a_number_written_otherwise_is_a_problem_and_no_other_number() -> None:
    """A point among decimal commas is never taken for a decimal sign."""
    for source, cell in (
        ({"decimal": ","}, "12.5"),
        ({"decimal": "."}, "12,5"),
        ({"decimal": ","}, "1.234,5.6"),
        ({"decimal": ",", "unit": "€"}, "12,5 $"),
        ({"decimal": ","}, "1.23"),
    ):
        mapped, (problem,) = make_map(price={"column": "p"} | source).apply(pd.DataFrame({"p": [cell]}))
        assert mapped["price"].isna().all()
        assert (problem.value, problem.column) == (cell, "price")


def test_a_date_that_is_none_in_the_order_is_a_problem() -> None:
    """The day is not sought where the month stands; a date of ISO 8601 cannot be mistaken and stands."""
    columns = make_map(observed_at={"column": "seen", "date_order": "DMY", "zone": "UTC"})
    mapped, problems = columns.apply(pd.DataFrame({"seen": ["12/31/2025", "31/02/2025", "2025-12-31"]}))
    assert [problem.row for problem in problems] == [1, 2]
    assert mapped["observed_at"].iloc[2] == pd.Timestamp("2025-12-31", tz="UTC")


def test_days_go_back_from_another_moment() -> None:
    """An age in days and the moment of observation give the moment of listing."""
    columns = make_map(
        observed_at={"value": "2026-03-01T00:00:00Z"}, listed_at={"column": "age", "days_before": "observed_at"}
    )
    found = apply(columns, {"age": ["1.5", "old", None]}, "listed_at")
    assert pd.Timestamp(found[0]) == pd.Timestamp("2026-02-27T12:00Z")
    assert found[1:] == ["old", None]


def test_a_value_the_map_does_not_know_is_a_problem() -> None:
    """A cell that is not among the values is named with its row; with `other` every cell but a missing one has one."""
    columns = make_map(condition={"column": "state", "values": {"1": "new"}})
    mapped, problems = columns.apply(pd.DataFrame({"state": ["1", "9", None]}))
    assert mapped["condition"].tolist()[0] == "new"
    assert [str(problem) for problem in problems] == ["row 2, condition: found '9', expected one of 1"]
    columns = make_map(condition={"column": "state", "values": {"1": "new"}, "other": "used"})
    assert apply(columns, {"state": ["1", "9", None]}, "condition") == ["new", "used", None]


def test_all_columns_that_the_file_lacks_are_named() -> None:
    """Every column that the map names and the file lacks is named at once."""
    with pytest.raises(MissingColumns, match="no column a, b or c"):
        make_map(price={"column": "a"}, brand={"first_of": ["b", "c"]}).apply(pd.DataFrame({"d": ["1"]}))


def test_the_frame_that_came_is_unchanged() -> None:
    """Mapping does not change its input."""
    frame = pd.DataFrame({"percent": ["50"], "state": ["1"]})
    before = frame.copy()
    make_map(seller_rating={"column": "percent", "scale": 0.01}, brand={"column": "state"}).apply(frame)
    pd.testing.assert_frame_equal(frame, before)


WRONG_MAPS = (
    ('[columns]\nprise = "p"', "unknown prise"),
    ('[columns]\nprice = { colum = "p" }', "colum"),
    ('[columns]\nprice = { column = "p", value = 1 }', "exactly one of"),
    ("[columns]\nprice = {}", "exactly one of"),
    ('[columns]\nprice = { column = "p", scale = "0.01" }', "scale"),
    ('[columns]\nlisted_at = { column = "p", zone = "Mars/Base" }', "time zone"),
    ('[columns]\nlisted_at = { column = "p", days_before = "price" }', "a moment of the schema"),
    ('[columns]\nlisted_at = { column = "p", days_before = "observed_at" }', "has to be mapped too"),
    ("colums = 1", "columns"),
    ('[columns]\nprice = { column = "p", dezimal = "," }', r"dezimal \(perhaps decimal\)"),
    ('seperator = ";"\n[columns]', r"seperator \(perhaps separator\)"),
    ('separator = ";;"\n[columns]', "one sign"),
    ('[columns]\nseparator = ";"', r"write it before \[columns\]"),
    ('encoding = "klingon"\n[columns]', "one that Python knows"),
    ('[columns]\nprice = { column = "p", unit = "€" }', "unit goes with a decimal sign"),
    ('[columns]\ntitle = { column = "p", decimal = "," }', "title is none"),
    ('[columns]\nprice = { column = "p", zone = "UTC" }', "price is none"),
    ('[columns]\nlisted_at = { column = "p", clock_change = "later" }', "goes with a zone"),
)


def test_a_map_that_cannot_be_followed_raises(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A map with an unknown name or a contradiction raises, and says what is wrong."""
    for toml, words in WRONG_MAPS:
        with subtests.test(toml), pytest.raises(UnusableSetting, match=words):
            load_text(tmp_path, f'name = "shop"\n{toml}\n')


def test_a_map_that_is_not_there_raises(tmp_path: Path) -> None:
    """An unknown name lists the bundled maps; a file that is missing or no TOML is named."""
    with pytest.raises(UnusableSetting, match="mercadolibre"):
        load_columns("amazon")
    with pytest.raises(UnreadableFile, match=r"none\.toml"):
        load_columns(tmp_path / "none.toml")
    with pytest.raises(UnreadableFile, match=r"map\.toml"):
        load_text(tmp_path, "= 1")


PRODUCTS = """
{"@type": "Product", "sku": "A1", "name": "Leather wallet", "brand": {"@type": "Brand", "name": "Acme"}, \
"gtin13": 4006381333931, "offers": {"price": 40, "priceCurrency": "EUR", \
"itemCondition": "https://schema.org/NewCondition", "seller": {"name": "Shop"}}}
{"productID": 17, "name": "Belt", "brand": "Acme", \
"offers": [{"price": "25.00", "priceCurrency": "EUR", "seller": {"identifier": "s2"}}]}
"""


def test_products_of_web_pages_are_read(tmp_path: Path) -> None:
    """Products in JSON-LD, one a line, become listings, in the forms that pages use."""
    path = tmp_path / "products.jsonl"
    path.write_text(PRODUCTS, encoding="utf-8")
    listings = read_real(path, "schema-org").listings.astype(object)
    columns = ["listing_id", "seller_id", "price", "brand", "gtin"]
    assert listings[columns].where(listings.notna(), None).to_numpy().tolist() == [
        ["A1", "Shop", 40.0, "Acme", "4006381333931"],
        ["17", "s2", 25.0, "Acme", None],
    ]


def test_real_files_are_good(real_data: Path) -> None:
    """Every row of these real files but the one without a seller is good, and every label arrives."""
    for name, columns, rows, positives, problems in (
        ("ozon_sample.csv", "ozon-ecup", 500, 38, []),
        ("darknet_goods_2017.csv", MAPS / "darknet_goods.toml", 2_265, 874, []),
        ("mercadolivre_hp.csv", "mercadolibre", 433, 0, [(229, "seller_id", "")]),
    ):
        validation = read_real(real_data / name, columns)
        assert [(problem.row, problem.column, problem.value) for problem in validation.problems] == problems
        assert (len(validation.listings), validation.listings["is_counterfeit"].sum()) == (rows, positives)
