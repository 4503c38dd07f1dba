"""Moments as text, and what is none."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.kit.moments import (
    EARLIEST,
    EXPECTED,
    LATEST,
    from_microseconds,
    read_moment,
    read_typed_moment,
    to_microseconds,
    write_moment,
)

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31, 23, 59, 59, 999_999)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, OFFSETS)
def test_a_moment_comes_back_from_its_text(moment: datetime, zone: timezone):
    """In whatever zone it was written, and it is written in UTC."""
    elsewhere = moment.astimezone(zone)
    assert read_moment(elsewhere.isoformat()) == read_moment(elsewhere) == moment
    assert write_moment(elsewhere) == write_moment(moment) == moment.isoformat()
    assert read_moment(write_moment(moment)).tzinfo is UTC


@given(MOMENTS)
def test_a_moment_comes_back_from_its_number(moment: datetime):
    """To the microsecond."""
    assert from_microseconds(to_microseconds(moment)) == moment


NO_MOMENTS = (
    *("2026-05-01", "2026-05-01T12:00:00", "2026-05-01T12Z", "20260501T120000Z", "2026-02-30T12:00Z", "noon", ""),
    *("2026-05-01T12:00:00.1234567Z", " 2026-05-01T12:00Z", "2026-05-01T24:00Z", "٢٠٢٦-05-01T12:00Z"),
    *("1969-12-31T23:59:59Z", "2200-01-01T00:00Z", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"),
    *(None, 1_777_636_800, True, ["2026-05-01T12:00Z"], datetime(2026, 5, 1), LATEST),
)


def test_what_is_no_moment_is_refused(subtests):
    """Without an offset, out of the range, too fine, or anything else: the error says what was expected."""
    assert read_moment("1970-01-01T00:00Z") == EARLIEST
    assert read_moment("2199-12-31T23:59:59.999999Z") < LATEST
    for value in NO_MOMENTS:
        with subtests.test(repr(value)), pytest.raises(ValueError, match=EXPECTED):
            read_moment(value)


def test_a_person_may_leave_out_time_and_zone():
    """A day is its first moment, and UTC is meant."""
    moments = {
        "2026-05-01": "2026-05-01T00:00:00+00:00",
        "2026-05-01T12:30": "2026-05-01T12:30:00+00:00",
        "2026-05-01 12:30:15": "2026-05-01T12:30:15+00:00",
        "2026-05-01T12:30+0200": "2026-05-01T10:30:00+00:00",
    }
    assert {text: write_moment(read_typed_moment(text)) for text in moments} == moments


def test_what_a_person_mistyped_is_named():
    """With what was expected, and nothing that a terminal would obey."""
    for text in ("1969-12-31", "2026-13-01", "yesterday", "2026-05-01T", "\x1b[2J"):
        with pytest.raises(ValueError, match=r"found '.*; expected a day or a moment, such as") as caught:
            read_typed_moment(text)
        assert str(caught.value).isprintable()
