"""Listings taken at once where each field is as it should be, as most are that services send.

The full check of `ipml.listings.schema.validate_record` takes several times as long. It is the specification: what is
taken here it takes as well, and as the same record; what is not taken here is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ipml.listings.fields import FIELDS, Field
from ipml.listings.kinds import Kind, read_moment
from ipml.records import Listing

Read = Callable[[object], object]


class _NotPlain(ValueError):
    """Some value needs a closer look."""


def read_plain_record(record: Mapping[str, object]) -> Listing | None:
    """Return a listing of which every field is plainly right; None where one needs a closer look.

    Examples
    --------
    >>> bag = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
    >>> read_plain_record(bag).title, read_plain_record({**bag, "title": 7}), read_plain_record({**bag, "price": "9.5"})
    ('Bag', None, None)
    """
    try:
        cells = {name: _READ[name](value) for name, value in record.items() if value is not None}
        is_priced = cells.get("price") is None or "currency" in cells
        return Listing(**cells) if is_priced and cells.keys() >= _REQUIRED else None  # type: ignore[arg-type]
    except (KeyError, ValueError):  # a field that there is not, or a value that is not plain
        return None


def _make_reader(field: Field) -> Read:
    if field.kind is Kind.TEXT:
        return _make_text_reader(field)
    if field.kind is Kind.MOMENT:
        return read_moment
    return _read_flag if field.kind is Kind.FLAG else _make_number_reader(field)


def _make_text_reader(field: Field) -> Read:
    shortest, longest = field.min_length, field.max_length or 0
    matches = re.compile(field.pattern).fullmatch if field.pattern else None

    def read(value: object) -> object:
        if type(value) is not str or not shortest <= len(value) <= longest or "\0" in value:
            raise _NotPlain
        if not value.isascii():
            value.encode()  # half a surrogate pair raises UnicodeEncodeError, a ValueError
        if matches and not matches(value):
            raise _NotPlain
        return value

    return read


def _make_number_reader(field: Field) -> Read:
    least, most = field.least, field.most
    assert least is not None
    assert most is not None

    def read(value: object) -> object:
        if (type(value) is not float and type(value) is not int) or not least <= value <= most:
            raise _NotPlain
        return float(value)

    return read


def _read_flag(value: object) -> object:
    if type(value) is not bool:
        raise _NotPlain
    return value


_READ = {field.name: _make_reader(field) for field in FIELDS}
_REQUIRED = {field.name for field in FIELDS if field.is_required}
