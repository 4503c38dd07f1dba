"""Rows of attributes while they are made: who has which value of which kind since which day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ipml.cooperation.network.kinds import KINDS, AttributeKind

Codes = npt.NDArray[np.int64]
Days = npt.NDArray[np.float64]


class Rows:
    """Rows of attributes, kept as arrays; values are numbers until the end, new ones from `new_values`."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Codes, Codes, Days]] = []

    def add(self, kind: str, seller: npt.ArrayLike, value: npt.ArrayLike, day: npt.ArrayLike) -> None:
        """Add that some sellers had some values since some days (one of each, or one for all)."""
        sellers, values, days = np.broadcast_arrays(np.atleast_1d(seller), value, day)
        self._parts.append(
            (KINDS.index(AttributeKind(kind)), sellers.astype(np.int64), values.astype(np.int64), days.astype(float))
        )

    def of_kind(self, kind: str) -> tuple[Codes, Codes, Days]:
        """Return who has which values of a kind since when."""
        parts = [part[1:] for part in self._parts if part[0] == KINDS.index(AttributeKind(kind))]
        seller, value, day = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return seller, value, day

    def all(self) -> tuple[Codes, Codes, Codes, Days]:
        """Return kind, seller, value and day of all rows."""
        kinds = np.repeat([part[0] for part in self._parts], [len(part[1]) for part in self._parts])
        seller, value, day = (np.concatenate(arrays) for arrays in list(zip(*self._parts, strict=True))[1:])
        return kinds, seller, value, day

    def without(self, share: float, rng: np.random.Generator) -> Rows:
        """Return the rows that are left when a part of them was never seen."""
        rows = Rows()
        for kind, seller, value, day in self._parts:
            is_seen = rng.random(len(seller)) >= share
            if is_seen.any():
                rows._parts.append((kind, seller[is_seen], value[is_seen], day[is_seen]))
        return rows


def new_values(count: int, rng: np.random.Generator) -> Codes:
    """Return values that nobody has yet: of 2^62, none is drawn twice."""
    return rng.integers(1, 2**62, count)


def to_frame(
    parts: list[Rows], names: npt.NDArray[np.object_], first_day: pd.Timestamp, rng: np.random.Generator
) -> pd.DataFrame:
    """Return rows as a marketplace hands them over: ids, kinds, hashes and moments, in no order."""
    kinds, seller, value, day = (np.concatenate(arrays) for arrays in zip(*(rows.all() for rows in parts), strict=True))
    order = rng.permutation(len(kinds))
    digits = pa.array(value[order]).cast(pa.string())
    return pd.DataFrame(
        {
            "seller_id": pd.array(pa.array(names).take(pa.array(seller[order])), dtype="str"),
            "kind": pd.array(pa.array([kind.value for kind in KINDS]).take(pa.array(kinds[order])), dtype="str"),
            "value": pd.array(digits, dtype="str"),
            "seen_at": first_day + pd.to_timedelta((day[order] * 86_400).round(), unit="s"),
        }
    )
