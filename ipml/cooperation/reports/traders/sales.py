"""Reading sales of a marketplace in any currency: CSV or Parquet, checked, in dollars to the millionth.

Amounts are decimal numbers from the file to the sum; a float would make 5,000.00 of 0.10s anything but that.
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from ipml.cooperation.reports.traders.high_volume import Sales
from ipml.errors import MissingColumns, UnreadableFile
from ipml.parquet import MAX_COLUMNS, check_cells

_NEEDED = ("seller_id", "sold_at", "value", "currency")
_READERS = {".parquet": "read_parquet({})", ".csv": "read_csv({}, all_varchar = true, header = true)"}
_READERS[".gz"] = _READERS[".csv"]
_HOME = "USD"
_BLOCK = _LONGEST_HEADER = 1 << 20
_SMALL_BYTES, _MOST_EXPANSION = 16 << 20, 20  # what a packed file may unpack to, or so many times its size if more
_DELIMITERS = (b",", b";", b"\t", b"|")

_SALES = """
CREATE TEMP TABLE sold AS SELECT
    row_number() OVER () AS row,
    CAST(seller_id AS VARCHAR) AS seller_id,
    TRY_CAST(sold_at AS TIMESTAMPTZ) AS moment,
    TRY_CAST(value AS DECIMAL(18, 4)) AS value,
    upper(trim(CAST(currency AS VARCHAR))) AS currency,
    {count} AS count
FROM {source} {where}
"""
_FAULT = """
SELECT min(row), count(*) FROM sold
WHERE seller_id IS NULL OR seller_id = '' OR moment IS NULL OR value IS NULL OR value < 0 OR count IS NULL OR count < 0
"""
_PRICED = """
CREATE TEMP TABLE priced AS SELECT sold.*, rates.usd FROM sold
ASOF LEFT JOIN rates ON sold.currency = rates.currency AND sold.moment >= rates.since
"""
_ORDERED = """
SELECT
    seller_id,
    CAST(year(moment) * 10000 + month(moment) * 100 + day(moment) AS BIGINT) AS day,
    CAST(sum(count) AS BIGINT) AS count,
    CAST(sum(CAST(round(CAST(value AS DECIMAL(18, 4)) * usd, 6) * 1000000 AS HUGEINT)) AS BIGINT) AS micros
