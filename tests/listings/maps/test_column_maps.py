"""Column maps, made by people or guessed: columns of a marketplace become those of the schema, nothing unsaid."""

import csv
import gzip
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import MissingColumns, UnreadableFile, UnusableSetting
from ipml.listings.fields import COLUMNS
from ipml.listings.maps.column_guess import guess_columns, read_names
from ipml.listings.maps.column_maps import ColumnMap, load_columns
from ipml.listings.maps.dialects import guess_encoding, guess_separator
from ipml.listings.readers import read_listings
from ipml.listings.schema import Validation

MAPS = Path(__file__).parents[3] / "experiments" / "columns"
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
    "a scaled number; other text is left to the schema": (
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
    """A local time that occurs twice or never is a problem; one with an offset is not."""
    columns = make_map(observed_at={"column": "seen", "zone": "Europe/Paris"})
    mapped, problems = columns.apply(pd.DataFrame({"seen": ODD_TIMES}))
    assert mapped["observed_at"].isna().tolist() == [True, True, False]
    never, twice = sorted(problems, key=lambda problem: problem.row)
    assert (never.row, never.value, twice.row, twice.value) == (1, ODD_TIMES[0], 2, ODD_TIMES[1])
    assert "never was" in never.expected
    assert "comes twice" in twice.expected
    assert all('clock_change = "earlier" or "later"' in problem.expected for problem in problems)


def test_a_map_says_which_moment_an_odd_local_time_means() -> None:
    """It means the earlier or the later of the moments by the offsets before and after the clock change."""
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
    examples = (({"decimal": ","}, "12.5"), ({"decimal": "."}, "12,5"), ({"decimal": ","}, "1.234,5.6"))
    examples += (({"decimal": ",", "unit": "€"}, "12,5 $"), ({"decimal": ","}, "1.23"))
    for source, cell in examples:
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
    ('[columns]\ntitle = { column = "p", decimal = "," }', "title is not a number"),
    ('[columns]\nprice = { column = "p", zone = "UTC" }', "price is not a time"),
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
    with pytest.raises(UnreadableFile, match=r"none\.toml: found No such file or directory; expected"):
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
    expected = [["A1", "Shop", 40.0, "Acme", "4006381333931"], ["17", "s2", 25.0, "Acme", None]]
    assert listings[columns].where(listings.notna(), None).to_numpy().tolist() == expected


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


GUESSED_ZONE = "Europe/Berlin"
WORDS = {"cp1252": "Größe Façade Señor Bag", "cp1251": "Сумка женская новая", "utf-8": "Größe 包 Сумка 👜"}
FIELDS = ("listing_id", "seller_id", "title", "price", "currency", "listed_at", "seller_sales", "is_counterfeit")


@st.composite
def dialects(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a way to write listings, and a name for each field out of the table of names."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp1251"]))
    names: dict[str, str] = {}
    for field in FIELDS:
        known = [field, *read_names()["names"][field]]
        fitting = [
            name
            for name in known
            if (name.encode(encoding, "replace").decode(encoding) == name) and name not in names.values()
        ]
        name = draw(st.sampled_from(fitting))
        names[field] = (
            draw(st.sampled_from([name, name.title(), name.upper(), name.replace(" ", "_")])) if name != field else name
        )
    return {
        "encoding": encoding,
        "names": names,
        "separator": draw(st.sampled_from(",;\t|")),
        "decimal": draw(st.sampled_from(",.")),
        "group": draw(st.sampled_from(["", " ", "'"])),
        "date": draw(
            st.sampled_from(["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d"])
        ),
        "flags": draw(st.sampled_from([("ja", "nein"), ("true", "false"), ("1", "0"), ("Yes", "No")])),
        "end": draw(st.sampled_from(["\n", "\r\n"])),
    }


some_rows = st.lists(
    st.tuples(
        st.integers(0, 10**7).map(lambda cents: cents / 100),
        st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)),
        st.integers(0, 10**6),
        st.booleans(),
        st.sampled_from(["", "\n", ";", ",", '"', "\t"]),
    ),
    max_size=8,
)


