"""Notices and consumers' complaints over HTTP: given, confirmed at once, and followed up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import Header, Path, Request, Response
from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from ipml.cooperation.notices.intake import PreviewedListing, preview, receive, score_unknown
from ipml.cooperation.notices.notice import Notice, SubmittedNotice, check_notice
from ipml.cooperation.notices.status import Receipt, describe_receipt, find_receipt
from ipml.cooperation.policy import CooperationPolicy
from ipml.errors import Forbidden, InvalidNotice, NotFound
from ipml.kit.moments import write_moment
from ipml.records import Listing, Problem, ScoredListing
from ipml.review.sellers.portfolios import find_earlier
from ipml.storage.database import reading, writing
from ipml.web.http_api.bodies import AnswerBody
from ipml.web.http_api.monitoring import ScoringModel
from ipml.web.http_api.openapi import (
    BODY_ERRORS,
    READ_ERRORS,
    describe_body,
    describe_errors,
    make_json_answer,
    write_json,
)
from ipml.web.http_api.requests import parse_body, read_body, require_desk

_State = Literal["unknown", "waiting", "upheld", "rejected", "undecided", "not found"]


class NoticeListingStatus(AnswerBody):
    """The state of one listing of a notice."""

    position: int = Field(ge=1, description="in the notice, from 1")
    location: str | None = Field(description="as you wrote it; null once erased")
    state: _State
    outcome: str = Field(description="the state in words")
    is_repeated: bool = Field(description="whether you had reported it before; the state is that of the earlier notice")
    settled_at: AwareDatetime | None


class NoticeReceipt(AnswerBody):
    """A receipt with the state of the notice."""

    reference: str = Field(description="needed to ask for its state; keep it secret")
    received_at: AwareDatetime
    settled_at: AwareDatetime | None = Field(description="when the last of its listings was decided")
    is_new: bool = Field(description="false if the same notice came before")
    is_suspended: bool = Field(description="whether it is only stored, as your notices are not reviewed for now")
    says: str
    listings: list[NoticeListingStatus]


class NoticeListingPreview(AnswerBody):
    """A preview of one listing of a notice."""

    position: int = Field(ge=1, description="in the notice, from 1")
    is_known: bool = Field(description="false: the notice would wait for the listing to be submitted")
    has_other_brand: bool = Field(description="the listing is offered under another brand than the notice names")


class NoticePreview(AnswerBody):
    """A preview of a notice, which is not stored."""

    listings: list[NoticeListingPreview]


_NOTICE = {
    "explanation": "We sell no bags in this colour, and the logo is printed backwards.",
    "listings": [{"listing_id": "1204"}, {"listing_id": "1377"}],
    "name": "Ann Lee, Vellmar SA",
    "email": "ann.lee@vellmar.example",
    "good_faith": True,
    "brand": "Vellmar",
    "rights": "EUTM 018123456",
}
_COMPLAINT = {
    "kind": "complaint",
    "explanation": "The bag came without the stitching that the shop shows.",
    "listings": [{"listing_id": "1204"}],
    "name": "Bo Berg",
    "email": "bo@mail.example",
    "good_faith": True,
    "order": {"order_id": "17-3381", "bought_at": "2026-04-02T10:00:00Z"},
}
_BAD = {
    "row": 1,
    "field": "listings[3].url",
    "found": "ftp://x",
    "expected": "an address that begins with https:// or …",
}
_ERRORS = describe_errors(
    BODY_ERRORS,
    {
        404: "This service only scores, and takes no notices",
        422: "A notice that breaks the rules; every field at fault is named",
    },
    _BAD,
)

GIVE_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "notice",
    "summary": "Give notice of counterfeits, or complain",
    "status_code": 201,
    "responses": {
        200: {"model": NoticeReceipt, "description": "The same notice had been given before"},
        201: {"model": NoticeReceipt, "description": "Received"},
        **_ERRORS,
    },
    "openapi_extra": describe_body(SubmittedNotice, notice=_NOTICE, complaint=_COMPLAINT),
}
PREVIEW_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "notice_preview",
    "summary": "Check a notice without giving it",
    "responses": {
        200: {"model": NoticePreview},
        **_ERRORS,
    },
    "openapi_extra": GIVE_DOCUMENT["openapi_extra"],
}
STATUS_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "notice_status",
    "summary": "Show the state of a notice",
    "responses": {
        200: {"model": NoticeReceipt},
        **describe_errors(READ_ERRORS, {404: "There is no such notice"}),
    },
}


_REFERENCE = re.compile("[0-9a-f]{32}")
_SHOWN = {"pattern": f"^{_REFERENCE.pattern}$"}  # not checked: an impossible reference is not found


async def give_notice(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(description="identifies the request: sent again with it, it is the same notice")
    ] = None,
) -> Response:
    """Give notice of listings, or complain of one: stored, and confirmed by a receipt with its reference.

    All faults are reported at once, by field; then nothing is stored. Sent again, by the same key or with the same
    content, it is the same notice. A notifier's own key gives notice in no other name; `email` may be left out then.
    """
    state = request.app.state
    with state.request_limit.acquire():
        body = await read_body(request)
        desk = require_desk(request)

        def take_in() -> Receipt:
            notice = _check(request, _add_key(parse_body(body), idempotency_key), desk.cooperation)
            scored: Mapping[str, ScoredListing] = {}
            if model := state.models.current():
                with reading(desk.engine) as connection:
                    scored = score_unknown(connection, notice, partial(_score, connection, model))
            with writing(desk.engine) as connection:
                return receive(connection, notice, desk.cooperation, scored=scored)

        receipt = await to_thread.run_sync(take_in, limiter=state.writers)
    return _answer(receipt, HTTPStatus.CREATED if receipt.is_new else HTTPStatus.OK)


async def preview_notice(request: Request) -> Response:
    """Report which listings of a notice are known, and which are offered under another brand.

    The body is checked like a notice; nothing is stored or sent.
    """
    state = request.app.state
    with state.request_limit.acquire():
        body = await read_body(request)
        desk = require_desk(request)

        def find() -> list[PreviewedListing]:
            notice = _check(request, parse_body(body), desk.cooperation)
            with reading(desk.engine) as connection:
                return preview(connection, notice)

        found = await to_thread.run_sync(find, limiter=state.writers)
    listings = [{"position": place, **asdict(one)} for place, one in enumerate(found, 1)]
    return make_json_answer(write_json({"listings": listings}))


async def show_notice(
    request: Request,
    reference: Annotated[str, Path(description="of the notice, as its receipt names it", json_schema_extra=_SHOWN)],
) -> Response:
    """Show the state of a notice: the decisions on its listings so far."""
    state = request.app.state
    with state.request_limit.acquire():
        desk = require_desk(request)
        if not _REFERENCE.fullmatch(reference):
            raise NotFound("notice", reference, "Expected the reference that its receipt names.")

        def find() -> Receipt:
            with reading(desk.engine) as connection:
                return find_receipt(connection, reference, request.state.grant.notifier)

        return _answer(await to_thread.run_sync(find, limiter=state.writers), HTTPStatus.OK)


def _check(request: Request, content: Any, policy: CooperationPolicy) -> Notice:
    """Return the notice of a body; raises Forbidden if it is not by the notifier of the key."""
    whose = request.state.grant.notifier
    # Only the marketplace's own form may describe listings.
    is_own = whose is None and not request.app.state.access.is_open
    notice = check_notice(_add_notifier(content, whose), policy.notices, takes_listings=is_own)
    if whose is not None and notice.email != whose:
        raise Forbidden("notice", "it names another notifier", "Send those of the notifier whose key this is.")
    return notice


def _add_key(content: Any, key: str | None) -> Any:
    """Add the key of the header to the body; raises InvalidNotice if the body has another."""
    if key is None or not isinstance(content, Mapping):
        return content
    if content.get("key", key) != key:
        raise InvalidNotice([Problem(1, "key", "another than in Idempotency-Key", "the same, or only one of them")])
    return {**content, "key": key}


def _add_notifier(content: Any, whose: str | None) -> Any:
    is_missing = whose is not None and isinstance(content, Mapping) and content.get("email") is None
    return {**content, "email": whose} if is_missing else content


def _score(connection: Connection, model: ScoringModel, listings: Sequence[Listing]) -> list[ScoredListing]:
    records = model.check(list(map(_as_mapping, listings)))
    earlier = find_earlier(connection, model.version, records, datetime.now(UTC))
    return model.score_records(records, True, earlier)[0]


def _as_mapping(listing: Listing) -> dict[str, Any]:
    given = {name: value for name, value in asdict(listing).items() if value is not None}
    return {name: write_moment(value) if isinstance(value, datetime) else value for name, value in given.items()}


def _answer(receipt: Receipt, status: HTTPStatus) -> Response:
    answer = describe_receipt(receipt) | ({"is_new": receipt.is_new})
    return make_json_answer(write_json(answer), status)
