"""Working minutes between two moments."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ipml.review.ranking.policy import FARTHEST, WorkingHours

OFFICE = WorkingHours(
    zone="Europe/Berlin",
    monday=("08:00-12:00", "13:00-17:00"),
    friday=("08:00-12:00",),
    sunday=("00:00-24:00",),
    holidays=(date(2024, 5, 20),),
)
moments = st.datetimes(datetime(2024, 3, 1), datetime(2024, 11, 30)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(st.lists(moments, min_size=3, max_size=3).map(sorted))
def test_minutes_add_up(three: list[datetime]):
    """From first to last is from first to middle and on, and never more than the clock says."""
    first, middle, last = three
    whole = OFFICE.minutes_between(first, last)
    assert whole == pytest.approx(OFFICE.minutes_between(first, middle) + OFFICE.minutes_between(middle, last))
    assert 0 <= whole <= (last - first).total_seconds() / 60 + 1e-6


def test_minutes_follow_the_clock_on_the_wall():
    """Shifts, breaks, holidays and changes of the clock are those of the time zone."""
    expected = {
        ("2024-05-06T06:00", "2024-05-06T15:00"): 480,  # a Monday in Berlin, with its lunch
        ("2024-05-06T15:00", "2024-05-06T06:00"): 0,
        ("2024-05-20T00:00", "2024-05-20T20:00"): 0,  # a holiday
        ("2024-03-30T23:00", "2024-03-31T22:00"): 23 * 60,  # the Sunday on which summer time begins
        ("2024-10-26T22:00", "2024-10-27T23:00"): 25 * 60,  # and ends
    }
    moments = {pair: [datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in pair] for pair in expected}
    assert {pair: OFFICE.minutes_between(*between) for pair, between in moments.items()} == expected


def test_the_far_future_costs_no_time():
    """What is due in the year 9999 is counted for a year, and leads to no overflow."""
    now = datetime(2024, 5, 6, tzinfo=UTC)
    far = datetime(9999, 12, 31, tzinfo=UTC)
    assert OFFICE.minutes_between(now, far) == OFFICE.minutes_between(now, now + FARTHEST)


def test_hours_that_make_no_sense_are_refused():
    """Zones that are none, shifts that overlap or end before they begin."""
    shifts = (("17:00-09:00",), ("09:00-09:00",), ("09:00-12:00", "11:00-17:00"), ("9-17",), ("09:00-25:00",))
    wrong = [*(("monday", shift) for shift in shifts), ("zone", "Mars/Olympus"), ("zone", "../etc/passwd")]
    for field, value in (*wrong, ("reviewers", 0)):
        with pytest.raises(ValidationError):
            WorkingHours(**{field: value})
