"""A session is opened as the environment says, before anything can change it."""

import subprocess
import sys

import pytest

EARLY = """
import sys

import pytest
import ipml.scoring.spark.job
from ipml.listings.column_maps import load_columns
load_columns("mercadolibre")
print("pyspark" in sys.modules)
"""


@pytest.mark.slow
def test_nothing_ties_the_driver_to_this_machine_before_the_session_is_opened():
    """What loads Spark too early may have it listen on loopback alone, where no worker of a cluster could reach it."""
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
