"""The checks of frames and of records keep the same rules, and nothing is repaired."""

import dataclasses
import re
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings, MissingColumns, Refused
from ipml.listings import schema
from ipml.listings.fields import COLUMNS, FIELDS, Field, make_json_schema
from ipml.listings.kinds import DTYPES, Kind
from ipml.listings.maps.column_maps import load_columns
from ipml.records import Listing

GOOD: dict[str, object] = {"listing_id": "1", "seller_id": "s", "title": "Leather bag"}

numbers = st.one_of(
    st.floats(),
    st.integers(-(10**14), 10**14),
    st.sampled_from([10**400, 2**63, True, Decimal("1.5"), "12.5", "12,50", "inf", "1e400", " 1", "1_0", "１", ".5"]),
)
texts = st.one_of(
    st.text(max_size=4),
    st.sampled_from(
        ["\ud800", "a\0", b"b", "é", "x" * 2_001, "EUR", "EUR\n", "eur", "DE", "4006381333931", "٠" * 8, ""]
    ),
    st.just(7),
)
moments = st.one_of(
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])),
    st.datetimes(),
    st.sampled_from(
        [
            "2026-03-01T09:30:00Z",
            "2026-03-01 09:30+0530",
            "2026-02-30T00:00:00Z",
            "2026-03-01",
            "2026-03-01T24:00:00Z",
            "2199-12-31T23:30:00-01:00",
            "1969-12-31T23:59:59.999999Z",
            "2026-03-01T09:30:00.123456789Z",
            "0001-01-01T00:00:00Z",
        ]
    ),
)
vectors = st.one_of(
    st.lists(st.floats(), max_size=3),
    st.lists(st.floats(-10, 10), min_size=1, max_size=3),
    st.lists(st.one_of(st.integers(), st.booleans(), st.text(max_size=2)), max_size=3),
    numbers,
)
flags = st.sampled_from([True, False, 1, 0, 2, 1.0, "true", "FALSE", "1", "1.0", "yes", ""])
values: dict[Kind, st.SearchStrategy[Any]] = {Kind.TEXT: texts, Kind.NUMBER: numbers, Kind.COUNT: numbers}
values |= {Kind.SHARE: st.one_of(st.floats(0, 1), numbers), Kind.MOMENT: moments, Kind.FLAG: flags}
extras = st.dictionaries(
    st.sampled_from(["returns", "tier_2", "Bad", "a__b", 7]), st.none() | texts | numbers, max_size=3
)
extras |= st.sampled_from(["{}", '{"tier":"gold"}', '{"a":[1]}', "{", {"a": {}}, "[" * 9_999, {"a": "\n"}]) | numbers
values |= {Kind.VECTOR: vectors, Kind.EXTRA: extras}
# A few odd fields at a time, so that a good share of the records is accepted.
records = (
    st.lists(st.sampled_from(FIELDS), max_size=4, unique=True)
    .flatmap(
        lambda fields: st.fixed_dictionaries({field.name: st.one_of(st.none(), values[field.kind]) for field in fields})
    )
    .map(lambda odd: GOOD | odd)
)


def faults_of_record(record: dict[str, object]) -> set[str]:
    """Return the names of the fields at fault in a record."""
    try:
        schema.validate_record(record)
    except InvalidListings as error:
        return {problem.column for problem in error.problems}
    return set()


def make_row(record: dict[str, object]) -> pd.DataFrame:
    """Return a record as a frame of one row."""
    return pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in record.items()})


def test_table_and_record_have_the_same_fields() -> None:
    """The table has the fields of `Listing`, in their order."""
    assert tuple(field.name for field in dataclasses.fields(Listing)) == COLUMNS


@given(records)
def test_frame_and_record_find_the_same_columns_at_fault(record: dict[str, object]) -> None:
    """A record is accepted if and only if its one-row frame is; the same columns are at fault."""
    frame = make_row(record)
    expected = faults_of_record(record)
    assert {problem.column for problem in schema.validate_listings(frame).problems} == expected
    try:
        inferred = frame.infer_objects()
    except UnicodeEncodeError:  # a frame of text cannot hold half a surrogate pair
        return
    assert {problem.column for problem in schema.validate_listings(inferred).problems} == expected


