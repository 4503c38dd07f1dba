"""Anchors of the audit trail, signed and kept outside the database.

Who can write the database can write the whole trail anew; who lacks the key cannot write the anchors to it. An anchor
is one line of JSON, and a file of anchors has one on each line, the newest last: print it, mail it, put it into every
evidence package. What is signed (Ed25519, RFC 8032) are exactly these bytes, in ASCII, each line ended by a line feed:

    ipml anchor 1
    COUNT    number of rows, in decimal
    HEAD     hash of the last row, 64 hexadecimal digits; zeros where there is none
    FIRST    hash of the first row, likewise
    AT       moment in UTC, such as 2026-05-01T12:00:00.000000+00:00

The key of an anchor is the raw public key, and the signature the raw signature, both in hexadecimal. An anchor made
without a key has neither, and holds for as much as the place where it is kept.
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
    """How far the trail went at a moment, and the word of whoever holds the key.

    Attributes
    ----------
    count : int
    head, first : str
        Hashes of the last row and of the first.
    at : str
        Moment in UTC.
    key, signature : str
        In hexadecimal; empty where it is not signed.
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
        """The bytes that are signed."""
        lines = (FORMAT, str(self.count), self.head, self.first, self.at)
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """What `audit.verify` takes: where the trail began, and how far it went."""
        return (Anchor(1, self.first), Anchor(self.count, self.head)) if self.count else ()


def make_key(path: Path) -> str:
    """Write a new secret key into a file that only its owner can read (PEM), and return its public half.

    Raises
    ------
    UnwritableFile
        The file is there already: without the old key old anchors could not be told from forged ones.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     public = make_key(Path(folder) / "anchor.pem")
    ...     public == find_public_key(Path(folder) / "anchor.pem"), len(public)
    (True, 64)
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
    """Return the public half of a secret key in a file; UnusableSetting where there is none."""
    return _public_half(_read_key(path))


def make_anchor(connection: Connection, key_file: Path | None = None, *, now: datetime | None = None) -> SignedAnchor:
    """Return an anchor of the trail as it is now, signed where there is a key.

    Raises
    ------
    UnusableSetting
        The file holds no key.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     anchor = make_anchor(connection)
    >>> anchor.count, anchor == parse_anchor(str(anchor))
    (0, True)
    """
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
    """Read an anchor from its line; a signature is not checked here.

    Raises
    ------
    UnreadableFile
        It is none.
    """
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
    """Write an anchor at the end of a file of anchors; it is on the disk when this returns."""
    with path.open("a+b") as file:
        file.seek(max(0, path.stat().st_size - 1))
        is_torn = file.read(1) not in (b"", b"\n")  # a line that a crash cut off stays a line of its own
        file.write(b"\n" * is_torn + f"{anchor}\n".encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def read_anchors(path: Path) -> list[SignedAnchor]:
    """Return the anchors of a file, the oldest first; none where the file is not there yet.

    Raises
    ------
    UnreadableFile
        A line is none; it is named by its number.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return [parse_anchor(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def find_bad_signatures(anchors: Iterable[SignedAnchor], public_key: str | None) -> list[str]:
    """Return a sentence for each anchor whose signature does not hold.

    Parameters
    ----------
    public_key : str or None
        Whose word counts; where it is not known an anchor need only fit the key that it names, or have none.

    Examples
    --------
    >>> find_bad_signatures([SignedAnchor(1, "0" * 64, "0" * 64, "2026-05-01T12:00:00.000000+00:00")], "ab" * 32)
    ['anchor of row 1: is not signed']
    """
    return [
        f"anchor of row {anchor.count}: {problem}"
        for anchor in anchors
        if (problem := _find_fault(anchor, public_key)) is not None
    ]


def check_trail(connection: Connection, path: Path, key_file: Path | None) -> list[str]:
    """Say in which ways the trail is not that of the newest anchors in a file: at once, without reading all of it.

    Raises
    ------
    UnreadableFile, UnusableSetting
        A line of the file is no anchor, or there is no key where one is named.
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
    """Raise ValueError or TypeError unless an anchor's parts are what they should be."""
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
