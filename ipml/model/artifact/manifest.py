"""The manifest of a model folder: what its files are, and who signed for them.

It holds a SHA-256 and a size for each file, and stands for the whole folder: whoever knows the manifest's own
SHA-256 knows every byte of the model. With a key, HMAC-SHA256 of the manifest (RFC 2104) is kept beside it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path

from ipml.errors import ModelChanged, SignatureMismatch, UntrustedModel, UnusableSetting
from ipml.model.artifact.folder import CARD, MANIFEST, MODEL, SIGNATURE

FORMAT = 2
"""Raise it when older model folders can no longer be read, and when `GOLDEN_LISTINGS` change."""

MIN_KEY_BYTES = 32  # as long as the hash (RFC 2104, section 3)


def make_manifest(contents: Mapping[str, bytes]) -> bytes:
    """Return the manifest of these files in its only spelling, so that no byte of it can be changed unnoticed."""
    manifest = {"format": FORMAT, "files": _describe_files(contents)}
    return (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()


def check_manifest(contents: Mapping[str, bytes], folder: Path) -> None:
    """Refuse files that differ from their manifest, and name the first.

    Parameters
    ----------
    contents : mapping of str to bytes
        The files by name, the manifest among them.
    folder : Path
        Where they lie, for the message.

    Raises
    ------
    ModelChanged
        A file is not the one in the manifest, or the manifest is spelt in another way.
    UntrustedModel
        The folder has another format.
    """
    if contents[MANIFEST] == make_manifest(contents):
        return
    try:
        manifest = json.loads(contents[MANIFEST])
        declared_format, declared_files = manifest["format"], manifest["files"]
        changed = [name for name, facts in _describe_files(contents).items() if declared_files[name] != facts]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelChanged(folder, MANIFEST) from None
    if declared_format != FORMAT:
        raise UntrustedModel(folder, f"format {str(declared_format)[:20]!r}", f"format {FORMAT}")
    raise ModelChanged(folder, changed[0] if changed else MANIFEST)


def _describe_files(contents: Mapping[str, bytes]) -> dict[str, dict[str, str | int]]:
    return {
        name: {"sha256": hashlib.sha256(contents[name]).hexdigest(), "size": len(contents[name])}
        for name in (CARD, MODEL)
    }


def sign(manifest: bytes, key_file: Path) -> bytes:
    """Return the signature of a manifest with the secret in a file.

    Raises
    ------
    UnusableSetting
        The file is missing, or its secret is shorter than 32 bytes.
    """
    key = key_file.read_bytes().strip() if key_file.is_file() else b""
    if len(key) < MIN_KEY_BYTES:
        raise UnusableSetting(
            f"key file {key_file}", f"{len(key)} bytes", f"a secret of at least {MIN_KEY_BYTES} bytes"
        )
    return hmac.new(key, manifest, "sha256").hexdigest().encode()


def check_signature(contents: Mapping[str, bytes], key_file: Path, folder: Path) -> None:
    """Refuse a manifest that is not signed with the secret in a file.

    Raises
    ------
    SignatureMismatch
        There is no signature, or it is another.
    UnusableSetting
        The secret is no good.
    """
    expected = sign(contents[MANIFEST], key_file)
    if SIGNATURE not in contents:
        raise SignatureMismatch(folder, "no signature")
    if not hmac.compare_digest(contents[SIGNATURE], expected):
        raise SignatureMismatch(folder, "a signature with another key, or of another model")
