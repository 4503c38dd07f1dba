"""A run has a name that a folder can bear."""

import pytest

from ipml.errors import UnusableSetting
from ipml.scoring.spark.job import name_run


def test_a_run_is_called_after_its_source_and_never_leads_elsewhere():
    """The name is part of a path: of a folder or a file, whether given with a slash at the end or without."""
    assert name_run(None, "s3a://lake/night=7/../2026-03-01/") == "2026-03-01"
    assert name_run("x" * 100, "listings.parquet") == "x" * 100
    for name in ("", "a/b", "..", "a b", "x" * 101, "*"):
        with pytest.raises(UnusableSetting, match=r"run: found .*expected up to 100 letters"):
            name_run(name, "listings.parquet")
