"""What a listing is, as JSON Schema, made from the table of fields: for those who send listings over HTTP."""

from __future__ import annotations

from typing import Any

from ipml.listings.fields import FIELDS, Field
from ipml.listings.kinds import Kind

_TYPES = {Kind.TEXT: "string", Kind.MOMENT: "string", Kind.FLAG: "boolean"}
_EXAMPLE = {
    "listing_id": "1204",
    "seller_id": "harbour-outlet",
    "title": "AAA quality Vellmar tote bag 1:1 mirror, with box",
    "brand": "Vellmar",
    "price": 79.9,
    "currency": "EUR",
    "observed_at": "2026-03-01T09:30:00Z",
}


def make_json_schema() -> dict[str, Any]:
    """Return the schema of one listing as a JSON object (JSON Schema 2020-12, as OpenAPI 3.1 takes it).

    It says what should be sent. `ipml.listings.schema.validate_record` decides, and is no stricter but for NUL and
    broken letters, moments outside 1970 to 2199, and a price without a currency, which JSON Schema says badly.

    Examples
    --------
    >>> schema = make_json_schema()
    >>> schema["required"]
    ['listing_id', 'seller_id', 'title']
    >>> schema["properties"]["seller_rating"]["description"]
    'mean rating of the seller; 1 is the best possible: a share from 0 to 1'
    """
    return {
        "title": "Listing",
        "description": "An offer on a marketplace. What is unknown is left out, or null.",
        "type": "object",
        "properties": {field.name: _describe(field) for field in FIELDS},
        "required": [field.name for field in FIELDS if field.is_required],
        "additionalProperties": False,
        "examples": [_EXAMPLE],
    }


def _describe(field: Field) -> dict[str, Any]:
    kind = _TYPES.get(field.kind, "number")
    rules = {
        "minLength": field.min_length or None,
        "maxLength": field.max_length,
        "pattern": field.pattern and f"^(?:{field.pattern})$",
        "format": "date-time" if field.kind is Kind.MOMENT else None,
        "minimum": field.least,
        "maximum": field.most,
    }
    said = {name: rule for name, rule in rules.items() if rule is not None}
    return {"type": kind if field.is_required else [kind, "null"], "description": _tell(field), **said}


def _tell(field: Field) -> str:
    return f"{field.meaning}: {field.expected}"
