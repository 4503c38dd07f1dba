"""Read TOML that people wrote: every mistake in it is a `tomllib.TOMLDecodeError`, which says where."""

from __future__ import annotations

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
