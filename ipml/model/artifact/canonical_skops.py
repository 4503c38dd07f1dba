"""A skops file in its only spelling, so that the same classifier always gives the same bytes.

skops names objects by their place in memory, and a zip keeps the moment it was written. Neither says anything of the
model, and both would make its version, a hash of the file, another one at every training.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

SCHEMA = "schema.json"
_WIDTHS = {".bin": 36}  # skops names arrays by a number, but bytes by a UUID
_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_UNIX = 3


def make_canonical(packed: bytes, compression: int) -> bytes:
    """Return a skops file with objects and arrays numbered as they come up, and without the time of writing.

    Parameters
    ----------
    packed : bytes
        As `skops.io.dumps` returns it.
    compression : int
        `zipfile.ZIP_DEFLATED` or `zipfile.ZIP_STORED`.

    Examples
    --------
    >>> import skops.io
    >>> first, second = (make_canonical(skops.io.dumps({"a": [1.5]}), zipfile.ZIP_STORED) for _ in range(2))
    >>> first == second, skops.io.loads(first)
    (True, {'a': [1.5]})
    """
    canonical = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive, zipfile.ZipFile(canonical, "w") as written:
        schema = json.loads(archive.read(SCHEMA))
        names = _renumber(schema)
        for old, new in names.items():
            written.writestr(_entry(new, compression), archive.read(old))
        written.writestr(_entry(SCHEMA, compression), json.dumps(schema, separators=(",", ":")))
    return canonical.getvalue()


def _renumber(schema: dict[str, Any]) -> dict[str, str]:
    """Renumber the objects of a schema in place, and return the new name of each file it speaks of."""
    numbers: dict[object, int] = {}
    names: dict[str, str] = {}
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "__loader__" in node:
                node["__id__"] = numbers.setdefault(_identity(node), len(numbers) + 1)
                if "file" in node:
                    node["file"] = names.setdefault(node["file"], _number_file(node["file"], len(names) + 1))
            waiting.extend(reversed(node.values()))
        elif isinstance(node, list):
            waiting.extend(reversed(node))
    return names


def _identity(node: dict[str, Any]) -> object:
    """Return what tells an object from others; of texts and numbers Python keeps one or several, as it likes."""
    if node["__loader__"] == "JsonNode":
        return node["__class__"], node["content"]
    return node["__id__"]


def _number_file(name: str, number: int) -> str:
    suffix = name[name.rindex(".") :]
    return f"{number:0{_WIDTHS.get(suffix, 1)}d}{suffix}"


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _FIRST_MOMENT)
    entry.compress_type, entry.create_system = compression, _UNIX
    return entry
