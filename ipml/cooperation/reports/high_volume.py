"""High-volume sellers: third-party sellers under the INFORM Consumers Act (15 U.S.C. 45f(f)(3)).

A seller is one on a day if, "in any continuous 12-month period during the previous 24 months", they made at least so
many discrete sales of new or unused consumer products *and* so much gross revenue on the marketplace. Periods are whole
days in UTC. Twelve months end the day before the anniversary of their first day, from 29 February with 28 February.
With days written as numbers (20240229), a day is within twelve months of another exactly if the difference is below
10000; 20250229, which is no day, sorts between 28 February and 1 March. Among the periods that end with a sale the
longest has the most sales and revenue, so it decides whether a seller qualifies. The shortest that still qualifies
stays within the previous 24 months longest. A search in sorted arrays finds both exactly. Amounts are decimals from the
file to the sum in dollars: floats would miss 5,000.00.
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from ipml.cooperation.policy import InformRules
from ipml.errors import MissingColumns, UnreadableFile
from ipml.kit.parquet.bounded_file import MAX_COLUMNS, check_cells

Ints = npt.NDArray[np.int64]
MICROS = 1_000_000  # of a dollar: sums of whole numbers, so that exactly 5,000.00 qualifies
_YEAR, _SELLER = 10_000, 100_000_000


@dataclass(frozen=True, slots=True)
class Sales:
    """Sales in order of seller and day, with the position of the seller in `seller_ids`.

    Days are numbers such as 20260301; `count` has the discrete sales of a row, `micros` the gross revenue in millionths
    of a dollar.
    """

    seller_ids: list[str]
    seller: Ints
    day: Ints
    count: Ints
    micros: Ints


@dataclass(frozen=True, slots=True)
class HighVolume:
    """A high-volume seller: `since` when without a break, and the first day `until` when without further sales.

    `collect_by` is the deadline for collecting the seller's details. Sales and revenue (dollars) are the most in twelve
    continuous months of the last twenty-four. `is_disclosed`: the revenue is so high that buyers must be informed who
    the seller is.
    """

    seller_id: str
    since: date
    collect_by: date
    until: date
    sales: int
    revenue: float
    is_disclosed: bool


def find_high_volume(sales: Sales, rules: InformRules, on: date) -> list[HighVolume]:
    """Return the high-volume sellers on a day, by id; later sales do not count.

    >>> rows = np.arange(200)
    >>> day = 20260101 + rows // 10
    >>> some = Sales(["ann"], np.zeros(200, int), day, np.ones(200, int), np.full(200, 25 * MICROS))
    >>> (ann,) = find_high_volume(some, InformRules(), date(2026, 3, 1))
    >>> ann.since.isoformat(), ann.collect_by.isoformat(), ann.sales, ann.revenue, ann.is_disclosed
    ('2026-01-20', '2026-01-30', 200, 5000.0, False)
    >>> find_high_volume(some, InformRules(sales=201), date(2026, 3, 1))
    []
    """
    today = _to_number(on)
    past = _keep(sales, sales.day <= today)
    seller, start, end = _find_stretches(past, rules)
    is_now = (start <= today) & (end > today)
    seller, start, end = seller[is_now], start[is_now], end[is_now]
    most_sales, most_micros = _find_most(_keep(past, past.day + 2 * _YEAR > today), len(sales.seller_ids))
    needed = round(rules.disclosed_revenue * MICROS)
    sellers = []
    for place, first, last in zip(seller.tolist(), start.tolist(), end.tolist(), strict=True):
        since, revenue = _to_date(first), int(most_micros[place])
        collect_by = since + timedelta(days=rules.collect_days)
        seen = (int(most_sales[place]), revenue / MICROS, revenue >= needed)
        sellers.append(HighVolume(sales.seller_ids[place], since, collect_by, _to_date(last), *seen))
    return sellers


def _to_number(day: date) -> int:
    """Return a day as a number, such as 20240229."""
    return day.year * _YEAR + day.month * 100 + day.day


def _to_date(number: int) -> date:
    """Return the day of a number; 29 February becomes 1 March in a year without it.

    >>> _to_date(20240229).isoformat(), _to_date(20250229).isoformat()
    ('2024-02-29', '2025-03-01')
    """
    return date(number // _YEAR, number // 100 % 100, 1) + timedelta(days=number % 100 - 1)


def _keep(sales: Sales, which: npt.NDArray[np.bool_]) -> Sales:
    return Sales(sales.seller_ids, sales.seller[which], sales.day[which], sales.count[which], sales.micros[which])


def _find_stretches(sales: Sales, rules: InformRules) -> tuple[Ints, Ints, Ints]:
    """Return the days from which and until which sellers are high-volume: seller, first day, first day after."""
    counts, micros = _running(sales.count), _running(sales.micros)
    after = np.arange(1, len(sales.day) + 1)
    first = _begin(sales)
    needed = (rules.sales, round(rules.revenue * MICROS))
    meets = (counts[after] - counts[first] >= needed[0]) & (micros[after] - micros[first] >= needed[1])
    after = after[meets]
    # The last sufficient first row gives the shortest period, as both sums grow with its length.
    latest = np.minimum(
        np.searchsorted(counts, counts[after] - needed[0], side="right"),
        np.searchsorted(micros, micros[after] - needed[1], side="right"),
    )
    seller, start, end = sales.seller[after - 1], sales.day[after - 1], sales.day[latest - 1] + 2 * _YEAR
    is_new = np.ones(len(after), dtype=bool)
    is_new[1:] = (seller[1:] != seller[:-1]) | (start[1:] > end[:-1])
    begins = np.flatnonzero(is_new)
    ends = np.append(begins[1:], len(after))[: len(begins)] - 1
    return seller[begins], start[begins], end[ends]


def _find_most(sales: Sales, n_sellers: int) -> tuple[Ints, Ints]:
    counts, micros = _running(sales.count), _running(sales.micros)
    after, first = np.arange(1, len(sales.day) + 1), _begin(sales)
    most = np.zeros((2, n_sellers), dtype=np.int64)
    np.maximum.at(most[0], sales.seller, counts[after] - counts[first])
    np.maximum.at(most[1], sales.seller, micros[after] - micros[first])
    return most[0], most[1]


def _begin(sales: Sales) -> Ints:
    """Return for each row the seller's first row within the twelve months that end with it."""
    key = sales.seller * _SELLER + sales.day
    return np.searchsorted(key, key - _YEAR, side="right")