@given(records)
def test_accepted_record_comes_back_from_a_frame(record: dict[str, object]) -> None:
    """A valid record comes back from a frame unchanged; a second check changes nothing."""
    if not faults_of_record(record):
        listing = schema.validate_record(record)
        assert list(schema.frame_to_listings(schema.listings_to_frame([listing]))) == [listing]
        checked = schema.check_listings(make_row(record))
        assert list(schema.frame_to_listings(checked)) == [listing]
        pd.testing.assert_frame_equal(schema.check_listings(checked), checked)


@given(st.lists(records, max_size=8))
@settings(max_examples=20)
def test_a_row_is_judged_by_itself(rows: list[dict[str, object]]) -> None:
    """Beside repeated keys, what is wrong with a row does not depend on the rows around it."""
    numbered = [row | {"listing_id": str(at)} for at, row in enumerate(rows)]
    frame = pd.DataFrame(numbered, columns=list(COLUMNS), dtype=object)
    found = {(problem.row, problem.column) for problem in schema.validate_listings(frame).problems}
    assert found == {(at, name) for at, row in enumerate(numbered, 1) for name in faults_of_record(row)}


def test_good_rows_have_the_canonical_form() -> None:
    """Good rows have every column of the table, in its order and dtypes, whatever the order that came."""
    frame = pd.DataFrame({"title": ["a"], "seller_id": ["s"], "listing_id": ["1"]})
    listings = schema.validate_listings(frame).listings
    assert listings.dtypes.astype(str).to_dict() == {field.name: DTYPES[field.kind] for field in FIELDS}


def test_no_field_is_dropped_and_money_keeps_its_currency() -> None:
    """A field the schema does not know is a problem of its own, a price without a currency one of the currency."""
    assert faults_of_record(GOOD | {"colour": "red"}) == {"colour"}
    assert faults_of_record(GOOD | {"price": 9.5}) == {"currency"}


def test_absent_and_misspelt_columns_are_named() -> None:
    """A frame without titles raises, and so does a column the schema does not know, with the nearest name."""
    with pytest.raises(MissingColumns, match="no column title"):
        schema.validate_listings(pd.DataFrame({"listing_id": ["1"], "seller_id": ["s"]}))
    with pytest.raises(Refused, match=r"Price \(perhaps price\)"):
        schema.validate_listings(make_row(GOOD | {"Price": 1.0}))


def test_the_frame_that_came_is_unchanged() -> None:
    """Checking does not change its input."""
    frame = pd.DataFrame({"listing_id": ["1", "1"], "seller_id": "s", "title": ["a", "\0"], "price": ["1", "x"]})
    before = frame.copy()
    schema.validate_listings(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_check_listings_raises_with_all_problems() -> None:
    """With every problem, by the row numbers of a reader or from 1; of a value at most 80 characters are shown."""
    frame = pd.DataFrame({"listing_id": ["", "1"], "seller_id": "s", "title": ["a", "x" * 10_000_000]})
    with pytest.raises(InvalidListings, match="shop: 2 bad rows") as caught:
        schema.check_listings(frame, "shop")
    assert [(one.row, len(one.value)) for one in caught.value.problems] == [(1, 0), (2, 80)]
    numbered = frame.set_axis(pd.Index([41, 42], name="row"))
    assert [problem.row for problem in schema.validate_listings(numbered).problems] == [41, 42]


def outcome(read: Any, record: dict[str, object]) -> Any:
    """Return the record that comes of it, with the types of its fields, or everything wrong."""
    try:
        listing = read(record)
    except InvalidListings as error:
        return error.problems
    return repr(listing), [type(getattr(listing, name)) for name in COLUMNS]


@given(records, st.sampled_from([{}, {"colour": "red"}]))
@settings(max_examples=150)
def test_a_record_is_taken_or_refused_as_by_the_full_check(record: dict[str, object], more: dict[str, object]) -> None:
    """With the same values of the same types, or the same problems."""
    assert outcome(schema.validate_record, record | more) == outcome(schema.check_record, record | more)


def test_an_ordinary_record_is_taken_at_once() -> None:
    """So that services need not wait for the full check; a value that is no record is refused as one."""
    for value in (None, [GOOD], float("nan")):
        with pytest.raises(InvalidListings, match="expected the fields of a listing by name"):
            schema.validate_record(value)  # type: ignore[arg-type]
    record = GOOD | {"title": "Tasche für Damen", "price": 9, "currency": "EUR"}
    assert schema.read_plain_record(record) == Listing("1", "s", "Tasche für Damen", price=9.0, currency="EUR")


BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
DEEP: Any = []
for _ in range(5_000):
    DEEP = [DEEP]


def find_problems(listings: list[dict[str, Any]]) -> list[tuple[int, str, str, str]]:
    """Return what is wrong, as plain values."""
    try:
        schema.check_records(listings)
    except InvalidListings as error:
        return [(one.row, one.column, one.value, one.expected) for one in error.problems]
    return []


@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=5), VALUES, max_size=5), max_size=4))
def test_each_is_checked_as_it_would_be_alone(listings: list[dict[str, Any]]) -> None:
    """The problems of many are those of each, with its row."""
    expected = [(row, *problem[1:]) for row, one in enumerate(listings, 1) for problem in find_problems([one])]
    assert find_problems(listings) == expected


