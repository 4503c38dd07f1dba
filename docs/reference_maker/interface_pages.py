"""The pages on how ipml is called and what it sends: commands, HTTP API, webhooks. Each function returns a page."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from typer.main import get_command

from ipml.cli import app as commands
from ipml.listings.fields import make_json_schema
from ipml.storage.message_kinds import ENVELOPE, MESSAGE_KINDS, MESSAGES, RECEIVERS, TRANSPARENCY, read_examples
from ipml.web.accounts.permissions import LEAST_ROLES
from ipml.web.accounts.permissions import PURPOSES as KEY_PURPOSES
from ipml.web.app import ROUTES
from ipml.web.http_api.api import API_ROUTES, make_api
from ipml.web.http_api.requests import Access
from ipml.web.http_api.webhooks import HEADERS, describe_webhooks
from reference_maker.markdown import (
    as_code,
    as_sentence,
    escape_html,
    link,
    name_type,
    show_default,
    write_code,
    write_json,
    write_page,
    write_table,
)

# Commands


def walk_commands() -> Iterator[tuple[str, Any]]:
    """Give every group and command with its whole name, such as "ipml admin user add", a group before its commands."""

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for part, inner in getattr(command, "commands", {}).items():
            if not inner.hidden:
                yield from walk(f"{name} {part}", inner)

    return walk("ipml", get_command(commands))


CONVENTIONS = """
- The input of a command is an argument. Further files that it needs are options named after their content, such as
  `--events`.
- The output goes to `--out`, `-o` for short: a file or a folder. Where there are several kinds of file, the suffix
  says which: a table is CSV, JSON lines or Parquet. Without `--out`, a text goes to standard output, and what has a
  usual place goes there. Bad rows go to `--rejects`.
- An existing file is replaced with `--force` only; without it the command stops before it does any work. Keys,
  secrets, backups and packages for others are never written over; networks, portfolios, anchors and delivered messages
  are added to; a folder of models holds the newest of each name, and one that `ipml score` wrote is brought up to date.
- An option means the same everywhere: `--database` is the review database, `--by` the user who acts, `--model`
  a model, `--columns` a column map, `--policy` a policy file, `--since` and `--until` a period, `--as-of` and
  `--known-by` a moment, `--top` how many, `--why` a reason, `--jobs` how many processes.
- A day means its first moment; without a zone, UTC is meant.
- Exit codes: 0 done, 1 a check found something, 2 a mistake in the input or a lack of the machine, reported in one
  line on standard error.
