"""Fifty ways to spoil a statement, each with the field that must be named for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Payload = dict[str, Any]

_REQUIRED = (
    *("decision_ground", "content_type", "category", "content_date", "application_date", "decision_facts"),
    *("source_type", "automated_detection", "automated_decision", "puid"),
)
_DECISIONS = ("decision_visibility", "decision_monetary", "decision_provision", "decision_account")
_ENDS = {
    "decision_visibility": "end_date_visibility_restriction",
    "decision_monetary": "end_date_monetary_restriction",
    "decision_provision": "end_date_service_restriction",
    "decision_account": "end_date_account_restriction",
}
_ENUMS = ("decision_ground", "category", "source_type", "automated_detection", "automated_decision")


def _put(field: str, value: Any) -> Callable[[Payload], tuple[Payload, str]]:
    return lambda payload: (payload | {field: value}, field)


def _drop(field: str) -> Callable[[Payload], tuple[Payload, str]]:
    return lambda payload: ({name: value for name, value in payload.items() if name != field}, field)


def _of_ground(tail: str, changed: str | None) -> Callable[[Payload], tuple[Payload, str]]:
    """Change or drop the text that the statement's own ground requires."""

    def mutate(payload: Payload) -> tuple[Payload, str]:
        start = "illegal_content" if "ILLEGAL" in payload["decision_ground"] else "incompatible_content"
        field = f"{start}_{'legal_ground' if tail == 'ground' and start == 'illegal_content' else tail}"
        left = {name: value for name, value in payload.items() if name != field}
        return (left if changed is None else left | {field: changed}), field

    return mutate


def _foreign_ground(payload: Payload) -> tuple[Payload, str]:
    field = "incompatible_content_ground" if "ILLEGAL" in payload["decision_ground"] else "illegal_content_legal_ground"
    return payload | {field: "Section 7"}, field


def _foreign_explanation(payload: Payload) -> tuple[Payload, str]:
    start = "incompatible" if "ILLEGAL" in payload["decision_ground"] else "illegal"
    return payload | {f"{start}_content_explanation": "because"}, f"{start}_content_explanation"


def _no_decision(payload: Payload) -> tuple[Payload, str]:
    kept = {name: value for name, value in payload.items() if name not in (*_DECISIONS, *_ENDS.values())}
    return kept, "decision_visibility"


def _other_ground(payload: Payload) -> tuple[Payload, str]:
    is_illegal = "ILLEGAL" in payload["decision_ground"]
    ground = "DECISION_GROUND_INCOMPATIBLE_CONTENT" if is_illegal else "DECISION_GROUND_ILLEGAL_CONTENT"
    needed = "incompatible_content_ground" if is_illegal else "illegal_content_legal_ground"
    return payload | {"decision_ground": ground}, needed


def _end(value: Any) -> Callable[[Payload], tuple[Payload, str]]:
    def mutate(payload: Payload) -> tuple[Payload, str]:
        field = next(_ENDS[name] for name in _DECISIONS if name in payload)
        return payload | {field: value}, field

    return mutate


def _voluntary_with_identity(payload: Payload) -> tuple[Payload, str]:
    return payload | {"source_type": "SOURCE_VOLUNTARY", "source_identity": "somebody"}, "source_identity"


MUTATIONS: dict[str, Callable[[Payload], tuple[Payload, str]]] = {
    **{f"no {field}": _drop(field) for field in _REQUIRED},
    **{f"unknown {field}": _put(field, "SOMETHING_ELSE") for field in _ENUMS},
    "unknown visibility": _put("decision_visibility", ["DECISION_VISIBILITY_GONE"]),
    "unknown content type": _put("content_type", ["CONTENT_TYPE_SHOE"]),
    "unknown keyword": _put("category_specification", ["KEYWORD_SHOES"]),
    "unknown additional category": _put("category_addition", ["SHOES"]),
    "unknown account type": _put("account_type", "ACCOUNT_TYPE_FRIEND"),
    "visibility no list": _put("decision_visibility", "DECISION_VISIBILITY_CONTENT_REMOVED"),
    "content type no list": _put("content_type", "CONTENT_TYPE_PRODUCT"),
    "territory no list": _put("territorial_scope", "DE"),
    "keyword no list": _put("category_specification", "KEYWORD_TRADEMARK_INFRINGEMENT"),
    "list of numbers": _put("territorial_scope", [49]),
    "facts too long": _put("decision_facts", "x" * 5001),
    "facts a number": _put("decision_facts", 7),
    "reference too long": _put("decision_ground_reference_url", "https://" + "x" * 500),
    "puid too long": _put("puid", "x" * 501),
    "puid with a blank": _put("puid", "a b"),
    "puid with a slash": _put("puid", "a/b"),
    "puid with a line's end": _put("puid", "ab\n"),
    "puid of other letters": _put("puid", "müller"),
    "content date of 1999": _put("content_date", "1999-12-31"),
    "content date of 2039": _put("content_date", "2039-01-01"),
    "content date with a time": _put("content_date", "2026-05-01T10:00:00"),
    "content date the other way round": _put("content_date", "01-05-2026"),
    "content date of no month": _put("content_date", "2026-13-01"),
    "content date of 29 February": _put("content_date", "2026-02-29"),
    "application date of 2019": _put("application_date", "2019-12-31"),
    "application date of 2039": _put("application_date", "2039-01-01"),
    "end after 2038": _end("2038-01-02"),
    "end no date": _end("next week"),
    "no ground's text": _of_ground("ground", None),
    "no explanation": _of_ground("explanation", None),
    "empty explanation": _of_ground("explanation", ""),
    "ground's text too long": _of_ground("ground", "x" * 501),
    "explanation too long": _of_ground("explanation", "x" * 2001),
    "ground's text of the other ground": _foreign_ground,
    "explanation of the other ground": _foreign_explanation,
    "the other ground": _other_ground,
    "no decision": _no_decision,
    "identity of nobody": _voluntary_with_identity,
    "other visibility without a text": lambda payload: (
        payload | {"decision_visibility": ["DECISION_VISIBILITY_OTHER"]},
        "decision_visibility_other",
    ),
    "other payment without a text": lambda payload: (
        payload | {"decision_monetary": "DECISION_MONETARY_OTHER"},
        "decision_monetary_other",
    ),
    "other content without a text": lambda payload: (
        payload | {"content_type": ["CONTENT_TYPE_OTHER"]},
        "content_type_other",
    ),
    "short article number": lambda payload: (payload | {"content_id": {"EAN-13": "123"}}, "content_id"),
    "article number with letters": lambda payload: (
        payload | {"content_id": {"EAN-13": "123456789012x"}},
        "content_id",
    ),
}
