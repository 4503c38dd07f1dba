"""What `/openapi.json` says beyond what the framework reads off the functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ipml.web.api_answers import PROBLEM_TYPE, AnswerShape, ErrorShape, NotedShape, ScoresShape

_ABOUT = """Send listings as JSON, get the calibrated probability that each is counterfeit, with its 90 % interval.

One request holds one listing or up to 1,000, in at most 4 MiB. All scores of an answer are by one model, which
`model_version` names. A listing is scored by itself: its score is the same alone and among others.

Rights holders give notice of up to 300 counterfeits, consumers complain of what they bought; both get a receipt at once
and can ask how it stands.
"""
_REFERENCE = {"$ref": "#/components/schemas/Listing"}
_LISTING = {
    "listing_id": "1204",
    "seller_id": "harbour-outlet",
    "title": "AAA quality Vellmar tote bag 1:1 mirror, with box",
    "price": 79.9,
    "currency": "EUR",
}
_SCORE = {
    "listing_id": "1204",
    "observed_at": None,
    "score": 0.93,
    "score_low": 0.81,
    "score_high": 0.98,
    "log_odds": 2.71,
    "abstained": None,
}
_EXPLAINED = {
    **_SCORE,
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
    400: ("The body is no JSON, or one that readers would not all read alike", "found Expecting value at line 1"),
    401: ("No key, or a wrong one", "Expected a header `Authorization: Bearer KEY` with a key of this service."),
    403: ("Sent by another site's page, or, without keys, not from this machine", "Refused, found a request …"),
    408: ("The body does not arrive in time", "The body did not arrive within 30 seconds."),
    413: ("Too long, or too many listings", "Found 1,001 listings; expected at most 1,000 in one request."),
    415: ("Another kind of content", "Found Content-Type 'text/plain'; expected application/json."),
    422: ("Listings that break the rules; every field at fault is named", "1 of the listings breaks the rules; …"),
    404: ("There was never such a message", "No message 'measure-9-imposed-00000000' in the outbox; …"),
    503: ("No model is loaded yet, or too many requests at once", "No model could be loaded yet. Try again later."),
}


def describe_error(status: int, meaning: str | None = None, bad: Mapping[str, Any] = _BAD) -> dict[str, Any]:
    """Return what is said of an answer that is an error, with an example of what it names."""
    usual, detail = _ERRORS[status]
    meaning = meaning or usual
    example = {"title": meaning, "status": status, "detail": detail} | ({"problems": [bad]} if status == 422 else {})
    schema = {"$ref": "#/components/schemas/ErrorShape"}
    return {"description": meaning, "content": {PROBLEM_TYPE: {"schema": schema, "example": example}}}


def show_examples(**values: Any) -> dict[str, Any]:
    """Return values as examples, each under its name."""
    return {name: {"value": value} for name, value in values.items()}


_SCORES = {
    "one": {"model_version": "ipml/3f2a90c1b2d4", "scores": [_SCORE]},
    "explained": {"model_version": "ipml/3f2a90c1b2d4", "scores": [_EXPLAINED]},
}

_HEALTH = {"status": "ok", "model": "ipml/3f2a90c1b2d4"}
_FAILING = {"status": "failing", "model": None}


def _describe_health(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": {"type": "object"}}}}


# What is said of each route, as FastAPI's `add_api_route` takes it.
HEALTH_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "health",
    "summary": "Does it work?",
    "responses": {
        200: _describe_health("All is well"),
        503: _describe_health("No model is loaded, or the database cannot be used"),
    },
}
METRICS_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "metrics",
    "summary": "Figures for Prometheus",
    "responses": {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **{status: describe_error(status) for status in (401, 403)},
    },
}
OWN_DOCUMENT: Mapping[str, Any] = {"include_in_schema": False}
SCORE_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "score",
    "summary": "Score listings",
    "responses": {
        200: {"model": ScoresShape},
        **{status: describe_error(status) for status in _ERRORS if status != 404},
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_REFERENCE, {"$ref": "#/components/schemas/Listings"}]},
                    "examples": show_examples(one=_LISTING, many={"listings": [_LISTING]}),
                }
            },
        },
    },
}
ANSWER_DOCUMENT: Mapping[str, Any] = {
    "operation_id": "answer",
    "summary": "Say what became of a message",
    "responses": {
        200: {"model": NotedShape},
        **{status: describe_error(status) for status in _ERRORS},
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/AnswerShape"},
                    "examples": show_examples(
                        done={"status": "done", "at": "2026-05-01T12:00:00Z"},
                        refused={"status": "refused", "why": "no such listing"},
                    ),
                }
            },
        },
    },
}


def make_document(
    app: FastAPI, listing_schema: Mapping[str, Any], shapes: Mapping[str, Any], *, needs_key: bool
) -> dict[str, Any]:
    """Return the OpenAPI document of the API.

    Parameters
    ----------
    app : FastAPI
    listing_schema : mapping
        JSON Schema of a listing.
    shapes : mapping
        JSON Schemas of what else is sent, by name.
    needs_key : bool
        Whether a key has to be shown.
    """
    from importlib.metadata import version

    document: dict[str, Any] = get_openapi(
        title="ipml: scores of listings, and notices of counterfeits",
        version=version("ipml"),
        description=_ABOUT,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    error_schema = ErrorShape.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= error_schema.pop("$defs") | {
        "Listing": dict(listing_schema),
        "Listings": {
            "type": "object",
            "properties": {"listings": {"type": "array", "items": _REFERENCE, "maxItems": 1_000}},
            "required": ["listings"],
            "additionalProperties": False,
        },
        "ErrorShape": error_schema,
        "AnswerShape": AnswerShape.model_json_schema(),
        **shapes,
    }
    _show(document, "/v1/score", "post", 200, examples=show_examples(**_SCORES))
    _show(document, "/health", "get", 200, example=_HEALTH)
    _show(document, "/health", "get", 503, example=_FAILING)
    if needs_key:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for operation in operations.values() if path != "/health" else ():
                operation["security"] = [{"key": []}]
    return document


def _show(document: Mapping[str, Any], path: str, method: str, status: int, **shown: Any) -> None:
    """Put examples to an answer; the framework would take out what is null in them."""
    document["paths"][path][method]["responses"][str(status)]["content"]["application/json"] |= shown
