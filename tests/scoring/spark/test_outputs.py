"""A run has a name that a folder can bear."""

import pytest

from ipml.errors import UnusableSetting
from ipml.scoring.spark.job import name_run


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "x" * 101, "*"])
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    """It would be part of a path."""
    with pytest.raises(UnusableSetting, match=r"run: found .*expected up to 100 letters"):
        name_run(name, "listings.parquet")


def test_a_run_is_called_after_its_source():
    """A folder and a file, whether given with a slash at the end or without."""
    assert name_run(None, "s3a://lake/night=7/../2026-03-01/") == "2026-03-01"
