"""Canonical JSON: writes the one spelling of a JSON value, and its SHA-256, for digests, signatures and comparison.

Names are sorted, separators have no spaces, and letters outside ASCII are escaped. The spelling never changes, because
stored digests and evidence packages depend on it. The checker in each package (`ipml.enforcement.evidence.verify`) has
its own copy, as it must run without ipml.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from ipml.kit.moments import write_moment


def _write_other(value: object) -> str:
    if isinstance(value, datetime):
        return write_moment(value)
    raise TypeError(f"{value!r} has no form in JSON")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_write_other)


def canonical_json(content: object) -> str:
    """Return the canonical JSON of a value in ASCII, with times in ISO 8601.

    Raises ValueError for a number that is not finite, and TypeError for a value without a JSON form.

    >>> canonical_json({"b": 1.0, "a": "Gu\\u0441\\u0441i"})
    '{"a":"Gu\\\\u0441\\\\u0441i","b":1.0}'
    """
    return _ENCODER.encode(content)


def digest(content: str | bytes) -> str:
    """Return the SHA-256 of a text in UTF-8, or of bytes, in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
