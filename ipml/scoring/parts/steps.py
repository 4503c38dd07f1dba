"""The steps of a run: score every part that is not finished, then make a piece of the result of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ipml.errors import SourceChanged
from ipml.scoring.parts.changes import Change, find_changes, raise_first
from ipml.scoring.parts.folder import Record
from ipml.scoring.parts.part import BadPart, Work, score_part
from ipml.scoring.parts.pieces import make_piece
from ipml.scoring.parts.run import describe_source
from ipml.scoring.parts.workers import Workers

OnRows = Callable[[str, int, int | None], None]


def score_parts(work: Work, workers: Workers, part_rows: int, on_rows: OnRows) -> dict[int, Record]:
    """Score what is not finished and return the records of all parts, in their order.

    Raises
    ------
    InvalidListings
        There are bad rows, and they are not to be kept.
    SourceChanged
        Its parts do not fit together.
    """
    described = describe_source(work.source.path)
    records = work.folder.read_all("part")
    _refuse_kept_rejects(work, records)
    end = work.folder.read("end")
    if end is None or len(records) != end["n_parts"]:
        total = work.source.count_rows()
        on_rows("scored", _count_rows(records), total)
        for record in _score_missing(work, workers, records, part_rows):
            records[record["number"]] = record
            on_rows("scored", _count_rows(records), total)
        records = dict(sorted(records.items()))
        if describe_source(work.source.path) != described or not _follow(records):
            raise SourceChanged(work.source.path)
        work.folder.finish("end", {"n_parts": len(records)}, [])
    return records


def make_pieces(
    work: Work, workers: Workers, records: Mapping[int, Record], explain_top: int, part_rows: int, on_rows: OnRows
) -> list[Record]:
    """Make a piece of each part that cannot be used as it is, and return the records of all, in their order."""
    pieces = {**records, **work.folder.read_all("piece")}
    made = set(work.folder.read_all("piece"))
    changes = find_changes(work, records, explain_top, part_rows)

    def choose() -> Iterator[Change]:
        for change in changes:
            number = change.part.number
            is_changed = len(change.top) or len(change.again) or records[number]["rejected"]
            if number not in made and (is_changed or work.suffix != ".parquet"):
                yield change

    total, done = _count_rows(records), 0
    for piece in workers.run(make_piece, choose()):
        pieces[piece["number"]] = piece
        done += records[piece["number"]]["rows"]
        on_rows("written", done, total)
    return [pieces[number] for number in sorted(pieces)]


def count_workers(work: Work, jobs: int, part_rows: int) -> int:
    """Return how many processes there is work for."""
    total = work.source.count_rows()
    return jobs if total is None else max(1, min(jobs, -(-total // part_rows)))


def _score_missing(work: Work, workers: Workers, records: Mapping[int, Record], part_rows: int) -> Iterator[Record]:
    try:
        yield from workers.run(score_part, work.source.cut(part_rows, frozenset(records)))
    except BadPart as error:
        # A row that comes again in a part before, or in this one, may be the first bad one.
        number = error.record["number"]
        raise_first(work, {at: record for at, record in records.items() if at < number} | {number: error.record})
        raise


def _refuse_kept_rejects(work: Work, records: Mapping[int, Record]) -> None:
    """Raise for bad rows that an earlier run kept, where this one is not to keep any."""
    if not work.keeps_rejects and any(record["rejected"] for record in records.values()):
        raise_first(work, records)


def _count_rows(records: Mapping[int, Record]) -> int:
    return sum(record["rows"] for record in records.values())


def _follow(records: Mapping[int, Record]) -> bool:
    """Say whether each part begins after the one before it."""
    next_row = 1
    for number, record in enumerate(records.values()):
        if (record["number"], record["first_row"]) != (number, next_row):
            return False
        next_row += record["rows"]
    return True
