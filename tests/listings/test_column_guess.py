"""A guessed column map reads a file as it was meant, and leaves to a person what the file does not tell."""

import csv
import gzip
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.listings.column_guess import guess_columns, read_names
from ipml.listings.column_maps import ColumnMap, load_columns
from ipml.listings.dialects import guess_encoding, guess_separator
from ipml.listings.fields import COLUMNS
from ipml.listings.readers import read_listings

ZONE = "Europe/Berlin"
WORDS = {"cp1252": "Größe Façade Señor Bag", "cp1251": "Сумка женская новая", "utf-8": "Größe 包 Сумка 👜"}
FIELDS = ("listing_id", "seller_id", "title", "price", "currency", "listed_at", "seller_sales", "is_counterfeit")


@st.composite
def dialects(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a way to write listings, and a name for each field out of the table of names."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp1251"]))
    names: dict[str, str] = {}
    for field in FIELDS:
        known = [field, *read_names()["names"][field]]
        fitting = [name for name in known if can_write(name, encoding) and name not in names.values()]
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


def can_write(text: str, encoding: str) -> bool:
    """Say whether an encoding has all letters of a text."""
    return text.encode(encoding, "replace").decode(encoding) == text


rows = st.lists(
    st.tuples(
        st.integers(0, 10**7).map(lambda cents: cents / 100),
        st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)),
        st.integers(0, 10**6),
        st.booleans(),
        st.sampled_from(["", "\n", ";", ",", '"', "\t"]),
    ),
    max_size=8,
)


def write(path: Path, dialect: dict[str, Any], cells: list[tuple[float, datetime, int, bool, str]]) -> pd.DataFrame:
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
        known = moment.replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
        listings.append((f"a{at}", "s", title, price, "EUR", known, float(sales), label))
    path.write_bytes(text.getvalue().encode(dialect["encoding"]))
    return pd.DataFrame(listings, columns=list(FIELDS))


@given(dialects(), rows)
def test_a_file_is_read_through_its_guessed_map_as_it_was_meant(
    tmp_path_factory: pytest.TempPathFactory,
    dialect: dict[str, Any],
    cells: list[tuple[float, datetime, int, bool, str]],
) -> None:
    """Whatever separates cells, decimals and thousands, the order of dates, the encoding and the names of columns."""
    path = tmp_path_factory.getbasetemp() / "guessed.csv"
    listings = write(path, dialect, cells)
    (validation,) = read_listings(path, load(path, ZONE))
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
    """What follows, be it damaged, changes nothing."""
    rows = "".join(f"{number};s;Bag {number}\n" for number in range(200_000))
    whole = gzip.compress(f"listing_id;seller_id;title\n{rows}".encode(), mtime=0)
    (tmp_path / "shop.csv.gz").write_bytes(whole)
    expected = guess_columns(tmp_path / "shop.csv.gz")
    (tmp_path / "shop.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert guess_columns(tmp_path / "shop.csv.gz") == expected


NAMES = {
    "Preis (EUR)": "price",
    "Prix TTC": "price",
    "Preço": "price",
    "Цена, руб.": "price",
    "id товара": "listing_id",
    "sellerId": "seller_id",
    "Vendeur": "seller_id",
    "date_de_publication": "listed_at",
    "Titre de l'annonce": "title",
    "customer id": None,
    "user name": None,
}


def test_names_are_found_however_they_are_written(tmp_path: Path) -> None:
    """Capitals, accents, signs between words and further words make no difference; a part that says little is none."""
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


ENCODED = (
    ("Größe, Gürtel und Maß", "cp1252"),
    ("Sac à main élégant, neuf, 12,50 €", "cp1252"),
    ("Bolsa feminina, não usada, coração", "cp1252"),
    ("Torebka skórzana, żółta, łatwa", "cp1250"),
    ("Сумка женская, новая", "cp1251"),
    ("Сумка женская, новая", "koi8-r"),
    ("Größe", "utf-8"),
    ("Größe", "utf-16-le"),
    ("Сумка\n", "utf-16-be"),
    ("Größe", "utf-32"),
)


def test_an_encoding_is_known_by_its_words_and_a_separator_by_the_header() -> None:
    """Words tell in which encoding they are; a sign that every title has parts no cells if another parts the header."""
    found = [(text, guess_encoding(text.encode(encoding))[0]) for text, encoding in ENCODED]
    assert found == list(ENCODED)
    lines = ["id;titel;preis", *(f"{number};Tasche, rot, {number};9,50" for number in range(5))]
    assert guess_separator("\n".join(lines))[0] == ";"
