"""TOML: reads and quotes texts; every fault in a file is a `tomllib.TOMLDecodeError` with its place."""

from __future__ import annotations

import json
import tomllib
from typing import Any


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML; raise `tomllib.TOMLDecodeError` also if it is nested too deeply for Python's reader."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("Nested deeper than it can be read") from None


def quote(text: str) -> str:
    """Return a text as a TOML string, with invisible letters escaped.

    >>> print(quote('a "b"\\n'))
    "a \\"b\\"\\n"
    """
    return "".join(
        letter
        if letter.isprintable()
        else f"\\u{ord(letter):04x}"
        if ord(letter) < 1 << 16
        else f"\\U{ord(letter):08x}"
        for letter in json.dumps(text, ensure_ascii=False)
    )
