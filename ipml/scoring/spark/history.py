"""Sellers' histories inside a Spark job: the same function as on one machine, for some sellers at a time.

Sellers are dealt out into groups by a hash of their id. A group's listings and events meet in one worker, which asks
`ipml.listings.sellers.history_as_of` what was known when each listing was observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from ipml.errors import BadRows
from ipml.listings.sellers import HISTORY_COLUMNS, history_as_of, validate_events
from ipml.scoring.spark.rows import (
    BROKEN,
    Reading,
    judge_rows,
    judged_ddl,
    judged_to_arrow,
    read_batch,
    read_checked,
)
from ipml.scoring.spark.shipped_model import ShippedModel, load_shipped

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROWS_AT_ONCE = 20_000
"""How many rows of a group are scored together."""


def judge_with_history(
    checked: DataFrame, events: DataFrame, model: ShippedModel, reading: Reading, seller_groups: int
) -> DataFrame:
    """Return checked rows judged with the history of their sellers, as known when each was observed.

    Parameters
    ----------
    checked : DataFrame
        Rows as `check_batch` returns them; what they say of their sellers' histories is replaced.
    events : DataFrame
        Seller events, as for `ipml.listings.sellers.validate_events`.
    model : ShippedModel
    reading : Reading
    seller_groups : int
        Into how many groups sellers are dealt out. A worker holds one group at a time, its listings and events.

    Raises
    ------
    MissingColumns, UnknownColumns
        The events have other columns than events have.
    """
    validate_events(pd.DataFrame(columns=[name for name in events.columns if name != BROKEN]))
    pairs = checked.groupBy(_group_of(checked, seller_groups)).cogroup(events.groupBy(_group_of(events, seller_groups)))
    return pairs.applyInArrow(
        lambda listings, known: _judge_group(listings, known, model, reading), judged_ddl(reading.places)
    )


def add_history(listings: pd.DataFrame, events: pa.Table) -> pd.DataFrame:
    """Return listings with the history of their sellers.

    Raises
    ------
    BadRows
        An event breaks the rules.

    Examples
    --------
    >>> moment = pd.Timestamp("2026-03-01", tz="UTC")
    >>> sold = {"seller_id": ["s"], "kind": ["sold"], "occurred_at": [moment], "known_at": [moment], "amount": [2.0]}
    >>> listings = pd.DataFrame({"seller_id": ["s"], "observed_at": [moment + pd.Timedelta(days=1)]})
    >>> add_history(listings, pa.table(sold))["seller_sales"].tolist()
    [2.0]
    """
    table = read_batch(events, "events")
    problems = [*table.problems, *validate_events(table.frame).problems]
    if problems:
        seller = "" if problems[0].row not in table.frame.index else table.frame["seller_id"][problems[0].row]
        raise BadRows("events", len({one.row for one in problems}), f"of seller {seller}", problems[0])
    history = history_as_of(table.frame, listings, threads=1)  # a task has one core
    return listings.assign(**{name: history[name] for name in HISTORY_COLUMNS})


def _group_of(rows: DataFrame, seller_groups: int) -> Column:
    from pyspark.sql import functions

    return functions.pmod(functions.xxhash64(rows["seller_id"]), functions.lit(seller_groups))


def _judge_group(listings: pa.Table, events: pa.Table, model: ShippedModel, reading: Reading) -> pa.Table:
    rows = add_history(read_checked(listings), events)
    parts = [rows.iloc[start : start + ROWS_AT_ONCE] for start in range(0, max(len(rows), 1), ROWS_AT_ONCE)]
    judged = [judge_rows(part, *load_shipped(model)) for part in parts]
    return pa.concat_tables([judged_to_arrow(part, listings, reading.places) for part in judged])
