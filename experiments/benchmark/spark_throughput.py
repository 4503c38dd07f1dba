"""How many listings a second a core scores on Spark, against the plain batch in the same run, and what that means.

Example: python -m experiments.benchmark.spark_throughput models/goods listings.parquet --rows 2000000
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from ipml.listings.maps.column_maps import load_columns
from ipml.listings.readers import read_listings
from ipml.listings.writers import write_listings
from ipml.scoring.batch.file_scoring import BatchOptions, score_file
from ipml.scoring.scorer import load_model

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXECUTORS = 2
N_FILES = 16
DAY = 24 * 3600
WORKLOADS = {"1.3 billion new listings a year": 1.3e9 / (365 * DAY), "5 billion updates a day": 5e9 / DAY}
UTILISATION = 0.6
"""Share of the time in which a core is meant to be busy: room for peaks, repeated tasks and machines that are away."""


def main(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    listings: Annotated[Path, typer.Argument(help="Listings, scored as often as needed, each time under new ids.")],
    columns: Annotated[str | None, typer.Option(help="Column map of the listings.")] = None,
    rows: Annotated[int, typer.Option(help="How many rows to score.")] = 4_000_000,
    repeats: Annotated[int, typer.Option(help="How often each is timed; the best counts.")] = 3,
    batch_rows: Annotated[int, typer.Option(help="spark.sql.execution.arrow.maxRecordsPerBatch.")] = 20_000,
) -> None:
    """Print rows a second and core, their ratio, and the cores that workloads take."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_rows = write_copies(listings, columns, rows, folder / "source")
        session = open_session(folder, batch_rows)  # before anything is timed: its JVMs take the same memory for both
        try:
            plain = best_times(lambda: score_plainly(model, folder), repeats)
            spark = best_times(lambda: score_on_cluster(session, model, folder), repeats)
        finally:
            session.stop()
    typer.echo(f"{n_rows:,} rows; batches of {batch_rows:,}")
    typer.echo("                     rows/s and core   rows/s of CPU time, JVMs and all")
    typer.echo(f"plain batch, 1 core  {n_rows / plain[0]:15,.0f}   {n_rows / plain[1]:15,.0f}")
    rate = n_rows / spark[0] / EXECUTORS
    typer.echo(f"Spark, {EXECUTORS} cores       {rate:15,.0f}   {n_rows / spark[1]:15,.0f}")
    typer.echo(f"share                {rate * plain[0] / n_rows:15.2f}   {plain[1] / spark[1]:15.2f}")
    for workload, needed in WORKLOADS.items():
        cores = needed / (rate * UTILISATION)
        typer.echo(f"{workload}: {needed:,.0f} rows/s on average, {cores:,.2f} cores at {UTILISATION:.0%} use")


def write_copies(path: Path, columns: str | None, rows: int, folder: Path) -> int:
    """Write the listings as often as needed into a folder of Parquet files; return how many rows these are."""
    column_map = load_columns(columns) if columns else None
    listings = pd.concat([part.listings for part in read_listings(path, column_map, chunk_rows=50_000)])
    listings = listings.dropna(axis=1, how="all")  # a marketplace's table has no columns in which nothing stands
    a_file = -(-rows // N_FILES)
    folder.mkdir()
    for number in range(N_FILES):
        write_listings(copy_rows(listings, a_file, number), folder / f"{number:02}.parquet")
    return a_file * N_FILES


def copy_rows(listings: pd.DataFrame, rows: int, number: int) -> Iterator[pd.DataFrame]:
    """Yield so many rows of the listings, over and over, with ids that no other file has."""
    copy = 0
    while rows > 0:
        part = listings.head(rows)
        yield part.assign(listing_id=part["listing_id"] + f"-{number}-{copy}")
        rows, copy = rows - len(part), copy + 1


def open_session(folder: Path, batch_rows: int) -> SparkSession:
    """Open a cluster on this machine: executors with a JVM and a core each."""
    from pyspark.sql import SparkSession

    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.local.dir": str(folder / "spark"),
        "spark.sql.shuffle.partitions": str(2 * EXECUTORS),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(batch_rows),
        "spark.executor.extraJavaOptions": "-XX:+UseParallelGC",  # the default is made for short pauses
        # Files of some megabytes each are a task each; by default small ones would be put together.
        "spark.sql.files.openCostInBytes": str(64 << 20),
    }
    builder = SparkSession.builder.master(f"local-cluster[{EXECUTORS},1,2048]").appName("throughput")
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def score_plainly(model: Path, folder: Path) -> None:
    """Score by the plain batch in this process, loading the model included."""
    (folder / "scored.parquet").unlink(missing_ok=True)
    score_file(load_model(model), folder / "source", folder / "scored.parquet", BatchOptions(explain_top=0))


def score_on_cluster(session: SparkSession, model: Path, folder: Path) -> None:
    """Score by Spark: shipping the model, finding repeats and writing included."""
    from ipml.scoring.spark import score_on_spark

    score_on_spark(folder / "source", folder / "scores", model, session=session, run="throughput")


def best_times(work: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Return the least seconds, by the clock and of CPU, after a first time, in which workers start.

    Where other programs use the machine, the clock says little and the CPU time is nearly what it is without them.
    """
    clock, cpu = [], []
    for _ in range(repeats + 1):
        start, start_cpu = time.perf_counter(), cpu_seconds()
        work()
        clock.append(time.perf_counter() - start)
        cpu.append(cpu_seconds() - start_cpu)
    return min(clock[1:]), min(cpu[1:])


def cpu_seconds() -> float:
    """Return the CPU time so far of this process and all below it, as Linux counts it."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = path.read_text().rpartition(")")[2].split()
            stats[int(path.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    while more := {process for process, (parent, _) in stats.items() if parent in ours} - ours:
        ours |= more
    return sum(stats[process][1] for process in ours) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    typer.run(main)
