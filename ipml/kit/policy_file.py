"""Policy file: reads rules from TOML files bundled with ipml or written by a marketplace.

All such files are read here, so that errors have one form: the file, the faults, and the bundled file as a model.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from ipml.errors import UnusableSetting, describe_faults
from ipml.kit.canonical_json import canonical_json, digest
from ipml.kit.toml import parse_toml

Rules = TypeVar("Rules", bound=BaseModel)
Complete = Callable[[dict[str, Any]], dict[str, Any]]


class PolicyText(BaseModel):
    """A policy that is stored as its text, under the digest of the text.

    >>> class Limits(PolicyText):
    ...     most_a_day: int
    >>> limits = Limits(most_a_day=5)
    >>> limits.text, Limits.from_text(limits.text) == limits
    ('{"most_a_day":5}', True)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @cached_property
    def text(self) -> str:
        """The policy as canonical JSON, independent of the order in its file."""
        return canonical_json(self.model_dump(mode="json"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return digest(self.text)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, with changed rules if given, that has its own text and digest."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("text", "digest"):  # pydantic also copies cached properties
            vars(copied).pop(name, None)
        return copied

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the policy of a `text`."""
        return cast("Self", _read_text(cls, text))


def read_policy(
    model: type[Rules], path: Path, bundled: str, *, kind: str = "policy", complete: Complete | None = None
) -> Rules:
    """Read a file of rules as a model.

    `bundled` is the file in ipml shown as an example, `kind` the noun for such files in errors. `complete` adds
    optional rules to the parsed table. Raises UnusableSetting, with all faults in one line, if the file is missing, is
    not TOML or has invalid rules.
    """
    where = f"{kind} {path}"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or "no readable file"
        raise UnusableSetting(where, found, f"a copy of {bundled}") from error
    except UnicodeDecodeError as error:
        raise UnusableSetting(where, f"no TOML ({error})", f"a copy of {bundled}") from error
    return parse_policy(model, text, where, bundled, complete)


def parse_policy(model: type[Rules], text: str, where: str, bundled: str, complete: Complete | None = None) -> Rules:
    """Return the rules in a TOML text; errors name its origin `where`, as in `read_policy`."""
    try:
        return cast("Rules", _parse(model, text, complete))
    except tomllib.TOMLDecodeError as error:
        raise UnusableSetting(where, f"no TOML ({error})", f"a copy of {bundled}") from error
    except ValidationError as error:
        raise UnusableSetting(where, describe_faults(error, model), f"values like those in {bundled}") from error


@lru_cache(maxsize=32)
def _parse(model: type[BaseModel], content: str, complete: Complete | None) -> BaseModel:
    table = parse_toml(content)
    return model.model_validate(table if complete is None else complete(table))


@lru_cache(maxsize=16)
def _read_text(model: type[BaseModel], text: str) -> BaseModel:
    return model.model_validate_json(text)


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """A rule that differs between two policies, by dotted name; None where a policy lacks it."""

    name: str
    bundled: str | None
    own: str | None


def list_differences(own: BaseModel, bundled: BaseModel) -> list[PolicyDifference]:
    """Return the rules in which a policy differs from the bundled one, sorted by name.

    >>> class Limits(PolicyText):
    ...     most_a_day: int
    ...     brands: tuple[str, ...] = ()
    >>> list_differences(Limits(most_a_day=9), Limits(most_a_day=5))
    [PolicyDifference(name='most_a_day', bundled='5', own='9')]
    """
    said, usual = (dict(_flatten("", policy.model_dump(mode="json"))) for policy in (own, bundled))
    names = sorted(said.keys() | usual.keys())
    return [
        PolicyDifference(name, usual.get(name), said.get(name)) for name in names if said.get(name) != usual.get(name)
    ]


def _flatten(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield each rule in a value with its dotted name; list items are named by their `name` if they have one."""
    named: Mapping[str, Any] = value if isinstance(value, dict) else {}
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        named = {
            str(one.get("name", place)) if isinstance(one, dict) else str(place): one
            for place, one in enumerate(value, start=1)
        }
    if not named:
        yield name, canonical_json(value)
    for key, one in named.items():
        yield from _flatten(f"{name}.{key}" if name else key, one)
