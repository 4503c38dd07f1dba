"""The table of scores: a folder of Parquet files, of which a run replaces its own part and no other.

    model_version=…/run=…/part-….parquet

A row's key is (listing_id, observed_at, model_version); within a run each comes once. The same run done again takes the
place of the first, so repeating it changes nothing. The table of rejects is parted by run alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ipml.errors import UnusableSetting
from ipml.scoring.spark.session import use_setting
from ipml.scoring.spark.sources import locate

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_DISTINCT = ("listing_id", "observed_at", "score", "score_low", "score_high", "log_odds")
"""Columns in which few cells are alike: to look for those that are takes a quarter of the time of writing."""
_RUN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"


def name_run(run: str | None, source: str | Path) -> str:
    """Return the name of a run: as given, or that of its source.

    Raises
    ------
    UnusableSetting
        A folder cannot bear the name.

    Examples
    --------
    >>> name_run(None, "s3a://lake/listings/2026-03-01.parquet"), name_run("night-7", "listings.csv")
    ('2026-03-01.parquet', 'night-7')
    """
    name = run if run is not None else str(source).rstrip("/").rpartition("/")[2]
    if re.fullmatch(_RUN, name) is None:
        raise UnusableSetting("run", repr(name[:120]), "up to 100 letters, digits, _ . and -, such as 2026-03-01")
    return name


def replace_part(rows: DataFrame, table: str | Path, part: Mapping[str, str], n_rows: int) -> None:
    """Put rows where a part of a table is, or is to be.

    Parameters
    ----------
    rows : DataFrame
        Without the columns of the part.
    table : str or Path
        Folder of the table; its other parts stay.
    part : mapping of str to str
        Names and values of the columns by which the table is parted, in their order.
    n_rows : int
        How many rows there are.
    """
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
