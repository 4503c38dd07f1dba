"""What is known of a part only when all of them are scored: which rows come again, and which scores are the highest."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ipml.errors import InvalidListings
from ipml.scoring.parts.folder import Record, name_part
from ipml.scoring.parts.hopeful import read_scores
from ipml.scoring.parts.keys import Rows, find_repeats_across, read_rows
from ipml.scoring.parts.part import Work
from ipml.scoring.parts.rejects import gather_problems
from ipml.scoring.parts.source import Part, TextSource


@dataclass(frozen=True)
class Change:
    """What becomes of a scored part.

    Attributes
    ----------
    part : Part
        With its rows, where bad ones are wanted as they stand and only one process can read the source.
    top : array of int
        The rows that are explained.
    again, first : array of int
        The rows that come again, and for each the row in an earlier part that comes first.
    record : Record
        Of the part.
    """

    part: Part
    top: Rows
    again: Rows
    first: Rows
    record: Record


def find_changes(work: Work, records: Mapping[int, Record], explain_top: int, part_rows: int) -> Iterator[Change]:
    """Yield what becomes of each part, in their order.

    Parameters
    ----------
    work : Work
    records : mapping from int to Record
        Of all parts.
    explain_top : int
        How many listings, the highest scores, get reasons.
    part_rows : int
        Most rows of a part.

    Raises
    ------
    InvalidListings
        A row comes again, and bad rows are not to be kept.
    """
    again, first = find_repeats_in(work, records)
    if len(again) and not work.keeps_rejects:
        raise_first(work, records)
    top = find_top(work, records, again, explain_top)
    starts = np.array([records[number]["first_row"] for number in sorted(records)])
    with_repeats = set((np.searchsorted(starts, again, side="right") - 1).tolist())
    is_text = isinstance(work.source, TextSource)
    read_again = work.source.cut(part_rows, only=with_repeats) if is_text and with_repeats else iter(())
    for number in sorted(records):
        start, n_rows = records[number]["first_row"], records[number]["rows"]
        part = next(read_again) if is_text and number in with_repeats else Part(number, start, n_rows)
        is_here = _are_between(again, start, n_rows)
        yield Change(part, top[_are_between(top, start, n_rows)], again[is_here], first[is_here], records[number])


def find_repeats_in(work: Work, records: Mapping[int, Record]) -> tuple[Rows, Rows]:
    """Return the rows whose listing and moment an earlier part has, and which rows these are there."""
    paths = [work.folder.path / f"{name_part('part', number)}.keys.npy" for number in sorted(records)]
    return find_repeats_across(paths, sum(record["scored"] for record in records.values()))


def raise_first(work: Work, records: Mapping[int, Record]) -> None:
    """Raise InvalidListings with everything wrong with the first part that has bad rows, if one has."""
    again, first = find_repeats_in(work, records)
    for number, record in sorted(records.items()):
        is_here = _are_between(again, record["first_row"], record["rows"])
        if record["rejected"] or len(again[is_here]):
            problems, _ = gather_problems(work.folder, number, again[is_here], first[is_here])
            raise InvalidListings(problems, str(work.source.path))


def find_top(work: Work, records: Mapping[int, Record], again: Rows, most: int) -> Rows:
    """Return the rows with the highest scores, ascending, of those that come for the first time."""
    top: list[tuple[float, int]] = []
    for number in sorted(records) if most else ():
        stem = work.folder.path / name_part("part", number)
        scores = read_scores(stem, most, again)
        if scores is None:
            rows = find_rows(work, records[number])
            scores = pd.Series(pq.read_table(f"{stem}.parquet", columns=["score"])["score"].to_numpy(), index=rows)
            scores = scores[~np.isin(rows, again)]
        top = keep_top(top, scores[scores >= (top[-1][0] if len(top) == most else 0)], most)
    return np.array(sorted(-row for _, row in top), dtype=np.int64)


def find_rows(work: Work, record: Record) -> Rows:
    """Return the numbers of the rows of a scored part, ascending."""
    if record["rejected"]:
        return read_rows(work.folder.path / f"{name_part('part', record['number'])}.keys.npy")
    return np.arange(record["first_row"], record["first_row"] + record["rows"])


def keep_top(top: list[tuple[float, int]], scores: pd.Series[float], most: int) -> list[tuple[float, int]]:
    """Return the highest scores so far with their rows, made negative: of equal scores the earlier row is kept.

    Examples
    --------
    >>> keep_top([(0.9, -1)], pd.Series([0.5, 0.9], index=[2, 3]), 2)
    [(0.9, -1), (0.9, -3)]
    """
    best = scores.dropna().nlargest(most)
    return heapq.nlargest(most, [*top, *zip(best.tolist(), (-best.index).tolist(), strict=True)])


def _are_between(rows: Rows, first_row: int, n_rows: int) -> slice:
    """Return where in ascending rows those of a part stand."""
    start, stop = np.searchsorted(rows, [first_row, first_row + n_rows])
    return slice(int(start), int(stop))
