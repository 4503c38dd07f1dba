"""Attributes that sellers can share: which seller has which value, and since when, whatever the order of the rows.

Values of one seller alone link nobody: they are stored for later, but left out of the arrays. Values (phones, addresses
and the like) are keyed hashes of their normalised form. Without the key nobody can read a hash or try out all phone
numbers; attributes of two days can be joined only if both used the same key.
"""

from __future__ import annotations

import hmac
import re
import tempfile
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, func, select

from ipml.errors import MissingColumns, UnreadableFile, UnusableSetting
from ipml.kit.parquet.bounded_file import check_cells, look_into
from ipml.review.pictures.stored import NO_GROUP
from ipml.storage.tables import cases, pictures


class AttributeKind(StrEnum):
    """A kind of thing that two sellers can share."""

    PAYOUT = "payout"
    PHONE = "phone"
    DEVICE = "device"
    ADDRESS = "address"
    SHIP_FROM = "ship_from"
    IMAGE = "image"
    PHRASE = "phrase"
    TEMPLATE = "template"
    TIMING = "timing"


KINDS: tuple[AttributeKind, ...] = tuple(AttributeKind)

# Made once and copied by others, so the order of first use matters.
GOODS_KINDS = frozenset({AttributeKind.IMAGE, AttributeKind.PHRASE, AttributeKind.TEMPLATE})

IN_WORDS = {
    AttributeKind.PAYOUT: "payout account",
    AttributeKind.PHONE: "phone",
    AttributeKind.DEVICE: "device",
    AttributeKind.ADDRESS: "address",
    AttributeKind.SHIP_FROM: "place of dispatch",
    AttributeKind.IMAGE: "image",
    AttributeKind.PHRASE: "phrase",
    AttributeKind.TEMPLATE: "template",
    AttributeKind.TIMING: "moment of listing",
}

IN_WORDS_OF_MANY = {kind: f"{words}s" for kind, words in IN_WORDS.items()} | {
    AttributeKind.ADDRESS: "addresses",
    AttributeKind.SHIP_FROM: "places of dispatch",
    AttributeKind.TIMING: "moments of listing",
}


Codes = npt.NDArray[np.int64]
COLUMNS = ("seller_id", "kind", "value", "seen_at")

