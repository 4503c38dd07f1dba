"""A file outside the database by which erased sellers are known again: a backup that is restored still holds them.

It names nobody. Its first line holds a key; each other line the pseudonym of an erased seller, a keyed hash of their
id, and when they were erased. Who has the file can tell whether an id that they know already is in it, so it is kept
like a backup. Restoring a backup erases whoever is in it again; see `ipml.enforcement.privacy.erasure.erase_again`.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ipml.errors import UnusableErasedList

FORMAT = "ipml erased sellers 1"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ErasedList:
    """Who was erased, and when, by pseudonym and by the keyed hash of their id.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "erased.jsonl"
    ...     note_erased(path, "ann", "5f1c", noon)
    ...     erased = read_erased(path)
    >>> erased.find("ann", None) == noon, erased.find("ben", "5f1c") == noon, erased.find("ben", None)
    (True, True, None)
    """

    key: bytes
    moments: dict[str, datetime]

    def find(self, seller_id: str, pseudonym: str | None) -> datetime | None:
        """Return when a seller was erased last; None where they were not."""
        known_as = (_mark(self.key, seller_id), pseudonym or "")
        return max((self.moments[name] for name in known_as if name in self.moments), default=None)


def note_erased(path: Path, seller_id: str, pseudonym: str, at: datetime) -> None:
    """Add a seller to the file, which is made where it is not there; it is on the disk when this returns."""
    if not path.exists():
        _append(path, {"format": FORMAT, "key": secrets.token_hex(_KEY_BYTES)})
    mark = _mark(read_erased(path).key, seller_id)
    _append(path, {"pseudonym": pseudonym, "mark": mark, "at": at.astimezone(UTC).isoformat()})


def read_erased(path: Path) -> ErasedList:
    """Read the file.

    Raises
    ------
    UnusableErasedList
        A line is none of its lines; it is named by its number.
    """
    moments: dict[str, datetime] = {}
    key: bytes | None = None
    for number, said in _read_lines(path):
        try:
            if key is None:
                key = _read_head(said)
                continue
            at = datetime.fromisoformat(said["at"]).astimezone(UTC)
            for name in (said["mark"], said["pseudonym"]):
                moments[name] = max(at, moments.get(name, at))
        except (KeyError, TypeError, ValueError) as error:
            raise UnusableErasedList(f"{path}, line {number}", "something else") from error
    if key is None:
        raise UnusableErasedList(str(path), "an empty file")
    return ErasedList(key, moments)


def _read_lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), 1):
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise UnusableErasedList(f"{path}, line {number}", repr(line[:60])) from error


def _read_head(said: dict[str, str]) -> bytes:
    if said["format"] != FORMAT:
        raise ValueError(said["format"])
    return bytes.fromhex(said["key"])


def _append(path: Path, content: dict[str, str]) -> None:
    line = json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _mark(key: bytes, seller_id: str) -> str:
    return hmac.digest(key, seller_id.encode(), "sha256").hex()
