"""OpenAPI document: shapes of all answers, their plain values, and the text of `/openapi.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from pydantic import AwareDatetime, BaseModel, Field
from pydantic.json_schema import models_json_schema

from ipml.kit.moments import write_moment
from ipml.records import Problem, ScoredListing, Unlike
from ipml.web.http_api.bodies import AnswerBody, ListingBatch, Moment, RequestBody, Text
from ipml.web.http_api.webhooks import describe_webhooks

PROBLEM_TYPE = "application/problem+json"


class ScoreReason(AnswerBody):
    """A reason for the score of a listing."""

    feature: str = Field(description="name of the feature or group of features, for machines")
    sentence: str = Field(description="the reason as a reviewer reads it")
    weight: float = Field(
        description="part of the log-odds: positive for counterfeit, negative for genuine; if the sentence quotes "
        "words of title or description, the log-odds lost without them"
    )


class TitleHighlight(AnswerBody):
    """A word of the title, and the log-odds lost without it, at all its places in the title."""

    start: int = Field(ge=0, description="first letter, in code points of the title from 0")
    end: int = Field(ge=0, description="letter after the last one")
    weight: float


class UsualPriceRange(AnswerBody):
    """The reference price (`median`) of a listing, and the bounds of usual prices."""

    brand: str
    currency: str
    low: float
    median: float
    high: float
    basis: Literal["brand and category", "brand file", "brand"] | None = Field(
        None, description="basis of the reference: listings of brand and category, the brand file, or the brand's"
    )


class SellerListMark(AnswerBody):
    """A list that the seller is on now, for the brand of the listing or for all; it is not part of the score."""

    list: Literal["denied", "watched", "authorised"]
    brand: str | None = Field(description="null for all brands")
    until: datetime | None = Field(description="when it ends")


class ScoreFigures(AnswerBody):
    """The figures of a score; all are null if the model abstains."""

    listing_id: str
    score: float | None = Field(ge=0, le=1, description="calibrated probability that the listing is counterfeit")
    score_low: float | None = Field(ge=0, le=1, description="lower bound of its 90 % interval")
    score_high: float | None = Field(ge=0, le=1, description="upper bound of its 90 % interval")
    log_odds: float | None = Field(description="sum of base_rate and the weights of all reasons, before calibration")
    abstained: str | None = Field(description="why the listing cannot be judged, or null")
    warning: str | None = Field(description="limits of the score, such as an unread title, or null")


class ListingScore(ScoreFigures):
    """The score of one listing; all figures are null if the model abstains."""

    observed_at: datetime | None
    reasons: list[ScoreReason] | None = Field(None, description="only with explain=true; heaviest first")
    base_rate: float | None = Field(
        None, description="only with explain=true; log-odds at which every listing of this model starts"
    )
    highlights: list[TitleHighlight] | None = Field(None, description="only with explain=true")
    price_range: UsualPriceRange | None = Field(None, description="only with explain=true; null if unknown")
    lists: list[SellerListMark] | None = Field(
        None, description="only with lists=true; the lists of the seller. Null without a review database"
    )


class TrainingDifference(AnswerBody):
    """A difference of the request's listings from those the model was trained on."""

    subject: Literal["words", "brand", "category", "score"]
    found: float = Field(
        ge=0,
        le=1,
        description="share of the words in titles, of the listings with a brand or of those with a category, that "
        "training never met; or the mean probability",
    )
    expected: float = Field(ge=0, le=1, description="the same of sellers left out of training")
    low: float = Field(ge=0, le=1, description="from here on it would be usual for this many listings and sellers")
    high: float = Field(ge=0, le=1, description="up to here it would be usual")
    n_listings: int = Field(ge=1, description="number of listings compared")
    sentence: str = Field(description="all of this in words")


class ListingScores(AnswerBody):
    """The scores of all listings of a request, in their order, by one model."""

    model_version: str = Field(description="the model of all these scores", examples=["ipml/3f2a90c1b2d4"])
    unlike_training: list[TrainingDifference] = Field(
        default_factory=list,
        description="differences of these listings from those the model was trained on, which make its scores "
        "unreliable; empty without any, and for fewer than 30 listings",
    )
    scores: list[ListingScore]


