"""What sellers wrote, shown in a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return hostile text without what a terminal would obey.

    Examples
    --------
    >>> printable("wool\\x1b[2J hat")
    'wool\ufffd[2J hat'
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
