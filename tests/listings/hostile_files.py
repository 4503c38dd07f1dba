"""Files of a few kilobytes that fill the memory of a careless decoder."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ipml.kit.parquet.thrift import BINARY, DOUBLE, FALSE, LIST, SET, STRUCT, TRUE, WHOLE, Struct, ThriftReader
from ipml.listings.fields import COLUMNS

_MB = 1 << 20


def _columns(n_rows: int, **others: Any) -> dict[str, Any]:
    """Return columns of listings, of which each row is the same."""
    one = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
    return {
        name: pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), n_rows), pa.array([text]))
        for name, text in one.items()
    } | others


def _write(path: Path, columns: dict[str, Any], **options: Any) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False, **options)


def long_text_few_times(path: Path) -> None:
    """Write a title of 60 kB in a dictionary behind short ones, which most rows refer to."""
    title = pa.DictionaryArray.from_arrays(
        pa.concat_arrays([pa.array([0] * 30_000, pa.int32()), pa.repeat(pa.scalar(1, pa.int32()), 70_000)]),
        pa.array(["Bag", "x" * 60_000]),
    )
    _write(path, _columns(100_000, title=title))


def shared_beginnings(path: Path) -> None:
    """Write texts of 200 kB that each say only how they differ from the one before."""
    texts = pa.array(["x" * 200_000 + str(number) for number in range(2_000)])
    options = {"column_encoding": {"description": "DELTA_BYTE_ARRAY"}, "data_page_size": 1 << 30}
    options |= {"use_dictionary": ["listing_id", "seller_id", "title"], "write_statistics": False}
    _write(path, _columns(2_000, description=texts), **options)


def _write_rows(path: Path, title: str, times: int, **options: Any) -> None:
    schema = pa.schema(dict.fromkeys(("listing_id", "seller_id", "title"), pa.string()))
    row = pa.table({"listing_id": ["1"], "seller_id": ["s"], "title": [title]}, schema=schema)
    options |= {"use_dictionary": False, "store_schema": False, "write_statistics": False}
    with pq.ParquetWriter(path, schema, **options) as writer:
        for _ in range(times):
            writer.write_table(row)


def lists(path: Path) -> None:
    """Write a list of ten million numbers in a cell."""
    many = pa.ListArray.from_arrays(
        pa.array([0, 10_000_000], pa.int32()), pa.repeat(pa.scalar(7, pa.int8()), 10_000_000)
    )
    _write(path, {"listing_id": ["1"], "seller_id": ["s"], "title": many})


def nested_lists(path: Path) -> None:
    """Write a hundred thousand rows of a hundred empty objects each."""
    objects = pa.StructArray.from_arrays([pa.nulls(10_000_000, pa.int8())], ["a"])
    many = pa.ListArray.from_arrays(pa.array(range(0, 10_000_001, 100), pa.int32()), objects)
    _write(path, _columns(100_000, description=many))


def untrue_rows(path: Path) -> None:
    """Write a footer that speaks of a billion rows where there is one."""

    def lie(footer: Any) -> None:
        footer[3] = (6, 10**9)
        footer[4][1][1][0][3] = (6, 10**9)

    _rewrite_footer(path, lie)


def huge_metadata(path: Path) -> None:
    """Write 900 kB of what writers add."""
    table = pa.table({"listing_id": ["1"], "seller_id": ["s"], "title": ["Bag"]})
    pq.write_table(table.replace_schema_metadata({str(key): "x" * 10 for key in range(12_000)}), path)


def _rewrite_footer(path: Path, change: Callable[[Any], None]) -> None:
    stream = io.BytesIO()
    pq.write_table(pa.table({"listing_id": ["1"], "seller_id": ["s"], "title": ["Bag"]}), stream, store_schema=False)
    whole = stream.getvalue()
    size = int.from_bytes(whole[-8:-4], "little")
    footer = ThriftReader(whole[-8 - size : -8]).read_struct()
    change(footer)
    written = _ThriftWriter()
    written.write_struct(footer)
    path.write_bytes(whole[: -8 - size] + written.done + len(written.done).to_bytes(4, "little") + b"PAR1")


class _ThriftWriter:
    """Writes structs as `ipml.kit.parquet.thrift.ThriftReader` reads them."""

    def __init__(self) -> None:
        self.done = bytearray()

    def write_struct(self, struct: Struct) -> None:
        before = 0
        for field, (kind, value) in struct.items():
            if kind in (TRUE, FALSE):
                kind = TRUE if value else FALSE
            if 0 < field - before <= 15:
                self.done.append((field - before) << 4 | kind)
            else:
                self.done.append(kind)
                self._write_whole(field)
            if kind not in (TRUE, FALSE):
                self._write(kind, value)
            before = field
        self.done.append(0)

    def _write(self, kind: int, value: Any) -> None:
        if kind in WHOLE:
            self._write_whole(value)
        elif kind == BINARY:
            self._write_size(len(value))
            self.done += value
        elif kind == STRUCT:
            self.write_struct(value)
        elif kind in (LIST, SET):
            self._write_list(*value)
        elif kind == DOUBLE:
            self.done += value
        else:
            self.done.append(value)

    def _write_list(self, kind: int, values: list[Any]) -> None:
        if len(values) < 15:
            self.done.append(len(values) << 4 | kind)
        else:
            self.done.append(0xF0 | kind)
            self._write_size(len(values))
        for value in values:
            self._write(kind, value)

    def _write_size(self, size: int) -> None:
        while size >= 0x80:
            self.done.append(size & 0x7F | 0x80)
            size >>= 7
        self.done.append(size)

    def _write_whole(self, number: int) -> None:
        self._write_size(number << 1 if number >= 0 else (-number << 1) - 1)


def deep_json(path: Path) -> None:
    """Write lists in lists, as deep as the parser goes and deeper."""
    lines = (
        f'{{"listing_id": "1", "seller_id": "s", "title": {"[" * depth}{"]" * depth}}}' for depth in (900, 990, 100_000)
    )
    path.write_text("\n".join(lines))


def long_numbers(path: Path) -> None:
    """Write numbers of 4,000 and of a million digits."""
    rows = (
        f'{{"listing_id": "1", "seller_id": "s", "title": "Bag", "price": {"9" * size}, "currency": "EUR"}}'
        for size in (4_000, 900_000)
    )
    path.write_text("\n".join(rows))


def _pack(path: Path, piece: bytes, times: int, head: bytes = b"") -> None:
    path.write_bytes(gzip.compress(head) + gzip.compress(piece) * times)


HEAD = ("listing_id", "seller_id", "title")
_GROUP = {3: (5, 1), 4: (8, b"g"), 5: (5, 1)}
_PARQUET: dict[str, Callable[[Path], None]] = {
    **{make.__name__: make for make in (long_text_few_times, shared_beginnings, lists, nested_lists)},
    **{make.__name__: make for make in (untrue_rows, huge_metadata)},
    "pages_of_zeros": lambda path: _write_rows(path, "x" * (400 * _MB), 1, compression="zstd"),
    "many_long_pages": lambda path: _write_rows(path, "x" * (8 * _MB), 150, compression="zstd"),
    "missing_cells": lambda path: _write(path, dict.fromkeys((*HEAD, "brand"), pa.nulls(20_000_000, pa.string()))),
    # As many as are let through.
    "most_rows_of_nothing": lambda path: _write(path, dict.fromkeys(COLUMNS, pa.nulls(100_000, pa.string()))),
    "fairly_wide": lambda path: _write(
        path, _columns(100_000, **{f"c{number}": pa.nulls(100_000, pa.int64()) for number in range(900)})
    ),
    "many_groups": lambda path: _write_rows(path, "Bag", 3_000),
    # A column nested so deep that the decoder would end the process.
    "deep_schema": lambda path: _rewrite_footer(
        path, lambda footer: footer[2][1][1].__setitem__(slice(1, 1), [_GROUP] * 60_000)
    ),
}
HOSTILE: dict[str, Callable[[Path], None]] = {
    **{f"{name}.parquet": make for name, make in _PARQUET.items()},
    **{f"{make.__name__}.jsonl": make for make in (deep_json, long_numbers)},
    "wide_json.jsonl": lambda path: path.write_text("{" + ",".join(f'"c{at}": 1' for at in range(60_000)) + "}"),
    "short_rows.jsonl": lambda path: path.write_text("1\n" * 500_000),
    "short_csv_rows.csv": lambda path: path.write_text(",".join(HEAD) + "\n" + "1\n" * 490_000),
    "packed_objects.jsonl.gz": lambda path: _pack(
        path, b'{"listing_id": "1", "seller_id": "s", "title": [' + b"{}," * 5_000_000 + b"1]}\n", 60
    ),
    "packed_short_rows.jsonl.gz": lambda path: _pack(path, b"1\n" * (8 * _MB), 40),
    "packed_csv.csv.gz": lambda path: _pack(
        path, b"1,s," + b"x" * (15 * _MB) + b"\n", 60, b"listing_id,seller_id,title\n"
    ),
}
"""Every hostile file by its name: what writes it at a place, with at most a megabyte."""
