"""The JSON Schema of a listing says what the checks do."""

import re
from typing import Any

import pytest

from ipml.errors import InvalidListings
from ipml.listings.fields import COLUMNS, FIELDS, Field, make_json_schema
from ipml.listings.kinds import Kind
from ipml.listings.schema import validate_record

BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag", "currency": "EUR"}
SCHEMA = make_json_schema()


def is_taken(name: str, value: Any) -> bool:
    """Tell whether the checks take a value for a field."""
    try:
        validate_record({**BAG, name: value})
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
    """What lies on a bound is taken, and what lies just outside is not."""
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
    """What is shown as an example passes the checks."""
    for example in SCHEMA["examples"]:
        assert validate_record(example).title == example["title"]
