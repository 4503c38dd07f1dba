"""The pictures of cases: what is known of each, and the files of those that were fetched.

A listing that becomes a case brings the addresses of its pictures along. The worker fetches those of cases that wait
for people. A file is called by its SHA-256 and stands in the folder of pictures beside its two copies, which are all
that is shown. What could not be fetched is said, with the reason. Rows go with the listing of their case; files go once
no row names them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Select, bindparam, delete, exists, insert, select, update

from ipml.records import Listing
from ipml.storage.backup import whole_or_not_at_all
from ipml.storage.database import Lock, in_batches, reading
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import picture_groups, pictures, reference_pictures, screened_pictures

Size = Literal["original", "view", "thumbnail"]
ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}
"""The formats that are read, and how files of them are called. SVG is none: it is a program."""
DIGEST_PATTERN = "^[0-9a-f]{64}$"

_ENDINGS: dict[Size, str] = {"original": "", "view": ".view.webp", "thumbnail": ".thumbnail.webp"}
_FILE = re.compile(r"([0-9a-f]{64})(?:\.view\.webp|\.thumbnail\.webp)?")
_MOST_NUMBERS = 500  # in one query


NO_GROUP = 0
"""The group of pictures that say too little to be recognised: of one colour, or a mere gradient."""


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture of a case.

    Attributes
    ----------
    position : int
        From 0, as the listing names them.
    address : str
        Where the listing says that it is.
    state : str
        "waiting" to be fetched, "stored", "failed", or "left" where the case was decided before.
    digest : str or None
        SHA-256 of the file as it was sent, in hexadecimal.
    found_at : str or None
        The address that sent it, after redirects.
    kind : str or None
        Format of the file: "JPEG".
    width, height : int or None
        Pixels.
    fetched_at : datetime or None
    why : str or None
        Why it could not be had, or has not been had so far.
    """

    case_id: int
    position: int
    address: str
    state: str
    digest: str | None
    found_at: str | None
    kind: str | None
    width: int | None
    height: int | None
    n_bytes: int | None
    fetched_at: datetime | None
    why: str | None

    @property
    def file_name(self) -> str:
        """What the original is called where it is handed out."""
        return f"picture-{self.digest}.{ENDINGS.get(self.kind or '', 'bin')}"


@dataclass(frozen=True, slots=True)
class PictureCopies:
    """Copies of a picture that pages show.

    Attributes
    ----------
    kind : str
        Format of the original: "JPEG".
    width, height : int
        Of the original as it is looked at, in pixels.
    view, thumbnail : bytes
        WebP files whose longer edge has at most 1,600 and 320 pixels.
    """

    kind: str
    width: int
    height: int
    view: bytes
    thumbnail: bytes


def split_addresses(listing: Listing) -> list[str]:
    """Return the addresses of a listing's pictures, each once.

    Examples
    --------
    >>> split_addresses(Listing("1", "s", "Bag", image_urls="https://a.example/1 https://a.example/1 https://b.example/2"))
    ['https://a.example/1', 'https://b.example/2']
    """
    return list(dict.fromkeys((listing.image_urls or "").split()))


def add_pictures(connection: Connection, listings: Mapping[int, Listing], now: datetime) -> None:
    """Note the pictures of new cases, to be fetched; those that were screened before and stored are taken over.

    Parameters
    ----------
    listings : mapping of int to Listing
        By the number of the case.
    """
    shown = {case_id: listing for case_id, listing in listings.items() if listing.image_urls}
    screened = _take_over(connection, [listing.listing_id for listing in shown.values()])
    rows = [
        {"case_id": case_id, "position": position, "address": address, "tries": 0, "due_at": now}
        | screened.get((listing.listing_id, address), _WAITING)
        for case_id, listing in shown.items()
        for position, address in enumerate(split_addresses(listing))
    ]
    if rows:
        connection.execute(insert(pictures), rows)


_OF_FILE = ("digest", "found_at", "kind", "width", "height", "n_bytes", "fetched_at")
_WAITING: dict[str, Any] = {"state": "waiting", **dict.fromkeys(_OF_FILE)}