FROM priced GROUP BY ALL ORDER BY seller_id, day
"""


def read_sales(path: Path, rates: Path | None = None) -> Sales:
    """Read sales, one row each, and add up those of a seller on a day.

    Parameters
    ----------
    path : Path
        CSV or Parquet with seller_id, sold_at, value and currency. Where there is a column `sales`, a row stands for so
        many discrete sales; where there is a column `is_new`, rows in which it is false are used goods and left out.
    rates : Path, optional
        CSV or Parquet with currency and usd (what one unit is worth in dollars), and, where they change, since (the day
        from which on). Without it all sales must be in US dollars.

    Raises
    ------
    UnreadableFile, MissingColumns
        A file is no such table, a row cannot be read, or a currency has no rate on the day of a sale.
    """
    limits: dict[str, Any] = {"memory_limit": "1GB", "threads": 2}
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config=limits | {"temp_directory": spill}) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = true")  # rows are named by their number
        columns = open_table(connection, path, "sales_file", _NEEDED)
        count = "TRY_CAST(sales AS BIGINT)" if "sales" in columns else "1"
        new = "lower(trim(CAST(is_new AS VARCHAR)))"
        where = f"WHERE coalesce({new}, '') NOT IN ('false', 'f', '0', 'no', 'n')" if "is_new" in columns else ""
        connection.execute(_SALES.format(count=count, source="sales_file", where=where))
        _check_rows(connection, path)
        _read_rates(connection, rates)
        connection.execute(_PRICED)
        _check_rates(connection, path, rates)
        found = connection.execute(_ORDERED).fetchnumpy()
    day, count_of, micros = (np.asarray(found[name], dtype=np.int64) for name in ("day", "count", "micros"))
    is_first = np.ones(len(day), dtype=bool)
    names = np.asarray(found["seller_id"], dtype=object)
    is_first[1:] = names[1:] != names[:-1]
    return Sales(names[is_first].tolist(), np.cumsum(is_first) - 1, day, count_of, micros)


def open_table(connection: duckdb.DuckDBPyConnection, path: Path, name: str, needed: tuple[str, ...]) -> list[str]:
    """Give a file a name in the database, and return its columns."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None or not path.exists():
        found = "no such file" if not path.exists() else f"a name that ends in {path.suffix or 'nothing'}"
        raise UnreadableFile(path, found, "a table as .csv, .csv.gz or .parquet")
    if path.suffix.lower() == ".parquet":
        check_cells(path, "a table as CSV or Parquet")
    else:
        _check_text(path)
    literal = "'" + str(path).replace("'", "''") + "'"
    try:
        view = f"CREATE TEMP VIEW {name} AS SELECT * FROM {reader.format(literal)}"  # noqa: S608 - quoted above
        connection.execute(view)
        columns = [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
    except duckdb.Error as error:
        raise UnreadableFile(path, str(error).splitlines()[0], "a table as CSV or Parquet") from error
    if missing := [column for column in needed if column not in columns]:
        raise MissingColumns(str(path), missing, columns, "Rename them.")
    return columns


def _check_text(path: Path) -> None:
    """Look at what the database has no bounds for: the columns of a CSV file, and what a packed one unpacks to."""
    size = path.stat().st_size
    most = max(_SMALL_BYTES, _MOST_EXPANSION * size)
    is_packed = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path) if is_packed else path.open("rb") as file:
            header = file.readline(_LONGEST_HEADER + 1)
            total = len(header)
            while is_packed and total <= most and (block := file.read(_BLOCK)):
                total += len(block)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(path, " ".join(str(error).split()), "a table as CSV, perhaps gzipped") from error
    if len(header) > _LONGEST_HEADER or max(map(header.count, _DELIMITERS)) >= MAX_COLUMNS:
        raise UnreadableFile(path, "a longer header", f"at most {MAX_COLUMNS:,} columns")
    if is_packed and total > most:
        found = f"{total:,} bytes and more in {size:,} packed ones"
        raise UnreadableFile(path, found, f"at most {_MOST_EXPANSION} times as many; if it is sound, unpack it")


def _check_rows(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    row, bad = connection.execute(_FAULT).fetchone() or (None, 0)
    if bad:
        expected = "a seller, a moment such as 2026-03-01T12:00:00Z, and a value that is not negative"
        raise UnreadableFile(path, f"{bad:,} rows that are no sales, the first of them row {row}", expected)


def _read_rates(connection: duckdb.DuckDBPyConnection, rates: Path | None) -> None:
    home = f"SELECT '{_HOME}' AS currency, TIMESTAMPTZ '0001-01-01' AS since, CAST(1 AS DECIMAL(18, 8)) AS usd"
    if rates is None:
        connection.execute(f"CREATE TEMP TABLE rates AS {home}")
        return
    columns = open_table(connection, rates, "rates_file", ("currency", "usd"))
    first = "TIMESTAMPTZ '0001-01-01'"
    since = f"coalesce(TRY_CAST(since AS TIMESTAMPTZ), {first})" if "since" in columns else first
    name = "upper(trim(CAST(currency AS VARCHAR)))"
    given = f"SELECT {name}, {since}, TRY_CAST(usd AS DECIMAL(18, 8)) FROM rates_file WHERE {name} <> '{_HOME}'"  # noqa: S608 - constants
    connection.execute(f"CREATE TEMP TABLE rates AS {home} UNION ALL {given}")
    bad = connection.execute("SELECT currency FROM rates WHERE usd IS NULL OR usd <= 0 LIMIT 1").fetchone()
    if bad:
        raise UnreadableFile(rates, f"no rate of {bad[0]}", "what one unit is worth in dollars, above 0")


def _check_rates(connection: duckdb.DuckDBPyConnection, path: Path, rates: Path | None) -> None:
    query = "SELECT currency, count(*) FROM priced WHERE usd IS NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3"
    if without := connection.execute(query).fetchall():
        found = ", ".join(f"{currency!r} in {count:,} rows" for currency, count in without)
        where = str(rates) if rates else "a file of rates (currency, usd)"
        raise UnreadableFile(path, f"sales in {found}", f"US dollars, or a rate on the day of the sale in {where}")
