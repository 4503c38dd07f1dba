"""A folder in the layout of BagIt 1.0 (RFC 8493), which archives and libraries read: payload, manifests, tag files.

Two manifests of different hashes say the same, so that of a changed byte it is known whether it is in a file or in a
manifest. A time stamp is of the first manifest of the tag files, which therefore cannot name it; two others do.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from ipml.enforcement.evidence.verify import BAGIT, STAMP

_ALGORITHMS = ("sha256", "sha512")
_OF_STAMP = ("sha384", "sha512")
_BLOCK = 2**20


def close_bag(folder: Path, identifier: str, now: datetime) -> None:
    """Write all that makes a bag of a folder whose payload (`data/`) and further files are there.

    Examples
    --------
    >>> from datetime import UTC
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     (folder / "data").mkdir()
    ...     _ = (folder / "data/a.txt").write_text("a")
    ...     close_bag(folder, "case 12", datetime(2026, 5, 1, tzinfo=UTC))
    ...     print((folder / "bag-info.txt").read_text())
    Bag-Software-Agent: ipml ...
    Bagging-Date: 2026-05-01
    External-Identifier: case 12
    Payload-Oxum: 1.1
    <BLANKLINE>
    """
    payload = [path for path in (folder / "data").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in payload)
    info = {
        "Bag-Software-Agent": f"ipml {version('ipml')}",
        "Bagging-Date": f"{now:%Y-%m-%d}",
        "External-Identifier": identifier,
        "Payload-Oxum": f"{size}.{len(payload)}",
    }
    (folder / "bagit.txt").write_bytes(BAGIT)
    _write(folder / "bag-info.txt", "".join(f"{name}: {value}\n" for name, value in info.items()))
    for algorithm in _ALGORITHMS:
        _write_manifest(folder, f"manifest-{algorithm}.txt", algorithm, payload)
    tags = [path for path in folder.iterdir() if path.is_file()]
    for algorithm in _ALGORITHMS:
        _write_manifest(folder, f"tagmanifest-{algorithm}.txt", algorithm, tags)


def add_stamp(folder: Path, stamp: bytes) -> None:
    """Put a time stamp of the first tag manifest into a bag, and into the other tag manifests."""
    (folder / STAMP).write_bytes(stamp)
    tags = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith("tagmanifest-")]
    for algorithm in _OF_STAMP:
        _write_manifest(folder, f"tagmanifest-{algorithm}.txt", algorithm, tags)


def list_digests(folder: Path, paths: list[Path], algorithm: str = "sha256") -> str:
    """Return the lines of a manifest: digest and name of each file, in the order of the names."""
    named = sorted((path.relative_to(folder).as_posix(), path) for path in paths)
    return "".join(f"{_hash_file(path, algorithm)}  {name}\n" for name, path in named)


def _write_manifest(folder: Path, name: str, algorithm: str, paths: list[Path]) -> None:
    _write(folder / name, list_digests(folder, paths, algorithm))


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _hash_file(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
