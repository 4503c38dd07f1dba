"""Sellers' histories inside a Spark job: the same function as on one machine, for some sellers at a time.

Sellers are dealt out into groups by a hash of their id. A group's listings and events meet in one worker, which asks
`ipml.listings.seller_events.history_as_of` what was known when each listing was observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from ipml.listings.seller_events import HISTORY_COLUMNS, check_events, history_as_of, validate_events
from ipml.listings.tables import RawTable
from ipml.listings.writers import to_arrow
from ipml.scoring.spark.rows import (
    BROKEN,
    Form,
    RowReading,
    judge_rows,
    judged_ddl,
    judged_to_arrow,
    read_batch,
    read_checked,
    read_json_lines,
    read_source,
    refuse_rows,
)
from ipml.scoring.spark.shipped_model import ShippedModel, load_shipped

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

ROWS_AT_ONCE = 20_000
"""How many rows of a group are scored together."""

_EVENTS_AT_ONCE = 200_000
"""How many events a group has, where they are dealt out evenly: a fifth of what a worker can hold."""
_FEWEST_LISTINGS = 1_000
"""For fewer listings it does not pay to begin another group."""

_MOMENT = pa.timestamp("us", "UTC")
_EVENTS = pa.schema(
    {"seller_id": pa.string(), "kind": pa.string(), "occurred_at": _MOMENT, "known_at": _MOMENT, "amount": pa.float64()}
)
_EVENTS_DDL = "seller_id string, kind string, occurred_at timestamp_ltz, known_at timestamp_ltz, amount double"


@dataclass(frozen=True)
class SellerHistory:
    """Facts about sellers that scores depend on besides the listings.

    Attributes
    ----------
    portfolios : Path, optional
        Portfolios as `ipml data portfolios` writes them; the file is only read.
    events : sequence of str, Path or DataFrame, default=()
        Seller events (`ipml.listings.seller_events.EVENT_FIELDS`): files or folders, of the same kinds as listings, or
        frames. With them the seller columns of each listing are what was known when it was observed, whatever the
        listings say themselves.
    groups : int, optional
        With events: into how many groups sellers are dealt out. A worker holds one group in memory at a time, which
        should have at most about a million events and 100,000 listings. Where none is given, the listings and events
        are counted at once.
    """

    portfolios: Path | None = None
    events: Sequence[str | Path | DataFrame] = ()
    groups: int | None = None

    def join_events(self, session: SparkSession, listings: DataFrame) -> tuple[DataFrame | None, int]:
        """Return all events in canonical form, None without any, and into how many groups to deal out sellers."""
        if not self.events:
            return None, self.groups or 1
        names = [str(source) if isinstance(source, str | Path) else "events" for source in self.events]
        raw = [
            read_source(session, source) if isinstance(source, str | Path) else (source, Form.TABLE)
            for source in self.events
        ]
        # Moments of events may be texts in one file and moments in another: they are joined in canonical form.
        checked = [_read_events(*file, name) for file, name in zip(raw, names, strict=True)]
        groups = self.groups or _count_groups(listings, [rows for rows, _ in raw])
        return reduce(lambda some, more: some.unionByName(more), checked), groups


def _count_groups(listings: DataFrame, events: Sequence[DataFrame]) -> int:
    """Return into how many groups to deal out sellers: few enough that none is idle, so many that each is small."""
    cores = listings.sparkSession.sparkContext.defaultParallelism
    n_listings = listings.count()
    return max(
        1,
        min(cores, -(-n_listings // _FEWEST_LISTINGS)),
        -(-n_listings // ROWS_AT_ONCE),
        -(-sum(some.count() for some in events) // _EVENTS_AT_ONCE),
    )


def judge_with_history(
    checked: DataFrame, events: DataFrame, model: ShippedModel, reading: RowReading, seller_groups: int
) -> DataFrame:
    """Return checked rows judged with the history of their sellers, as known when each was observed.

    Parameters
    ----------
    checked : DataFrame
        Rows as `check_batch` returns them; what they say of their sellers' histories is replaced.
    events : DataFrame
        Seller events, as for `ipml.listings.seller_events.validate_events`.
    seller_groups : int
        Into how many groups sellers are dealt out. A worker holds one group at a time, its listings and events.

    Raises
    ------
    MissingColumns, Refused
        The events have other columns than events have.
    """
    validate_events(pd.DataFrame(columns=[name for name in events.columns if name != BROKEN]))
    # The number of tasks is that of the groups: Spark would begin its usual 200, most of them for nothing.
    of_listings, of_events = (
        rows.repartition(seller_groups, _group_of(rows, seller_groups)).groupBy(_group_of(rows, seller_groups))
        for rows in (checked, events)
    )
    pairs = of_listings.cogroup(of_events)
    return pairs.applyInArrow(
        lambda listings, known: _judge_group(listings, known, model, reading), judged_ddl(reading.places)
    )


def _read_events(events: DataFrame, form: Form, source: str) -> DataFrame:
    """Return the events of a file in canonical form, as a frame of which a bad event is an error once it is reached."""
    if form is Form.TABLE:
        validate_events(pd.DataFrame(columns=[name for name in events.columns if name != BROKEN]), source)

    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            is_lines = form is Form.JSON_LINES
            table = read_json_lines(batch.column(0).to_pylist()) if is_lines else read_batch(batch, source)
            yield from to_arrow(_read_checked(table, source), _EVENTS).to_batches()

    return events.mapInArrow(check, _EVENTS_DDL)


def _add_history(listings: pd.DataFrame, events: pa.Table) -> pd.DataFrame:
    """Return listings with the history of their sellers.

    Raises `Refused`: an event breaks the rules.

    >>> moment = pd.Timestamp("2026-03-01", tz="UTC")
    >>> sold = {"seller_id": ["s"], "kind": ["sold"], "occurred_at": [moment], "known_at": [moment], "amount": [2.0]}
    >>> listings = pd.DataFrame({"seller_id": ["s"], "observed_at": [moment + pd.Timedelta(days=1)]})
    >>> _add_history(listings, pa.table(sold))["seller_sales"].tolist()
    [2.0]
    """
    known = _read_checked(read_batch(events, "events"), "events")
    history = history_as_of(known, listings, threads=1)  # a task has one core
    return listings.assign(**{name: history[name] for name in HISTORY_COLUMNS})


def _read_checked(table: RawTable, source: str) -> pd.DataFrame:
    validation = check_events(table, source)
    if problems := validation.problems:
        is_read = "seller_id" in table.frame and problems[0].row in table.frame.index
        seller = table.frame["seller_id"][problems[0].row] if is_read else ""
        raise refuse_rows(source, len({one.row for one in problems}), f"of seller {seller}", problems[0])
    return validation.events


def _group_of(rows: DataFrame, seller_groups: int) -> Column:
    from pyspark.sql import functions

    return functions.pmod(functions.xxhash64(rows["seller_id"].cast("string")), functions.lit(seller_groups))


def _judge_group(listings: pa.Table, events: pa.Table, model: ShippedModel, reading: RowReading) -> pa.Table:
    rows = _add_history(read_checked(listings), events)
    parts = [rows.iloc[start : start + ROWS_AT_ONCE] for start in range(0, max(len(rows), 1), ROWS_AT_ONCE)]
    judged = [judge_rows(part, *load_shipped(model)) for part in parts]
    return pa.concat_tables([judged_to_arrow(part, listings, reading.places) for part in judged])
