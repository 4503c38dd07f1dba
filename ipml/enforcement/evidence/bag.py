"""Bag: writes a folder in the layout of BagIt 1.0 (RFC 8493), with the time stamp of a third party (RFC 3161).

Two manifests with different hashes show whether a file or a manifest was changed. The stamp proves that the bag
existed at a time. It covers the first tag manifest, and through its digests every other file; therefore two further
tag manifests list the stamp. The time stamp authority receives one SHA-256 only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from ipml.enforcement.evidence.verify import BAGIT, STAMP, STAMPED, check_package
from ipml.errors import Refused, UnreadableFile, UnusableSetting, first_line

_ALGORITHMS = ("sha256", "sha512")
_ALGORITHMS_OF_STAMP = ("sha384", "sha512")
_BLOCK = 2**20


def close_bag(folder: Path, identifier: str, now: datetime) -> None:
    """Write the tag files and manifests of a folder with a payload in `data/`."""
    payload = [path for path in (folder / "data").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in payload)
    info = {
        "Bag-Software-Agent": f"ipml {version('ipml')}",
        "Bagging-Date": f"{now:%Y-%m-%d}",
        "External-Identifier": identifier,
        "Payload-Oxum": f"{size}.{len(payload)}",
    }
    (folder / "bagit.txt").write_bytes(BAGIT)
    _write_text(folder / "bag-info.txt", "".join(f"{name}: {value}\n" for name, value in info.items()))
    for algorithm in _ALGORITHMS:
        _write_manifest(folder, f"manifest-{algorithm}.txt", algorithm, payload)
    tags = [path for path in folder.iterdir() if path.is_file()]
    for algorithm in _ALGORITHMS:
        _write_manifest(folder, f"tagmanifest-{algorithm}.txt", algorithm, tags)


def add_stamp(folder: Path, stamp: bytes) -> None:
    """Add a time stamp of the first tag manifest to a bag, or replace it; list it in the other tag manifests."""
    (folder / STAMP).write_bytes(stamp)
    tags = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith("tagmanifest-")]
    for algorithm in _ALGORITHMS_OF_STAMP:
        _write_manifest(folder, f"tagmanifest-{algorithm}.txt", algorithm, tags)


def list_digests(folder: Path, paths: list[Path], algorithm: str = "sha256") -> str:
    """Return the lines of a manifest: digest and name of each file, sorted by name."""
    named = sorted((path.relative_to(folder).as_posix(), path) for path in paths)
    return "".join(f"{_hash_file(path, algorithm)}  {name}\n" for name, path in named)


def _write_manifest(folder: Path, name: str, algorithm: str, paths: list[Path]) -> None:
    _write_text(folder / name, list_digests(folder, paths, algorithm))


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _hash_file(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


_TIMEOUT_SECONDS = 20.0
_LARGEST_STAMP = 2**20
_REQUEST, _RESPONSE = "application/timestamp-query", "application/timestamp-reply"
_CERTIFICATES = 0xA0  # the tag of the field of SignedData


@dataclass(frozen=True, slots=True)
class Stamp:
    """Response of a time stamp authority, and the time in it."""

    response: bytes
    at: datetime


def make_request(content: bytes) -> bytes:
    """Return the encoded request to stamp a content."""
    client = _client()
    request = client.TimestampRequestBuilder().data(content).hash_algorithm(client.HashAlgorithm.SHA256)
    made: bytes = request.nonce(nonce=True).cert_request(cert_request=True).build().as_bytes()
    return made


def ask_for_stamp(url: str, content: bytes, roots: Path | None = None) -> Stamp:
    """Request a time stamp of a content from the authority at an HTTP address.

    `roots` is a PEM file of trusted certificates; without it, only the stamped content is checked, not the signature.
    Raises Refused if the authority cannot be reached, or its answer is no stamp of this content.
    """
    import httpx

    try:
        with httpx.stream(
            *("POST", url), content=make_request(content), headers={"Content-Type": _REQUEST}, timeout=_TIMEOUT_SECONDS
        ) as answer:
            if answer.status_code != httpx.codes.OK:
                raise Refused(f"time stamp of {url}", f"HTTP status {answer.status_code}", "a stamp")
            response = b""
            for block in answer.iter_bytes():
                response += block
                if len(response) > _LARGEST_STAMP:
                    raise Refused(f"time stamp of {url}", "an answer without end", "a stamp")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(f"time stamp of {url}", first_line(error) or "no answer", "an authority that answers") from error
    return check_stamp(response, content, url, roots)


def check_stamp(response: bytes, content: bytes, source: str, roots: Path | None = None) -> Stamp:
    """Check that a response is a time stamp of a content, and return it.

    Raises Refused if it is no response, a refusal, for another content, or not signed by a trusted authority.
    """
    client = _client()
    try:
        decoded = client.decode_timestamp_response(sort_certificates(response))
        if decoded.status not in (client.PKIStatus.GRANTED, client.PKIStatus.GRANTED_WITH_MODS):
            raise Refused(f"time stamp of {source}", f"a refusal (status {int(decoded.status)})", "a stamp")
        info = decoded.tst_info
        imprint, at = info.message_imprint.message, info.gen_time
    except ValueError as error:
        raise Refused(f"time stamp of {source}", f"no answer of RFC 3161 ({first_line(error)})", "a stamp") from error
    if imprint != hashlib.sha256(content).digest():
        raise Refused(
            f"time stamp of {source}", "a stamp of something else", "the SHA-256 of tagmanifest-sha256.txt in it"
        )
    if roots is not None:
        _check_signature(client, decoded, imprint, source, roots)
    return Stamp(response, at)


def sort_certificates(response: bytes) -> bytes:
    """Return a response with its certificates in DER order; other bytes are returned unchanged.

    Authorities send their chain in any order, as CMS (RFC 5652, section 5.1) and OpenSSL allow, but the reading
    library requires DER order. No signed byte is moved, and no length changes.
    """
    try:
        _, *token = _children(response, slice(0, len(response)))
        _, content = _children(response, token[0])
        (signed,) = _children(response, content)
        fields = _children(response, signed)
        places = next(_children(response, field) for field in fields if response[field.start] == _CERTIFICATES)
    except (IndexError, ValueError, StopIteration):
        return response
    ordered = sorted(response[place.start : place.stop] for place in places)
    return response[: places[0].start] + b"".join(ordered) + response[places[-1].stop :]


def _children(content: bytes, parent: slice) -> list[slice]:
    children, place = [], _split_header(content, parent.start)[0]
    while place < parent.stop:
        start, length = _split_header(content, place)
        children.append(slice(place, start + length))
        place = start + length
    if place != parent.stop:
        raise ValueError("an element ends after what it is in")
    return children


def _split_header(content: bytes, place: int) -> tuple[int, int]:
    """Return start and length of an element's content; all tags here have one byte."""
    first = content[place + 1]
    if first < 0x80:
        return place + 2, first
    start = place + 2 + (first & 0x7F)
    return start, int.from_bytes(content[place + 2 : start])


