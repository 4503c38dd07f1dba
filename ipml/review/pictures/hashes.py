"""Picture groups: pictures with similar hashes form a group (`ipml.review.pictures.picture_hash`).

A group is named by its first picture, and a picture joins the group whose first one is nearest. So no chains form, and
a picture shown by a hundred thousand listings is one row. Groups of earlier releases hold a hash of the whole first
picture. They match unchanged and mirrored copies until the job rehashes them and merges equal groups.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, func, insert, select, update

from ipml.review.near_duplicates.same_pictures import mark_same_pictures
from ipml.review.pictures.copies import PictureRefused, make_copies
from ipml.review.pictures.picture_hash import (
    COLOUR_BYTES,
    EDGE,
    MOST_DISTANCE,
    HashedPicture,
    Hashes,
    PictureHash,
    hash_picture,
    read_hash,
    write_hash,
)
from ipml.review.pictures.stored import NO_GROUP, path_of
from ipml.settings import DEFAULT_SETTINGS
from ipml.storage import database
from ipml.storage.database import reading, serialise, writing
from ipml.storage.tables import picture_groups, pictures, reference_pictures, screened_pictures

_AT_ONCE = 50
_MOST_RENEWED = 2_000  # groups of earlier releases per call: half a minute
_FIRST_ROOM = 1_024
_MOST_YOUNG = 4_096  # groups sorted separately, so that adding one is cheap
_MOST_IN_BAND = 500  # groups compared for one band of one place
_MOST_APART = 80  # bits; chance matches of a band nearly always differ in more
_MOST_COMPARED = 200

_UNGROUPED: Mapping[Table, ColumnElement[bool]] = {
    pictures: (pictures.c.state == "stored") & pictures.c.group_id.is_(None),
    reference_pictures: reference_pictures.c.removed_at.is_(None) & reference_pictures.c.group_id.is_(None),
}

_N_BANDS, _BAND_BITS = 4, 24
_WAVES = np.add.outer(np.arange(EDGE), np.arange(EDGE)).ravel()
# Bits of the lower frequencies, which change least, drawn with a fixed seed; they are not stored.
_LOWER = np.flatnonzero((_WAVES > 0) & (_WAVES < EDGE - 1))
_BITS = np.random.default_rng(1).permutation(_LOWER)[: _N_BANDS * _BAND_BITS]
_Numbers = npt.NDArray[np.int64]


class HashIndex:
    """In-memory index of the first picture of every group: some 175 bytes each, one lookup in 12 ms.

    Each hash has four bands of 24 bits. A picture is compared only with groups that share a band with one of its
    places; 999 of 1,000 copies share one. The index is read once, then updated. Use it from one thread at a time.

    >>> index = HashIndex()
    >>> stairs = Image.linear_gradient("L").quantize(5).convert("L").rotate(30)
    >>> index.add(7, hash_picture(stairs).own)
    >>> index.find_nearest(hash_picture(stairs)), index.find_nearest(hash_picture(stairs.rotate(20)))
    ((7, 0), None)
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.clear()

    def __len__(self) -> int:
        return self._count - self._gone

    @property
    def n_bytes(self) -> int:
        """Memory used, in bytes."""
        return sum(one.nbytes for one in (self._hashes, self._colours, self._groups, self._sorted, self._young))

    def clear(self) -> None:
        """Empty the index; the next refresh reads it again."""
        self._hashes = np.zeros((_FIRST_ROOM, 4), np.uint64)
        self._colours = np.zeros((_FIRST_ROOM, COLOUR_BYTES), np.uint8)  # all 0: unknown
        self._groups = np.zeros(_FIRST_ROOM, np.int64)
        self._sorted, self._young = np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        self._count = self._gone = self._last = 0

    def refresh(self, connection: Connection) -> None:
        """Read new groups."""
        columns = picture_groups.c.group_id, picture_groups.c.hash, picture_groups.c.colours
        query = select(*columns).where(picture_groups.c.group_id > self._last).order_by(picture_groups.c.group_id)
        for rows in connection.execute(query).partitions(10_000):
            self.add_all([row.group_id for row in rows], [_read_stored(row) for row in rows])
            self._last = rows[-1].group_id

    def add(self, group_id: int, first: PictureHash) -> None:
        """Add a group."""
        self.add_all([group_id], [first])

    def add_all(self, group_ids: Sequence[int], firsts: Sequence[PictureHash]) -> None:
        """Add groups with their first pictures."""
        start, self._count = self._count, self._count + len(firsts)
        if self._count > self._groups.size:
            room = max(self._count, 2 * self._groups.size) - self._groups.size
            self._hashes = np.concatenate([self._hashes, np.zeros((room, 4), np.uint64)])
            self._colours = np.concatenate([self._colours, np.zeros((room, COLOUR_BYTES), np.uint8)])
            self._groups = np.concatenate([self._groups, np.zeros(room, np.int64)])
        hashes = np.array([first.hash for first in firsts], np.uint64)
        self._hashes[start : self._count] = hashes
        colours = b"".join(first.colours or bytes(COLOUR_BYTES) for first in firsts)
        self._colours[start : self._count] = np.frombuffer(colours, np.uint8).reshape(-1, COLOUR_BYTES)
        self._groups[start : self._count] = group_ids
        entries = (_make_bands(hashes) << np.uint64(32)) | np.arange(start, self._count, dtype=np.uint64)[:, np.newaxis]
        self._young = np.sort(np.concatenate([self._young, entries.ravel()]))
        if self._young.size > _N_BANDS * _MOST_YOUNG:
            self._sorted = np.sort(np.concatenate([self._sorted, self._young]), kind="stable")
            self._young = np.zeros(0, np.uint64)

    def remove(self, group_id: int) -> None:
        """Remove a group."""
        places = np.flatnonzero(self._groups[: self._count] == group_id)
        self._groups[places] = NO_GROUP
        self._gone += places.size

    def find_nearest(self, picture: HashedPicture) -> tuple[int, int] | None:
        """Return the nearest group (of two, the older) and its distance in bits; None if none is near."""
        return next(self.find_near(picture), None)

    def find_near(self, picture: HashedPicture) -> Iterator[tuple[int, int]]:
        """Yield the near groups, the nearest first, each with its distance in bits."""
        near = []
        for place in self._find_candidates(picture.hashes).tolist():
            distances = np.bitwise_count(picture.hashes ^ self._hashes[place]).sum(axis=1, dtype=np.int64)
            nearest = int(distances.argmin())
            if self._groups[place] != NO_GROUP and distances[nearest] <= MOST_DISTANCE:
                colours = self._colours[place].tobytes() if self._colours[place].any() else b""
                near.append((int(distances[nearest]), int(self._groups[place]), nearest, colours))
        yield from (one[1::-1] for one in sorted(near) if picture.has_colours(*one[2:]))

    def _find_candidates(self, hashes: Hashes) -> _Numbers:
        """Return the places of hashes that share a band, the likeliest first."""
        bands, first = np.unique(_make_bands(hashes), return_index=True)
        places, numbers = [], []
        for entries in (self._sorted, self._young):
            starts = np.searchsorted(entries, bands << np.uint64(32))
            counts = np.searchsorted(entries, (bands + np.uint64(1)) << np.uint64(32)) - starts
            counts = counts.clip(0, _MOST_IN_BAND)
            shared = np.repeat(starts - counts.cumsum() + counts, counts) + np.arange(counts.sum())
            places.append((entries[shared] & np.uint64(2**32 - 1)).astype(np.int64))
            numbers.append(np.repeat(first // _N_BANDS, counts))
        candidates, of_hash = np.concatenate(places), np.concatenate(numbers)
        distances = np.bitwise_count(self._hashes[candidates] ^ hashes[of_hash]).sum(axis=1, dtype=np.int64)
        order = np.argsort(distances, kind="stable")
        likely = candidates[order[: np.searchsorted(distances[order], _MOST_APART, side="right")]]
        return likely[np.sort(np.unique(likely, return_index=True)[1])][:_MOST_COMPARED]


def _make_bands(hashes: Hashes) -> Hashes:
    """Return the bands of hashes, one row per hash: band number and 24 bits."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8), axis=1)[:, _BITS].reshape(-1, _N_BANDS, _BAND_BITS)
    pieces = np.packbits(bits, axis=2).astype(np.uint64)
    bands = np.arange(_N_BANDS, dtype=np.uint64) << np.uint64(_BAND_BITS)
    weights = np.array([2**16, 2**8, 1], np.uint64)
    named: Hashes = bands | (pieces * weights).sum(axis=2, dtype=np.uint64)
    return named


def _read_stored(row: Any) -> PictureHash:
    """Return the stored hash of a group; colours are empty for groups of earlier releases."""
    return PictureHash(read_hash(row.hash), bytes.fromhex(row.colours or ""))


def describe(first: PictureHash) -> dict[str, str]:
    """Return the columns of a group."""
    return {"hash": write_hash(first.hash), "colours": first.colours.hex()}


def group_pictures(
    engine: Engine,
    folder: Path,
    index: HashIndex,
    *,
    joins_alike: bool = DEFAULT_SETTINGS.near_duplicates,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Assign groups to new pictures of cases and of known goods; return the number of files.

    Afterwards, groups of earlier releases are rehashed, 2,000 per call. Each transaction takes 50 pictures, so an
    interrupted job can resume. With `joins_alike`, a case that repeats an offer of its seller waits for that one.
    """
    count, n_renewed = 0, 0
    with index.lock:
        while not is_stopped():
            with reading(engine) as connection:
                digests = _find_ungrouped(connection)
                outdated = _find_outdated(connection) if not digests and n_renewed < _MOST_RENEWED else {}
                index.refresh(connection)
            if not outdated and not digests:
                break
            renewed = {group_id: _hash_file(folder, digest) for group_id, digest in outdated.items()}
            hashes = {digest: _hash_file(folder, digest) for digest in digests}
            try:
                with writing(engine) as connection:
                    serialise(connection, database.Lock.STORE_PICTURES)
                    now = clock()
                    case_ids = _renew_groups(connection, index, renewed)
                    case_ids += _store_groups(connection, index, hashes, now)
                    count, n_renewed = count + len(hashes), n_renewed + len(renewed)
                    mark_same_pictures(connection, set(case_ids), now, joins_alike=joins_alike)
            except Exception:
                index.clear()  # numbers of groups that were rolled back may be reused
                raise
    return count


def _find_ungrouped(connection: Connection) -> list[str]:
    queries = (
        select(table.c.digest).where(has_none).order_by(table.c.digest).limit(_AT_ONCE)
        for table, has_none in _UNGROUPED.items()
    )
    return list(dict.fromkeys(digest for query in queries for digest in connection.scalars(query)))


def _find_outdated(connection: Connection) -> dict[int, str | None]:
    """Return groups of earlier releases, oldest first, each with the digest of a picture if it has one."""
    of_files = [
        select(table.c.digest).where(table.c.group_id == picture_groups.c.group_id).order_by(number).limit(1)
        for table, number in ((pictures, pictures.c.case_id), (reference_pictures, reference_pictures.c.reference_id))
    ]
    digest = func.coalesce(*(query.scalar_subquery() for query in of_files))
    query = select(picture_groups.c.group_id, digest).where(picture_groups.c.colours.is_(None))
    return {row[0]: row[1] for row in connection.execute(query.order_by(picture_groups.c.group_id).limit(_AT_ONCE))}


def _hash_file(folder: Path, digest: str | None) -> HashedPicture | None:
    """Return the hashes of a thumbnail, which ipml wrote itself; None if it is gone."""
    try:
        with Image.open(path_of(folder, digest or "", "thumbnail"), formats=["WEBP"]) as image:
            return hash_picture(image)
    except FileNotFoundError:
        return None


def hash_file(content: bytes) -> HashedPicture:
    """Return the hashes of a file as uploaded; raises PictureRefused if it is unusable or has too little detail."""
    with Image.open(io.BytesIO(make_copies(content).thumbnail), formats=["WEBP"]) as image:
        found = hash_picture(image)
    if found is None:
        raise PictureRefused("has too little detail to be recognised")
    return found


def find_alike(connection: Connection, index: HashIndex, picture: HashedPicture) -> list[int]:
    """Return the groups of pictures that look like one, the nearest first; nothing is stored."""
    with index.lock:
        index.refresh(connection)
        return [group_id for group_id, _ in index.find_near(picture)]


def _store_groups(
    connection: Connection, index: HashIndex, hashes: Mapping[str, HashedPicture | None], now: datetime
) -> list[int]:
    case_ids: list[int] = []
    for digest, found in hashes.items():
        group_id = NO_GROUP if found is None else find_group(connection, index, found, now)
        of_cases, of_goods = (
            update(table).where(table.c.digest == digest, has_none).values(group_id=group_id)
            for table, has_none in _UNGROUPED.items()
        )
        case_ids += connection.scalars(of_cases.returning(pictures.c.case_id))
        connection.execute(of_goods)
    return case_ids


def _renew_groups(connection: Connection, index: HashIndex, hashes: Mapping[int, HashedPicture | None]) -> list[int]:
    """Rehash groups of earlier releases whose pictures are there, and merge equal ones; return the cases of those."""
    index.refresh(connection)
    case_ids: list[int] = []
    for group_id, found in hashes.items():
        is_it = picture_groups.c.group_id == group_id
        index.remove(group_id)
        if found is None:
            connection.execute(update(picture_groups).where(is_it).values(colours=""))
            continue
        same = _find_stored(connection, index, found)
        if same is None or same > group_id:
            connection.execute(update(picture_groups).where(is_it).values(describe(found.own)))
            index.add(group_id, found.own)
        if same is not None:
            case_ids += _join_groups(connection, index, min(same, group_id), max(same, group_id))
    return case_ids


def _join_groups(connection: Connection, index: HashIndex, group_id: int, newer: int) -> list[int]:
    """Move the pictures of a newer group to an older one; return the cases that show them."""
    index.remove(newer)
    of_cases, of_goods = (
        update(table).where(table.c.group_id == newer).values(group_id=group_id) for table in _UNGROUPED
    )
    connection.execute(of_goods)
    screened = update(screened_pictures).where(screened_pictures.c.group_id == newer)
    connection.execute(screened.values(group_id=group_id))
    connection.execute(delete(picture_groups).where(picture_groups.c.group_id == newer))
    return list(connection.scalars(of_cases.returning(pictures.c.case_id)))


def find_group(connection: Connection, index: HashIndex, found: HashedPicture, now: datetime) -> int:
    """Return the nearest or a new group for a picture; call it under `Lock.STORE_PICTURES`."""
    index.refresh(connection)
    if group_id := _find_stored(connection, index, found):
        return group_id
    values = describe(found.own) | {"made_at": now}
    made: int = connection.execute(
        insert(picture_groups).values(values).returning(picture_groups.c.group_id)
    ).scalar_one()
    index.refresh(connection)
    return made


def _find_stored(connection: Connection, index: HashIndex, found: HashedPicture) -> int | None:
    """Return the nearest group; if it was removed meanwhile, remove it from the index."""
    while nearest := index.find_nearest(found):
        if connection.scalar(select(picture_groups.c.group_id).where(picture_groups.c.group_id == nearest[0])):
            return nearest[0]
        index.remove(nearest[0])
    return None
