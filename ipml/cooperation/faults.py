"""Faults: check untrusted values one by one, and collect each fault with its place.

Nothing is stored until all values of a request or file are right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from ipml.kit import moments
from ipml.records import Problem
from ipml.review.arrivals.snapshot import is_storable

MOST_FAULTS = 1_000
_LONGEST_SHOWN = 80
_LONGEST_URL = 2_048
_LONGEST_EMAIL = 254
_LARGEST_NUMBER = 1e12

_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@"
    r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
_SEEN = "LNPS"  # Unicode categories that are visible: letters, numbers, punctuation, symbols
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # letters by category, but invisible


class Faults:
    r"""The faults of one request or row: the first 1,000 in `found`, and their number in `n`.

    >>> faults = Faults()
    >>> read_text(faults, "name", 7, longest=200), read_text(faults, "email", "a\nb", longest=200)
    (None, None)
    >>> [str(problem) for problem in faults.found]
    ["row 1, name: found '7', expected text", ... expected one line without control characters"]
    """

    def __init__(self, row: int = 1) -> None:
        self._row = row
        self.found: list[Problem] = []
        self.n = 0

    def add(self, place: str, value: object, expected: str) -> None:
        """Add a fault: the value found in a place, and what was expected."""
        self.add_words(place, describe_value(value), expected)

    def add_words(self, place: str, found: str, expected: str) -> None:
        """Add a fault whose finding is described in words."""
        self.n += 1
        if len(self.found) < MOST_FAULTS:
            self.found.append(Problem(self._row, place, found, expected))


def describe_value(value: object) -> str:
    """Return a value in at most 80 characters, with control characters escaped."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        shown = value[: _LONGEST_SHOWN + 1]
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)[:_LONGEST_SHOWN]
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    return "an object" if isinstance(value, Mapping) else repr(value)[:_LONGEST_SHOWN]


def read_object(faults: Faults, place: str, value: object, names: Collection[str]) -> Mapping[str, object]:
    """Return an object that has these fields only; an empty one if the value is no object."""
    if not isinstance(value, Mapping):
        faults.add(place, value, "an object")
        return {}
    for name in value:
        if name not in names:
            within = f"{place}." if place else ""
            expected = f"one of {', '.join(sorted(names))}"
            faults.add_words(within + describe_value(name), "an unknown field", expected)
    return value


def read_text(
    faults: Faults, place: str, value: object, *, longest: int, least_seen: int = 1, is_line: bool = True
) -> str | None:
    """Return a text without surrounding blanks, or None.

    `least_seen` counts visible characters only; `is_line` asks for a single line without control characters.
    """
    if not isinstance(value, str):
        faults.add(place, value, "text")
    elif not is_storable(value):
        faults.add(place, value, "text without NUL and halves of surrogate pairs")
    elif len(value) > longest:
        faults.add_words(place, f"{len(value):,} characters", f"at most {longest:,}")
    elif is_line and any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in value):
        faults.add(place, value, "one line without control characters")
    elif (seen := count_seen(value)) < least_seen:
        finding = f"{seen} letters that can be seen" if seen else "nothing that can be seen"
        faults.add_words(place, finding, f"at least {least_seen} letters" if least_seen > 1 else "text")
    else:
        return value.strip()
    return None


def count_seen(text: str) -> int:
    r"""Count the visible characters of a text: no blanks, no invisible letters, no accents without their letter.

    >>> count_seen("a bag"), count_seen("\u200b\u3164 \n")
    (4, 0)
    """
    return sum(unicodedata.category(letter)[0] in _SEEN and letter not in _BLANK_LETTERS for letter in text)


def read_email(faults: Faults, place: str, value: object) -> str | None:
    """Return an e-mail address in lower case, or None."""
    text = read_text(faults, place, value, longest=_LONGEST_EMAIL)
    if text is None:
        return None
    if not _EMAIL.fullmatch(text):
        faults.add(place, text, "an address such as ann@brand.example")
        return None
    return text.lower()


def read_url(faults: Faults, place: str, value: object) -> str | None:
    """Return a web address, or None."""
    text = read_text(faults, place, value, longest=_LONGEST_URL)
    if text is None:
        return None
    if any(not letter.isprintable() or letter.isspace() for letter in text) or not _is_web_address(text):
        faults.add(place, text, "an address that begins with https:// or http://, with a host and no password")
        return None
    return text


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def read_moment(faults: Faults, place: str, value: object, now: datetime) -> datetime | None:
    """Return a moment in UTC that is not in the future, or None."""
    try:
        moment = moments.read_moment(value)
    except ValueError:
        faults.add(place, value, moments.EXPECTED)
        return None
    if moment > now:
        faults.add(place, value, "a moment that has come")
        return None
    return moment


def read_number(faults: Faults, place: str, value: object) -> float | None:
    """Return a number of 0 or more, or None."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST_NUMBER:
        return float(value)
    faults.add(place, value, "a number from 0 to 1,000,000,000,000")
    return None
