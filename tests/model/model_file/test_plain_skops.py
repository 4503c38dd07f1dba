"""The reader that does without skops reads ipml's models as skops does, and takes nothing that skops would refuse."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.features.goods import brand_table
from ipml.features.price import PriceFeatures
from ipml.features.text import TextFeatures
from ipml.model.model_file.skops_file import TRUSTED_TYPES, NotPlain, pack, read_plain, unpack
from ipml.model.pipeline import CounterfeitClassifier

texts = st.text(max_size=8)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
arrays = st.lists(st.floats(width=32), max_size=4).map(lambda numbers: np.array(numbers, dtype=np.float32))
values = st.recursive(
    leaves | arrays,
    lambda below: st.lists(below, max_size=4) | st.tuples(below, below) | st.dictionaries(texts, below, max_size=3),
    max_leaves=12,
)


def entries_of(value: object) -> dict[str, bytes]:
    """Return the files in the skops file of a value."""
    return unpack(pack(value), Path("model"))


def zip_of(entries: dict[str, bytes]) -> io.BytesIO:
    """Pack these entries."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return packed


def spell(value: object) -> str:
    """Return all that a value is, types and arrays included, so that equal texts are equal values."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tobytes()!r}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {spell(each)}' for key, each in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(map(spell, value))})"
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return f"{type(value).__name__}{spell(vars(value))}"
    return repr(value)


@given(values)
def test_what_is_saved_is_read(value: object) -> None:
    """Whatever is made of texts, numbers, arrays, lists, tuples and dicts by name comes back the same."""
    assert spell(read_plain(entries_of(value), TRUSTED_TYPES)) == spell(value)


def test_what_is_one_object_stays_one() -> None:
    """An object that is met again is not made again."""
    shared = ["a"]
    first, second, apart = read_plain(entries_of([shared, shared, ["a"]]), ())
    assert first is second is not apart


def test_a_classifier_is_read_as_skops_reads_it(classifier: CounterfeitClassifier) -> None:
    """A model of ipml needs no skops to be read, and is the same to the bit."""
    entries = entries_of(classifier)
    by_skops = skops.io.load(zip_of(entries), trusted=TRUSTED_TYPES)
    assert spell(read_plain(entries, TRUSTED_TYPES)) == spell(by_skops)


@pytest.mark.parametrize(
    "value", [{1: "by number"}, {"a", "set"}, np.float64(1.5), np.array([None]), b"bytes", str.upper]
)
def test_anything_else_is_left_to_skops(value: object) -> None:
    """What ipml's models do not hold is not read, even if skops reads it."""
    with pytest.raises(NotPlain):
        read_plain(entries_of(value), TRUSTED_TYPES)


def test_a_type_that_is_not_trusted_is_not_read() -> None:
    """An estimator is read only where its type is trusted."""
    with pytest.raises(NotPlain):
        read_plain(entries_of(TextFeatures("title")), trusted=())


def nodes_in(part: Any) -> Iterator[dict[str, Any]]:
    """Yield all nodes of a schema."""
    if isinstance(part, dict):
        if "__loader__" in part:
            yield part
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from nodes_in(each)


SOUND = entries_of([TextFeatures("title"), PriceFeatures(brand_table([])), {"a": np.arange(3)}, ("b", 1.5)])
FIELDS = ("__class__", "__module__", "__loader__", "__id__", "content", "key_types", "file", "type", "protocol")
EVIL = ["posix", "system", "os", "builtins", "eval", "dict", "object", "FunctionNode", "TypeNode", "MethodNode"]
EVIL += [
    "ConstructorFromReduceNode",
    "CachedNode",
    "ObjectNode",
    "SetNode",
    "9.npy",
    "json",
    None,
    0,
    1,
    2,
    True,
    [],
    {},
]


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=300)
def test_what_skops_would_refuse_is_refused(data: st.DataObject) -> None:
    """Whatever is written into a schema, what is read without skops is what skops reads."""
    schema = json.loads(SOUND["schema.json"])
    for _ in range(data.draw(st.integers(1, 3))):
        nodes = list(nodes_in(schema))
        if not nodes:
            break
        node, field = data.draw(st.sampled_from(nodes)), data.draw(st.sampled_from(FIELDS))
        others = [other[field] for other in nodes if field in other]
        changed = data.draw(st.sampled_from([*EVIL, *others]))
        node[field] = json.loads(json.dumps(changed))
    entries = SOUND | {"schema.json": json.dumps(schema).encode()}
    try:
        found = read_plain(entries, TRUSTED_TYPES)
    except Exception:
        return
    assert spell(found) == spell(skops.io.load(zip_of(entries), trusted=TRUSTED_TYPES))
