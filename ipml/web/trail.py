"""The way back: numbers of cases passed, kept in the address, so that the server need not remember it."""

from __future__ import annotations

from collections.abc import Iterable

# Written out, not \d: that would match digits of every script.
PATTERN = r"^([0-9]{1,18}(\.[0-9]{1,18})*)?$"
LONGEST = 100


def read_trail(text: str) -> list[int]:
    """Return the numbers of a trail that matches `PATTERN`, oldest first.

    Examples
    --------
    >>> read_trail("12.7"), read_trail("")
    ([12, 7], [])
    """
    return [int(number) for number in text.split(".") if number]


def write_trail(numbers: Iterable[int]) -> str:
    """Write the last 100 numbers as a trail.

    Examples
    --------
    >>> write_trail([12, 7])
    '12.7'
    """
    return ".".join(map(str, list(numbers)[-LONGEST:]))