@given(st.dictionaries(st.sampled_from(COLUMNS), VALUES, max_size=5))
def test_the_rules_are_those_of_the_schema(changes: dict[str, Any]) -> None:
    """A listing of known fields is taken or refused, field by field, as `validate_record` does."""
    listing = {**BAG, **changes}
    problems = find_problems([listing])
    if not problems:
        assert schema.check_records([listing]) == [schema.validate_record(listing)]
        return
    with pytest.raises(InvalidListings) as refused:
        schema.validate_record(listing)
    assert problems == [(one.row, one.column, one.value, one.expected) for one in refused.value.problems]


def test_repeats_are_refused_as_in_a_file() -> None:
    """A second listing of the same id and moment is a problem, and names the first."""
    moment = "2026-03-01T09:30:00Z"
    listings = [BAG, {**BAG, "observed_at": moment}, {**BAG, "title": "Hat"}, {**BAG, "observed_at": moment}]
    in_file = schema.validate_listings(pd.DataFrame(listings)).problems
    assert find_problems(listings) == [(one.row, one.column, one.value, one.expected) for one in in_file]
    assert [problem[0] for problem in find_problems(listings)] == [3, 4]


def test_what_only_hostile_callers_send_is_named_but_not_shown() -> None:
    """Lists and objects however deep, half a surrogate pair in a field's name, and thousands of made-up fields."""
    expected = [(1, "title", "a list"), (1, "brand", "an object"), (1, "price", "-1"), (1, "currency", "")]
    assert [problem[:3] for problem in find_problems([{**BAG, "title": DEEP, "brand": {}, "price": -1}])] == expected
    found = find_problems([{**BAG, "x\ud800": DEEP}, dict.fromkeys(map(str, range(5_000)), 1)])
    assert found == [
        (1, "x\\ud800", "a list", "one of the fields of a listing"),
        (2, "", "5,000 fields", "only the fields of a listing"),
    ]


ONE, TWO = "https://a.example/1.jpg?w=80", "http://b.example:8080/2"


WRONG = ("javascript:alert(1)", "data:image/svg+xml,<svg/>", "//a.example/1", "ftp://a.example/1")
WRONG += ("https://user:secret@a.example/1", "https:///1", "https://a.example\\@b.example/", "https://a.example/ 1")
WRONG += ("https://a.example/\r\nSet-Cookie:a=b", 'https://a.example/"onload="x')


def test_what_is_no_plain_web_address_is_refused():
    """Frames and records refuse it alike, alone or among pictures, and what is longer than any browser would take."""
    records = [{**BAG, **fields} for url in WRONG for fields in ({"url": url}, {"image_urls": f"{ONE} {url}"})]
    records += [{**BAG, "url": f"{ONE}{'a' * 2_000}"}, {**BAG, "image_urls": f"{ONE}{'a' * 40_020}"}]
    for record in records:
        for check in (schema.validate_record, schema.check_record):
            with pytest.raises(InvalidListings):
                check(record)
        assert len(schema.validate_listings(pd.DataFrame([record])).problems) == 1


