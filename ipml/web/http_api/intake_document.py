"""OpenAPI document of submitting listings and events: shapes, examples and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ipml.web.http_api.fields import LONGEST_NAME
from ipml.web.http_api.openapi import ScoreReason, SellerListMark, describe_body, describe_error

MOST_EVENTS = 1_000
MOST_AMOUNT = 1e6


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class RelistingMatch(_Shape):
    """A match of the case with a counterfeit whose verdict is in force; it is not part of the score."""

    case: int = Field(description="the case of the counterfeit")
    by: Literal["seller", "picture", "price", "part", "title"] = Field(
        description="shared beside the title: the seller, the picture, a price that is no higher (by part one title"
        " contains the other), or nothing"
    )
    precision: float = Field(ge=0, le=1, description="share of such matches that people had found counterfeit by then")


class ListingState(_Shape):
    """A listing and its state; all figures are null if the model abstains."""

    listing_id: str
    seller_id: str
    observed_at: AwareDatetime | None = Field(
        description="of the last observation, which may be later than the one you sent"
    )
    received_at: AwareDatetime
    withdrawn_at: AwareDatetime | None = Field(description="since when it is gone; null while it is on offer")
    score: float | None = Field(ge=0, le=1, description="calibrated probability that the listing is counterfeit")
    score_low: float | None = Field(ge=0, le=1, description="lower bound of its 90 % interval")
    score_high: float | None = Field(ge=0, le=1, description="upper bound of its 90 % interval")
    log_odds: float | None
    abstained: str | None = Field(description="why the listing cannot be judged, or null")
    warning: str | None = Field(description="limits of the score, such as an unread title, or null")
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


class ListingStates(_Shape):
    """The state of the listings of a request, in their order, then of the withdrawn ones."""

    listings: list[ListingState]


class ListingMeasure(_Shape):
    """A measure on a listing."""

    measure: str = Field(examples=["measure:12"], description="the subject of an appeal")
    kind: str = Field(examples=["remove"])
    territories: list[str] = Field(description="where; everywhere if empty")
    state: Literal["asked", "done", "refused"] = Field(
        description="your answer to its message; asked before, and after accepted"
    )
    imposed_at: AwareDatetime
    until: AwareDatetime | None


class RunningDeadline(_Shape):
    """A running deadline."""

    subject: str
    stage: str = Field(examples=["complaint window"])
    state: str
    due_at: AwareDatetime | None = Field(description="the first moment after it; null while it does not run")


class PendingMessage(_Shape):
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


class SubmittedEvent(_Shape):
    """An event of a seller; sent again, it is the same event."""

    event_id: str = Field(min_length=1, max_length=LONGEST_NAME, description="your id, for ever the same for one event")
    seller_id: str = Field(min_length=1, max_length=LONGEST_NAME)
    kind: Literal["joined", "listed", "sold", "returned", "complained", "rated", "struck"]
    occurred_at: AwareDatetime
    known_at: AwareDatetime = Field(description="when you learnt of it; it counts from the later of the two moments")
    amount: float | None = Field(None, ge=0, le=MOST_AMOUNT, description="number, 1 by default; for a rating, 0 to 1")
    listing_id: str | None = Field(None, min_length=1, max_length=LONGEST_NAME)


class StoredEvents(_Shape):
    """The number of events stored, now or before."""

    events: int = Field(ge=0)


_LISTING = {
    "listing_id": "1204",
    "seller_id": "harbour-outlet",
    "title": "AAA quality Vellmar tote bag 1:1 mirror, with box",
    "price": 79.9,
    "currency": "EUR",
    "observed_at": "2026-03-01T09:30:00Z",
}
_GONE = {"listing_id": "1377", "observed_at": "2026-03-02T08:00:00Z"}
_KNOWN = {
    "listing_id": "1204",
    "seller_id": "harbour-outlet",
    "observed_at": "2026-03-01T09:30:00+00:00",
    "received_at": "2026-03-01T09:30:02+00:00",
    "withdrawn_at": None,
    "score": 0.93,
    "score_low": 0.81,
    "score_high": 0.98,
    "log_odds": 2.71,
    "abstained": None,
    "warning": None,
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
_ERRORS = (400, 401, 403, 408, 413, 415, 422, 429, 503)
_NO_DATABASE = "This service only scores, and stores nothing"


def _describe_errors(*bad: Mapping[str, Any]) -> dict[int, Any]:
    return {
        **{status: describe_error(status) for status in _ERRORS},
        404: describe_error(404, _NO_DATABASE),
        **({422: describe_error(422, "Fields that break the rules; all are named", *bad)} if bad else {}),
    }


SUBMIT_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "submit_listings",
    "summary": "Submit listings that appeared, changed or vanished",
    "responses": {200: {"model": ListingStates, "description": "Scored and stored"}, **_describe_errors()},
    "openapi_extra": describe_body(
        {"oneOf": [{"$ref": "#/components/schemas/Listing"}, {"$ref": "#/components/schemas/SubmittedListings"}]},
        one=_LISTING,
        many={"listings": [_LISTING], "withdrawn": []},
    ),
}
SHOW_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "show_listing",
    "summary": "Show the state of a listing",
    "responses": {
        200: {"model": ListingFacts},
        404: describe_error(404, "No such listing was submitted"),
        **{status: describe_error(status) for status in (401, 403, 422, 429, 503)},
    },
}
EVENTS_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "submit_events",
    "summary": "Submit events of sellers",
    "responses": {200: {"model": StoredEvents, "description": "Stored"}, **_describe_errors(_BAD_EVENT)},
    "openapi_extra": describe_body({"$ref": "#/components/schemas/SubmittedEvents"}, events=_EVENTS),
}
SHOW_EVENT_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "show_event",
    "summary": "Is an event stored?",
    "responses": {
        200: {"model": SubmittedEvent},
        404: describe_error(404, "There is no such event"),
        **{status: describe_error(status) for status in (401, 403, 422, 429, 503)},
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


def describe_submissions() -> dict[str, Any]:
    """Return the schemas of submissions, by name."""
    named = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
    gone = {
        "type": "object",
        "description": "a listing that is gone since a moment; submitted before, or in the same request",
        "properties": {"listing_id": named, "observed_at": {"type": "string", "format": "date-time"}},
        "required": ["listing_id", "observed_at"],
        "additionalProperties": False,
        "examples": [_GONE],
    }
    listing = {"$ref": "#/components/schemas/Listing"}
    return {
        "SubmittedListings": {
            "type": "object",
            "properties": {
                "listings": {"type": "array", "items": listing, "maxItems": 1_000},
                "withdrawn": {"type": "array", "items": gone, "maxItems": 1_000},
            },
            "anyOf": [{"required": ["listings"]}, {"required": ["withdrawn"]}],
            "additionalProperties": False,
        },
        "SubmittedEvents": {
            "type": "object",
            "properties": {
                "events": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/SubmittedEvent"},
                    "maxItems": MOST_EVENTS,
                }
            },
            "required": ["events"],
            "additionalProperties": False,
        },
        "SubmittedEvent": SubmittedEvent.model_json_schema(),
    }
