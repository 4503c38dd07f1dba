"""Leak: something that gives the label away; and the report of an audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Kind = Literal[
    "outcome name",
    "too good",
    "one class",
    "one-sided",
    "names sellers",
    "damaged text",
    "copies",
    "moments",
    "labels",
    "sellers",
    "split",
]
KINDS = get_args(Kind)
_SHOWN_ROWS = 3


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that gives the label away, or makes an estimate from these labels wrong.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    column : str
        Name of the column, or several joined by commas; "" where the table as a whole is at fault.
    sentence : str
        Finding, and why it misleads.
    """

    kind: Kind
    column: str
    sentence: str


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """Leaks of a table, and notes on checks that were left out."""

    n_listings: int
    n_counterfeit: int
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...]


def show_rows(rows: NDArray[np.int64], is_meant: NDArray[Any]) -> str:
    """Return the numbers of the first marked rows."""
    numbers = [str(row) for row in rows[np.asarray(is_meant, dtype=bool)]]
    more = ", …" if len(numbers) > _SHOWN_ROWS else ""
    return f"row{'s' if len(numbers) > 1 else ''} {', '.join(numbers[:_SHOWN_ROWS])}{more}"
