"""What a stranger's file costs: a file of up to a megabyte is answered in bounded memory and time, in words."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import UnreadableFile
from ipml.listings.tables import read_tables
from ipml.parquet import look_into
from tests.listings.hostile_files import HOSTILE

MEMORY = 3 << 30  # of addresses, which libraries take plenty of that they never fill
PEAK = 1_200  # MB in use
READ = """
import resource, sys
from pathlib import Path
from ipml.errors import IpmlError
from ipml.listings.tables import read_tables

for path in map(Path, sys.argv[1:]):
    try:
        print(path.name, sum(len(table.frame) + len(table.broken) for table in read_tables(path)), "rows")
    except IpmlError as error:
        assert "\\n" not in str(error)
        print(path.name, "refused:", error)
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
LET_THROUGH = {"most_rows", "most_rows_of_nothing", "fairly_wide", "many_groups", "huge_metadata", "nested_lists"} | {
    *("deep_json", "long_numbers", "short_rows", "short_csv_rows", "wide_json")
}


def limit() -> None:
    """Give a process so much memory and half a minute of the processor."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 120))


@pytest.mark.slow
def test_every_hostile_file_is_answered_within_bounds(tmp_path: Path) -> None:
    """Each is read or refused in one line, within bounded memory; those that are too large in truth are refused."""
    for name, write in HOSTILE.items():
        write(tmp_path / name)
    paths = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        [sys.executable, "-c", READ, *paths], capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert done.returncode == 0, done.stderr
    *lines, peak = done.stdout.splitlines()
    read = {line.split(".")[0] for line in lines if "refused: " not in line}
    assert len(lines) == len(HOSTILE)
    assert read == LET_THROUGH
    assert int(peak.split()[1]) < PEAK


@pytest.mark.parametrize(
    "name", ["deep_schema.parquet", "untrue_rows.parquet", "long_text_few_times.parquet", "lists.parquet"]
)
def test_a_small_file_that_would_fill_the_memory_is_refused(tmp_path: Path, name: str) -> None:
    """What its pages say is found before they are decoded, whatever its footer says."""
    HOSTILE[name](tmp_path / name)
    with pytest.raises(UnreadableFile, match=name):
        list(read_tables(tmp_path / name))


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(st.one_of(st.none(), st.text(max_size=20), st.text("ab", min_size=300, max_size=900)), min_size=1),
    rows=st.integers(1, 7),
    page=st.sampled_from([64, 1 << 20]),
    version=st.sampled_from(["1.0", "2.0"]),
    encoding=st.sampled_from(["dictionary", "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]),
    group=st.integers(1, 40),
)
def test_what_is_sound_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str | None],
    rows: int,
    page: int,
    version: str,
    encoding: str,
    group: int,
) -> None:
    """However a file is cut into pages and row groups, whatever its encoding, its rows come as they are."""
    path = tmp_path_factory.mktemp("sound") / "shop.parquet"
    table = pa.table({"title": pa.array(texts, pa.string()), "price": pa.array(range(len(texts)), pa.int64())})
    by_encoding = (
        {"use_dictionary": True}
        if encoding == "dictionary"
        else {"use_dictionary": False, "column_encoding": {"title": encoding, "price": "PLAIN"}}
    )
    pq.write_table(table, path, data_page_size=page, data_page_version=version, row_group_size=group, **by_encoding)
    batches = list(look_into(path).read_batches(rows))
    assert pa.Table.from_batches(batches, schema=table.schema) == table
    assert all(batch.num_rows <= rows for batch in batches)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(1, 255))
def test_a_damaged_file_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    """Whatever byte was changed, what comes is a table or one line."""
    path = tmp_path_factory.mktemp("damaged") / "shop.parquet"
    pq.write_table(pa.table({"title": ["Bag", None, "Belt"] * 9, "price": range(27)}), path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= byte
    path.write_bytes(content)
    said = ""
    try:
        assert all(len(table.frame) <= 27 for table in read_tables(path))
    except UnreadableFile as error:
        said = str(error)
    assert "\n" not in said
