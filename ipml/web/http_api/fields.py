"""Fields: values of an API request, read one by one so that all faults are reported at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ipml.kit.moments import EXPECTED, read_moment
from ipml.records import Problem
from ipml.review.arrivals.snapshot import is_storable
from ipml.web.http_api.requests import name_found

LONGEST_NAME = 200


class Fields:
    """The fields of one object of a request; `problems` lists their faults."""

    def __init__(self, content: object, row: int, names: Sequence[str], prefix: str = "") -> None:
        self.problems: list[Problem] = []
        self._row, self._prefix = row, prefix
        self._said: Mapping[str, Any] = content if isinstance(content, dict) else {}
        if not isinstance(content, dict):
            self.fault("", content, f"an object with the fields {', '.join(names)}")
        for name in sorted(set(self._said) - set(names)):
            self.fault(f"{name[:60]!a}"[1:-1], self._said[name], f"one of the fields {', '.join(names)}")

    def fault(self, name: str, found: object, expected: str) -> None:
        """Add a fault of a field."""
        self.problems.append(Problem(self._row, f"{self._prefix}{name}" if name else "", name_found(found), expected))

    def read_name(
        self, name: str, *, is_required: bool = True, longest: int = LONGEST_NAME, may_be_blank: bool = False
    ) -> str | None:
        """Return an id, or another text."""
        value = self._said.get(name)
        is_name = (
            isinstance(value, str)
            and len(value) <= longest
            and is_storable(value)
            and (may_be_blank or value.strip() != "")
        )
        if not is_name and (is_required or value is not None):
            least = "up" if may_be_blank else "1"
            self.fault(name, value, f"text of {least} to {longest:,} characters, without NUL or broken letters")
        return value if is_name else None

    def read_choice(self, name: str, choices: Sequence[str]) -> str | None:
        """Return one of some words."""
        value = self._said.get(name)
        if not isinstance(value, str) or value not in choices:
            self.fault(name, value, f"one of {', '.join(choices)}")
            return None
        return value

    def read_moment(self, name: str, *, is_required: bool = True) -> datetime | None:
        """Return a moment, in UTC."""
        value = self._said.get(name)
        if value is None and not is_required:
            return None
        try:
            return read_moment(value)
        except ValueError:
            self.fault(name, value, EXPECTED)
            return None

    def read_number(self, name: str, most: float, expected: str, *, is_required: bool) -> float | None:
        """Return a number from 0 to `most`."""
        value = self._said.get(name)
        if value is None and not is_required:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            self.fault(name, value, expected)
            return None
        return float(value)