def write_dialect(path, dialect, cells):
    """Write listings in a dialect, the first row such that it decides, and return them in canonical columns."""
    words = WORDS.get(dialect["encoding"], WORDS["utf-8"])
    text, listings = io.StringIO(newline=""), []
    out = csv.writer(text, delimiter=dialect["separator"], lineterminator=dialect["end"])
    out.writerow(dialect["names"].values())
    has_time = "%H" in dialect["date"] or "%I" in dialect["date"]
    for at, (price, day, sales, label, sign) in enumerate([(1234.56, datetime(2025, 12, 31), 5, True, ""), *cells]):
        moment = day.replace(hour=14 if has_time else 0, minute=30 if has_time else 0, second=0, microsecond=0)
        shown = f"{price:,.2f}".translate({ord(","): dialect["group"], ord("."): dialect["decimal"]})
        title = f"{words}{sign} {at}"
        seen = moment.strftime(dialect["date"])
        out.writerow([f"a{at}", "s", title, shown, "EUR", seen, sales, dialect["flags"][0 if label else 1]])
        known = moment.replace(tzinfo=ZoneInfo(GUESSED_ZONE)).astimezone(UTC)
        listings.append((f"a{at}", "s", title, price, "EUR", known, float(sales), label))
    path.write_bytes(text.getvalue().encode(dialect["encoding"]))
    return pd.DataFrame(listings, columns=list(FIELDS))


@given(dialects(), some_rows)
def test_a_file_is_read_through_its_guessed_map_as_it_was_meant(tmp_path_factory, dialect, cells):
    """Whatever separates cells, decimals and thousands, the order of dates, the encoding and the names of columns."""
    path = tmp_path_factory.getbasetemp() / "guessed.csv"
    listings = write_dialect(path, dialect, cells)
    (validation,) = read_listings(path, load(path, GUESSED_ZONE))
    assert validation.problems == ()
    found = validation.listings[list(FIELDS)].astype(object).to_numpy().tolist()
    assert found == listings.astype(object).to_numpy().tolist()


def load(path: Path, zone: str | None = None) -> ColumnMap:
    """Write the guessed map of a file beside it, and read it."""
    target = path.with_name("guessed.toml")
    target.write_text(guess_columns(path, zone), encoding="utf-8")
    return load_columns(target)


def guess(folder: Path, *lines: str) -> tuple[str, ColumnMap]:
    """Return the guessed map of a file of these lines, as a text and as it loads."""
    path = folder / "shop.csv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return guess_columns(path), load(path)


def test_a_date_that_can_be_read_both_ways_is_not_decided(tmp_path: Path) -> None:
    """It stays as a comment that names both orders; one cell decides, two that contradict leave it out."""
    header = "listing_id,seller_id,title,listed_at,labelled_at"
    text, columns = guess(tmp_path, header, "1,s,Bag,03/04/2025,01/02/2025", "2,s,Bag,05/06/2025,01/02/2025")
    assert "listed_at" not in columns.columns
    assert '# listed_at = { column = "listed_at", date_order = "DMY" }  # or date_order = "MDY": "03/04/2025"' in text
    _, columns = guess(tmp_path, header, "1,s,Bag,03/04/2025,01/02/2025", "2,s,Bag,05/06/2025,01/22/2025")
    assert [columns.columns[name].date_order for name in ("listed_at", "labelled_at")] == ["MDY", "MDY"]
    text, columns = guess(tmp_path, header, "1,s,Bag,31/12/2025,", "2,s,Bag,12/31/2025,")
    assert "listed_at" not in columns.columns
    assert "named like listed_at, but its cells are not moments that are all written in one way" in text


def test_a_number_that_can_be_read_both_ways_is_not_decided(tmp_path: Path) -> None:
    """1.234 may be one and a bit or more than a thousand; one cell of another column that decides is enough."""
    header = "listing_id;seller_id;title;currency;price;seller_rating"
    text, columns = guess(tmp_path, header, "1;s;Bag;EUR;1.234;1", "2;s;Bag;EUR;2.500;1")
    assert "price" not in columns.columns
    assert '# price = { column = "price", decimal = "," }  # such as "1.234"' in text
    assert 'or decimal = ".": "1.234" can be read both ways' in text
    _, columns = guess(tmp_path, header, "1;s;Bag;EUR;1.234;0,5", "2;s;Bag;EUR;2.500;1")
    assert columns.columns["price"].decimal == ","


def test_a_zone_is_asked_for_and_never_supposed(tmp_path: Path) -> None:
    """Times without a zone get none but the one that is given; times with a zone need none."""
    header = "listing_id,seller_id,title,listed_at,observed_at"
    text, columns = guess(tmp_path, header, "1,s,Bag,2026-03-01 10:00,2026-03-01T10:00Z")
    assert [columns.columns[name].zone for name in ("listed_at", "observed_at")] == [None, None]
    assert text.count("add zone = ") == 1


def test_what_the_head_does_not_decide_is_refused_later_and_not_misread(tmp_path: Path) -> None:
    """A cell behind the head that is written otherwise is a problem of its row."""
    many = [f"{number};s;Bag;EUR;1,50" for number in range(1_500)]
    _, columns = guess(tmp_path, "listing_id;seller_id;title;currency;price", *many, "x;s;Bag;EUR;2.50")
    (validation,) = read_listings(tmp_path / "shop.csv", columns)
    assert [(problem.row, problem.value) for problem in validation.problems] == [(1_501, "2.50")]


