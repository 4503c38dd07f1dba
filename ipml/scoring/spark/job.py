"""Score listings on a cluster: a frame lazily, or files into a table of scores.

The table is a folder of Parquet files, of which a run replaces its own part and no other:

    model_version=…/run=…/part-….parquet

A row's key is (listing_id, observed_at, model_version); within a run each comes once. The same run done again takes the
place of the first, so repeating it changes nothing. The table of rejects is parted by run alone.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pandas as pd
import pyarrow as pa

from ipml.errors import Failed, Refused, UnusableSetting, first_line
from ipml.listings.maps.column_maps import ColumnMap
from ipml.listings.schema import validate_rows
from ipml.records import Problem
from ipml.scoring.batch.file_scoring import BatchCounts
from ipml.scoring.spark.history import SellerHistory, judge_with_history
from ipml.scoring.spark.repeats import reject_repeats
from ipml.scoring.spark.rows import (
    BROKEN,
    ID_COLUMNS,
    JUDGED_COLUMNS,
    PLACE_COLUMNS,
    Form,
    RowReading,
    add_names,
    add_places,
    check_batch,
    checked_ddl,
    checked_to_arrow,
    judge_rows,
    judged_ddl,
    judged_to_arrow,
    locate,
    name_files,
    read_source,
    refuse_rows,
)
from ipml.scoring.spark.shipped_model import ShippedModel, load_shipped, ship_model
from ipml.settings import get_settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@contextmanager
def _keep_on_disk(judged: DataFrame) -> Iterator[DataFrame]:
    """Keep what was judged on the disks of the workers, so that it is judged once however often it is asked for."""
    from pyspark import StorageLevel

    # Scores hardly shrink, and trying to make them do so takes a third of the time.
    with use_setting(judged.sparkSession, "spark.sql.inMemoryColumnarStorage.compressed", "false"):
        kept = judged.persist(StorageLevel.DISK_ONLY)
    try:
        yield kept
    finally:
        kept.unpersist()


@contextmanager
def open_session(session: SparkSession | None) -> Iterator[SparkSession]:
    """Give the session, the active one, or a new one that is stopped at the end."""
    from pyspark.sql import SparkSession

    session = session or SparkSession.getActiveSession()
    if session is not None:
        yield session
        return
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # not started by spark-submit, which knows the workers' Python
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = SparkSession.builder.appName("ipml score").getOrCreate()
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def use_setting(session: SparkSession, name: str, value: str) -> Iterator[None]:
    """Change a setting of a session for a while."""
    before = session.conf.get(name)
    session.conf.set(name, value)
    try:
        yield
    finally:
        session.conf.set(name, str(before))


@contextmanager
def _silence_pandas_warning() -> Iterator[None]:
    """Keep PySpark from warning of pandas: rows travel as Arrow, and what it does with pandas is not used."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


