"""Who has what, and since when: rows of attributes, brought into one order whatever order they came in.

A row says that a seller was seen with a value of a kind at a moment. Values are keyed hashes (`values.py`); nothing
here could tell a phone number. What only one seller has links nobody: it is kept for the days to come, and left out
of the arrays that the search works on.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ipml.cooperation.network.kinds import KINDS
from ipml.errors import MissingColumns, UnreadableFile
from ipml.parquet import check_cells

Codes = npt.NDArray[np.int64]
COLUMNS = ("seller_id", "kind", "value", "seen_at")

_MEMORY = "1500MB"
_REMEDY = "Rename them; `ipml network hash` makes such a file of phones, addresses and the like."

_MERGE = """
CREATE TEMP TABLE held AS
SELECT seller_id, kind, value, min(first_seen) AS first_seen, max(last_seen) AS last_seen, min(day) AS day
FROM (
    SELECT seller_id, kind, value, first_seen, last_seen, 0 AS day FROM known
    UNION ALL
    SELECT CAST(seller_id AS VARCHAR), CAST(kind AS VARCHAR), CAST(value AS VARCHAR), seen_at, seen_at, 1 FROM events
)
GROUP BY seller_id, kind, value
"""
_SELLERS = """
CREATE TEMP TABLE sellers AS
SELECT seller_id, row_number() OVER (ORDER BY seller_id) - 1 AS seller, first_seen
FROM (SELECT seller_id, min(first_seen) AS first_seen FROM held GROUP BY seller_id)
"""
_VALUES = """
CREATE TEMP TABLE shared AS
SELECT kind, value, row_number() OVER (ORDER BY kind, value) - 1 AS code, holders, newcomers
FROM (
    SELECT kind, value, count(*) AS holders, sum(day) AS newcomers FROM held GROUP BY kind, value HAVING count(*) > 1
)
"""
_ROWS = """
SELECT seller, code, epoch_us(held.first_seen) AS first_seen, epoch_us(last_seen) AS last_seen
FROM held JOIN shared USING (kind, value) JOIN sellers USING (seller_id)
ORDER BY seller, code
"""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What sellers have in common.

    Attributes
    ----------
    held : Table of shape (n_held, 5)
        seller_id, kind, value, first_seen, last_seen: all that was ever seen, once each.
    seller_ids, joined : arrays of shape (n_sellers,)
        The sellers in order, and when each was first seen.
    kinds, values, holders, newcomers : arrays of shape (n_values,)
        Of each value that several sellers have: its kind (position in `KINDS`), the value, how many sellers have it,
        and how many of them came by it with the events added last.
    seller, value, first_seen, last_seen : arrays of shape (n_rows,)
        Who has which of these (positions), since when and until when (microseconds since 1970), in order.
    among : int
        Of how many sellers these are some; 0 where they are all there are.
    """

    held: pa.Table
    seller_ids: npt.NDArray[np.object_]
    joined: Codes
    kinds: Codes
    values: npt.NDArray[np.object_]
    holders: Codes
    newcomers: Codes
    seller: Codes
    value: Codes
    first_seen: Codes
    last_seen: Codes
    among: int = 0

    @property
    def last_day(self) -> int:
        """The last moment at which something shared was seen (microseconds since 1970); 0 where nothing was."""
        return int(self.last_seen.max(initial=0))

    @property
    def n_sellers(self) -> int:
        """How many sellers were ever seen."""
        return len(self.seller_ids)

    @property
    def n_marketplace(self) -> int:
        """How many sellers the marketplace has, by which what is shared is weighed."""
        return self.among or self.n_sellers

    def find_seller(self, seller_id: str) -> int | None:
        """Return the position of a seller; None where nothing was ever seen of them."""
        place = int(np.searchsorted(self.seller_ids, seller_id))
        return place if place < self.n_sellers and self.seller_ids[place] == seller_id else None


def no_holdings() -> pa.Table:
    """Return the holdings of nobody."""
    moment = pa.timestamp("us", tz="UTC")
    names = {"seller_id": pa.string(), "kind": pa.string(), "value": pa.string()}
    return pa.schema(names | {"first_seen": moment, "last_seen": moment}).empty_table()


