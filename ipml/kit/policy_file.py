"""Rules as data: TOML files that come with ipml, or a marketplace's own in their place.

Every such file is read here, so that what is wrong with one is said in one way: which file, what was found, and which
bundled file shows what is expected.
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
    """A policy that is kept where it was applied: as its text, under the digest of that.

    Examples
    --------
    >>> class Limits(PolicyText):
    ...     most_a_day: int
    >>> limits = Limits(most_a_day=5)
    >>> limits.text, Limits.from_text(limits.text) == limits
    ('{"most_a_day":5}', True)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @cached_property
    def text(self) -> str:
        """The policy as canonical JSON: the same policy gives the same text, however its file is ordered."""
        return canonical_json(self.model_dump(mode="json"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return digest(self.text)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, perhaps with other rules, that has a text and a digest of its own."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("text", "digest"):  # pydantic copies what was cached, too
            vars(copied).pop(name, None)
        return copied

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the policy whose `text` this is."""
        return cast("Self", _read_text(cls, text))


def read_policy(
    model: type[Rules], path: Path, bundled: str, *, kind: str = "policy", complete: Complete | None = None
) -> Rules:
    """Read a file of rules.

    Parameters
    ----------
    model : type
        What it must hold.
    path : Path
    bundled : str
        The file in ipml that shows what is expected.
    kind : str, default="policy"
        What such a file is called.
    complete : function of dict, optional
        Returns what was read together with what a file may leave out.

    Raises
    ------
    UnusableSetting
        There is no such file, it is not TOML, or it says something ipml cannot follow: all faults in one line.
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
    """Return the rules that a text in TOML says; `where` it stands is named in the error, as by `read_policy`."""
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
    """A rule that two policies say otherwise, by its dotted name; None where a policy does not have it."""

    name: str
    bundled: str | None
    own: str | None


def list_differences(own: BaseModel, bundled: BaseModel) -> list[PolicyDifference]:
    """Return the rules that a policy says otherwise than the bundled one, in the order of their names.

    Examples
    --------
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
    """Give each rule in a value with its dotted name; an item of a list is named by its own name, where it has one."""
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
