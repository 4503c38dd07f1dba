"""What a job on Spark needs: a name, counts of rows, a session opened late, and the model that was verified."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnreadableFile, UntrustedModel, UnusableSetting
from ipml.model.model_file import manifest_sha256, read_card, save_model
from ipml.scoring.spark.job import name_run
from ipml.scoring.spark.repeats import COUNTS, find_twice, make_blocks
from ipml.scoring.spark.shipped_model import ShippedModel, load_shipped


def test_a_run_is_called_after_its_source_and_never_leads_elsewhere():
    """The name is part of a path: of a folder or a file, whether given with a slash at the end or without."""
    assert name_run(None, "s3a://lake/night=7/../2026-03-01/") == "2026-03-01"
    assert name_run("x" * 100, "listings.parquet") == "x" * 100
    for name in ("", "a/b", "..", "a b", "x" * 101, "*"):
        with pytest.raises(UnusableSetting, match=r"run: found .*expected up to 100 letters"):
            name_run(name, "listings.parquet")


HASHES = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1])
TYPES = pa.schema({"hash": pa.int64(), "good": pa.bool_(), "abstained": pa.bool_()})
ROWS = st.lists(st.fixed_dictionaries({"hash": HASHES, "good": st.booleans(), "abstained": st.booleans()}), max_size=9)


@given(st.lists(ROWS, max_size=4), st.integers(1, 5))
def test_what_comes_twice_is_found_in_whichever_range_it_is(tasks, n_places):
    """Of good rows; the bad ones are counted alone."""
    blocks = [block for rows in tasks for block in make_blocks([pa.RecordBatch.from_pylist(rows, TYPES)], n_places)]
    found = []
    for place in range(n_places):
        of_place = [row for block in blocks for row in block.to_pylist() if row["place"] == place]
        found += find_twice(
            pa.Table.from_pylist(
                of_place, pa.schema({"place": pa.int32(), "hashes": pa.binary(), **dict.fromkeys(COUNTS, pa.int64())})
            )
        ).to_pylist()
    every = [row for rows in tasks for row in rows]
    good = [row for row in every if row["good"]]
    twice = sorted(value for value, times in Counter(row["hash"] for row in good).items() if times > 1)
    assert sorted(row["hash"] for row in found if row["hash"] is not None) == twice
    expected = len(good), sum(row["abstained"] for row in good), len(every) - len(good)
    assert tuple(sum(row[name] for row in found) for name in COUNTS) == expected


EARLY = """
import sys

import pytest
import ipml.scoring.spark.job
from ipml.listings.maps.column_maps import load_columns
load_columns("mercadolibre")
print("pyspark" in sys.modules)
"""


@pytest.mark.slow
def test_nothing_ties_the_driver_to_this_machine_before_the_session_is_opened():
    """What loads Spark too early may have it listen on loopback alone, where no worker of a cluster could reach it."""
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.fixture
def shipped(classifier, tmp_path, monkeypatch) -> ShippedModel:
    """A model as it arrives on a machine of the cluster."""
    save_model(classifier, tmp_path / "model.zip", name="market", data_digest="0", experiment={}, figures={})
    monkeypatch.setattr(pytest.importorskip("pyspark").SparkFiles, "get", lambda name: str(tmp_path / name))
    load_shipped.cache_clear()
    folder = tmp_path / "model.zip"
    return ShippedModel("model.zip", manifest_sha256(folder), read_card(folder).full_version, most_width=0.5)


@pytest.mark.slow
def test_the_model_is_loaded_once_with_the_settings_of_the_driver(shipped):
    """A second batch gets the same object; how wide an interval may be is not up to the worker's machine."""
    scorer, portfolios = load_shipped(shipped)
    assert (scorer.version, scorer.most_width, portfolios) == (shipped.version, 0.5, None)
    assert load_shipped(shipped)[0] is scorer


@pytest.mark.slow
def test_what_the_driver_did_not_name_is_refused(shipped, tmp_path):
    """A whole model whose manifest is another, a changed file under the right one, and other portfolios."""
    with pytest.raises(UntrustedModel, match="the one that the driver sent"):
        load_shipped(replace(shipped, manifest="0" * 64))
    (tmp_path / "sellers.npz").write_bytes(b"other")
    with pytest.raises(UnreadableFile, match="other portfolios"):
        load_shipped(replace(shipped, store="sellers.npz", store_sha256="0" * 64))
    path = tmp_path / "model.zip" / "model.zip"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UntrustedModel, match=r"model\.zip that has changed"):
        load_shipped(shipped)