_MEMORY = "1500MB"
_REMEDY = "Rename them; `ipml cooperate network hash` makes such a file of phones, addresses and the like."

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
    """The things that sellers share.

    Attributes
    ----------
    held : Table of shape (n_held, 5)
        seller_id, kind, value, first_seen, last_seen of everything ever seen, once each.
    seller_ids, joined : arrays of shape (n_sellers,)
        The sellers in order, and when each was first seen.
    kinds, values, holders, newcomers : arrays of shape (n_values,)
        Each shared value: position in `KINDS`, hash, sellers who have it, and those who got it with the last events.
    seller, value, first_seen, last_seen : arrays of shape (n_rows,)
        Seller and value (positions), with first and last sighting (microseconds since 1970), in order.
    among : int
        Sellers of the whole marketplace if these are some of them; 0 if they are all.
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
        """The last moment at which something shared was seen (microseconds since 1970); 0 if nothing was."""
        return int(self.last_seen.max(initial=0))

    @property
    def n_sellers(self) -> int:
        """Number of sellers ever seen."""
        return len(self.seller_ids)

    @property
    def n_marketplace(self) -> int:
        """Number of sellers of the marketplace, by which shared things are weighted."""
        return self.among or self.n_sellers

    def find_seller(self, seller_id: str) -> int | None:
        """Return the position of a seller; None if the seller was never seen."""
        place = int(np.searchsorted(self.seller_ids, seller_id))
        return place if place < self.n_sellers and self.seller_ids[place] == seller_id else None


def no_holdings() -> pa.Table:
    """Return holdings without rows."""
    moment = pa.timestamp("us", tz="UTC")
    names = {"seller_id": pa.string(), "kind": pa.string(), "value": pa.string()}
    return pa.schema(names | {"first_seen": moment, "last_seen": moment}).empty_table()


def hold(events: pd.DataFrame | pa.Table | Path, known: pa.Table | None = None) -> Holdings:
    """Sort rows of attributes, together with those `known` before (`Holdings.held`).

    `events` has seller_id, kind (one of `AttributeKind`), value (a keyed hash) and seen_at, in any order, repeats
    allowed; a path leads to a Parquet file. Raises MissingColumns, and UnreadableFile for an unknown kind, an empty
    cell or another format.

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
    """Register the events with duckdb, after checking that they can be read."""
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
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    faults = connection.execute(
        f"SELECT count(*) FILTER (kind NOT IN ({kinds})), any_value(kind) FILTER (kind NOT IN ({kinds})), "  # noqa: S608
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


_LEAST_KEY_BYTES = 16
_HASH_LETTERS = 32  # 128 bits
_ROWS_AT_ONCE = 100_000
_PICTURES_AT_ONCE = 10_000
_PICTURE_SCHEMA = pa.schema(
    {"seller_id": pa.string(), "kind": pa.string(), "value": pa.string(), "seen_at": pa.timestamp("us", tz="UTC")}
)
_SHORT = {"street": "st", "straße": "str", "strasse": "str", "avenue": "ave", "road": "rd", "building": "bldg"}


def hash_value(key: bytes, kind: AttributeKind, text: str, calling_code: str = "") -> str:
    """Return the keyed hash of a value: 128 bits of its HMAC-SHA256, in hexadecimal.

    >>> key = b"sixteen bytes or more"
    >>> phone = AttributeKind.PHONE
    >>> hash_value(key, phone, "0170 / 123 45", "49") == hash_value(key, phone, "+49 17012345")
    True
    """
    message = f"{kind}\0{normalise_value(kind, text, calling_code)}".encode()
    return hmac.digest(key, message, "sha256").hex()[:_HASH_LETTERS]


def normalise_value(kind: AttributeKind, text: str, calling_code: str = "") -> str:
    """Return a value without differences of spelling.

    Phones become digits with a country code (`calling_code` if they have none); payout accounts lose spaces and signs;
    addresses lose accents, signs, case and the order of parts; others only case and outer spaces.

    >>> normalise_value(AttributeKind.PAYOUT, "de89 3704-0044 0532 0130 00")
    'DE89370400440532013000'
    >>> normalise_value(AttributeKind.ADDRESS, "12, Fleet Street; LONDON") == normalise_value(
    ...     AttributeKind.ADDRESS, "London, Fleet St. 12"
    ... )
    True
    """
    text = unicodedata.normalize("NFKC", text).strip()
    match kind:
        case AttributeKind.PHONE:
            return _normalise_phone(text, calling_code)
        case AttributeKind.PAYOUT:
            return re.sub(r"[\W_]", "", text).upper()
        case AttributeKind.ADDRESS | AttributeKind.SHIP_FROM:
            return _normalise_address(text)
    return " ".join(text.casefold().split())


def hash_attributes(source: Path, out: Path, key_file: Path, calling_code: str = "") -> int:
    """Write a Parquet file of attributes with hashed values, in batches; return its number of rows.

    Raises UnusableSetting for a key that is too short or missing, UnreadableFile and MissingColumns for the source.
    """
    key = _read_key(key_file)
    parquet = look_into(source, "a Parquet file of attributes")
    if missing := [name for name in COLUMNS if name not in parquet.schema.names]:
        raise MissingColumns(str(source), missing, parquet.schema.names, "Rename them.")
    place = parquet.schema.get_field_index("value")
    schema, rows = parquet.schema.set(place, pa.field("value", pa.string())), 0
    with pq.ParquetWriter(out, schema) as writer:
        for batch in parquet.read_batches(_ROWS_AT_ONCE):
            kinds, texts = batch["kind"].to_pylist(), batch["value"].to_pylist()
            hashes = [_hash_cell(key, *cell, calling_code, source) for cell in zip(kinds, texts, strict=True)]
            columns = [pa.array(hashes, pa.string()) if name == "value" else batch[name] for name in schema.names]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            rows += len(hashes)
    return rows


def write_picture_attributes(connection: Connection, out: Path, key_file: Path) -> int:
    """Write a Parquet file of attributes with a row for each seller and picture; return the number of rows.

    The worker has grouped files that show the same (`ipml.review.pictures.hashes`). A picture that few sellers show
    links them, by the rules of the kind "image". Raises UnusableSetting for a key that is too short or missing.
    """
    key, count = _read_key(key_file), 0
    query = (
        select(cases.c.seller_id, pictures.c.group_id, func.min(pictures.c.fetched_at).label("seen_at"))
        .join_from(pictures, cases, cases.c.case_id == pictures.c.case_id)
        .where(pictures.c.group_id > NO_GROUP, cases.c.erased_at.is_(None))
        .group_by(cases.c.seller_id, pictures.c.group_id)
        .order_by(cases.c.seller_id, pictures.c.group_id)
    )
    with pq.ParquetWriter(out, _PICTURE_SCHEMA) as writer:
        for rows in connection.execute(query).partitions(_PICTURES_AT_ONCE):
            held = [
                (row.seller_id, "image", hash_value(key, AttributeKind.IMAGE, str(row.group_id)), row.seen_at)
                for row in rows
            ]
            columns = zip(zip(*held, strict=True), _PICTURE_SCHEMA, strict=True)
            arrays = [pa.array(column, field.type) for column, field in columns]
            writer.write_batch(pa.record_batch(arrays, schema=_PICTURE_SCHEMA))
            count += len(held)
    return count


def _hash_cell(key: bytes, kind: str, text: object, calling_code: str, source: Path) -> str:
    if kind not in KINDS or text is None:
        raise UnreadableFile(
            source, f"kind {kind!r} with value {'none' if text is None else 'given'}", ", ".join(KINDS)
        )
    return hash_value(key, AttributeKind(kind), str(text), calling_code)


def _read_key(path: Path) -> bytes:
    """Return the key for hashing values; raises UnusableSetting if it is too short to be secret, or missing."""
    expected = f"a file of {_LEAST_KEY_BYTES} random bytes or more, as from `openssl rand -out KEY 32`"
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError as error:
        raise UnusableSetting(f"key {path}", "no such file", expected) from error
    if len(key) < _LEAST_KEY_BYTES:
        raise UnusableSetting(f"key {path}", f"{len(key)} bytes", expected)
    return key


def _normalise_phone(text: str, calling_code: str) -> str:
    digits = "".join(str(unicodedata.decimal(letter)) for letter in text if letter.isdecimal())
    if text.startswith("+"):
        return digits
    if digits.startswith("00"):
        return digits[2:]
    return calling_code + digits.removeprefix("0") if calling_code else digits


def _normalise_address(text: str) -> str:
    words = re.findall(r"\w+", text.casefold())
    plain = (unicodedata.normalize("NFKD", _SHORT.get(word, word)) for word in words)
    letters = ("".join(letter for letter in word if not unicodedata.combining(letter)) for word in plain)
    return " ".join(sorted(letters))