def hold(events: pd.DataFrame | pa.Table | Path, known: pa.Table | None = None) -> Holdings:
    """Bring rows of attributes into one order, together with what was known before.

    Parameters
    ----------
    events : DataFrame, Table or Path of a Parquet file, of shape (n_events, 4)
        seller_id, kind (one of `AttributeKind`), value (a keyed hash), seen_at; in any order, repeats allowed.
    known : Table, optional
        `Holdings.held` of the days before.

    Raises
    ------
    MissingColumns, UnreadableFile
        A column is missing; a kind is unknown; a cell is empty; the file is no Parquet file.

    Examples
    --------
    >>> moment = pd.Timestamp("2026-03-01", tz="UTC")
    >>> rows = {"seller_id": ["ann", "ben", "cid"], "kind": "phone", "value": ["x", "x", "y"], "seen_at": moment}
    >>> holdings = hold(pd.DataFrame(rows))
    >>> holdings.n_sellers, holdings.values.tolist(), holdings.holders.tolist()
    (3, ['x'], [2])
    """
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        config: dict[str, Any] = {"memory_limit": _MEMORY, "temp_directory": folder, "threads": 2}
        with duckdb.connect(config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = false")
            _offer(connection, events)
            connection.register("known", no_holdings() if known is None else known)
            for statement in (_MERGE, _SELLERS, _VALUES):
                connection.execute(statement)
            return _collect(connection)


def _offer(connection: Any, events: pd.DataFrame | pa.Table | Path) -> None:
    """Name the events for duckdb, once it is sure that they can be read as such."""
    import duckdb

    source = str(events) if isinstance(events, Path) else "attributes"
    if isinstance(events, Path):
        check_cells(events, "a Parquet file of attributes")
    try:
        relation = (
            connection.read_parquet(source) if isinstance(events, Path) else connection.from_arrow(_table(events))
        )
    except duckdb.Error as error:
        raise UnreadableFile(source, str(error).splitlines()[0], "a Parquet file of attributes") from error
    if missing := [name for name in COLUMNS if name not in relation.columns]:
        raise MissingColumns(source, missing, relation.columns, _REMEDY)
    relation.select(
        'CAST(seller_id AS VARCHAR) AS seller_id, CAST(kind AS VARCHAR) AS kind, CAST("value" AS VARCHAR) AS "value", '
        "CAST(seen_at AS TIMESTAMPTZ) AS seen_at"
    ).create_view("events")
    _check(connection, source)


def _table(events: pd.DataFrame | pa.Table) -> pa.Table:
    if isinstance(events, pa.Table):
        return events
    zoned = {str(name): events[name].dt.tz_convert(None) for name in events.select_dtypes("datetimetz")}
    return pa.Table.from_pandas(events.assign(**zoned), preserve_index=False)


def _check(connection: Any, source: str) -> None:
    known = ", ".join(f"'{kind}'" for kind in KINDS)
    faults = connection.execute(
        f"SELECT count(*) FILTER (kind NOT IN ({known})), any_value(kind) FILTER (kind NOT IN ({known})), "  # noqa: S608
        "count(*) FILTER (seller_id IS NULL OR kind IS NULL OR value IS NULL OR seen_at IS NULL) FROM events"
    ).fetchall()[0]
    if faults[0]:
        raise UnreadableFile(source, f"{faults[0]:,} rows of an unknown kind such as {faults[1]!r}", ", ".join(KINDS))
    if faults[2]:
        raise UnreadableFile(source, f"{faults[2]:,} rows with an empty cell", f"{', '.join(COLUMNS)} in every row")


def _collect(connection: Any) -> Holdings:
    sellers = connection.sql(
        "SELECT seller_id, epoch_us(first_seen) AS joined FROM sellers ORDER BY seller"
    ).to_arrow_table()
    values = connection.sql("SELECT kind, value, holders, newcomers FROM shared ORDER BY code").to_arrow_table()
    rows = connection.sql(_ROWS).fetchnumpy()
    order = pa.array([kind.value for kind in KINDS])
    return Holdings(
        held=connection.sql("SELECT seller_id, kind, value, first_seen, last_seen FROM held").to_arrow_table(),
        seller_ids=sellers["seller_id"].to_numpy(),
        joined=sellers["joined"].to_numpy(),
        kinds=pa.compute.index_in(values["kind"], order).to_numpy().astype(np.int64),
        values=values["value"].to_numpy(),
        holders=values["holders"].to_numpy(),
        newcomers=values["newcomers"].cast(pa.int64()).to_numpy(),
        seller=rows["seller"],
        value=rows["code"],
        first_seen=rows["first_seen"],
        last_seen=rows["last_seen"],
    )