def _running(values: Ints) -> Ints:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)])


_NEEDED = ("seller_id", "sold_at", "value", "currency")
_READERS = {".parquet": "read_parquet({})", ".csv": "read_csv({}, all_varchar = true, header = true)"}
_READERS[".gz"] = _READERS[".csv"]
_HOME = "USD"
_BLOCK = _LONGEST_HEADER = 1 << 20
_SMALL_BYTES, _MOST_EXPANSION = 16 << 20, 20  # limit of the unpacked size: the larger of bytes and multiple
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
    """Read sales in any currency from CSV or Parquet, and add them up by seller and day.

    Columns are seller_id, sold_at, value and currency; optional are `sales` (discrete sales of a row) and `is_new`
    (false marks used goods, which are left out). The rates file has currency, usd (dollars for one unit) and, if they
    change, since (the first day); without it all sales must be in US dollars. Raises UnreadableFile and MissingColumns.
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
        orders = connection.execute(_ORDERED).fetchnumpy()
    day, count_of, micros = (np.asarray(orders[name], dtype=np.int64) for name in ("day", "count", "micros"))
    is_first = np.ones(len(day), dtype=bool)
    names = np.asarray(orders["seller_id"], dtype=object)
    is_first[1:] = names[1:] != names[:-1]
    return Sales(names[is_first].tolist(), np.cumsum(is_first) - 1, day, count_of, micros)


def open_table(connection: duckdb.DuckDBPyConnection, path: Path, name: str, needed: tuple[str, ...]) -> list[str]:
    """Give a file a name in the database, and return its columns."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None or not path.exists():
        finding = "no such file" if not path.exists() else f"a name that ends in {path.suffix or 'nothing'}"
        raise UnreadableFile(path, finding, "a table as .csv, .csv.gz or .parquet")
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
    """Check limits that the database lacks: columns of a CSV file, and the unpacked size of a packed one."""
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
        finding = f"{total:,} bytes and more in {size:,} packed ones"
        raise UnreadableFile(path, finding, f"at most {_MOST_EXPANSION} times as many; if it is sound, unpack it")


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
        finding = ", ".join(f"{currency!r} in {count:,} rows" for currency, count in without)
        where = str(rates) if rates else "a file of rates (currency, usd)"
        raise UnreadableFile(path, f"sales in {finding}", f"US dollars, or a rate on the day of the sale in {where}")
