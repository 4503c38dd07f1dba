"""The addresses of a listing and of its pictures: web addresses alone, few, short, and without a password."""

import pandas as pd
import pytest

from ipml.errors import InvalidListings
from ipml.listings.column_maps import load_columns
from ipml.listings.schema import check_record, check_records, listings_to_frame, validate_listings, validate_record

BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
ONE, TWO = "https://a.example/1.jpg?w=80", "http://b.example:8080/2"


WRONG = (
    "javascript:alert(1)",
    "data:image/svg+xml,<svg/>",
    "//a.example/1",
    "ftp://a.example/1",
    "https://user:secret@a.example/1",
    "https:///1",
    "https://a.example\\@b.example/",
    "https://a.example/ 1",
    "https://a.example/\r\nSet-Cookie:a=b",
    'https://a.example/"onload="x',
)


def test_what_is_no_plain_web_address_is_refused():
    """Frames and records refuse it alike, alone or among pictures, and what is longer than any browser would take."""
    records = [{**BAG, **fields} for url in WRONG for fields in ({"url": url}, {"image_urls": f"{ONE} {url}"})]
    records += [{**BAG, "url": f"{ONE}{'a' * 2_000}"}, {**BAG, "image_urls": f"{ONE}{'a' * 40_020}"}]
    for record in records:
        for check in (validate_record, check_record):
            with pytest.raises(InvalidListings):
                check(record)
        assert len(validate_listings(pd.DataFrame([record])).problems) == 1


def test_pictures_come_as_a_list_or_as_text():
    """Both give the same listing, as records and in frames; an empty list is none."""
    records = [{**BAG, "url": ONE, "image_urls": found} for found in ([ONE, TWO], f"{ONE} {TWO}")]
    assert {validate_record(record) for record in records} == {check_record(record) for record in records}
    assert check_records(records[:1])[0].image_urls == f"{ONE} {TWO}"
    frame = pd.DataFrame([{**record, "listing_id": str(number)} for number, record in enumerate(records)])
    assert validate_listings(frame).listings["image_urls"].tolist() == [f"{ONE} {TWO}"] * 2
    assert check_records([{**BAG, "image_urls": []}])[0].image_urls is None
    assert listings_to_frame([validate_record(records[0])])["image_urls"].tolist() == [f"{ONE} {TWO}"]


def test_more_than_twenty_or_what_is_no_list_of_texts_is_refused():
    """Nested data, numbers, and the twenty-first picture."""
    assert check_records([{**BAG, "image_urls": [ONE] * 20}])
    for found in ([ONE] * 21, " ".join([ONE] * 21), [ONE, 7], [[ONE]], {"a": ONE}):
        with pytest.raises(InvalidListings):
            check_records([{**BAG, "image_urls": found}])


def test_a_column_map_takes_the_whole_list(tmp_path):
    """Other fields take the first element of a list; pictures are all of it."""
    path = tmp_path / "map.toml"
    path.write_text(
        'name = "shop"\n[columns]\nlisting_id = "id"\nseller_id = "s"\ntitle = "t"\nimage_urls = "media.all"\n'
    )
    columns = load_columns(path)
    frame = pd.DataFrame([{"id": "1", "s": "s", "t": ["Bag", "Hat"], "media": {"all": [ONE, TWO]}}])
    mapped, _ = columns.apply(frame)
    assert validate_listings(mapped).listings[["title", "image_urls"]].values.tolist() == [["Bag", f"{ONE} {TWO}"]]