def _check_signature(client: ModuleType, decoded: object, imprint: bytes, source: str, roots: Path) -> None:
    builder = client.VerifierBuilder()
    for certificate in _read_certificates(roots):
        builder = builder.add_root_certificate(certificate)
    try:
        builder.build().verify(decoded, imprint)
    except (client.VerificationError, ValueError) as error:
        raise Refused(
            f"time stamp of {source}", first_line(error), f"a stamp by one of those in {roots.name}"
        ) from error


def _read_certificates(path: Path) -> Sequence[object]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UnusableSetting(f"certificates {path}", first_line(error), "certificates in PEM") from error


def _client() -> ModuleType:
    try:
        import rfc3161_client
    except ImportError as error:
        remedy = "it installed: pip install 'ipml[evidence]'"
        raise UnusableSetting("time stamp", "no package rfc3161-client", remedy) from error
    return rfc3161_client


_FILES_OF_STAMP = (STAMP, "tagmanifest-sha384.txt", "tagmanifest-sha512.txt")


def read_stamped(folder: Path) -> bytes:
    """Check a package, and return the content that an authority stamps; remains of an interrupted stamping are ignored.

    Raises UnreadableFile if the folder is no package, or was changed.
    """
    faults = [finding for finding in check_package(folder).findings if finding.file not in _FILES_OF_STAMP]
    if faults:
        raise UnreadableFile(
            folder, f"a package that is not whole ({faults[0]})", "a folder or .zip that `ipml evidence export` wrote"
        )
    return (folder / STAMPED).read_bytes()


def check_stamp_of(folder: Path, roots: Path) -> str:
    """Return a sentence with the time at which a trusted authority stamped a package.

    Raises Refused if the package has no stamp, or not one of a trusted authority.
    """
    if not (folder / STAMP).is_file():
        raise Refused(f"time stamp of {folder}", "none", "a stamp")
    content = (folder / STAMPED).read_bytes()
    stamp = check_stamp((folder / STAMP).read_bytes(), content, STAMP, roots)
    return f"stamped at {stamp.at:%Y-%m-%d %H:%M:%S} UTC by one of those in {roots.name}"
