"""Webhooks: their part of `/openapi.json`, generated from `ipml.storage.message_kinds`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from pydantic.json_schema import models_json_schema

from ipml.storage.message_kinds import MESSAGES, RECEIVERS, MessageShape, describe_envelope, read_examples

_REFERENCE = "#/components/schemas/{model}"

HEADERS: Mapping[str, str] = {
    "webhook-id": "The key of the message.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one for each "
    "secret, the newest first, separated by spaces.",
}
"""Headers of a message (https://www.standardwebhooks.com)."""

_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "2XX": {
        "description": "Delivered; `status` may report the outcome at once",
        "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model="MessageAnswer")}}},
    },
    "409": {"description": "The key is known: delivered"},
    "4XX": {"description": "Given up at once, but for 408, 425 and 429, which are tried again: a dead letter"},
    "5XX": {"description": "Tried again, up to 30 times in about a day"},
}


def describe_webhooks() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the webhooks of the OpenAPI document by kind of message, and the schemas that they refer to."""
    bodies = {shape.body for shape in MESSAGES.values()}
    models = [(body, "validation") for body in sorted(bodies, key=lambda body: body.__name__)]
    _, described = models_json_schema(models, ref_template=_REFERENCE)  # type: ignore[arg-type]
    kinds = groupby(MESSAGES.values(), key=lambda shape: shape.kind)
    return {kind: {"post": _describe(list(shapes))} for kind, shapes in kinds}, described["$defs"]


def _describe(shapes: Sequence[MessageShape]) -> dict[str, Any]:
    first = shapes[0]
    schemas = [describe_envelope(shape, {"$ref": _REFERENCE.format(model=shape.body.__name__)}) for shape in shapes]
    examples = {shape.channel: {"value": read_examples()[shape.kind][shape.channel]} for shape in shapes}
    content = {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}, "examples": examples}
    return {
        "operationId": f"receive_{first.kind}",
        "summary": first.meaning,
        "description": "\n\n".join(f"To {RECEIVERS[shape.channel]}: {shape.when}" for shape in shapes),
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": meaning, "schema": {"type": "string"}}
            for name, meaning in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {status: dict(answer) for status, answer in _ANSWERS.items()},
    }
