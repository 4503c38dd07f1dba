"""Lists of sellers over HTTP: a platform adds and removes sellers, and reads the lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

from anyio import to_thread
from fastapi import Path, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from ipml.kit.moments import write_moment
from ipml.review.ranking.list_marks import ListMark
from ipml.review.sellers.seller_lists import (
    LONGEST_NAME,
    LONGEST_SOURCE,
    LONGEST_WHY,
    EntryFilter,
    ListedSeller,
    ListEntry,
    ListKind,
    add_entry,
    list_entries,
    remove_entry,
)
from ipml.storage.database import reading, writing
from ipml.web.http_api.bodies import AnswerBody, Moment, Name, RequestBody, Words, read_as
from ipml.web.http_api.openapi import (
    BODY_ERRORS,
    READ_ERRORS,
    describe_body,
    describe_errors,
    make_json_answer,
    write_json,
)
from ipml.web.http_api.requests import MOST_SMALL_BYTES, parse_body, read_body, require_desk

MOST_ENTRIES = 1_000
_LARGEST_NUMBER = 2**63 - 1

_Answer = TypeVar("_Answer")
_ListName = Literal["denied", "watched", "authorised"]
_Number = Annotated[int, Path(ge=1, le=_LARGEST_NUMBER, description="as `entry_id` says it")]


class ListAddition(RequestBody):
    """A seller for a list, with the reason."""

    list: _ListName
    seller_id: Name
    why: Annotated[Words, Field(max_length=LONGEST_WHY)] = Field(description="the reason, as reviewers read it")
    source: Annotated[Words, Field(max_length=LONGEST_SOURCE)] = Field(description="source of the information")
    brand: Name | None = Field(None, description="brand of the listings; by default all")
    until: Moment | None = Field(None, description="when it ends; by default never")


class SellerListEntry(ListAddition):
    """An entry of a list."""

    entry_id: int
    origin: Literal["person", "program", "brand file"]
    added_by: str
    added_at: Moment
    removed_at: Moment | None
    why_removed: str | None = Field(description="null if another entry replaced it")


class ListRemoval(RequestBody):
    """The reason for removing a seller from a list."""

    why: Annotated[Words, Field(max_length=LONGEST_WHY)] = Field(
        description="the reason; encrypted with the seller's key"
    )


class AddedListEntry(SellerListEntry):
    """The entry of a seller who was put on a list."""

    is_new: bool = Field(description="false if the same entry existed")


class SellerListEntries(AnswerBody):
    """Entries in force, by their numbers."""

    entries: list[SellerListEntry]
    next: int | None = Field(description="`after` of the next page; null on the last page")


_LISTED = {
    "list": "denied",
    "seller_id": "harbour-outlet",
    "why": "sold counterfeits of three brands",
    "source": "judgment 4 O 12/26",
}
_BAD = {"row": 1, "field": "list", "found": "banned", "expected": "denied, watched or authorised"}
_NO_DATABASE = "No review database is served"
ADD_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "add_to_list",
    "summary": "Put a seller on a list",
    "description": "It applies at once, to open cases, too, and changes no score. An entry of the same list, seller "
    "and brand is replaced; the same once more changes nothing.",
    "responses": {
        200: {"model": AddedListEntry, "description": "The same entry existed"},
        201: {"model": AddedListEntry, "description": "The seller is on the list"},
        **describe_errors(BODY_ERRORS, {404: _NO_DATABASE, 422: "Something in it breaks the rules"}, _BAD),
    },
    "openapi_extra": describe_body(ListAddition, denied=_LISTED),
}
SHOW_LISTS_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "show_lists",
    "summary": "List the sellers on lists",
    "responses": {
        200: {"model": SellerListEntries},
        **describe_errors(READ_ERRORS, {404: _NO_DATABASE}),
    },
}
REMOVE_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "remove_from_list",
    "summary": "Take a seller off a list",
    "description": "At once, as if it had never existed; an ended entry stays unchanged. Entries of the brand file "
    "are removed there.",
    "responses": {
        200: {"model": SellerListEntry},
        **describe_errors(
            BODY_ERRORS,
            {
                404: "There is no such entry, or no review database is served",
                409: "The entry comes from the brand file",
            },
        ),
    },
    "openapi_extra": describe_body(ListRemoval, removed={"why": "the judgment was reversed"}),
}


async def add_to_list(request: Request) -> Response:
    """Put a seller on a list, at once."""
    with request.app.state.request_limit.acquire():
        body = read_as(ListAddition, parse_body(await read_body(request, MOST_SMALL_BYTES)))
        listed = ListedSeller(ListKind(body.list), body.seller_id, body.why, body.source, body.brand, until=body.until)

        def add(connection: Connection) -> tuple[ListEntry, bool]:
            return add_entry(connection, listed, by=request.state.grant.actor, now=datetime.now(UTC), origin="program")

        entry, is_new = await _run(request, writing, add)
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return make_json_answer(write_json(describe_entry(entry) | {"is_new": is_new}), status)


async def show_lists(
    request: Request,
    kind: Annotated[_ListName | None, Query(alias="list", description="only this list")] = None,
    brand: Annotated[
        str | None, Query(max_length=LONGEST_NAME, description="only entries for this brand alone")
    ] = None,
    after: Annotated[int, Query(ge=0, le=_LARGEST_NUMBER, description="`next` of the page before")] = 0,
) -> Response:
    """Show the entries in force, up to 1,000 at a time."""
    with request.app.state.request_limit.acquire():
        list_kind = None if kind is None else ListKind(kind)

        def find(connection: Connection) -> list[ListEntry]:
            entries = EntryFilter(list_kind, brand=brand)
            return list_entries(connection, datetime.now(UTC), entries, after=after, limit=MOST_ENTRIES + 1)

        found = await _run(request, reading, find)
    shown = found[:MOST_ENTRIES]
    is_more = len(found) > MOST_ENTRIES
    answer = {"entries": list(map(describe_entry, shown)), "next": shown[-1].entry_id if is_more else None}
    return make_json_answer(write_json(answer))


async def remove_from_list(request: Request, entry_id: _Number) -> Response:
    """Take a seller off a list, at once."""
    with request.app.state.request_limit.acquire():
        why = read_as(ListRemoval, parse_body(await read_body(request, MOST_SMALL_BYTES))).why

        def remove(connection: Connection) -> ListEntry:
            return remove_entry(connection, entry_id, why=why, by=request.state.grant.actor, now=datetime.now(UTC))

        entry = await _run(request, writing, remove)
    return make_json_answer(write_json(describe_entry(entry)))


def describe_entry(entry: ListEntry) -> dict[str, Any]:
    """Return the plain values of `SellerListEntry`; an erased seller is named by pseudonym."""
    return {
        "entry_id": entry.entry_id,
        "list": entry.kind.value,
        "seller_id": entry.seller_id or entry.pseudonym,
        "why": entry.why,
        "source": entry.source,
        "brand": entry.brand,
        "until": entry.until and write_moment(entry.until),
        "origin": entry.origin,
        "added_by": entry.added_by,
        "added_at": write_moment(entry.added_at),
        "removed_at": entry.removed_at and write_moment(entry.removed_at),
        "why_removed": entry.why_removed,
    }


def describe_mark(mark: ListMark) -> dict[str, Any]:
    """Return the plain values of `SellerListMark`."""
    return {"list": mark.kind.value, "brand": mark.brand, "until": mark.until and write_moment(mark.until)}


async def _run(request: Request, opened: Any, work: Callable[[Connection], _Answer]) -> _Answer:
    """Run a function in a transaction of the review database; a service that only scores has none (404)."""
    engine = require_desk(request).engine

    def run() -> _Answer:
        with opened(engine) as connection:
            return work(connection)

    return await to_thread.run_sync(run, limiter=request.app.state.writers)
