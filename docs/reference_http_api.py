"""The page on the HTTP API, from its OpenAPI document, and on the addresses of the web console."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reference_text import as_code, as_sentence, escape_html, link, write_json, write_page, write_table

from ipml.listings.fields import make_json_schema
from ipml.web.accounts.permissions import LEAST_ROLES
from ipml.web.accounts.permissions import PURPOSES as KEY_PURPOSES
from ipml.web.app import ROUTES
from ipml.web.http_api.api import API_ROUTES, make_api
from ipml.web.http_api.requests import Access

Json = Mapping[str, Any]


def make_http_api() -> str:
    """Return the page of the HTTP API and of the addresses of the web console."""
    nobody: Any = None  # a document needs neither a model nor a database
    document = make_api(nobody, nobody, Access({b"": nobody}), make_json_schema()).openapi()
    who = {(method, path): action for method, path, action, _, _ in API_ROUTES}
    parts = [escape_html(document["info"]["description"]), "`GET /openapi.json` gives the same as OpenAPI 3.1."]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            action = who[method.upper(), path]
            parts += [f"## {method.upper()} {path}", *_describe_operation(operation, _name_caller(action))]
    parts += ["## Shapes", "What is sent and answered. A field that is not marked as required may be left out."]
    for name, schema in document["components"]["schemas"].items():
        parts += [f"### {name}", *_describe_schema(name, schema)]
    rows = [
        (as_code(method), as_code(path), as_sentence(action or "anybody"), LEAST_ROLES[action] if action else "none")
        for method, path, action, _ in ROUTES
    ]
    parts += [
        "## Addresses of the web console",
        "They answer with pages for people who are logged in, and are no interface for programs.",
        write_table(("Method", "Path", "What a caller does there", "Lowest role"), rows),
    ]
    about = "Every address of the HTTP API: who may call it, its parameters, the fields of its body, and its answers."
    return write_page("HTTP API", about, parts)


def _name_caller(action: Any) -> str:
    if action is None:
        return "Who may call: anybody."
    purpose = next(name for name, one in KEY_PURPOSES.items() if one is action)
    return (
        f"Who may call: programs with a key for `{purpose}` (see `IPML_API_KEY`), in the header "
        "`Authorization: Bearer KEY`; without keys, programs on the same machine."
    )


def _describe_operation(operation: Json, who: str) -> Iterator[str]:
    yield f"**{operation['summary']}**"
    yield escape_html(operation.get("description", ""))
    yield who
    rows = [
        (
            as_code(one["name"]),
            one["in"],
            _name_schema(one["schema"]).removesuffix(" or null"),
            "yes" if one["required"] else "no",
            as_sentence(one.get("description", "")),
        )
        for one in operation.get("parameters", ())
    ]
    yield write_table(("Parameter", "In", "Type", "Required", "Meaning"), rows)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield f"Body: {_name_schema(content['schema'])}."
        yield from _show_examples(content)
    answers = sorted(operation["responses"].items())
    told = [(status, _describe_answer(answer), _name_answer(answer)) for status, answer in answers]
    yield write_table(("Status", "Meaning", "Body"), told)
    for status, answer in answers:
        if status.startswith("2"):
            for content in answer.get("content", {}).values():
                yield from _show_examples(content)


def _show_examples(content: Json) -> Iterator[str]:
    examples = {name: one["value"] for name, one in content.get("examples", {}).items()}
    for name, example in (examples or {"": content.get("example")}).items():
        if example is not None:
            yield f"Example{f' ({name})' if name else ''}:\n\n{write_json(example)}"


def _describe_answer(answer: Json) -> str:
    usual = "Successful Response"  # what the framework says where the code says nothing
    return as_sentence("done" if answer["description"] == usual else answer["description"])


def _name_answer(answer: Json) -> str:
    shapes = [f"{_name_schema(one['schema'])} (`{kind}`)" for kind, one in answer.get("content", {}).items()]
    return " or ".join(shapes)


def _name_schema(schema: Json) -> str:
    """Return the type that a JSON Schema describes, in words."""
    if "$ref" in schema:
        return link(schema["$ref"].rpartition("/")[2])
    if found := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_name_schema(one) for one in found)
    if "enum" in schema or "const" in schema:
        return ", ".join(as_code(json.dumps(one)) for one in schema.get("enum", [schema.get("const")]))
    kinds = schema.get("type", "any")
    if kinds == "array":
        return f"list of {_name_schema(schema['items'])}"
    shown = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    return f"{shown} ({schema['format']})" if "format" in schema else shown


def _describe_schema(name: str, schema: Json) -> Iterator[str]:
    if name == "Listing":
        yield "An object with the [columns of a listing](columns.md#columns-of-a-listing)."
        return
    yield escape_html(schema.get("description", ""))
    required = schema.get("required", ())
    rows = [
        (
            as_code(field),
            _name_schema(one),
            "yes" if field in required else "no",
            _name_limits(one),
            as_sentence(one.get("description", "")),
        )
        for field, one in schema.get("properties", {}).items()
    ]
    yield write_table(("Field", "Type", "Required", "Bounds", "Meaning"), rows)


def _name_limits(schema: Json) -> str:
    words = {
        "minimum": "≥ {:g}",
        "maximum": "≤ {:g}",
        "minLength": "from {:,} characters",
        "maxLength": "up to {:,} characters",
        "minItems": "from {:,} items",
        "maxItems": "up to {:,} items",
    }
    within = [schema, *schema.get("anyOf", ())]
    limits = ", ".join(text.format(one[rule]) for one in within for rule, text in words.items() if rule in one)
    return re.sub(r"from (\d+) (?:characters|items), up to", r"\1 to", limits)
