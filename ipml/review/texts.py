"""What people write beside a decision: checked for what every database can hold."""

from __future__ import annotations

from ipml.errors import UnstorableValue


def check_text(field: str, text: str, longest: int) -> None:
    """Refuse a text that is too long, or that not every database can hold.

    Examples
    --------
    >>> check_text("note", "The stitching is wrong.", 2000)
    """
    if len(text) > longest:
        raise UnstorableValue(field, f"{len(text)} characters", f"at most {longest}")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UnstorableValue(field, "a character that is none (NUL or half a surrogate pair)", "text")
