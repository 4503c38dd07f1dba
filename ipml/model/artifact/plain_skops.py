"""Read a skops file made of nothing but what ipml's own models are made of, without loading skops.

To be able to read everything, skops imports all of scikit-learn, and that takes longer than all else a model needs.
A model of ipml holds few kinds of things: texts and numbers, lists, tuples, dicts by name, arrays, and objects of the
trusted types. A file of these alone is read here, as skops reads it; in any other nothing is constructed, and skops
decides. So this reader never takes what skops, with the same trusted types, would refuse.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from ipml.model.artifact.canonical_skops import SCHEMA

PROTOCOL = 2
"""Of the skops format; a file of another one is left to skops."""
SKLEARN_TYPES = ("sklearn.pipeline.FeatureUnion", "sklearn.linear_model._logistic.LogisticRegression")
"""What a model of ipml holds of scikit-learn; skops trusts all of its estimators."""

_TYPES = {
    "ListNode": ("builtins.list",),
    "TupleNode": ("builtins.tuple",),
    "DictNode": ("builtins.dict",),
    "NdArrayNode": ("numpy.ndarray",),
    "TypeNode": ("builtins.str",),  # of the keys of a dict
}
"""What each kind of node may construct; texts and numbers are JSON, and objects are of the trusted types."""

Node = dict[str, Any]


class NotPlain(Exception):
    """The file holds something else, or what it holds does not fit together."""


def read_plain(entries: Mapping[str, bytes], trusted: tuple[str, ...]) -> Any:
    """Construct what a skops file holds.

    Parameters
    ----------
    entries : mapping of str to bytes
        The checked files in it by name.
    trusted : tuple of str
        Types that may be constructed, besides `SKLEARN_TYPES`.

    Raises
    ------
    NotPlain
        Nothing has been constructed, nor imported, then.

    Examples
    --------
    >>> text = {"__loader__": "JsonNode", "__module__": "builtins", "__class__": "str", "__id__": 2, "content": '"bag"'}
    >>> node = {"__loader__": "ListNode", "__module__": "builtins", "__class__": "list", "__id__": 1, "protocol": 2}
    >>> read_plain({"schema.json": json.dumps(node | {"content": [text, text]}).encode()}, trusted=())
    ['bag', 'bag']
    """
    schema = json.loads(entries[SCHEMA])
    if not isinstance(schema, dict) or type(schema.get("protocol")) is not int or schema["protocol"] != PROTOCOL:
        raise NotPlain
    audit = _Audit(entries, {**_TYPES, "ObjectNode": (*trusted, *SKLEARN_TYPES)})
    audit.check(schema)
    return _Construction(entries, audit.known).build(schema)


class _Audit:
    """Goes through all nodes of a schema before anything is constructed."""

    def __init__(self, entries: Mapping[str, bytes], types: Mapping[str, tuple[str, ...]]) -> None:
        self._entries = entries
        self._types = types
        self.known: dict[int, Node] = {}

    def check(self, node: Any) -> None:
        """Raise NotPlain unless this node and all below it are of known kinds."""
        if not isinstance(node, dict) or type(number := node.get("__id__")) is not int or number < 1:
            raise NotPlain
        # An object that is met again is spelt out again, and counts as it was met first.
        known = self.known.setdefault(number, node)
        if known is not node and _describe(known) != _describe(node):
            raise NotPlain
        for child in self._read_children(node):
            self.check(child)

    def _read_children(self, node: Node) -> Iterable[Any]:
        """Return what a node is made of, after checking the node itself."""
        loader, content = node.get("__loader__"), node.get("content")
        if loader == "JsonNode" and isinstance(content, str):
            return ()
        if not isinstance(loader, str) or _name_type(node) not in self._types.get(loader, ()):
            raise NotPlain
        if loader in ("ListNode", "TupleNode") and isinstance(content, list):
            return content
        if loader == "DictNode" and isinstance(content, dict) and _has_text_keys(node):
            return (node["key_types"], *content.values())
        if loader == "TypeNode":
            return ()
        if loader == "NdArrayNode" and node.get("type") == "numpy" and node.get("file") in self._entries:
            return ()
        if loader == "ObjectNode" and isinstance(content, dict) and content.get("__loader__") == "DictNode":
            return (content,)
        raise NotPlain


class _Construction:
    """Makes one object of all nodes with one number."""

    def __init__(self, entries: Mapping[str, bytes], nodes: Mapping[int, Node]) -> None:
        self._entries = entries
        self._nodes = nodes
        self._made: dict[int, Any] = {}

    def build(self, node: Node) -> Any:
        """Return the object of a checked node."""
        number = node["__id__"]
        if number not in self._made:
            self._made[number] = self._make(self._nodes[number])
        return self._made[number]

    def _make(self, node: Node) -> Any:
        loader = node["__loader__"]
        if loader == "JsonNode":
            return json.loads(node["content"])
        if loader == "NdArrayNode":
            return np.load(io.BytesIO(self._entries[node["file"]]), allow_pickle=False)
        if loader == "TypeNode":
            return str
        if loader == "ListNode":
            return list(map(self.build, node["content"]))
        if loader == "TupleNode":
            return tuple(map(self.build, node["content"]))
        if loader == "DictNode":
            return {key: self.build(value) for key, value in node["content"].items()}
        return _make_object(node, self.build(node["content"]))


def _make_object(node: Node, state: dict[str, Any]) -> object:
    """Return an object of a trusted type with a state, without calling its constructor."""
    cls: type[object] = getattr(import_module(node["__module__"]), node["__class__"])
    made = cls.__new__(cls)
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
    else:
        made.__dict__.update(state)
    return made


def _name_type(node: Node) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _describe(node: Node) -> tuple[Any, ...]:
    """Return what must agree in nodes with one number."""
    content = node.get("content")
    leaf = (content if isinstance(content, str) else None, node.get("file"))
    return (node.get("__loader__"), node.get("__module__"), node.get("__class__"), *leaf)


def _has_text_keys(node: Node) -> bool:
    """Say whether the keys of a dict are texts, as many as it has values."""
    types = node.get("key_types")
    found = types.get("content") if isinstance(types, dict) and types.get("__loader__") == "ListNode" else None
    return (
        isinstance(found, list)
        and len(found) == len(node["content"])
        and all(isinstance(key, dict) and key.get("__loader__") == "TypeNode" for key in found)
    )
