"""Charts of reports: what stands beside their lines."""

import re

import pytest

from ipml.cooperation.reports.document import Table, draw_columns
from ipml.kit.svg import make_ticks, round_up


@pytest.mark.parametrize("most", [1, 5, 7, 10, 17, 95, 3_600])
def test_the_numbers_at_an_axis_are_evenly_apart(most: int):
    """From nothing to the top, as the lines are that they stand beside; none is rounded to another number."""
    table = Table("t", "Listings by month", (("month", "text"), ("listings", "count")), (("2026-01", most),))
    labels = re.findall(r'text-anchor="end">([\d.,]+)<', draw_columns(table, [1], "Listings"))
    assert [float(label.replace(",", "")) for label in labels] == make_ticks(round_up(most))