"""


def make_commands() -> str:
    """Return the page of commands."""
    every = list(walk_commands())[1:]
    groups = [(name, command) for name, command in every if hasattr(command, "commands")]
    single = [(name, command) for name, command in every if name.count(" ") == 1 and (name, command) not in groups]
    rows = [(link(name), _summarise(command)) for name, command in single]
    parts = [
        "`ipml COMMAND --help` shows the same in the terminal.",
        "## Conventions",
        CONVENTIONS,
        "## Overview",
        write_table(("Command", "Purpose"), rows),
        write_table(("Group", "Purpose"), [(link(name), _summarise(command)) for name, command in groups]),
    ]
    for name, command in [*single, *(one for one in every if one not in single)]:
        level = "##" if hasattr(command, "commands") or name.count(" ") == 1 else "###"
        parts += [f"{level} {name}", *_describe_command(name, command)]
    about = "Every command of `ipml`: usage, arguments, options with their defaults, and an example."
    return write_page("Commands", about, parts)


def _summarise(command: Any) -> str:
    return escape_html((inspect.cleandoc(command.help or "")).split("\n\n")[0])


def _describe_command(name: str, command: Any) -> Iterator[str]:
    meaning, _, example = inspect.cleandoc(command.help or "").partition("Example:")
    yield _unwrap(meaning)
    if hasattr(command, "commands"):
        inner = [(f"{name} {part}", one) for part, one in command.commands.items() if not one.hidden]
        yield write_table(("Command", "Purpose"), [(link(part), _summarise(one)) for part, one in inner])
        return
    hints = get_type_hints(inspect.unwrap(command.callback)) if command.callback else {}
    shown = [one for one in command.params if not one.hidden]
    arguments = [one for one in shown if not one.opts[0].startswith("-")]
    options = [one for one in shown if one not in arguments and one.name != "help"]
    needed = [f"{one.opts[0]} {one.metavar or one.name.upper()}" for one in options if one.required]
    yield write_code(" ".join([name, *map(_show_argument, arguments), *needed, *(["[OPTIONS]"] if options else [])]))
    argument_rows = [
        (as_code(_name_value(one)), name_type(hints.get(one.name, str)), _explain(one)) for one in arguments
    ]
    yield write_table(("Argument", "Type", "Meaning"), argument_rows)
    option_rows = [_describe_option(one, hints.get(one.name, str)) for one in options]
    yield write_table(("Option", "Type", "Default", "Meaning"), option_rows)
    shown_example = re.sub(r",? or (?=ipml )", "\n", inspect.cleandoc(example))
    yield f"Example:\n\n{write_code(shown_example, 'bash')}" if example else ""


def _unwrap(text: str) -> str:
    """Return a help text with each paragraph on one line, and code as it is."""
    parts = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    paragraphs = [[part] if part.startswith("```") else part.split("\n\n") for part in parts]
    return "\n\n".join(
        part if part.startswith("```") else escape_html(" ".join(part.split()))
        for part in (part.strip() for some in paragraphs for part in some)
        if part
    )


def _name_value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()).strip("[]").removesuffix("...")


def _show_argument(parameter: Any) -> str:
    shown = _name_value(parameter) + ("..." if parameter.nargs != 1 else "")
    return shown if parameter.required else f"[{shown}]"


def _explain(parameter: Any) -> str:
    bounds = [f"at least {parameter.min}"] if getattr(parameter, "min", None) is not None else []
    bounds += [f"at most {parameter.max}"] if getattr(parameter, "max", None) is not None else []
    meaning = as_sentence(parameter.help or "")
    return f"{meaning} {as_sentence(' and '.join(bounds))}".strip()


def _describe_option(parameter: Any, hint: Any) -> tuple[str, ...]:
    is_flag = hint is bool
    value = f" {parameter.metavar}" if parameter.metavar and not is_flag else ""
    names = ", ".join(as_code(f"{name}{value}") for name in (*parameter.opts, *parameter.secondary_opts))
    meaning = _explain(parameter)
    if parameter.required:
        meaning = f"Required. {meaning}"
    elif parameter.multiple and "several times" not in meaning and "repeated" not in meaning:
        meaning = f"{meaning} May be given several times."
    default = (
        "" if parameter.required or (is_flag and not parameter.secondary_opts) else show_default(parameter.default)
    )
    return names, "flag" if is_flag else name_type(hint), default, meaning


# HTTP API

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
    parts += ["## Bodies", "JSON objects of requests and answers. A field not marked as required may be omitted."]
    _, of_messages = describe_webhooks()  # they have a page of their own
    for name, schema in document["components"]["schemas"].items():
        if name in of_messages:
            continue
        parts += [f"### {name}", *_describe_schema(name, schema)]
    rows = [
        (as_code(method), as_code(path), as_sentence(action or "anybody"), LEAST_ROLES[action] if action else "none")
        for method, path, action, _ in ROUTES
    ]
    parts += [
        "## Addresses of the web console",
        "They answer with pages for people who are logged in, and are no interface for programs.",
        write_table(("Method", "Path", "Purpose", "Lowest role"), rows),
    ]
    about = "Every address of the HTTP API: who may call it, its parameters, the fields of its body, and its answers."
    return write_page("HTTP API", about, parts)


def _name_caller(action: Any) -> str:
    if action is None:
        return "Callers: anybody."
    purpose = next(name for name, one in KEY_PURPOSES.items() if one is action)
    return (
        f"Callers: programs with a key for `{purpose}` (see `IPML_API_KEY`), in the header "
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
    answer_rows = [(status, _describe_answer(answer), _name_answer(answer)) for status, answer in answers]
    yield write_table(("Status", "Meaning", "Body"), answer_rows)
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
    if kinds == "object" and schema.get("properties"):
        return f"object with {', '.join(as_code(name) for name in schema['properties'])}"
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


# Webhooks

_SECRETS = """
The secrets stand in the file named in `IPML_WEBHOOK_SECRET`, one a line, as `whsec_` and base64; `ipml outbox secret`
makes one. To change a secret, add the new one as the first line, give it to the receiver, then remove the old one.
A receiver compares signatures in constant time, refuses timestamps more than a few minutes old, and remembers keys.
"""

_ANSWERS = (
    ("2xx", "The message is delivered."),
    (
        '2xx with `{"status": "done"}`',
        "Delivered, and done. Other states are `accepted` and `refused`, with the reason in `why`; `at` says when.",
    ),
    ("409", "The receiver knows the key: delivered."),
    (
        "401, 403, 408, 425, 429, 5xx, a redirect or no answer",
        "Tried again at growing random intervals of up to two hours, not before `Retry-After` asks for, and at most 30 "
        "times. Then it is a dead letter.",
    ),
    ("any other 4xx", "Given up at once: a dead letter (page Deliveries)."),
)


def make_webhooks() -> str:
    """Return the page of outgoing messages."""
    examples, (_, schemas) = read_examples(), describe_webhooks()
    kinds = {kind: [shape for shape in MESSAGES.values() if shape.kind == kind] for kind in sorted(MESSAGE_KINDS)}
    rows = [
        (link(kind), ", ".join(examples[kind]), str(shapes[0].version), shapes[0].meaning)
        for kind, shapes in kinds.items()
    ]
    parts = [
        "`ipml worker` sends what waits in the outbox to `IPML_WEBHOOK_URL`, or to the address of its "
        "channel in `IPML_WEBHOOK_URLS`. Statements for the transparency database go by `ipml enforce "
        "statement send` instead.",
        "`GET /openapi.json` has all of this under `webhooks` (OpenAPI 3.1), for those who generate code.",
        "## Kinds of message",
        write_table(("Kind", "Channel", "Version", "Meaning"), rows),
        "## Envelope",
        write_table(("Field", "Meaning"), [(as_code(name), meaning) for name, (_, meaning) in ENVELOPE.items()]),
        "Within a version, fields may be added: ignore what you do not know. Any other change makes a new version.",
        "## Signature",
        "Each message is a `POST` of JSON, signed as [Standard Webhooks](https://www.standardwebhooks.com) describes, "
        "so that its libraries can check it.",
        write_table(("Header", "Meaning"), [(as_code(name), meaning) for name, meaning in HEADERS.items()]),
        _SECRETS,
        "## Answers",
        write_table(("Answer", "Reaction of ipml"), _ANSWERS),
        "A measure can also be reported as done later: `POST /v1/measures/{key}/answer` of the "
        "[HTTP API](http-api.md).",
        "## Tests",
        "`ipml outbox test URL` sends one signed example of each message, marked by `is_test` in its envelope and by a "
        "key that begins with `test-`. Answer them as any other message, and do nothing.",
        "## Messages",
        "The code made these examples for an invented listing, in one run. Keys end in letters drawn at random, and "
        "references and moments differ from message to message; here they are always the same.",
    ]
    for kind, shapes in kinds.items():
        parts += [f"### {kind}", shapes[0].meaning]
        for shape in shapes:
            parts += [
                f"To {RECEIVERS[shape.channel]}: {shape.when[0].lower()}{shape.when[1:]} "
                f"`data`: {link(shape.body.__name__)}.",
                write_json(examples[kind][shape.channel]),
            ]
        if bare := examples[kind].get(TRANSPARENCY):
            parts += ["To the transparency database, which gets this without an envelope:", write_json(bare)]
    parts += ["## Contents", "Fields of `data`. A field that is not marked as required may be left out."]
    for name, schema in schemas.items():
        parts += [f"### {name}", *_describe_schema(name, schema)]
    about = "Every kind of message that ipml sends to a platform, its sellers and rights holders, with an example."
    return write_page("Webhooks", about, parts)
