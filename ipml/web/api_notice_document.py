"""What `/openapi.json` says of notices: what one holds, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ipml.web.api_document import describe_error, show_examples

_Text = Annotated[str, Field(min_length=1, max_length=200)]
_State = Literal["unknown", "waiting", "upheld", "rejected", "undecided", "not found"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NotedListingShape(_Shape):
    """Where a listing is, by its address, its id, or both."""

    url: str | None = Field(None, max_length=2048, description="https:// or http://")
    listing_id: _Text | None = None
    listing: dict[str, Any] | None = Field(
        None,
        description="what a platform's own front end knows of it, in the fields of a listing; then it can be judged",
    )


class OrderShape(_Shape):
    """What a consumer bought."""

    order_id: _Text
    bought_at: AwareDatetime | None = None


class NoticeShape(_Shape):
    """A notice of counterfeits, or a consumer's complaint: what Article 16(2) of Regulation (EU) 2022/2065 asks for."""

    kind: Literal["counterfeit", "complaint"] = "counterfeit"
    explanation: str = Field(max_length=10_000, description="why the listings are counterfeit, in some words")
    listings: list[NotedListingShape] = Field(min_length=1, max_length=300, description="each once")
    name: _Text = Field(description="of who gives notice")
    email: str = Field(
        max_length=254,
        description="to which receipt and decisions go; filled in from a notifier's own key",
    )
    good_faith: Literal[True] = Field(
        description="that you believe in good faith that all of it is accurate and complete"
    )
    brand: _Text | None = Field(None, description="whose goods are copied; needed but for a complaint")
    rights: _Text | None = Field(
        None, description="document of the right, such as the number of a trade mark; once for each brand"
    )
    language: str | None = Field(None, max_length=35, examples=["en"])
    key: str | None = Field(None, min_length=1, max_length=255, description="as the header Idempotency-Key")
    order: OrderShape | None = Field(None, description="only in a complaint")


class ListingStatusShape(_Shape):
    """What became of one listing of a notice."""

    position: int = Field(ge=1, description="in the notice, from 1")
    location: str | None = Field(description="as you wrote it; null once it was erased")
    state: _State
    outcome: str = Field(description="the state in words")
    is_repeated: bool = Field(description="whether you had given notice of it before; the state is that of then")
    settled_at: AwareDatetime | None


class ReceiptShape(_Shape):
    """That a notice was received, and how it stands."""

    reference: str = Field(description="by which it is asked after; keep it to yourself")
    received_at: AwareDatetime
    settled_at: AwareDatetime | None = Field(description="when the last of its listings was decided on")
    is_new: bool = Field(description="false where the same notice had been given before")
    is_suspended: bool = Field(description="whether it is only kept, as your notices are not looked at for now")
    says: str
    listings: list[ListingStatusShape]


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
_ERRORS = (400, 401, 403, 408, 413, 415, 422, 503)

GIVE_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "notice",
    "summary": "Give notice of counterfeits, or complain",
    "status_code": 201,
    "responses": {
        200: {"model": ReceiptShape, "description": "The same notice had been given before"},
        201: {"model": ReceiptShape, "description": "Received"},
        404: describe_error(404, "This service only scores, and takes no notices"),
        **{status: describe_error(status) for status in _ERRORS if status != 422},
        422: describe_error(422, "A notice that breaks the rules; every field at fault is named", _BAD),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/NoticeShape"},
                    "examples": show_examples(notice=_NOTICE, complaint=_COMPLAINT),
                }
            },
        },
    },
}
STATUS_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "notice_status",
    "summary": "How does a notice stand?",
    "responses": {
        200: {"model": ReceiptShape},
        404: describe_error(404, "There is no such notice"),
        **{status: describe_error(status) for status in (401, 403, 422, 503)},
    },
}


def describe_shapes() -> dict[str, Any]:
    """Return the schemas of what a notice holds, by name."""
    schema = NoticeShape.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "NoticeShape": schema}