def test_pictures_come_as_a_list_or_as_text():
    """Both give the same listing, as records and in frames; an empty list means no value."""
    records = [{**BAG, "url": ONE, "image_urls": found} for found in ([ONE, TWO], f"{ONE} {TWO}")]
    assert {schema.validate_record(record) for record in records} == {schema.check_record(record) for record in records}
    assert schema.check_records(records[:1])[0].image_urls == f"{ONE} {TWO}"
    frame = pd.DataFrame([{**record, "listing_id": str(number)} for number, record in enumerate(records)])
    assert schema.validate_listings(frame).listings["image_urls"].tolist() == [f"{ONE} {TWO}"] * 2
    assert schema.check_records([{**BAG, "image_urls": []}])[0].image_urls is None
    assert schema.listings_to_frame([schema.validate_record(records[0])])["image_urls"].tolist() == [f"{ONE} {TWO}"]


def test_more_than_twenty_or_what_is_no_list_of_texts_is_refused():
    """Nested data, numbers, and the twenty-first picture."""
    assert schema.check_records([{**BAG, "image_urls": [ONE] * 20}])
    for found in ([ONE] * 21, " ".join([ONE] * 21), [ONE, 7], [[ONE]], {"a": ONE}):
        with pytest.raises(InvalidListings):
            schema.check_records([{**BAG, "image_urls": found}])


def test_a_column_map_takes_the_whole_list(tmp_path):
    """Other fields take the first element of a list; pictures are all of it."""
    path = tmp_path / "map.toml"
    path.write_text(
        'name = "shop"\n[columns]\nlisting_id = "id"\nseller_id = "s"\ntitle = "t"\nimage_urls = "media.all"\n'
    )
    columns = load_columns(path)
    frame = pd.DataFrame([{"id": "1", "s": "s", "t": ["Bag", "Hat"], "media": {"all": [ONE, TWO]}}])
    mapped, _ = columns.apply(frame)
    assert schema.validate_listings(mapped).listings[["title", "image_urls"]].values.tolist() == [
        ["Bag", f"{ONE} {TWO}"]
    ]


PRICED = {"listing_id": "1", "seller_id": "s", "title": "Bag", "currency": "EUR"}
SCHEMA = make_json_schema()


def is_taken(name: str, value: Any) -> bool:
    """Tell whether the checks take a value for a field."""
    try:
        schema.validate_record({**PRICED, name: value})
    except InvalidListings:
        return False
    return True


def test_every_field_is_described() -> None:
    """All fields are there, with a meaning, and the required ones are required."""
    assert tuple(SCHEMA["properties"]) == COLUMNS
    assert all(rules["description"] for rules in SCHEMA["properties"].values())
    assert SCHEMA["required"] == [field.name for field in FIELDS if field.is_required]
    assert SCHEMA["additionalProperties"] is False


def test_the_bounds_are_those_of_the_checks(subtests: pytest.Subtests) -> None:
    """A value on a bound is accepted, one just outside is not."""
    for field in FIELDS:
        with subtests.test(field.name):
            check_bounds(field, SCHEMA["properties"][field.name])


def check_bounds(field: Field, rules: dict[str, Any]) -> None:
    """Check the bounds of one field."""
    assert is_taken(field.name, None) == ("null" in rules["type"])
    if "maximum" in rules:
        assert is_taken(field.name, rules["minimum"])
        assert is_taken(field.name, rules["maximum"])
        assert not is_taken(field.name, rules["minimum"] - 1e-6)
        assert not is_taken(field.name, rules["maximum"] * 1.001)
    elif "pattern" in rules:
        for value in ("EUR", "DE", "12345678", "123456789012", "eur", "DEUTSCH", "1234567", ""):
            assert is_taken(field.name, value) == bool(re.search(rules["pattern"], value))
    elif field.kind is Kind.TEXT:
        assert is_taken(field.name, "x" * rules["maxLength"])
        assert not is_taken(field.name, "x" * (rules["maxLength"] + 1))
        assert is_taken(field.name, "") == (rules.get("minLength", 0) == 0)


def test_the_example_is_a_listing() -> None:
    """Documented examples pass the checks."""
    for example in SCHEMA["examples"]:
        assert schema.validate_record(example).title == example["title"]
