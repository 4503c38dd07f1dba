"""What a run is: which rows, scored by what, into what. Parts of one run are never mixed with those of another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ipml.features.portfolio import SellerPortfolios
from ipml.listings.marketplaces import ColumnMap
from ipml.scoring.scorer import Scorer

_ENDS = 65_536
"""Bytes at either end of a source by which a change is seen: Parquet has its index at the end."""


def describe_run(
    scorer: Scorer,
    source: Path,
    kind: str,
    *,
    columns: ColumnMap | None,
    portfolios: SellerPortfolios | None,
    events: Sequence[Path],
    explain_top: int,
    part_rows: int,
) -> dict[str, str]:
    """Return all that decides what a run writes, by name; two runs that agree in it write the same.

    Parameters
    ----------
    scorer : Scorer
    source : Path
    kind : str
        Of the result: its suffix, or "folder".
    columns, portfolios, events, explain_top
        As for `ipml.scoring.batch.score_file`.
    part_rows : int
        Most rows of a part.
    """
    return {
        "source": describe_source(source),
        "model": scorer.version,
        "widest interval": str(scorer.most_width or "any"),
        "portfolios": _digest_portfolios(portfolios) if portfolios is not None else "those of the model",
        "events": describe_events(events),
        "columns": _digest(columns.model_dump_json().encode()) if columns is not None else "as they are",
        "number of listings to explain": f"{explain_top:,}",
        "kind of file": kind,
        "rows of a part": f"{part_rows:,}",
        "release of ipml": version("ipml"),
    }


def describe_source(source: Path) -> str:
    """Return where a source is, its size, and a digest of its names, times of change, beginnings and ends."""
    paths = sorted(source.rglob("*.parquet")) if source.is_dir() else [source]
    size = sum(path.stat().st_size for path in paths)
    return f"{source.resolve()} of {size:,} bytes, {_digest(*map(_look_at, paths))}"


def describe_events(events: Sequence[Path]) -> str:
    """Return the same of each file of seller events, in whatever order they are given."""
    return ", ".join(sorted(map(describe_source, events))) or "none"


def digest_run(facts: Mapping[str, str]) -> str:
    """Return a digest of what `describe_run` says, as each part carries it."""
    return _digest(*(f"{name}={fact}".encode() for name, fact in facts.items()))


def _look_at(path: Path) -> bytes:
    """Return what tells a file from a changed one without reading all of it."""
    state = path.stat()
    with path.open("rb") as stream:
        head = stream.read(_ENDS)
        stream.seek(max(0, state.st_size - _ENDS))
        return f"{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}\0".encode(errors="surrogateescape") + (
            head + stream.read(_ENDS)
        )


def _digest_portfolios(portfolios: SellerPortfolios) -> str:
    """Return a digest of what is known of each seller, in whatever order they were met."""
    state = portfolios.__getstate__()
    order = np.argsort(state["keys"])
    return _digest(*(np.ascontiguousarray(state[name][order]).tobytes() for name in sorted(state)))


def _digest(*contents: bytes) -> str:
    found = hashlib.blake2b(digest_size=16)
    for content in contents:
        found.update(f"{len(content)}:".encode() + content)
    return found.hexdigest()