def test_only_the_head_of_a_file_is_read(tmp_path: Path) -> None:
    """Later rows, even damaged ones, change nothing."""
    rows = "".join(f"{number};s;Bag {number}\n" for number in range(200_000))
    whole = gzip.compress(f"listing_id;seller_id;title\n{rows}".encode(), mtime=0)
    (tmp_path / "shop.csv.gz").write_bytes(whole)
    expected = guess_columns(tmp_path / "shop.csv.gz")
    (tmp_path / "shop.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert guess_columns(tmp_path / "shop.csv.gz") == expected


NAMES = {"Preis (EUR)": "price", "Prix TTC": "price", "Preço": "price", "Цена, руб.": "price"}
NAMES |= {"id товара": "listing_id", "sellerId": "seller_id", "Vendeur": "seller_id"}
NAMES |= {"date_de_publication": "listed_at", "Titre de l'annonce": "title", "customer id": None, "user name": None}


def test_names_are_found_however_they_are_written(tmp_path: Path) -> None:
    """Capitals, accents, signs between words and further words make no difference; a vague part matches nothing."""
    for name, field in NAMES.items():
        cell = "2026-03-01T10:00Z" if field == "listed_at" else "1"
        text, columns = guess(tmp_path, f'"{name}",x', f"{cell},y", f"{cell},y")
        found = {of: source.column for of, source in columns.columns.items() if source.column}
        assert found == ({field: name} if field else {})
        assert field or f'# = "{name}"' in text


def test_typed_and_nested_columns_are_found(tmp_path: Path) -> None:
    """Numbers, flags and moments that are no texts are taken as they are; objects are entered by their paths."""
    frame = pd.DataFrame({"id": [7, 8], "name": ["Bag", "Belt"], "price": [9.5, None], "fake": [True, False]})
    frame["seller"] = [{"id": "s", "rating": 0.5}, {"id": "t", "rating": 1.0}]
    frame = frame.assign(currency="EUR", created_at="2026-03-01T10:00:00Z")
    frame.to_parquet(tmp_path / "shop.parquet")
    frame.to_json(tmp_path / "shop.jsonl", orient="records", lines=True)
    for path in (tmp_path / "shop.parquet", tmp_path / "shop.jsonl"):
        (validation,) = read_listings(path, load(path))
        assert validation.problems == ()
        found = validation.listings[["listing_id", "seller_id", "title", "is_counterfeit", "seller_rating"]]
        assert found.to_numpy().tolist() == [["7", "s", "Bag", True, 0.5], ["8", "t", "Belt", False, 1.0]]
        known = validation.listings[["price", "listed_at"]].notna()
        assert known.to_numpy().tolist() == [[True, True], [False, True]]


def test_a_map_of_any_names_and_cells_loads(tmp_path: Path) -> None:
    """Quotes, backslashes, line breaks, control signs and invisible letters are written as TOML has them."""
    path = tmp_path / "shop.csv"
    odd = ['a"b', "c\\d", "e\nf", "g\x7fh", "\u202ei", "price \u2028", "'''", "#", "=", "[x]", " "]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([[*odd, "title"], [*odd, "x\x1by"]])
    assert load(path).columns["title"].column == "title"


def test_the_table_of_names_knows_every_field() -> None:
    """Each field of the schema has names, and none that is another field's surest name too."""
    names = read_names()["names"]
    assert list(names) == list(COLUMNS)
    assert len({of[0] for of in names.values()}) == len(names)


ENCODED = (("Größe, Gürtel und Maß", "cp1252"), ("Sac à main élégant, neuf, 12,50 €", "cp1252"))
ENCODED += (("Bolsa feminina, não usada, coração", "cp1252"), ("Torebka skórzana, żółta, łatwa", "cp1250"))
ENCODED += (("Сумка женская, новая", "cp1251"), ("Сумка женская, новая", "koi8-r"), ("Größe", "utf-8"))
ENCODED += (("Größe", "utf-16-le"), ("Сумка\n", "utf-16-be"), ("Größe", "utf-32"))


def test_an_encoding_is_known_by_its_words_and_a_separator_by_the_header() -> None:
    """Words tell in which encoding they are; a sign that every title has parts no cells if another parts the header."""
    found = [(text, guess_encoding(text.encode(encoding))[0]) for text, encoding in ENCODED]
    assert found == list(ENCODED)
    lines = ["id;titel;preis", *(f"{number};Tasche, rot, {number};9,50" for number in range(5))]
    assert guess_separator("\n".join(lines))[0] == ";"
