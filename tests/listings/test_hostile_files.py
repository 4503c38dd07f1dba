"""What a stranger's file costs: a file of up to a megabyte is answered in bounded memory and time, in words."""

from __future__ import annotations

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

MAX_BYTES = 1 << 20  # of a file
MEMORY = 4 << 30  # of addresses, which libraries take plenty of that they never fill
PEAK = 1_500  # MB in use
SECONDS = 20  # of the processor, which other programs on the machine do not change
READ = f"""
import os, resource, sys
from pathlib import Path
from ipml.errors import IpmlError
from ipml.listings.tables import read_tables

def read(path):
    try:
        return str(sum(len(table.frame) + len(table.broken) for table in read_tables(path))) + " rows"
    except IpmlError as error:
        assert "\\n" not in str(error)
        return "refused"

for path in map(Path, sys.argv[1:]):
    child = os.fork()  # the peak of memory is that of one file
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        print(path.name, read(path), end=" ", flush=True)
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    print(status, used.ru_maxrss // 1024, round(used.ru_utime + used.ru_stime, 1), flush=True)
"""
LET_THROUGH = {"most_rows", "most_rows_of_nothing", "fairly_wide", "many_groups", "huge_metadata", "nested_lists"} | {
    *("deep_json", "long_numbers", "short_rows", "short_csv_rows", "wide_json")
}


@pytest.mark.slow
def test_every_hostile_file_is_answered_within_bounds(tmp_path: Path) -> None:
    """Each is read or refused in one line, in bounded memory and time; those too large in truth are refused."""
    for name, write in HOSTILE.items():
        write(tmp_path / name)
    paths = sorted(tmp_path.iterdir())
    assert all(path.stat().st_size <= MAX_BYTES for path in paths)
    done = subprocess.run([sys.executable, "-c", READ, *map(str, paths)], capture_output=True, text=True, check=True)
    answers = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in answers] == [path.name for path in paths], done.stderr
    costs = {name: (status, int(peak), float(seconds)) for name, *_, status, peak, seconds in answers}
    assert {name: cost for name, cost in costs.items() if cost[0] != "0" or cost[1] > PEAK or cost[2] > SECONDS} == {}
    assert {name.split(".")[0] for name, said, *_ in answers if said != "refused"} == LET_THROUGH


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
