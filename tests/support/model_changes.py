"""A model of which something was changed by one who can write its file: any number, list, text, array or name in it."""

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.model.model_file.state import ESTIMATORS

NAN, INF = float("nan"), float("inf")
VALUES = [-1, 0, 1, 27, 5_000, 1 << 31, -(10**9), 1 << 63, 10**30, 0.5, 1e308, NAN, -INF, True, None, "x", "", []]

_LARGE = ("features_", "transformer_list")  # attributes in which most tables are


def change(value: Any, draw: random.Random) -> Any:
    """Return a part of a model, made anew as a file makes it, with something within it changed."""
    if type(value).__name__ in ESTIMATORS:
        state, kind = dict(value.__getstate__()), type(value)
        name = draw.choice([name for name in state for _ in range(20 if name in _LARGE else 1)])
        state[draw.choice([name] * 20 + ["_prepared"])] = change(state[name], draw)
        changed = kind.__new__(kind)
        (changed.__setstate__ if hasattr(changed, "__setstate__") else vars(changed).update)(state)
        return changed
    if isinstance(value, np.ndarray):
        return _change_array(value, draw)
    if isinstance(value, dict) and value:
        name = draw.choice(list(value))
        return value | {name: change(value[name], draw)}
    if not isinstance(value, list | tuple) or not value:
        return draw.choice(VALUES)
    if draw.random() < 0.3:
        return draw.choice([value[:-1], value[: len(value) // 2], value * 2, [draw.choice(VALUES)] * len(value)])
    place = draw.randrange(len(value))
    return type(value)([*value[:place], change(value[place], draw), *value[place + 1 :]])


def _change_array(array: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    ways = [array[:-1], array[: len(array) // 2], array[:0], np.repeat(array, 2), array[..., None], array[::-1]]
    ways += [array.astype(kind) for kind in ("f4", "i1", "c16", ">f8", "U3")]
    for value in [NAN, INF, -1.0, 1e308] if array.dtype.kind == "f" else [127, 0]:
        ways += [np.where(np.arange(array.size).reshape(array.shape) % 7, array, value).astype(array.dtype)]
    return draw.choice(ways)
