"""Moments: reads and writes points in time as text, in one format everywhere.

A moment is ISO 8601 (RFC 3339) with its offset, from 1970 to 2199, stored in UTC. Programs must give an offset. For
people, a day means its first moment, and UTC is the default offset.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import SupportsInt

# Excludes placeholders such as the years 1 and 9999.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
EXPECTED = "a moment with its zone, such as 2026-03-01T09:30:00Z, from 1970 to 2199"
EXPECTED_AS_TYPED = "a day or a moment, such as 2026-03-01 or 2026-03-01T09:30:00+01:00, from 1970 to 2199"
# A moment finer than a microsecond is refused, because it would have to be cut.
PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
)
_MATCHES = re.compile(PATTERN).fullmatch
_MICROSECOND = timedelta(microseconds=1)


def read_moment(value: object) -> datetime:
    """Return the moment in a text or datetime, in UTC.

    Raises ValueError, with the expected form, for a moment without offset or outside 1970 to 2199, and for anything
    else.

    >>> read_moment("2026-03-01T09:30+01:00")
    datetime.datetime(2026, 3, 1, 8, 30, tzinfo=datetime.timezone.utc)
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and _MATCHES(value) else value
        if isinstance(moment, datetime) and moment.utcoffset() is not None:
            moment = moment.astimezone(UTC)
            if EARLIEST <= moment < LATEST:
                return moment
    except (ValueError, OverflowError):  # the 30th of February; a moment that leaves the calendar in UTC
        pass
    raise ValueError(EXPECTED)


def read_typed_moment(text: str) -> datetime:
    """Return a moment typed by a person: a day is its first moment, and UTC is the default offset.

    Raises ValueError, with the found and expected form, for other texts.

    >>> str(read_typed_moment("2026-05-01")), str(read_typed_moment("2026-05-01T12:00"))
    ('2026-05-01 00:00:00+00:00', '2026-05-01 12:00:00+00:00')
    """
    for named in (text, f"{text}Z", f"{text}T00:00Z"):
        try:
            return read_moment(named)
        except ValueError:
            continue
    raise ValueError(f"found {text[:40]!a}; expected {EXPECTED_AS_TYPED}")


def write_moment(moment: datetime) -> str:
    """Return an aware moment as text, in UTC.

    >>> write_moment(datetime(2024, 5, 1, 12, tzinfo=UTC))
    '2024-05-01T12:00:00+00:00'
    """
    return moment.astimezone(UTC).isoformat()


def to_microseconds(moment: datetime) -> int:
    """Return an aware moment as whole microseconds since 1970."""
    return (moment - EARLIEST) // _MICROSECOND


def from_microseconds(number: SupportsInt) -> datetime:
    """Return the moment some microseconds after the beginning of 1970, in UTC."""
    return EARLIEST + timedelta(microseconds=int(number))
