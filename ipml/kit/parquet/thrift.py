"""Thrift: reads the compact protocol of Parquet's footers and page headers."""

from __future__ import annotations

from typing import Any

TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
WHOLE = (4, 5, 6)
"""Types of whole numbers, of 16, 32 or 64 bits."""

Struct = dict[int, tuple[int, Any]]
"""Type and value by number of field; a list is (type, values)."""


class ThriftReader:
    """Reader of structs from bytes; `at` is its position.

    On any bytes it ends with a struct, an IndexError, a ValueError or a RecursionError.

    >>> ThriftReader(bytes([0x15, 0x0E, 0x00])).read_struct()
    {1: (5, 7)}
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    def read_struct(self) -> Struct:
        """Return the struct at the present position."""
        data, field = self._data, 0
        struct: Struct = {}
        while head := data[self.at]:
            self.at += 1
            field = field + (head >> 4) if head >> 4 else self._read_whole()
            kind = head & 0x0F
            struct[field] = kind, kind == TRUE if kind in (TRUE, FALSE) else self._read(kind)
        self.at += 1
        return struct

    def _read(self, kind: int) -> Any:
        if kind in WHOLE:
            return self._read_whole()
        if kind == BINARY:
            return self._take(self._read_size())
        if kind == STRUCT:
            return self.read_struct()
        if kind in (LIST, SET):
            head = self._read_byte()
            size = head >> 4 if head >> 4 < 15 else self._read_size()
            return head & 0x0F, [self._read(head & 0x0F) for _ in range(size)]
        if kind in (TRUE, FALSE, BYTE):  # in a list, a byte each
            return self._read_byte()
        if kind == DOUBLE:
            return self._take(8)
        raise ValueError(f"a field of the unknown type {kind}")

    def _read_byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _take(self, size: int) -> bytes:
        self.at += size
        if self.at > len(self._data):
            raise IndexError("a text goes on behind the end")
        return self._data[self.at - size : self.at]

    def _read_size(self) -> int:
        at, size, shift = self.at, 0, 0
        while (byte := self._data[at]) >= 0x80:
            size |= (byte & 0x7F) << shift
            shift += 7
            at += 1
        self.at = at + 1
        return size | byte << shift

    def _read_whole(self) -> int:
        size = self._read_size()
        return (size >> 1) ^ -(size & 1)
