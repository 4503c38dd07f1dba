"""Scored files: what stands in their columns, and how they are read back.

A scored file holds the canonical columns of the listings, the columns of `SCORE_COLUMNS`, those of `ORIGIN_COLUMNS`
(which files of older releases lack), and for the most suspicious listings `read_as`, `base_rate` and the JSON texts
`reasons`, `highlights`, `price_range` and `description_highlights`; older files hold the base rate as one of the
reasons. A folder of such files is read as one, once it says that it is
whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from ipml.errors import InvalidListings, MissingColumns, UnreadableFile
from ipml.listings.frames import show
from ipml.listings.raw_table import RawTable
from ipml.listings.schema import COLUMNS, check_listings, frame_to_listings
from ipml.listings.tables import read_tables
from ipml.records import Highlight, PriceRange, Problem, Reason, ScoredListing, part_base_rate
from ipml.scoring.scorer import ORIGIN_COLUMNS, SCORE_COLUMNS

EXPLANATION_COLUMNS = ("reasons", "highlights", "price_range", "description_highlights", "read_as", "base_rate")
WHOLE = "_SUCCESS"
"""The file in a folder that says that nothing is missing."""
_CHUNK_ROWS = 20_000

_Score = Annotated[float, Field(ge=0, le=1)]
_Sum = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# What stands in each column, and the JSON of an empty cell where it is JSON.
_CELLS: dict[str, tuple[TypeAdapter[Any], str]] = {
    "score": (TypeAdapter(_Score | None), ""),
    "score_low": (TypeAdapter(_Score | None), ""),
    "score_high": (TypeAdapter(_Score | None), ""),
    "log_odds": (TypeAdapter(FiniteFloat | None), ""),
    "reasons": (TypeAdapter(tuple[Reason, ...]), "[]"),
    "highlights": (TypeAdapter(tuple[Highlight, ...]), "[]"),
    "price_range": (TypeAdapter(PriceRange | None), "null"),
    "description_highlights": (TypeAdapter(tuple[Highlight, ...]), "[]"),
    "read_as": (TypeAdapter(str | None), ""),
    "base_rate": (TypeAdapter(FiniteFloat | None), "null"),
    "model_version": (TypeAdapter(str), ""),
    "abstained": (TypeAdapter(str | None), ""),
    "model_digest": (TypeAdapter(str | None), ""),
    "earlier_listings": (TypeAdapter(_Sum | None), ""),
    "earlier_suspicion": (TypeAdapter(_Sum | None), ""),
}


def read_scored(path: Path) -> Iterator[ScoredListing]:
    """Yield the listings of a scored file with their scores and, where they were explained, their reasons.

    Parameters
    ----------
    path : Path
        A file that `ipml score` wrote, or a folder.

    Raises
    ------
    UnreadableFile
        The folder is not whole.
    MissingColumns
        The file is not a scored one.
    InvalidListings
        Some rows are not as `ipml score` writes them.
    """
    if path.is_dir() and not (path / WHOLE).exists():
        raise UnreadableFile(path, f"no file {WHOLE}", "a folder that `ipml score` has finished")
    for table in read_tables(path, _CHUNK_ROWS):
        _check_scored(table, str(path))
        frame = table.frame
        extra = frame.reindex(columns=[*SCORE_COLUMNS, *ORIGIN_COLUMNS, *EXPLANATION_COLUMNS]).astype(object)
        rows: list[dict[Any, Any]] = extra.where(extra.notna() & (extra != ""), None).to_dict("records")
        listings = check_listings(frame.reindex(columns=list(COLUMNS)), str(path))
        for number, listing, row in zip(frame.index, frame_to_listings(listings), rows, strict=True):
            said = {name: _read_cell(row[name], name, number, path) for name in _CELLS}
            reasons, base_rate = part_base_rate(said["reasons"])
            said |= {"reasons": reasons} | ({} if base_rate is None else {"base_rate": base_rate})
            yield ScoredListing(listing, **said)


def explanation_columns(scored: ScoredListing) -> dict[str, str]:
    """Return why a scored listing scores as it does, as the texts of `EXPLANATION_COLUMNS`."""
    return {
        "reasons": json.dumps([asdict(reason) for reason in scored.reasons], ensure_ascii=False),
        "highlights": json.dumps([asdict(part) for part in scored.highlights]),
        "price_range": json.dumps(asdict(scored.price_range), ensure_ascii=False) if scored.price_range else "",
        "description_highlights": json.dumps([asdict(part) for part in scored.description_highlights]),
        "read_as": scored.read_as or "",
        "base_rate": "" if scored.base_rate is None else json.dumps(scored.base_rate),
    }


def _check_scored(table: RawTable, source: str) -> None:
    if table.problems:
        raise InvalidListings(table.problems, source)
    # JSON lines have no key for what no listing has, such as the cause of abstaining.
    needed = ["model_version"] if table.is_sparse else SCORE_COLUMNS
    missing = [name for name in needed if name not in table.frame]
    if missing and not (table.is_sparse and table.frame.empty):
        remedy = "Score it first: ipml score FILE SCORED."
        raise MissingColumns(source, missing, list(map(str, table.frame.columns)), remedy)


def _read_cell(cell: Any, name: str, row: int, path: Path) -> Any:
    """Return what a column of a scored file says of one listing."""
    adapter, nothing = _CELLS[name]
    try:
        return adapter.validate_json(cell or nothing) if nothing else adapter.validate_python(cell)
    except ValidationError as error:
        expected = f"what `ipml score` writes ({error.errors()[0]['msg']})"
        raise InvalidListings([Problem(row, name, show(cell), expected)], str(path)) from error