class MessageAnswer(RequestBody):
    """The platform's answer to a message that asked for an action."""

    status: Literal["accepted", "done", "refused"]
    at: Moment | None = Field(None, description="when, with its time zone; now by default")
    why: Annotated[Text, Field(max_length=2_000)] | None = Field(None, description="why it was refused")


class RecordedAnswer(AnswerBody):
    """The recorded answer."""

    key: str
    status: Literal["accepted", "done", "refused"]
    said_at: AwareDatetime
    is_new: bool = Field(description="false if the same answer came before")


class FieldProblem(AnswerBody):
    """A fault of one field, or of a listing or notice as a whole."""

    row: int = Field(
        ge=1, description="number of the listing or event in its list, from 1; 1 where a request has no list"
    )
    field: str = Field(description='name of the field or parameter; "" for the whole')
    found: str = Field(description="what was found, shortened")
    expected: str = Field(description="what was expected, as a phrase")


class ProblemDetails(AnswerBody):
    """An error (RFC 9457)."""

    title: str
    status: int
    detail: str = Field(description="what was found, and what to do")
    problems: list[FieldProblem] = Field(
        default_factory=list, description="with 422, all faults of the request, up to 1,000"
    )


def describe_scores(
    scored: Sequence[ScoredListing],
    version: str,
    explain: bool,
    unlike: Sequence[Unlike] = (),
    lists: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the plain values of `ListingScores`; `lists` has the lists of each listing's seller."""
    scores = [_describe_score(one, explain) for one in scored]
    for score, found in zip(scores, lists, strict=False):
        score.update(found)
    return {"model_version": version, "unlike_training": list(map(asdict, unlike)), "scores": scores}


def _describe_score(scored: ScoredListing, explain: bool) -> dict[str, Any]:
    observed_at = scored.listing.observed_at and write_moment(scored.listing.observed_at)
    score = describe_figures(scored) | {"observed_at": observed_at}
    if not explain:
        return score
    return score | {
        "reasons": list(map(asdict, scored.reasons)),
        "base_rate": scored.base_rate,
        "highlights": list(map(asdict, scored.highlights)),
        "price_range": scored.price_range and asdict(scored.price_range),
    }


_FIGURES = ("score", "score_low", "score_high", "log_odds", "abstained", "warning")


def describe_figures(scored: ScoredListing) -> dict[str, Any]:
    """Return the plain values of `ScoreFigures`."""
    return {"listing_id": scored.listing.listing_id, **{name: getattr(scored, name) for name in _FIGURES}}


def describe_problem(problem: Problem) -> dict[str, Any]:
    """Return the plain values of `FieldProblem`."""
    return {"row": problem.row, "field": problem.column, "found": problem.value, "expected": problem.expected}


def write_json(content: Any) -> bytes:
    """Return plain values as JSON; numbers read back unchanged."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def make_json_answer(body: bytes, status: int = 200, media_type: str = "application/json") -> Response:
    """Return an answer of JSON that is written already."""
    return Response(body, status, media_type=media_type)


_ABOUT = """Submit listings as they appear, change and vanish (`POST /v1/listings`) and events of sellers
(`POST /v1/events`); ask for their state; file the appeals of sellers. `POST /v1/score` only scores, and stores nothing.

One request holds one listing or up to 1,000, in at most 4 MiB, or one appeal, list entry or answer, in at most
256 KiB. A score is the calibrated probability that a listing is counterfeit, with its 90 % interval. All scores of an
answer are by one model, which `model_version` names. The score of a listing is the same alone and
among others.

Rights holders give notice of up to 300 counterfeits, consumers complain of their purchases; both get a receipt at once
and can ask for its state.

The messages that ipml sends are under `webhooks`: signed, to the platform, its sellers and rights holders.
"""
_REFERENCE = "#/components/schemas/{model}"
_LISTING_SCHEMA = {"$ref": _REFERENCE.format(model="Listing")}
LISTING_EXAMPLE = {
    "listing_id": "1204",
    "seller_id": "harbour-outlet",
    "title": "AAA quality Vellmar tote bag 1:1 mirror, with box",
    "price": 79.9,
    "currency": "EUR",
}
SCORE_EXAMPLE = {
    "listing_id": "1204",
    "observed_at": None,
    "score": 0.93,
    "score_low": 0.81,
    "score_high": 0.98,
    "log_odds": 2.71,
    "abstained": None,
    "warning": None,
}
_EXPLAINED = {
    **SCORE_EXAMPLE,
    "reasons": [{"feature": "words.grade", "sentence": "Names a quality grade, as copies have: “1:1”", "weight": 1.4}],
    "base_rate": -2.2,
    "highlights": [{"start": 29, "end": 32, "weight": 0.9}],
    "price_range": {
        "brand": "Vellmar",
        "currency": "EUR",
        "low": 400.0,
        "median": 890.0,
        "high": 1700.0,
        "basis": "brand",
    },
}
_BAD = {"row": 1, "field": "price", "found": "-3", "expected": "a number from 0 to 1,000,000,000,000"}
_ERRORS: dict[int, tuple[str, str]] = {
    400: ("The body is no JSON, or ambiguous JSON", "found Expecting value at line 1"),
    401: ("No key, or a wrong one", "Expected a header `Authorization: Bearer KEY` with a key of this service."),
    403: ("Sent by another site's page, or, without keys, not from this machine", "Refused, found a request …"),
    408: ("The body does not arrive in time", "The body did not arrive within 30 seconds."),
    413: ("Too long, or too many listings", "Found 1,001 listings; expected at most 1,000 in one request."),
    415: ("Another kind of content", "Found Content-Type 'text/plain'; expected application/json."),
    409: ("It conflicts with the current state", "Found appeal 4 against it is open. Wait for its outcome."),
    422: ("Listings that break the rules; every field at fault is named", "1 of the listings breaks the rules; …"),
    404: ("There was never such a message", "No message 'measure-9-imposed-00000000' in the outbox; …"),
    429: (
        "Too many requests at once; the header Retry-After says in how many seconds to try again",
        "Try again later.",
    ),
    503: ("No model is loaded yet, or too many requests at once", "No model could be loaded yet. Try again later."),
}


BODY_ERRORS = (400, 401, 403, 408, 413, 415, 422, 503)
"""Errors of every request with a body."""
READ_ERRORS = (401, 403, 422, 503)
"""Errors of every request without a body."""


def describe_errors(
    statuses: Iterable[int], meanings: Mapping[int, str] = MappingProxyType({}), bad: Mapping[str, Any] = _BAD
) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of errors, with examples; `meanings` has further ones and own words for some."""
    return {status: _describe_error(status, meanings.get(status), bad) for status in {*statuses, *meanings}}


def _describe_error(status: int, meaning: str | None, bad: Mapping[str, Any]) -> dict[str, Any]:
    usual, detail = _ERRORS[status]
    meaning = meaning or usual
    example = {"title": meaning, "status": status, "detail": detail} | ({"problems": [bad]} if status == 422 else {})
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": meaning, "content": {PROBLEM_TYPE: {"schema": schema, "example": example}}}


def describe_body(model: type[BaseModel], **examples: Any) -> dict[str, Any]:
    """Return the description of the JSON body of a request, with named examples.

    A body with listings may be a single listing instead.
    """
    schema: dict[str, Any] = {"$ref": _REFERENCE.format(model=model.__name__)}
    if issubclass(model, ListingBatch):
        schema = {"oneOf": [_LISTING_SCHEMA, schema]}
    content = {"application/json": {"schema": schema, "examples": _show_examples(examples)}}
    return {"requestBody": {"required": True, "content": content}}


def _show_examples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in values.items()}


