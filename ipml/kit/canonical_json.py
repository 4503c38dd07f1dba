"""The one spelling of a JSON value, and its SHA-256: what is digested, signed or compared is written here.

Names are in order, nothing stands between the parts, and letters outside ASCII are escaped, so that the text is valid
in UTF-8 whatever a seller wrote. Digests in databases and evidence packages rest on it: it does not change. The checker
that goes with each package (`ipml.enforcement.evidence.verify`) has a copy of its own, as it must run without ipml.
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
    """Return the only spelling of a value as JSON, in ASCII; moments are written in ISO 8601.

    Raises
    ------
    ValueError
        A number in it is not finite.
    TypeError
        It holds something that JSON has no form for.

    Examples
    --------
    >>> canonical_json({"b": 1.0, "a": "Gu\\u0441\\u0441i"})
    '{"a":"Gu\\\\u0441\\\\u0441i","b":1.0}'
    """
    return _ENCODER.encode(content)


def digest(content: str | bytes) -> str:
    """Return the SHA-256 of a text in UTF-8, or of bytes, in hexadecimal.

    Examples
    --------
    >>> digest("")[:8], digest("Bag") == digest(b"Bag")
    ('e3b0c442', True)
    """
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
