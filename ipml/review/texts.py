"""Which texts every database can hold, and hold alike."""

from __future__ import annotations

from ipml.errors import UnstorableValue


def is_storable(text: str) -> bool:
    """Say whether a text has only characters: PostgreSQL knows no NUL, and nobody half a surrogate pair.

    Examples
    --------
    >>> is_storable("Gu\\u0441\\u0441i bag"), is_storable("a\\0b"), is_storable("\\ud800")
    (True, False, False)
    """
    return not ("\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text))


def check_text(field: str, text: str, longest: int) -> None:
    """Refuse a text that is too long, or that not every database can hold."""
    if len(text) > longest:
        raise UnstorableValue(field, f"{len(text)} characters", f"at most {longest}")
    if not is_storable(text):
        raise UnstorableValue(field, "a character that is none (NUL or half a surrogate pair)", "text")