_SCORES = {
    "one": {"model_version": "ipml/3f2a90c1b2d4", "scores": [SCORE_EXAMPLE]},
    "explained": {"model_version": "ipml/3f2a90c1b2d4", "scores": [_EXPLAINED]},
}

_HEALTH = {"status": "ok", "model": "ipml/3f2a90c1b2d4"}
_FAILING = {"status": "failing", "model": None}
_NOT_READY = {"status": "not ready", "reasons": ["the server is shutting down"]}


def _describe_health(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": {"type": "object"}}}}


# The description of each route, for FastAPI's `add_api_route`.
HEALTH_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "health",
    "summary": "Does it work?",
    "responses": {
        200: _describe_health("All is well"),
        503: _describe_health("No model is loaded, or the database cannot be used"),
    },
}
READY_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "ready",
    "summary": "Does it take requests?",
    "responses": {
        200: _describe_health("Send requests here"),
        503: _describe_health("Send them elsewhere: database or model are missing, or the server is shutting down"),
    },
}
METRICS_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "metrics",
    "summary": "Figures for Prometheus",
    "responses": {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **describe_errors((401, 403)),
    },
}
OWN_DOCUMENT: Mapping[str, Any] = {"include_in_schema": False}
SCORE_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "score",
    "summary": "Score listings",
    "responses": {
        200: {"model": ListingScores},
        **describe_errors(BODY_ERRORS),
    },
    "openapi_extra": describe_body(ListingBatch, one=LISTING_EXAMPLE, many={"listings": [LISTING_EXAMPLE]}),
}
ANSWER_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "answer",
    "summary": "Report the outcome of a message",
    "responses": {
        200: {"model": RecordedAnswer},
        **describe_errors((*BODY_ERRORS, 404)),
    },
    "openapi_extra": describe_body(
        MessageAnswer,
        done={"status": "done", "at": "2026-05-01T12:00:00Z"},
        refused={"status": "refused", "why": "no such listing"},
    ),
}


