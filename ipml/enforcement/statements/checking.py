"""Whether the transparency database of the EU would take a statement, found out without asking it.

All that is checked stands in `rules_of_database.json`: the facts of the database's own request rules, with their
source. Who changes that file changes what is checked. Three things it only implies are checked, too: a text for
"other" is given only beside "other", an end date only beside the restriction that ends, and there are no other fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

_RULES: dict[str, Any] = json.loads(files(__package__).joinpath("rules_of_database.json").read_text(encoding="utf-8"))
BATCH_LIMIT: int = _RULES["batch_limit"]
_ENUM_OF = {
    "source_type": "SOURCE_TYPES",
    "content_type": "CONTENT_TYPES",
    "automated_decision": "AUTOMATED_DECISIONS",
    "automated_detection": "AUTOMATED_DETECTIONS",
    "decision_ground": "DECISION_GROUNDS",
    "decision_visibility": "DECISION_VISIBILITIES",
    "decision_monetary": "DECISION_MONETARIES",
    "decision_provision": "DECISION_PROVISIONS",
    "decision_account": "DECISION_ACCOUNTS",
    "account_type": "ACCOUNT_TYPES",
    "category": "STATEMENT_CATEGORIES",
    "category_addition": "STATEMENT_CATEGORIES",
    "category_specification": "KEYWORDS",
    "incompatible_content_illegal": "INCOMPATIBLE_CONTENT_ILLEGALS",
}
_ENDS = {
    "end_date_account_restriction": "decision_account",
    "end_date_monetary_restriction": "decision_monetary",
    "end_date_service_restriction": "decision_provision",
    "end_date_visibility_restriction": "decision_visibility",
}
_OTHERS = {
    "decision_visibility_other": ("decision_visibility", "DECISION_VISIBILITY_OTHER"),
    "decision_monetary_other": ("decision_monetary", "DECISION_MONETARY_OTHER"),
    "content_type_other": ("content_type", "CONTENT_TYPE_OTHER"),
    "category_specification_other": ("category_specification", "KEYWORD_OTHER"),
}
_IDENTIFIERS = {
    name.partition(".")[2]: rule for name, rule in _RULES["pattern"].items() if name.startswith("content_id.")
}
_LONG = 100  # letters
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the database would refuse a statement: the field, what was found in it, and what is expected."""

    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field or 'statement'}: found {self.found}, expected {self.expected}"


def find_faults(statement: object) -> tuple[Fault, ...]:
    """Return all that is wrong with a statement; nothing where the database would take it.

    Parameters
    ----------
    statement : object
        As JSON gives it. A field that is null counts as left out.

    Examples
    --------
    >>> [fault.field for fault in find_faults({"puid": "with a blank", "colour": "red"})][:3]
    ['colour', 'decision_ground', 'content_type']
    """
    if not isinstance(statement, Mapping):
        return (Fault("", _show(statement), "an object with a field for each fact"),)
    given = {str(name): value for name, value in statement.items() if value is not None}
    found = (*_unknown(given), *_missing(given), *_wrong_values(given), *_out_of_place(given))
    return tuple(dict.fromkeys(found))


@cache
def known_fields() -> frozenset[str]:
    """Return the names of all fields that the rules speak of."""
    dates = {"content_date", "application_date", *_RULES["dates"]["end_dates"]}
    named = {*_RULES["required"], *_RULES["at_least_one_of"], *_RULES["arrays"], *_RULES["max_length"], *dates}
    patterns = {name.partition(".")[0] for name in _RULES["pattern"]}
    return frozenset(named | patterns | set(_RULES["required_if"]) | set(_ENUM_OF))


def _unknown(given: Mapping[str, Any]) -> Iterator[Fault]:
    for name, value in given.items():
        if name not in known_fields():
            yield Fault(name, _show(value), "no field of this name")


def _missing(given: Mapping[str, Any]) -> Iterator[Fault]:
    for name in _RULES["required"]:
        if _is_empty(given.get(name)):
            yield Fault(name, _show(given.get(name)), "a value")
    if all(_is_empty(given.get(name)) for name in _RULES["at_least_one_of"]):
        choice = ", ".join(_RULES["at_least_one_of"])
        yield Fault(_RULES["at_least_one_of"][0], "none", f"at least one of {choice}")
    for name, condition in _RULES["required_if"].items():
        if _holds(condition, given) and _is_empty(given.get(name)):
            yield Fault(name, _show(given.get(name)), f"a value, as {condition}")


