"""Pictures that sellers share, as attributes of networks: who showed which, and since when.

Which files show the same the worker has found (`ipml.review.pictures.hashes`). A picture that few sellers show links
them, by the rules of the kind "image"; one that many show says nothing.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, func, select

from ipml.cooperation.networks.attributes import AttributeKind, hash_value, read_key
from ipml.review.pictures.stored import NO_GROUP
from ipml.storage.tables import cases, pictures

_SCHEMA = pa.schema(
    {"seller_id": pa.string(), "kind": pa.string(), "value": pa.string(), "seen_at": pa.timestamp("us", tz="UTC")}
)
_AT_ONCE = 10_000


def write_picture_attributes(connection: Connection, out: Path, key_file: Path) -> int:
    """Write a Parquet file of attributes with a row for each seller and picture; return how many.

    Raises
    ------
    UnusableSetting
        The key is too short to keep anything secret, or the file of it is not there.
    """
    key, count = read_key(key_file), 0
    query = (
        select(cases.c.seller_id, pictures.c.group_id, func.min(pictures.c.fetched_at).label("seen_at"))
        .join_from(pictures, cases, cases.c.case_id == pictures.c.case_id)
        .where(pictures.c.group_id > NO_GROUP, cases.c.erased_at.is_(None))
        .group_by(cases.c.seller_id, pictures.c.group_id)
        .order_by(cases.c.seller_id, pictures.c.group_id)
    )
    with pq.ParquetWriter(out, _SCHEMA) as writer:
        for rows in connection.execute(query).partitions(_AT_ONCE):
            held = [
                (row.seller_id, "image", hash_value(key, AttributeKind.IMAGE, str(row.group_id)), row.seen_at)
                for row in rows
            ]
            columns = zip(zip(*held, strict=True), _SCHEMA, strict=True)
            arrays = [pa.array(column, field.type) for column, field in columns]
            writer.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
            count += len(held)
    return count
