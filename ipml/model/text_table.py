"""Rows of texts as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equally many cells, each column as wide as its widest cell.

    Examples
    --------
    >>> print(align([["", "A", "B"], ["brier", "0.1", "0.2"]]))
           A    B
    brier  0.1  0.2
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