def _wrong_values(given: Mapping[str, Any]) -> Iterator[Fault]:
    for name, value in given.items():
        if name == "content_id":
            yield from _wrong_identifiers(value)
        elif name in _RULES["arrays"]:
            yield from _wrong_items(name, value)
        elif name in known_fields():
            yield from _wrong_value(name, value)


def _wrong_items(name: str, value: object) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield Fault(name, _show(value), "a list of texts")
        return
    for item in value:
        yield from _wrong_value(name, item)


def _wrong_value(name: str, value: object) -> Iterable[Fault]:
    is_common = isinstance(value, str) and len(value) < _LONG
    return _wrong_again(name, value) if is_common else _wrong_text(name, value)


@lru_cache(maxsize=1024)
def _wrong_again(name: str, value: object) -> tuple[Fault, ...]:
    """Return what is wrong with a short text; statements name the same few days and kinds again and again."""
    return tuple(_wrong_text(name, value))


def _wrong_text(name: str, value: object) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(name, _show(value), "a text")
        return
    if (enum := _ENUM_OF.get(name)) and value not in _RULES["enums"][enum]:
        yield Fault(name, _show(value), f"one of {enum}")
    if (most := _RULES["max_length"].get(name)) and len(value) > most:
        yield Fault(name, f"{len(value)} characters", f"at most {most}")
    if (pattern := _RULES["pattern"].get(name)) and value and not re.fullmatch(pattern, value):
        yield Fault(name, _show(value), f"a text of the form {pattern}")
    if name == "territorial_scope" and not re.fullmatch("[A-Z]{2}", value):
        yield Fault(name, _show(value), "the code of a country, such as DE")
    if (bounds := _bounds(name)) and not _is_within(value, bounds):
        yield Fault(name, _show(value), f"a date YYYY-MM-DD from {bounds[0]} to {bounds[1]}")


def _wrong_identifiers(value: object) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault("content_id", _show(value), "an object with an identifier, such as EAN-13")
        return
    for kind, number in value.items():
        if kind not in _IDENTIFIERS:
            yield Fault(f"content_id.{kind}", _show(number), f"one of {', '.join(_IDENTIFIERS)}")
        elif not (isinstance(number, str) and re.fullmatch(_IDENTIFIERS[kind], number)):
            yield Fault(f"content_id.{kind}", _show(number), f"a text of the form {_IDENTIFIERS[kind]}")


def _out_of_place(given: Mapping[str, Any]) -> Iterator[Fault]:
    for name in given:
        for condition in _conditions_of(name):
            if not _holds(condition, given):
                yield Fault(name, _show(given[name]), f"nothing, unless {condition}")
    for name, (field, other) in _OTHERS.items():
        if name in given and not _contains(given.get(field), other):
            yield Fault(name, _show(given[name]), f"nothing, unless {field} is {other}")
    for name, field in _ENDS.items():
        if name in given and _is_empty(given.get(field)):
            yield Fault(name, _show(given[name]), f"nothing, unless there is a {field}")


@lru_cache(maxsize=1024)
def _conditions_of(name: str) -> tuple[str, ...]:
    """Return under which conditions alone there may be a field."""
    conditions: dict[str, str] = _RULES["excluded_unless"]
    return tuple(
        condition
        for pattern, condition in conditions.items()
        if fnmatchcase(name, pattern) and not _is_exempt(name, pattern)
    )


def _is_exempt(name: str, pattern: str) -> bool:
    return name not in known_fields() and "*" in pattern  # told of as unknown already


def _holds(condition: str, given: Mapping[str, Any]) -> bool:
    """Say whether a condition of the rules holds: "a = B", "a contains B" or "a is not B"."""
    field, _, wanted = condition.partition(" ")
    relation, _, value = wanted.rpartition(" ")
    found = given.get(field)
    return {"=": found == value, "contains": _contains(found, value), "is not": found != value}[relation]


def _contains(found: object, value: str) -> bool:
    return found == value or (isinstance(found, list) and value in found)


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {}) or (isinstance(value, str) and not value.strip())


def _bounds(name: str) -> tuple[str, str] | None:
    dates = _RULES["dates"]
    if name in dates["end_dates"]:
        return "0001-01-01", dates["end_max"]
    low, high = dates.get(name, (None, None)) if name in ("content_date", "application_date") else (None, None)
    return (low, high) if low and high else None


def _is_within(value: str, bounds: tuple[str, str]) -> bool:
    if not _DAY.fullmatch(value):
        return False
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return False
    return date.fromisoformat(bounds[0]) <= day <= date.fromisoformat(bounds[1])


def _show(value: object) -> str:
    return "nothing" if value is None or value in ("", []) else f"{value!r:.80}"