def _take_over(connection: Connection, listing_ids: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what is stored of screened pictures, by listing and address; what still waits is now the case's."""
    table, found = screened_pictures.c, dict[tuple[str, str], dict[str, Any]]()
    for some in in_batches(listing_ids):
        is_theirs = table.listing_id.in_(some)
        connection.execute(update(screened_pictures).where(is_theirs, table.state == "waiting").values(state="left"))
        query = select(table.listing_id, table.address, *(table[name] for name in _OF_FILE))
        for row in connection.execute(query.where(is_theirs, table.digest.is_not(None))):
            found[row.listing_id, row.address] = {"state": "stored"} | {name: getattr(row, name) for name in _OF_FILE}
    return found


def fetch_left(connection: Connection, case_id: int, now: datetime) -> None:
    """Have the pictures of a case fetched that were left as it was decided: people look at it once more."""
    were_left = pictures.c.case_id == case_id, pictures.c.state == "left"
    connection.execute(update(pictures).where(*were_left).values(state="waiting", due_at=now))


_IS_OF_CASE = pictures.c.case_id.in_(bindparam("numbers", expanding=True))
_OF_CASES = select(*(pictures.c[name] for name in StoredPicture.__slots__)).where(_IS_OF_CASE)
_OF_CASES = _OF_CASES.order_by(pictures.c.case_id, pictures.c.position)


def read_pictures(connection: Connection, case_ids: Iterable[int]) -> dict[int, list[StoredPicture]]:
    """Return the pictures of some cases, in the order of the listing; cases without any are left out."""
    numbers, found = list(case_ids), dict[int, list[StoredPicture]]()
    for start in range(0, len(numbers), _MOST_NUMBERS):
        for row in connection.execute(_OF_CASES, {"numbers": numbers[start : start + _MOST_NUMBERS]}):
            found.setdefault(row.case_id, []).append(StoredPicture(*row))
    return found


_IS_OF_GOODS = reference_pictures.c.digest == bindparam("digest"), reference_pictures.c.removed_at.is_(None)
_HAS_PICTURE = select(exists().where(pictures.c.digest == bindparam("digest")) | exists().where(*_IS_OF_GOODS))


def has_picture(connection: Connection, digest: str) -> bool:
    """Tell whether a picture is one of a case, or of known goods."""
    return bool(connection.scalar(_HAS_PICTURE, {"digest": digest}))


def path_of(folder: Path, digest: str, size: Size = "original") -> Path:
    """Return where a file is.

    Examples
    --------
    >>> path_of(Path("pictures"), "ab" * 32, "view").parts[:2]
    ('pictures', 'ab')
    """
    return folder / digest[:2] / f"{digest}{_ENDINGS[size]}"


def store_files(folder: Path, content: bytes, copies: PictureCopies) -> str:
    """Put a picture and its copies into the folder, each whole or not at all; return its digest."""
    digest = hashlib.sha256(content).hexdigest()
    path_of(folder, digest).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for half in path_of(folder, digest).parent.glob(f"{digest}*.partial"):  # left by a kill: only one worker writes
        half.unlink(missing_ok=True)
    for size, found in (("view", copies.view), ("thumbnail", copies.thumbnail), ("original", content)):
        path = path_of(folder, digest, size)  # type: ignore[arg-type]  # its keys
        if not path.exists():
            with whole_or_not_at_all(path) as file:
                file.write(found)
    return digest


def sweep_files(engine: Engine, folder: Path | None, *, is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Delete the files that no picture of a case names any more, and their groups; return of how many pictures.

    Examples
    --------
    >>> import tempfile
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = path_of(Path(folder), "ab" * 32)
    ...     path.parent.mkdir()
    ...     _ = path.write_bytes(b"a picture")
    ...     sweep_files(engine, Path(folder)), path.exists()
    (1, False)
    """
    if folder is None or not folder.is_dir():
        return 0
    paths: dict[str, list[Path]] = {}
    for path in folder.glob("[0-9a-f][0-9a-f]/*"):
        if found := _FILE.match(path.name):  # what a kill left half written is called by it, too
            paths.setdefault(found[1], []).append(path)
    with reading(engine) as connection:
        unused = connection.scalars(_select_unused()).all()
        unnamed = paths.keys() - _find_named(connection, paths)

    def remove_groups(connection: Connection, some: Sequence[int]) -> None:
        left = connection.scalars(_select_unused().where(picture_groups.c.group_id.in_(some))).all()
        connection.execute(delete(picture_groups).where(picture_groups.c.group_id.in_(left)))

    def remove_files(connection: Connection, some: Sequence[str]) -> int:
        gone = {*some} - _find_named(connection, some)
        for path in (path for digest in gone for path in paths[digest]):
            path.unlink(missing_ok=True)
        return len(gone)

    for _ in change_in_turns(engine, unused, remove_groups, lock=Lock.STORE_PICTURES, is_stopped=is_stopped):
        pass
    removed = change_in_turns(engine, sorted(unnamed), remove_files, lock=Lock.STORE_PICTURES, is_stopped=is_stopped)
    return sum(removed)


def _find_named(connection: Connection, digests: Collection[str]) -> set[str]:
    wanted, named = list(digests), set[str]()
    for start in range(0, len(wanted), _MOST_NUMBERS):
        part = wanted[start : start + _MOST_NUMBERS]
        named.update(filter(None, connection.scalars(select(pictures.c.digest).where(pictures.c.digest.in_(part)))))
        is_kept = reference_pictures.c.digest.in_(part), reference_pictures.c.removed_at.is_(None)
        named.update(connection.scalars(select(reference_pictures.c.digest).where(*is_kept)))
        is_screened = screened_pictures.c.digest.in_(part)
        named.update(filter(None, connection.scalars(select(screened_pictures.c.digest).where(is_screened))))
    return named


def _select_unused() -> Select[Any]:
    """Return a query for the groups of pictures that look the same, and that no picture is of any more."""
    is_of_goods = reference_pictures.c.group_id == picture_groups.c.group_id, reference_pictures.c.removed_at.is_(None)
    is_used = exists().where(pictures.c.group_id == picture_groups.c.group_id) | exists().where(*is_of_goods)
    is_used |= exists().where(screened_pictures.c.group_id == picture_groups.c.group_id)
    return select(picture_groups.c.group_id).where(~is_used)
