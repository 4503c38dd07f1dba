"""The table of bands: which cases are kept under the numbers that a listing is looked up by.

A band holds some thirty cases and no more, so that a seller who floods the queue with half-alike listings does not
make it slow; what finds no place there is at worst reviewed once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from ipml.storage.tables import bands

Kept = dict[int, list[int]]
"""Numbers of cases by band."""

_MOST_IN_BAND = 30
_MOST_COMPARED = 20
_MOST_NUMBERS = 500  # in one query
# Made once, as making a query takes longer than asking it.
_IS_ONE = bands.c.band.in_(bindparam("bands", expanding=True))
_IS_THEIRS = bands.c.case_id.in_(bindparam("case_ids", expanding=True))
_COUNTS = select(bands.c.band, func.count(), func.count().filter(_IS_THEIRS)).where(_IS_ONE).group_by(bands.c.band)
_HELD = select(bands.c.band, bands.c.case_id).where(_IS_ONE, _IS_THEIRS)


def find_kept(connection: Connection, wanted: Iterable[int]) -> Kept:
    """Return what is kept under some bands."""
    found: Kept = defaultdict(list)
    numbers = sorted(set(wanted))
    for start in range(0, len(numbers), _MOST_NUMBERS):
        query = select(bands.c.band, bands.c.case_id).where(bands.c.band.in_(numbers[start : start + _MOST_NUMBERS]))
        # All at once: bands of a busy brand are full, and to fetch so many rows one by one takes twice as long.
        for band, case_id in connection.execute(query.order_by(bands.c.band, bands.c.case_id)).all():
            found[band].append(case_id)
    return found


def choose_candidates(kept: Mapping[int, Sequence[int]], numbers: Iterable[int]) -> list[int]:
    """Return the cases that share most bands with a listing, at most 20.

    Examples
    --------
    >>> choose_candidates({1: [7, 8], 2: [8]}, [1, 2, 3])
    [8, 7]
    """
    counts = Counter(case_id for band in numbers for case_id in kept.get(band, ()))
    return sorted(counts, key=lambda case_id: (-counts[case_id], case_id))[:_MOST_COMPARED]


def find_room(kept: Kept, case_id: int, numbers: Iterable[int]) -> list[int]:
    """Put a case under those of its bands that are not full, in `kept` only, and return them."""
    free = [band for band in numbers if len(kept[band]) < _MOST_IN_BAND and case_id not in kept[band]]
    for band in free:
        kept[band].append(case_id)
    return free


def keep_where_room(connection: Connection, wanted: Mapping[int, Iterable[int]]) -> None:
    """Keep cases under those of their bands that are not full and do not hold them yet.

    As `find_kept`, `find_room` and `keep` would, but without reading what is held: the bands of busy brands are full.

    Parameters
    ----------
    wanted : mapping of int to iterable of int
        The bands of cases, by number.
    """
    counts: Counter[int] = Counter()
    held: set[tuple[int, int]] = set()
    numbers = sorted({band for of_case in wanted.values() for band in of_case})
    for start in range(0, len(numbers), _MOST_NUMBERS):
        asked = {"bands": numbers[start : start + _MOST_NUMBERS], "case_ids": list(wanted)}
        found = connection.execute(_COUNTS, asked).all()
        counts.update({band: n_held for band, n_held, _ in found})
        if any(n_theirs for _, _, n_theirs in found):
            held |= {(row.band, row.case_id) for row in connection.execute(_HELD, asked)}
    entries: list[tuple[int, list[int]]] = []
    for case_id, of_case in wanted.items():
        free = [band for band in of_case if counts[band] < _MOST_IN_BAND and (band, case_id) not in held]
        counts.update(free)
        entries.append((case_id, free))
    keep(connection, entries)


def keep(connection: Connection, entries: Iterable[tuple[int, Iterable[int]]]) -> None:
    """Write down the bands of cases, each (case_id, bands)."""
    rows = [{"band": band, "case_id": case_id} for case_id, numbers in entries for band in numbers]
    if rows:
        connection.execute(insert(bands), rows)


def forget(connection: Connection, kept: Kept, case_ids: Collection[int]) -> None:
    """Take cases that nothing is compared with any more out of the bands in which they were found."""
    gone = [(band, case_id) for band, found in kept.items() for case_id in found if case_id in case_ids]
    if not gone:
        return
    query = delete(bands).where(bands.c.band == bindparam("gone_band"), bands.c.case_id == bindparam("gone_case"))
    connection.execute(query, [{"gone_band": band, "gone_case": case_id} for band, case_id in gone])
    for band, case_id in gone:
        kept[band].remove(case_id)
