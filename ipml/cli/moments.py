"""Days and moments as people give them to commands, and as commands show them: in UTC where no zone is named."""

from __future__ import annotations

from datetime import UTC, datetime

DAY = ["%Y-%m-%d"]
MOMENT = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


def in_utc(moment: datetime | None) -> datetime | None:
    """Return a moment that names no zone as one in UTC.

    Examples
    --------
    >>> in_utc(datetime(2026, 5, 1)).isoformat()
    '2026-05-01T00:00:00+00:00'
    """
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def show_day(moment: datetime | None) -> str:
    """Return the day of a moment; nothing for none.

    Examples
    --------
    >>> show_day(datetime(2026, 5, 1, 9, 30, tzinfo=UTC)), show_day(None)
    ('2026-05-01', '')
    """
    return f"{moment:%Y-%m-%d}" if moment else ""


def show_minute(moment: datetime | None) -> str:
    """Return a moment to the minute, with its zone; nothing for none.

    Examples
    --------
    >>> show_minute(datetime(2026, 5, 1, 9, 30, tzinfo=UTC)), show_minute(None)
    ('2026-05-01 09:30 UTC', '')
    """
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