def make_document(
    app: FastAPI,
    listing_schema: Mapping[str, Any],
    bodies: Sequence[type[BaseModel]],
    examples: Iterable[tuple[str, str, Mapping[str, Any]]],
    *,
    needs_key: bool,
) -> dict[str, Any]:
    """Return the OpenAPI document of the API.

    `bodies` are those of requests; `examples` has address, method and content of answers.
    """
    from importlib.metadata import version

    document: dict[str, Any] = get_openapi(
        title="ipml: listings, appeals and notices of a marketplace",
        version=version("ipml"),
        description=_ABOUT,
        routes=app.routes,
    )
    _leave_out_null(document)
    components = document.setdefault("components", {})
    document["webhooks"], message_schemas = describe_webhooks()
    models = [(model, "validation") for model in (*bodies, ProblemDetails)]
    _, described = models_json_schema(models, ref_template=_REFERENCE)  # type: ignore[arg-type]
    components["schemas"] |= {"Listing": dict(listing_schema), **described["$defs"], **message_schemas}
    for model in bodies:
        if issubclass(model, ListingBatch):  # its listings are checked by the model's own rules
            components["schemas"][model.__name__]["properties"]["listings"]["items"] = _LISTING_SCHEMA
    _show(document, "/v1/score", "post", 200, examples=_show_examples(_SCORES))
    for path, method, example in examples:
        _show(document, path, method, 200, example=example)
    _show(document, "/health", "get", 200, example=_HEALTH)
    _show(document, "/health", "get", 503, example=_FAILING)
    _show(document, "/health/ready", "get", 200, example={"status": "ready"})
    _show(document, "/health/ready", "get", 503, example=_NOT_READY)
    if needs_key:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for operation in operations.values() if not path.startswith("/health") else ():
                operation["security"] = [{"key": []}]
    return document


def _leave_out_null(document: Mapping[str, Any]) -> None:
    """Remove null from the schemas of optional parameters: an address cannot express it."""
    for operation in (one for operations in document["paths"].values() for one in operations.values()):
        for schema in (parameter["schema"] for parameter in operation.get("parameters", ())):
            for kind in schema.pop("anyOf", ()):
                schema.update(kind if kind != {"type": "null"} else {})


def _show(document: Mapping[str, Any], path: str, method: str, status: int, **shown: Any) -> None:
    document["paths"][path][method]["responses"][str(status)]["content"]["application/json"] |= shown
