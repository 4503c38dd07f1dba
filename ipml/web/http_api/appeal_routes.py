"""Appeals over HTTP: filed by the marketplace's own form, against measures and penalties."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import Path, Request, Response
from pydantic import AwareDatetime, Field

from ipml.enforcement.appeals.appeal import Appeal, AppealOutcome, AppealState, find_appeal, find_outcome
from ipml.enforcement.appeals.filings import LONGEST_TEXT, AppealRequest, file_appeal
from ipml.enforcement.deadlines.terms import Kind
from ipml.enforcement.views.case_file import find_due
from ipml.errors import NotFound
from ipml.kit.moments import write_moment
from ipml.storage.database import reading, writing
from ipml.web.http_api.bodies import AnswerBody, Name, RequestBody, Words, read_as
from ipml.web.http_api.listing_routes import require_intake
from ipml.web.http_api.openapi import (
    BODY_ERRORS,
    READ_ERRORS,
    describe_body,
    describe_errors,
    make_json_answer,
    write_json,
)
from ipml.web.http_api.requests import MOST_SMALL_BYTES, parse_body, read_body, require_desk

_States = Literal[
    "open",
    "with holder",
    "holder acted",
    "granted",
    "measure lifted",
    "partly granted",
    "rejected",
    "restored",
    "withdrawn",
]
_STATE = (
    "`granted`: the verdict was wrong, and everything that followed from it for this listing is undone, or the penalty "
    "is lifted; `measure lifted`: this measure has ended, the verdict stands; `partly granted`: a milder measure is in "
    "its place; `rejected`: nothing changes; `restored`: the rights holder did not act on a counter-notice"
)

_SHOWN: dict[str, Any] = {"pattern": "^[1-9][0-9]{0,18}$"}  # not checked: another text is not found


class FiledAppeal(RequestBody):
    """A seller's appeal against a measure, a penalty or a decision."""

    about: Name = Field(
        examples=["measure:12"],
        description="its subject, such as `measure:12`, `penalty:3` or `case:381`: the `subject` of the message "
        "with the letter",
    )
    seller_id: Name
    text: Annotated[Words, Field(max_length=LONGEST_TEXT)] = Field(description="the seller's words")
    kind: Kind = "complaint"
    key: Name = Field(description="your key, one for each appeal: sent again with it, it is the same appeal")


class AppealStatus(AnswerBody):
    """An appeal and its state."""

    appeal: int
    about: str
    case: int
    kind: Kind
    state: _States = Field(description=_STATE)
    filed_at: AwareDatetime
    due_at: AwareDatetime | None = Field(description="the next of its deadlines")
    decided_at: AwareDatetime | None
    why: str | None = Field(description="the reasons sent to the seller; null before, and once the seller was erased")


_FILED = {
    "about": "measure:12",
    "seller_id": "harbour-outlet",
    "text": "The bag is mine and old, here is the receipt of the shop in Lyon.",
    "key": "ticket-9917",
}
_APPEAL = {
    "appeal": 4,
    "about": "measure:12",
    "case": 381,
    "kind": "complaint",
    "state": "open",
    "filed_at": "2026-03-09T18:00:00+00:00",
    "due_at": "2026-03-23T23:00:00+00:00",
    "decided_at": None,
    "why": None,
}
_DECIDED = {
    **_APPEAL,
    "about": "measure:14",
    "state": "measure lifted",
    "due_at": None,
    "decided_at": "2026-03-11T09:30:00+00:00",
    "why": "The court has lifted the order that the price hold rested on.",
}
_BAD = {"row": 1, "field": "text", "found": "nothing", "expected": "text of 1 to 20,000 characters"}
_ERRORS = {
    404: "Nothing of that name restricts this seller",
    409: "It is pending already, or its time is over",
    422: "Fields that break the rules; all are named",
}

FILE_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "submit_appeal",
    "summary": "File the appeal of a seller",
    "responses": {
        200: {"model": AppealStatus, "description": "Filed"},
        **describe_errors((*BODY_ERRORS, 429), _ERRORS, _BAD),
    },
    "openapi_extra": describe_body(FiledAppeal, appeal=_FILED),
}
SHOW_APPEAL_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "show_appeal",
    "summary": "Show the state of an appeal",
    "responses": {
        200: {"model": AppealStatus},
        **describe_errors((*READ_ERRORS, 429), {404: "There is no such appeal"}),
    },
}
APPEAL_EXAMPLES: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("/v1/appeals", "post", _APPEAL),
    ("/v1/appeals/{appeal}", "get", _DECIDED),
)


async def submit_appeal(request: Request) -> Response:
    """File a seller's appeal against a measure in force, a penalty, or a decision.

    The seller gets a receipt, and the deadlines of the policy start. Sent again with its key, it is the same appeal, in
    its current state.
    """
    intake, rules = require_intake(request), require_desk(request).enforcement.appeals
    with intake.request_limit.acquire(HTTPStatus.TOO_MANY_REQUESTS):
        body, by = await read_body(request, MOST_SMALL_BYTES), request.state.grant.actor

        def file() -> bytes:
            filed = read_as(FiledAppeal, parse_body(body))
            sent = AppealRequest(filed.about, filed.seller_id, filed.text, filed.kind, key=filed.key, by=by)
            with writing(intake.engine) as connection:
                appeal = file_appeal(connection, sent, rules)
                return write_json(
                    _describe(appeal, find_due(connection, appeal.name), find_outcome(connection, appeal))
                )

        return make_json_answer(await to_thread.run_sync(file, limiter=intake.limiter))


async def show_appeal(
    request: Request, appeal: Annotated[str, Path(description="its number", json_schema_extra=_SHOWN)]
) -> Response:
    """Show the state and the outcome of an appeal."""
    intake = require_intake(request)
    with intake.request_limit.acquire(HTTPStatus.TOO_MANY_REQUESTS):

        def find() -> bytes:
            if not (appeal.isascii() and appeal.isdecimal() and len(appeal) < 20):
                raise NotFound("appeal", appeal[:80], "Expected its number.")
            with reading(intake.engine) as connection:
                found = find_appeal(connection, int(appeal))
                return write_json(_describe(found, find_due(connection, found.name), find_outcome(connection, found)))

        return make_json_answer(await to_thread.run_sync(find, limiter=intake.limiter))


def _describe(appeal: Appeal, due_at: datetime | None, outcome: AppealOutcome | None) -> dict[str, Any]:
    return {
        "appeal": appeal.appeal_id,
        "about": appeal.subject,
        "case": appeal.case_id,
        "kind": appeal.kind,
        "state": AppealState(appeal.state),
        "filed_at": write_moment(appeal.filed_at),
        "due_at": None if due_at is None else write_moment(due_at),
        "decided_at": None if outcome is None else write_moment(outcome.decided_at),
        "why": None if outcome is None else outcome.why,
    }
