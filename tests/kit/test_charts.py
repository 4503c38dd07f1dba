"""Charts: axes, texts, empty data, and values at the edge of what can be drawn."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.kit.charts import (
    Axis,
    BarRow,
    Chart,
    RowChart,
    Series,
    choose_ticks,
    draw_chart,
    draw_rows,
    make_name_axis,
    make_value_axis,
    write_chart_file,
    write_number,
)

HOSTILE = '<script>alert("1")</script>'


def make_chart(*series: Series, names: tuple[str, ...] = ("a", "b", "c"), **options: object) -> Chart:
    """Return a chart over named places."""
    return Chart(
        "Title",
        f"Says {HOSTILE}",
        make_name_axis("month", names),
        make_value_axis("cases", 4),
        series,
        names,
        **options,
    )


@given(st.floats(1e-3, 1e9))
def test_an_axis_ends_just_beyond_the_largest_value(largest: float) -> None:
    """It has three to five evenly spaced values, each written differently."""
    ticks = choose_ticks(largest)
    assert ticks[0] == 0
    assert ticks[-2] < largest * (1 + 1e-9)
    assert ticks[-1] >= largest * (1 - 1e-9)
    assert 3 <= len(ticks) <= 5
    if largest >= 0.1:
        assert len({write_number(at) for at in ticks}) == len(ticks)


@given(st.integers(0, 10**12))
def test_ticks_of_counts_are_whole_numbers(largest: int) -> None:
    """They are evenly spaced, and the last is no smaller than the largest count."""
    ticks = choose_ticks(largest, is_count=True)
    assert all(tick == int(tick) for tick in ticks)
    assert ticks[-1] >= largest
    assert 2 <= len(ticks) <= 5


def test_each_place_shows_its_values_and_opens_its_address() -> None:
    """Wherever the pointer is above it; a chart with links is no image, which would hide them."""
    series = Series("Came", "columns", "s0", [1, 0, 3]), Series("Went", "line", "s1", [2, None, 4])
    drawing = draw_chart(make_chart(*series, links=("/a", "", "/c?x=1&y=2")))
    assert re.findall(r"<title>([^<]*)", drawing) == ["a: Came 1, Went 2", "b: Came 0, Went –", "c: Came 3, Went 4"]
    assert re.findall(r'<a href="([^"]*)"', drawing) == ["/a", "/c?x=1&amp;y=2"]
    assert 'role="img"' not in drawing


@pytest.mark.parametrize("kind", ["columns", "line", "points"])
def test_a_chart_is_whole_and_escapes_its_texts(kind) -> None:
    """It parses as XML, names its axes, is described to screen readers, and holds no element from a text."""
    series = Series(HOSTILE, kind, "s0", [1.0, None, 3.0], [0.5, None, 2.0], [2.0, None, 4.0], [9, 0, 8])
    chart = make_chart(series, names=("Jul 25", HOSTILE, "Sep 25"))
    for drawing in (draw_chart(chart), write_chart_file(chart)):
        drawn = ElementTree.fromstring(drawing)
        assert f"Says {HOSTILE}" in [one.get("aria-label") for one in drawn.iter()]
        assert "month" in [one.text for one in drawn.iter() if one.tag.endswith("text")]
        assert not [one for one in drawn.iter() if one.tag.endswith("script")]
        assert "style=" not in drawing
    assert chart.rows[:2] == [("Jul 25", ["1 (0.5 to 2) of 9"]), (HOSTILE, ["–"])]


def test_only_values_whose_whole_interval_is_unexpected_are_marked() -> None:
    """A point is marked as off where its interval does not meet the expected range."""
    series = Series("Share", "points", "s0", [30.0, 50.0], [20.0, 20.0], [40.0, 70.0], [50, 5])
    chart = make_chart(series, names=("a", "b"), expected=(60.0, 80.0))
    assert re.findall(r'class="point s0( off)?"', draw_chart(chart)) == [" off", ""]


def test_no_value_gives_one_line_of_text() -> None:
    """Charts without values and charts without rows show no axis."""
    for drawing in (
        draw_chart(make_chart(Series("Share", "columns", "s0", [None, None, None]))),
        draw_rows(RowChart("Title", "Penalties", Axis("", ()), ())),
    ):
        assert ">No data.<" in drawing
        assert "<line" not in drawing


def test_stacked_columns_stand_on_each_other_and_zero_points_are_drawn() -> None:
    """The parts of a column add up to its height; a point of value 0 is at the foot of the plot."""
    stacked = [Series(name, "columns", name, [2.0, 0.0, 1.0]) for name in ("s0", "s1")]
    boxes = re.findall(r'y="([\d.]+)%" height="([\d.]+)%"', draw_chart(make_chart(*stacked, is_stacked=True)))
    (lower_y, lower_height), (upper_y, upper_height) = boxes[:2]
    assert float(lower_y) + float(lower_height) == 100
    assert float(upper_y) + float(upper_height) == float(lower_y)
    assert 'cy="100.00%"' in draw_chart(make_chart(Series("Share", "points", "s0", [0.0, 1.0, 2.0])))


def test_a_row_is_a_bar_or_a_dot_in_its_interval() -> None:
    """Bars begin at zero, on either side of it; only rows with bounds have a dot."""
    rows = (BarRow("gain", 0.5, "+0.5"), BarRow("loss", -0.5, "-0.5"), BarRow("share", 0.2, "20 %", 0.1, 0.4, mark=0.3))
    drawing = draw_rows(RowChart("Title", "Changes", Axis("", (), 1.0, -1.0), rows, rule=0.0))
    assert re.findall(r'class="column s0" y="\d+" height="12" x="([\d.]+)%" width="([\d.]+)%"', drawing) == [
        ("50.00", "25.00"),
        ("25.00", "25.00"),
    ]
    assert drawing.count("<circle") == drawing.count('class="mark"') == drawing.count('class="guide"') == 1
