"""Bodies: the types that requests are checked by and described with, and one problem for each fault.

Nothing is converted: `"1"` is no number, and 1 is no text. Unknown fields are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from ipml.errors import InvalidListings
from ipml.kit.moments import EXPECTED, read_moment
from ipml.records import Problem
from ipml.review.arrivals.snapshot import is_storable
from ipml.web.http_api.requests import InvalidRequest, name_found

LONGEST_NAME = 200
MOST_LISTINGS = 1_000
_UNSTORABLE = "text without NUL or broken letters"
_EXPECTED = {
    "missing": "a value",
    "model_type": "an object",
    "list_type": "a list",
    "string_type": "text",
    "string_unicode": _UNSTORABLE,
}
_PREFIX = re.compile(r"(Input|String|Value) should (be |have )?")


class RequestBody(BaseModel):
    """The JSON object of a request."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class AnswerBody(BaseModel):
    """The JSON object of an answer."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def _refuse_unstorable(text: str) -> str:
    if not is_storable(text):
        raise PydanticCustomError("unstorable", _UNSTORABLE)
    return text


def _refuse_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "text of 1 character or more")
    return text


def _read_moment(value: object) -> datetime:
    try:
        return read_moment(value)
    except ValueError:
        raise PydanticCustomError("moment", EXPECTED) from None


def _require_listing(value: object) -> object:
    if not isinstance(value, dict):
        raise PydanticCustomError("listing", "an object with the fields of a listing")
    return value


Text = Annotated[str, AfterValidator(_refuse_unstorable)]
Words = Annotated[str, Field(min_length=1), AfterValidator(_refuse_unstorable), AfterValidator(_refuse_blank)]
Name = Annotated[Words, Field(max_length=LONGEST_NAME)]
Moment = Annotated[datetime, PlainValidator(_read_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
ListingObject = Annotated[Any, PlainValidator(_require_listing), WithJsonSchema({"type": "object"})]


class ListingBatch(RequestBody):
    """Several listings."""

    listings: list[ListingObject] = Field(max_length=MOST_LISTINGS)


_Body = TypeVar("_Body", bound=RequestBody)
_Batch = TypeVar("_Batch", bound=ListingBatch)


def read_as(model: type[_Body], content: object) -> _Body:
    """Return parsed JSON as a body, or raise all its faults at once.

    Raises InvalidListings if the rows of a list are at fault, otherwise InvalidRequest: 413 for a list that is too
    long, else 422.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    problems = [_find_problem(fault, model) for fault in faults]
    if any(fault["type"] == "too_long" and isinstance(fault["input"], list) for fault in faults):
        raise InvalidRequest(problems, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    places = [fault["loc"] for fault in faults]
    if all(len(place) > 1 and isinstance(place[1], int) for place in places):
        raise InvalidListings(problems, str(places[0][0]))
    raise InvalidRequest(problems)


def read_batch(model: type[_Batch], content: object) -> _Batch:
    """Return the listings of a body: a single one as the object itself, or several in its list "listings"."""
    if not isinstance(content, dict):
        expected = 'a listing as an object, or {"listings": [...]}'
        raise InvalidRequest([Problem(1, "", name_found(content), expected)])
    is_batch = "listings" in content or content.keys() == {"withdrawn"}
    return read_as(model, content if is_batch else {"listings": [content]})


def _find_problem(fault: Mapping[str, Any], model: type[RequestBody]) -> Problem:
    """Return a fault of a body; rows are counted from 1, and fields of a second list are preceded by its name."""
    place, fields = fault["loc"], model.model_fields
    if len(place) < 2 or not isinstance(place[1], int):
        return describe_fault(fault, place, known=fields)
    row_model = get_args(fields[place[0]].annotation)[0]
    is_named = len(place) > 2 and place[0] != next(iter(fields))
    name = (place[0], *place[2:]) if is_named else place[2:]
    return describe_fault(fault, name, place[1] + 1, getattr(row_model, "model_fields", ()))


def describe_fault(
    fault: Mapping[str, Any], place: tuple[str | int, ...], row: int = 1, known: Iterable[str] = ()
) -> Problem:
    """Return the problem of a fault that pydantic found, in the words of the API."""
    kind = fault["type"]
    found = "nothing" if kind == "missing" else name_found(fault["input"])
    expected = _EXPECTED.get(kind) or _PREFIX.sub("", fault["msg"], count=1)
    if kind == "extra_forbidden":
        expected = f"one of the fields {', '.join(known)}"
    elif kind == "too_long" and isinstance(fault["input"], list):
        found = f"{len(fault['input']):,} of them"
        expected = f"at most {fault['ctx']['max_length']:,} in one request; send them in parts"
    return Problem(row, ".".join(f"{str(part)[:60]!a}"[1:-1] for part in place), found, expected)
