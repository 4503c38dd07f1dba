"""Charts over time: periods, axes and figures that can be read, whatever they show."""

import re
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.web.console.drawing.plots import Plot, Series, choose_ticks, cut_periods, write_figure


@given(st.dates(date(2001, 1, 1), date(2190, 1, 1)), st.integers(1, 1_200))
def test_periods_cover_each_day_once(first: date, n_days: int) -> None:
    """In order, without a gap, and few enough to be read; their names differ."""
    last = first + timedelta(days=n_days - 1)
    periods = cut_periods(first, last)
    assert periods.each[0].first == first
    assert periods.each[-1].last == last
    for one, following in zip(periods.each, periods.each[1:], strict=False):
        assert following.first == one.last + timedelta(days=1)
    assert len(periods.each) <= 41
    assert len({one.name for one in periods.each}) == len(periods.each)
    assert periods.place_of(last) == len(periods.each) - 1


@given(st.floats(1e-3, 1e9))
def test_an_axis_ends_just_beyond_the_largest_value(largest: float) -> None:
    """With three to five values that stand evenly, and are written apart from each other."""
    ticks = choose_ticks(largest)
    assert ticks[0] == 0
    assert ticks[-2] < largest * (1 + 1e-9)
    assert ticks[-1] >= largest * (1 - 1e-9)
    assert 3 <= len(ticks) <= 5
    if largest >= 0.1:
        assert len({write_figure(at) for at in ticks}) == len(ticks)


def test_an_axis_says_seven_and_a_half() -> None:
    """And no 8 in its place."""
    assert [write_figure(at) for at in choose_ticks(10.0)] == ["0", "2.5", "5", "7.5", "10"]


HOSTILE = '<script>alert("1")</script>'


@pytest.mark.parametrize("kind", ["bars", "line", "dashed", "points"])
def test_a_chart_is_whole_and_escapes_its_texts(kind: str) -> None:
    """It parses as XML, names its axes, says what it shows, and holds nothing of a text as an element."""
    series = Series(HOSTILE, kind, "decided", [1.0, None, 3.0], [0.5, None, 2.0], [2.0, None, 4.0], [9, 0, 8])
    plot = Plot("key", "Title", f"Says {HOSTILE}", "month", f"cases {HOSTILE}", ["Jul 25", HOSTILE, "Sep 25"], [series])
    drawn = ElementTree.fromstring(str(plot.svg))
    assert drawn.get("aria-label") == f"Says {HOSTILE}"
    assert "month" in [text.text for text in drawn.iter("text")]
    assert not list(drawn.iter("script"))
    assert plot.rows[0] == ("Jul 25", ["1 (0.5 to 2) of 9"])
    assert plot.rows[1] == (HOSTILE, ["–"])


def test_what_lies_outside_of_what_is_expected_is_marked() -> None:
    """Only where its whole interval does."""
    series = Series("Share", "points", "x", [30.0, 50.0], [20.0, 20.0], [40.0, 70.0], [50, 5])
    plot = Plot("k", "T", "S", "x", "y", ["a", "b"], [series], expected=(60.0, 80.0), largest=100.0)
    assert re.findall(r'class="point x( off)?"', str(plot.svg)) == [" off", ""]
