"""Read TOML that people wrote: every mistake in it is a `tomllib.TOMLDecodeError`, which says where. Quote texts."""

from __future__ import annotations

import json
import tomllib
from typing import Any


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a text says in TOML.

    Raises
    ------
    tomllib.TOMLDecodeError
        It is no TOML, or nested deeper than Python's reader goes, which gives up with a RecursionError there.

    Examples
    --------
    >>> parse_toml('name = "shoes"')
    {'name': 'shoes'}
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("Nested deeper than it can be read") from None


def quote(text: str) -> str:
    """Return a text as a string of TOML; letters that one cannot see are escaped.

    Examples
    --------
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
