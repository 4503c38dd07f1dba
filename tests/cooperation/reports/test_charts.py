"""Charts of reports: what stands beside their lines."""

import re

import pytest

from ipml.cooperation.reports.document import Table, draw_columns
from ipml.kit.svg import make_ticks, round_up


def test_the_numbers_at_an_axis_are_evenly_apart(subtests: pytest.Subtests):
    """From nothing to the top, as the lines are that they stand beside; none is rounded to another number."""
    for most in [1, 5, 7, 10, 17, 95, 3_600]:
        with subtests.test(most=most):
            table = Table("t", "Listings by month", (("month", "text"), ("listings", "count")), (("2026-01", most),))
            labels = re.findall(r'text-anchor="end">([\d.,]+)<', draw_columns(table, [1], "Listings"))
            assert [float(label.replace(",", "")) for label in labels] == make_ticks(round_up(most))