@contextmanager
def _in_plain_words() -> Iterator[None]:
    """Say in a line why a job failed: the last line of a worker's traceback, or the first of what Spark says."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        ours = re.findall(r"^ipml\.errors\.(\w+: .+)$", str(error), re.MULTILINE)
        remedy = "Mend that and run it again: no row will be lost or come twice."
        raise Failed("Spark gave up", (ours[-1] if ours else first_line(error)).removesuffix("."), remedy) from error


_NO_HISTORY = SellerHistory()
_DISTINCT = ("listing_id", "observed_at", "score", "score_low", "score_high", "log_odds")
"""Columns in which few cells are alike: to look for those that are takes a quarter of the time of writing."""
_RUN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"


def name_run(run: str | None, source: str | Path) -> str:
    """Return the name of a run: as given, or that of its source.

    Raises `UnusableSetting`: a folder cannot bear the name.

    >>> name_run(None, "s3a://lake/listings/2026-03-01.parquet"), name_run("night-7", "listings.csv")
    ('2026-03-01.parquet', 'night-7')
    """
    name = run if run is not None else str(source).rstrip("/").rpartition("/")[2]
    if re.fullmatch(_RUN, name) is None:
        raise UnusableSetting("run", repr(name[:120]), "up to 100 letters, digits, _ . and -, such as 2026-03-01")
    return name


def _replace_part(rows: DataFrame, table: str | Path, part: Mapping[str, str], n_rows: int) -> None:
    """Put rows where a part of a table is, or is to be."""
    from pyspark.sql import functions

    place = locate(table)
    # Spark's own kind of moment comes without a zone in other readers; microseconds UTC do not.
    with use_setting(rows.sparkSession, "spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS"):
        if n_rows:
            named = rows.withColumns({name: functions.lit(value) for name, value in part.items()})
            writer = named.write.partitionBy(*part).mode("overwrite").option("partitionOverwriteMode", "dynamic")
            writer.options(**{f"parquet.enable.dictionary#{name}": "false" for name in _DISTINCT}).parquet(place)
        else:  # no row names a part to replace, yet rows of an earlier time must not stay
            folders = [f"{name}={quote(value, safe='')}" for name, value in part.items()]
            rows.write.mode("overwrite").parquet("/".join([place.rstrip("/"), *folders]))


def score_dataframe(
    listings: DataFrame,
    model: str | Path | None = None,
    *,
    columns: ColumnMap | None = None,
    sellers: SellerHistory = _NO_HISTORY,
) -> DataFrame:
    """Return the ids of listings with their scores, as a frame that is worked out when it is needed.

    Each score is to the bit what `Scorer.score_frame` says of the listing on one machine; where the model abstains it
    is null. Rows keep no order, and repeated keys stay repeated.

    Parameters
    ----------
    listings : DataFrame
        Canonical columns, or those of a column map. A bad row is an error once it is reached.
    model : str or Path, optional
        A model folder or a name in the registry, as for `ipml.scoring.scorer.load_model`. The driver verifies it and
        sends it; every worker process verifies it again and loads it once.
    columns : ColumnMap, optional
        How the frame's columns map to the canonical ones.
    sellers : SellerHistory, optional
        By default portfolios are those that the model remembers, and the history of a seller what the listings say.

    Returns
    -------
    DataFrame
        listing_id, observed_at, seller_id and the columns of `ipml.scoring.scorer.SCORE_COLUMNS` and `ORIGIN_COLUMNS`.

    Raises
    ------
    NotFound, UntrustedModel, MissingColumns, Refused
        Before anything is scored.
    """
    from pyspark.sql.functions import lit

    reading = RowReading("listings", columns=columns)
    _check_columns(listings, reading)
    shipped = _ship(listings.sparkSession, model, sellers)
    events, groups = sellers.join_events(listings.sparkSession, listings)
    return (
        _score(listings, shipped, reading, events, groups)
        .select(*ID_COLUMNS, *JUDGED_COLUMNS)
        .withColumn("model_version", lit(shipped.version))
    )


def score_on_spark(
    source: str | Path,
    target: str | Path,
    model: str | Path | None = None,
    *,
    session: SparkSession | None = None,
    run: str | None = None,
    columns: ColumnMap | None = None,
    sellers: SellerHistory = _NO_HISTORY,
    rejects: str | Path | None = None,
) -> BatchCounts:
    """Score every good listing of a source into a table of scores.

    The table is parted by model version and run; a row's key is (listing_id, observed_at, model_version). A run done
    again replaces its own part, so it can be repeated at will, after a failure or a kill as well. Among good rows with
    the same listing_id and observed_at the first one of the source stands and the others are rejected.

    Parameters
    ----------
    source : str or Path
        CSV, JSON lines or Parquet, as for `read_source`. Only Parquet and JSON lines are read by several workers at
        once within a file.
    target : str or Path
        Folder of the table of scores.
    model : str or Path, optional
        As for `score_dataframe`.
    session : SparkSession, optional
        One is opened with the settings of the environment, and stopped at the end, where none is given or active.
    run : str, optional
        Name of this run in the table; the name of the source where none is given.
    columns, sellers
        As for `score_dataframe`.
    rejects : str or Path, optional
        Folder of a table of bad rows, parted by run; without it a bad row is an error, and nothing is written.

    Raises
    ------
    UnreadableFile, Refused, UnusableSetting, Failed
        The table of scores is as it was.
    NotFound, UntrustedModel, MissingColumns, Refused
        Before anything is scored.
    """
    run = name_run(run, source)
    with open_session(session) as active, _in_plain_words(), _silence_pandas_warning():
        rows, form = read_source(active, source, *([columns.text_format] if columns else []))
        reading = RowReading(str(source), form, columns, keeps_bad=True, places=PLACE_COLUMNS)
        _check_columns(rows, reading)
        shipped = _ship(active, model, sellers)
        events, groups = sellers.join_events(active, rows)
        judged = _score(add_places(rows), shipped, reading, events, groups)
        tables = _Tables(target, rejects, {"model_version": shipped.version, "run": run})
        with _keep_on_disk(judged) as kept:
            n_parts = max(groups, rows.rdd.getNumPartitions())
            return _write(kept, name_files(rows), n_parts, reading.source, tables)


def _ship(session: SparkSession, model: str | Path | None, sellers: SellerHistory) -> ShippedModel:
    settings = get_settings()
    return ship_model(session, model or settings.model, settings, sellers.portfolios)


def _score(
    listings: DataFrame, model: ShippedModel, reading: RowReading, events: DataFrame | None, seller_groups: int
) -> DataFrame:
    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from checked_to_arrow(check_batch(batch, reading), batch, reading.places).to_batches()

    def check_and_judge(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            scorer, portfolios = load_shipped(model)
            judged = judge_rows(check_batch(batch, reading, scorer), scorer, portfolios)
            yield from judged_to_arrow(judged, batch, reading.places).to_batches()

    with _silence_pandas_warning():
        if events is None:
            return listings.mapInArrow(check_and_judge, judged_ddl(reading.places))
        checked = listings.mapInArrow(check, checked_ddl(reading.places))
        return judge_with_history(checked, events, model, reading, seller_groups)


def _check_columns(rows: DataFrame, reading: RowReading) -> None:
    """Refuse columns that are not those of listings before any row is read."""
    if reading.columns is not None and any(one.row_number for one in reading.columns.columns.values()):
        raise UnusableSetting("column map", "ids made from row numbers", "a column that has the ids: Spark has no rows")
    if reading.form is Form.JSON_LINES:
        return
    empty = pd.DataFrame(columns=[name for name in rows.columns if name != BROKEN])
    validate_rows(empty if reading.columns is None else reading.columns.apply(empty)[0], reading.source)


@dataclass(frozen=True)
class _Tables:
    """The folders of the table of scores and of that of bad rows, and the part of the former that a run replaces."""

    scores: str | Path
    rejects: str | Path | None
    part: Mapping[str, str]


def _write(judged: DataFrame, files: DataFrame, n_parts: int, source: str, tables: _Tables) -> BatchCounts:
    """Write what was judged once into the two tables, rejects first: where there are scores, all is there."""
    from pyspark.sql.functions import inline, lit

    judged, counts = reject_repeats(judged, files, n_parts)
    good, bad = judged.where("problems is null"), judged.where("problems is not null")
    if tables.rejects is None and counts.rejected:
        raise _name_first(add_names(bad, files), source, counts.rejected)
    if tables.rejects is not None:
        named = add_names(bad, files) if counts.rejected else bad.withColumn("file", lit(""))
        faults = named.select("file", "listing_id", inline("problems"), "raw")
        _replace_part(faults, tables.rejects, {"run": tables.part["run"]}, counts.rejected)
    _replace_part(good.select(*ID_COLUMNS, *JUDGED_COLUMNS), tables.scores, tables.part, counts.scored)
    return counts


def _name_first(bad: DataFrame, source: str, n_rows: int) -> Refused:
    first = bad.orderBy("file", *PLACE_COLUMNS[1:]).first()
    assert first is not None
    return refuse_rows(source, n_rows, first["listing_id"] or "", Problem(0, **first["problems"][0].asDict()))
