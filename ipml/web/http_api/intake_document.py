"""Intake bodies: listings and events as submitted and shown, with examples and errors for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ipml.web.http_api.bodies import MOST_LISTINGS, AnswerBody, ListingBatch, ListingObject, Moment, Name, RequestBody
from ipml.web.http_api.openapi import (
    BODY_ERRORS,
    LISTING_EXAMPLE,
    READ_ERRORS,
    SCORE_EXAMPLE,
    ScoreFigures,
    ScoreReason,
    SellerListMark,
    describe_body,
    describe_errors,
)

MOST_EVENTS = 1_000
MOST_AMOUNT = 1e6


class RelistingMatch(AnswerBody):
    """A match of the case with a counterfeit whose verdict is in force; it is not part of the score."""

    case: int = Field(description="the case of the counterfeit")
    by: Literal["seller", "picture", "price", "part", "title"] = Field(
        description="shared beside the title: the seller, the picture, a price that is no higher (by part one title"
        " contains the other), or nothing"
    )
    precision: float = Field(ge=0, le=1, description="share of such matches that people had found counterfeit by then")


class ListingState(ScoreFigures):
    """A listing and its state; all figures are null if the model abstains."""

    seller_id: str
    observed_at: AwareDatetime | None = Field(
        description="of the last observation, which may be later than the one you sent"
    )
    received_at: AwareDatetime
    withdrawn_at: AwareDatetime | None = Field(description="since when it is gone; null while it is on offer")
    model_version: str
    case: int | None = Field(description="number of its newest case that was not superseded; null if it never had one")
    state: Literal["scored", "open", "escalated", "decided"] = Field(
        description="state of that case; scored without one, by `[intake]` of the ranking policy"
    )
    verdict: Literal["counterfeit", "genuine", "cannot tell", "escalate"] | None = Field(
        description="the verdict in force"
    )
    due_at: AwareDatetime | None = Field(description="deadline of its case")
    lists: list[SellerListMark] = Field(description="the lists of its seller now; they are not part of the score")
    listed_again: RelistingMatch | None = Field(description="null without a case or a match")


class ListingStates(AnswerBody):
    """The state of the listings of a request, in their order, then of the withdrawn ones."""

    listings: list[ListingState]


class ListingMeasure(AnswerBody):
    """A measure on a listing."""

    measure: str = Field(examples=["measure:12"], description="the subject of an appeal")
    kind: str = Field(examples=["remove"])
    territories: list[str] = Field(description="where; everywhere if empty")
    state: Literal["asked", "done", "refused"] = Field(
        description="your answer to its message; asked before, and after accepted"
    )
    imposed_at: AwareDatetime
    until: AwareDatetime | None


class RunningDeadline(AnswerBody):
    """A running deadline."""

    subject: str
    stage: str = Field(examples=["complaint window"])
    state: str
    due_at: AwareDatetime | None = Field(description="the first moment after it; null while it does not run")


class PendingMessage(AnswerBody):
    """A pending message."""

    key: str = Field(description="the header `webhook-id` that it will have")
    channel: str
    kind: str
    subject: str
    put_at: AwareDatetime


class ListingFacts(ListingState):
    """All facts about a listing."""

    reasons: list[ScoreReason] | None = Field(
        description="heaviest first; null if another model scored it and they were never shown"
    )
    base_rate: float | None = Field(description="log-odds at which every listing of the model starts")
    measures: list[ListingMeasure] = Field(description="in force")
    deadlines: list[RunningDeadline]
    messages: list[PendingMessage]


class SubmittedEvent(RequestBody):
    """An event of a seller; sent again, it is the same event."""

    event_id: Name = Field(description="your id, for ever the same for one event")
    seller_id: Name
    kind: Literal["joined", "listed", "sold", "returned", "complained", "rated", "struck"]
    occurred_at: Moment
    known_at: Moment = Field(description="when you learnt of it; it counts from the later of the two moments")
    amount: Annotated[float, Field(ge=0, le=MOST_AMOUNT)] | None = Field(
        None, description="number, 1 by default; for a rating, 0 to 1", validate_default=True
    )
    listing_id: Name | None = None

    @field_validator("amount")
    @classmethod
    def _check_rating(cls, amount: float | None, event: ValidationInfo) -> float | None:
        if event.data.get("kind") == "rated" and (amount is None or amount > 1):
            raise PydanticCustomError("rating", "a rating from 0 to 1")
        return amount


class SubmittedEvents(RequestBody):
    """Events of sellers."""

    events: list[SubmittedEvent] = Field(max_length=MOST_EVENTS)


class WithdrawnListing(RequestBody):
    """A listing that is gone since a moment; submitted before, or in the same request."""

    listing_id: Name
    observed_at: Moment


class SubmittedListings(ListingBatch):
    """Listings that appeared or changed, and those that are gone."""

    listings: list[ListingObject] = Field([], max_length=MOST_LISTINGS)
    withdrawn: list[WithdrawnListing] = Field([], max_length=MOST_LISTINGS)


class StoredEvents(AnswerBody):
    """The number of events stored, now or before."""

    events: int = Field(ge=0)


_LISTING = LISTING_EXAMPLE | {"observed_at": "2026-03-01T09:30:00Z"}
_KNOWN = SCORE_EXAMPLE | {
    "seller_id": "harbour-outlet",
    "observed_at": "2026-03-01T09:30:00+00:00",
    "received_at": "2026-03-01T09:30:02+00:00",
    "withdrawn_at": None,
    "model_version": "ipml/3f2a90c1b2d4",
    "case": 381,
    "state": "open",
    "verdict": None,
    "due_at": None,
    "lists": [{"list": "watched", "brand": "Vellmar", "until": None}],
    "listed_again": {"case": 212, "by": "price", "precision": 0.61},
}
_EVENTS = {
    "events": [
        {
            "event_id": "order-17-3381",
            "seller_id": "harbour-outlet",
            "listing_id": "1204",
            "kind": "sold",
            "occurred_at": "2026-03-01T10:12:00Z",
            "known_at": "2026-03-01T10:12:00Z",
            "amount": 2,
        },
        {
            "event_id": "review-5521",
            "seller_id": "harbour-outlet",
            "kind": "rated",
            "occurred_at": "2026-03-09T18:00:00Z",
            "known_at": "2026-03-09T18:00:00Z",
            "amount": 0.2,
        },
    ]
}
_BAD_EVENT = {"row": 2, "field": "amount", "found": "5", "expected": "a rating from 0 to 1"}
_ERRORS = (*BODY_ERRORS, 429)
_MEANINGS = {404: "This service only scores, and stores nothing"}
_EVENT_MEANINGS = {**_MEANINGS, 422: "Fields that break the rules; all are named"}


SUBMIT_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "submit_listings",
    "summary": "Submit listings that appeared, changed or vanished",
    "responses": {
        200: {"model": ListingStates, "description": "Scored and stored"},
        **describe_errors(_ERRORS, _MEANINGS),
    },
    "openapi_extra": describe_body(SubmittedListings, one=_LISTING, many={"listings": [_LISTING], "withdrawn": []}),
}
SHOW_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "show_listing",
    "summary": "Show the state of a listing",
    "responses": {
        200: {"model": ListingFacts},
        **describe_errors((*READ_ERRORS, 429), {404: "No such listing was submitted"}),
    },
}
EVENTS_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "submit_events",
    "summary": "Submit events of sellers",
    "responses": {
        200: {"model": StoredEvents, "description": "Stored"},
        **describe_errors(_ERRORS, _EVENT_MEANINGS, _BAD_EVENT),
    },
    "openapi_extra": describe_body(SubmittedEvents, events=_EVENTS),
}
SHOW_EVENT_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "show_event",
    "summary": "Is an event stored?",
    "responses": {
        200: {"model": SubmittedEvent},
        **describe_errors((*READ_ERRORS, 429), {404: "There is no such event"}),
    },
}
EXAMPLES: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("/v1/listings", "post", {"listings": [_KNOWN]}),
    (
        "/v1/listings/{listing_id}",
        "get",
        _KNOWN | {"reasons": None, "base_rate": None, "measures": [], "deadlines": [], "messages": []},
    ),
    ("/v1/events", "post", {"events": 2}),
)
"""Examples of answers: address, method and content."""
