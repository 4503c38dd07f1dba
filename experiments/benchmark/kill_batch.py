"""Kill `ipml score` again and again, and check that every row comes out once, as it does without a kill.

    python -m experiments.benchmark.kill_batch LISTINGS.parquet MODEL --rows 10000000 --kills 20 --jobs 2

The listings are repeated under new ids until there are so many. A run that is not killed says what should come out.
Then the same command is killed with SIGKILL at moments drawn by chance and given again, as often as asked for, and once
more to its end. The files have to be the same to the byte.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def make_listings(source: Path, target: Path, n_rows: int) -> None:
    """Write listings over and over, each time under other ids, until there are so many."""
    table = pq.read_table(source)
    at = table.schema.get_field_index("listing_id")
    ids = table["listing_id"].cast(pa.large_string())
    with pq.ParquetWriter(target, table.schema) as writer:
        for copy in range(-(-n_rows // table.num_rows)):
            named = pc.binary_join_element_wise(ids, *(pa.scalar(text, pa.large_string()) for text in (str(copy), "-")))
            copied = table.set_column(at, table.schema.field(at), named.cast(table.schema.field(at).type))
            writer.write_table(copied.slice(0, n_rows - copy * table.num_rows), row_group_size=200_000)


def start(source: Path, target: Path, options: list[str]) -> subprocess.Popen[bytes]:
    """Start `ipml score` as a process of its own."""
    command = [sys.executable, "-m", "ipml", "score", str(source), "--out", str(target), *options]
    return subprocess.Popen(command)  # noqa: S603 - our own command


def kill_some(source: Path, target: Path, options: list[str], kills: int, seconds: float, chance: random.Random) -> int:
    """Start and kill a run so often, and return how many kills it took to its end, if that came first."""
    work = target.with_name(f".{target.name}.chunks")
    for number in range(kills):
        before = count_chunks(work)
        process = start(source, target, options)
        if chance.random() < 0.8:  # else it may still be starting
            while process.poll() is None and count_chunks(work) <= before:
                time.sleep(0.01)
        try:
            process.wait(chance.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            return number
        print(f"kill {number + 1}: {count_chunks(work):,} chunks are finished", flush=True)
    return kills


def count_chunks(work: Path) -> int:
    """Return how many chunks are finished."""
    return len(list(work.glob("chunk-*.json")))


def check_rows(source: Path, target: Path) -> None:
    """Raise unless each row of the source is in the result once, in the same order."""
    with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as connection:
        there, different, rows = connection.execute(
            "SELECT count(*), count(DISTINCT listing_id), (SELECT count(*) FROM read_parquet(?)) FROM read_parquet(?)",
            [str(source), str(target)],
        ).fetchone() or (0, 0, 0)
    assert there == different == rows, f"{there:,} rows, {different:,} of them different; expected {rows:,}"
    assert digest_ids(source) == digest_ids(target), "the rows are in another order"


def digest_ids(path: Path) -> str:
    """Return a digest of the ids in their order."""
    found = hashlib.sha256()
    for batch in pq.ParquetFile(path).iter_batches(50_000, columns=["listing_id"]):
        found.update("".join(f"{name}\n" for name in batch.column(0).to_pylist()).encode())
    return found.hexdigest()


def digest(path: Path) -> str:
    """Return a digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> None:
    """Run it and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listings", type=Path, help="canonical listings without a repeat, as Parquet")
    parser.add_argument("model", help="a model folder")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("kill-batch"), help="for all files; about 1 kB a row")
    asked = parser.parse_args()
    asked.folder.mkdir(exist_ok=True)
    source, whole, killed = (asked.folder / f"{name}.parquet" for name in ("source", "whole", "killed"))
    make_listings(asked.listings, source, asked.rows)
    options = ["--model", asked.model, "--jobs", asked.jobs]
    began = time.monotonic()
    assert start(source, whole, options).wait() == 0
    seconds = time.monotonic() - began
    print(f"{asked.rows:,} rows in {seconds:.1f} s without a kill: {asked.rows / seconds:,.0f} a second", flush=True)
    left, chance = asked.kills, random.Random(asked.seed)  # noqa: S311 - which moments does not matter
    while left:
        killed.unlink(missing_ok=True)
        left -= kill_some(source, killed, options, left, seconds / 5, chance)
    assert start(source, killed, options).wait() == 0
    check_rows(source, killed)
    assert digest(killed) == digest(whole), "the files differ"
    rest = sorted(set(os.listdir(asked.folder)) - {source.name, whole.name, killed.name})  # noqa: PTH208
    assert not rest, f"left behind: {rest}"
    print(f"killed {asked.kills} times: every row once, the same bytes, and nothing is left behind")


if __name__ == "__main__":
    main()
