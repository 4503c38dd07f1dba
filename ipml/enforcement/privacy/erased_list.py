"""Erased list: keeps the erased sellers in a file outside the database, so that a restored backup can be erased again.

The first line holds a key. Each other line holds the pseudonym of an erased seller, a keyed hash of their id, and the
time of erasure. The last line holds the number of lines and their digest, so that a cut file is detected. The file is
written whole or not at all. With it one can check whether a known id was erased: protect it like a backup.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ipml.errors import NotFound, UnreadableFile
from ipml.kit.canonical_json import canonical_json, digest
from ipml.kit.moments import write_moment
from ipml.storage.backup import whole_or_not_at_all
from ipml.storage.database import hold_write_lock

FORMAT = "ipml erased sellers 2"
_WITHOUT_END = "ipml erased sellers 1"  # of older releases
_KEY_BYTES = 32
_PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class ErasedList:
    """Times of erasure, by pseudonym and by keyed hash of the seller's id."""

    key: bytes
    moments: dict[str, datetime]

    def find(self, seller_id: str, pseudonym: str | None) -> datetime | None:
        """Return the time of a seller's last erasure, or None if they were not erased."""
        known_as = (_mark(self.key, seller_id), pseudonym or "")
        return max((self.moments[name] for name in known_as if name in self.moments), default=None)


def begin_list(path: Path) -> None:
    """Write an empty list if the file does not exist."""
    with hold_write_lock(_turn_of(path), _PATIENCE_SECONDS):
        if not path.exists():
            _write(path, [_dump({"format": FORMAT, "key": secrets.token_hex(_KEY_BYTES)})])


def note_erased(path: Path, seller_id: str, pseudonym: str, at: datetime) -> None:
    """Add a seller to the list, creating the file if needed; the entry is on disk on return.

    Raises UnreadableFile if the file is damaged; nothing is changed.
    """
    begin_list(path)
    with hold_write_lock(_turn_of(path), _PATIENCE_SECONDS):
        key = read_erased(path).key
        head, *lines = _read_lines(path)
        entry = {"pseudonym": pseudonym, "mark": _mark(key, seller_id), "at": write_moment(at)}
        _write(path, [_dump(json.loads(head) | {"format": FORMAT}), *lines, _dump(entry)])


def read_erased(path: Path) -> ErasedList:
    """Read the file.

    Raises NotFound if the file does not exist; UnreadableFile if the file is incomplete, damaged or cannot be read.
    """
    head, *lines = _read_lines(path)
    moments: dict[str, datetime] = {}
    try:
        key = bytes.fromhex(json.loads(head)["key"])
        for line in lines:
            entry = json.loads(line)
            at = datetime.fromisoformat(entry["at"]).astimezone(UTC)
            for name in (entry["mark"], entry["pseudonym"]):
                moments[name] = max(at, moments.get(name, at))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _refuse(path, "a line that does not belong to a list") from error
    return ErasedList(key, moments)


def _read_lines(path: Path) -> list[bytes]:
    """Return the first line and the sellers' lines, after checking them against the last line."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        remedy = (
            "IPML_ERASED names it: restore it, or begin an empty list with --new-list; sellers erased earlier are "
            "then not known. Nothing was changed."
        )
        raise NotFound("list of erased sellers", path, remedy) from error
    except OSError as error:
        raise _refuse(path, f"an unreadable file ({error.strerror})") from error
    if not content.endswith(b"\n"):
        raise _refuse(path, "a last line that was cut" if content else "an empty file")
    lines = content.splitlines(keepends=True)
    form = _say(lines[0]).get("format")
    if form == _WITHOUT_END:
        return lines
    if form != FORMAT:
        raise _refuse(path, f"{lines[0][:60]!r} at its beginning")
    if len(lines) < 2 or _say(lines[-1]) != _end_of(lines[:-1]):
        raise _refuse(path, "lines that do not match the digest in its last line")
    return lines[:-1]


def _refuse(path: Path, finding: str) -> UnreadableFile:
    expected = "the whole list of erased sellers as `ipml seller erase` wrote it"
    return UnreadableFile(path, finding, expected, "Bring back a copy of it; nothing was changed.")


def _write(path: Path, lines: list[bytes]) -> None:
    with whole_or_not_at_all(path) as file:
        file.writelines([*lines, _dump(_end_of(lines))])


def _end_of(lines: list[bytes]) -> dict[str, Any]:
    return {"lines": len(lines), "sha256": digest(b"".join(lines))}


def _say(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _dump(content: dict[str, Any]) -> bytes:
    return canonical_json(content).encode("ascii") + b"\n"


def _turn_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-turn")


def _mark(key: bytes, seller_id: str) -> str:
    return hmac.digest(key, seller_id.encode(), "sha256").hex()
