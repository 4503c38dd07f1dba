"""Anchors: sign the end of the audit trail, to be kept outside the database.

An administrator of the database can rewrite the whole trail, but not its anchors without the key. An anchor is a line
of JSON; a file of anchors has one per line, newest last: print it, mail it, put it into every evidence package. The
signed bytes (Ed25519, RFC 8032) are these lines in ASCII, each ended by a line feed:

    ipml anchor 1
    COUNT    number of rows, in decimal
    HEAD     hash of the last row, 64 hexadecimal digits; zeros without rows
    FIRST    hash of the first row, likewise
    AT       time in UTC, such as 2026-05-01T12:00:00.000000+00:00

Raw public key and signature are given in hexadecimal. An unsigned anchor is worth as much as the place where it is
kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import Connection

from ipml.errors import UnreadableFile, UnusableSetting, UnwritableFile
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audit import Anchor

FORMAT = "ipml anchor 1"
_EXPECTED_KEY = "one that `ipml audit key` made"
_NEWEST = 1_000


@dataclass(frozen=True, slots=True)
class SignedAnchor:
    """End of the trail at a time in UTC, with hashes of its last row (`head`) and first row.

    Key and signature are in hexadecimal, or empty if unsigned.
    """

    count: int
    head: str
    first: str
    at: str
    key: str = ""
    signature: str = ""

    def __str__(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, separators=(",", ":"))

    @property
    def message(self) -> bytes:
        """Signed bytes."""
        lines = (FORMAT, str(self.count), self.head, self.first, self.at)
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Anchors for `audit.verify`: of the first row and of the last."""
        return (Anchor(1, self.first), Anchor(self.count, self.head)) if self.count else ()


def make_key(path: Path) -> str:
    """Write a new secret key into a new file readable by its owner only (PEM), and return its public key.

    Raises UnwritableFile if the file exists: without the old key, old anchors could not be distinguished from forged
    ones.
    """
    key = Ed25519PrivateKey.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UnwritableFile(path, "a file of that name", "a new name, so that no key is lost") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    return _public_half(key)


def find_public_key(path: Path) -> str:
    """Return the public key of a secret key in a file; raise UnusableSetting if the file holds none."""
    return _public_half(_read_key(path))


def make_anchor(connection: Connection, key_file: Path | None = None, *, now: datetime | None = None) -> SignedAnchor:
    """Return an anchor of the trail, signed if a key file is given; raise UnusableSetting if the file holds no key."""
    last = audit.anchor(connection)
    first = next(iter(audit.list_between(connection, 1, 1)), None)
    at = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds")
    unsigned = SignedAnchor(last.count, last.head, first.hash if first else last.head, at)
    if key_file is None:
        return unsigned
    key = _read_key(key_file)
    fields = asdict(unsigned) | {"key": _public_half(key), "signature": key.sign(unsigned.message).hex()}
    return SignedAnchor(**fields)


def parse_anchor(text: str, where: str = "anchor") -> SignedAnchor:
    """Parse an anchor without checking its signature; raise UnreadableFile if it is invalid."""
    try:
        said = json.loads(text)
        if said.pop("format") != FORMAT:
            raise UnreadableFile(where, "another format", f"a line of the form {FORMAT!r}")
        anchor = SignedAnchor(**said)
        _require_form(anchor)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableFile(where, repr(text[:60]), "a line that `ipml audit anchor` wrote") from error
    return anchor


def store_anchor(path: Path, anchor: SignedAnchor) -> None:
    """Append an anchor to a file; it is on disk on return."""
    with path.open("a+b") as file:
        file.seek(max(0, path.stat().st_size - 1))
        is_torn = file.read(1) not in (b"", b"\n")  # end a line that a crash cut off
        file.write(b"\n" * is_torn + f"{anchor}\n".encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def read_anchors(path: Path) -> list[SignedAnchor]:
    """Return the anchors in a file, oldest first; none if the file does not exist.

    Raises UnreadableFile with the line number of an invalid line.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return [parse_anchor(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def find_bad_signatures(anchors: Iterable[SignedAnchor], public_key: str | None) -> list[str]:
    """Return a sentence for each anchor with an invalid signature.

    Without a `public_key`, an anchor need only fit the key it names, or be unsigned.

    >>> find_bad_signatures([SignedAnchor(1, "0" * 64, "0" * 64, "2026-05-01T12:00:00.000000+00:00")], "ab" * 32)
    ['anchor of row 1: is not signed']
    """
    return [
        f"anchor of row {anchor.count}: {problem}"
        for anchor in anchors
        if (problem := _find_fault(anchor, public_key)) is not None
    ]


def check_trail(connection: Connection, path: Path, key_file: Path | None) -> list[str]:
    """Return how the trail differs from the newest anchors in a file, without reading the whole trail.

    Raises UnreadableFile for an invalid line, and UnusableSetting if the key file holds no key.
    """
    newest = read_anchors(path)[-_NEWEST:]
    faults = find_bad_signatures(newest, find_public_key(key_file) if key_file else None)
    kept = [anchor for signed in newest for anchor in signed.anchors]
    return [*faults, *audit.compare(connection, *kept)]


def _find_fault(anchor: SignedAnchor, public_key: str | None) -> str | None:
    if not anchor.signature:
        return None if public_key is None else "is not signed"
    if public_key is not None and anchor.key != public_key:
        return f"is signed with another key ({anchor.key[:16]}…) than yours ({public_key[:16]}…)"
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(anchor.key))
        key.verify(bytes.fromhex(anchor.signature), anchor.message)
    except (ValueError, InvalidSignature):
        return "its signature does not fit; the anchor was changed"
    return None


def _require_form(anchor: SignedAnchor) -> None:
    """Raise ValueError or TypeError if a part of an anchor is invalid."""
    moment = datetime.fromisoformat(anchor.at).astimezone(UTC).isoformat(timespec="microseconds")
    hashes_fit = all(len(bytes.fromhex(text)) == 32 for text in (anchor.head, anchor.first))
    if type(anchor.count) is not int or anchor.count < 0 or moment != anchor.at or not hashes_fit:
        raise ValueError(anchor)
    for text in (anchor.key, anchor.signature):
        bytes.fromhex(text)


def _read_key(path: Path) -> Ed25519PrivateKey:
    where = f"key file {path}"
    if not path.is_file():
        raise UnusableSetting(where, "no such file", _EXPECTED_KEY)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise UnusableSetting(where, "no key", _EXPECTED_KEY) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableSetting(where, "a key of another kind", _EXPECTED_KEY)
    return key


def _public_half(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()
