"""Own state: the state of a user's own extractor as plain values and arrays, and back.

Each value is a list of its kind and its content: `["list", …]`, `["array", 3]` for the array in `3.npy`, and
`["object", "mypackage.features:Mine", "1", …]` for an object of a registered class with the version of its state. A
file holds no code and does not decide which classes and functions exist (`ipml.features.registration`):
`["function", "mypackage.features:mine", "1"]` names a registered one. Methods and open files cannot be saved.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from ipml.errors import UntrustedModel
from ipml.features.registration import SCIKIT_LEARN, SKRUB, find_name, find_registered, name_class

_PLAIN = (type(None), bool, int, float, str)
_LISTS: Mapping[str, type[Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_PASSING = ("_stop_words_id",)  # of scikit-learn's vectorisers: a place in the memory of the process that fitted
_TYPES = {kind.__name__: kind for kind in (bool, int, float, str, object, np.float64, np.float32, np.int64, np.int32)}


class OwnStateWriter:
    """Writes values as JSON has them; arrays go into the list given, versions of classes into `registered`."""

    def __init__(self, arrays: list[bytes]) -> None:
        self._arrays = arrays
        self.registered: dict[str, str] = {}

    def write(self, value: Any) -> Any:
        """Return a value as plain lists; refuse others by a TypeError."""
        kind: Any = type(value)
        if kind in _PLAIN:
            return value
        if kind in _LISTS.values():
            items = sorted(value, key=repr) if kind in (set, frozenset) else value
            return [str(kind.__name__), *map(self.write, items)]
        if kind is dict or (isinstance(value, dict) and kind.__module__.startswith("skrub.")):  # theirs differ in repr
            return ["dict", *([self.write(key), self.write(item)] for key, item in value.items())]
        if kind is slice:
            return ["slice", *map(self.write, (value.start, value.stop, value.step))]
        if named := [name for name, known in _TYPES.items() if known is value]:
            return ["type", named[0]]
        if isinstance(value, np.dtype) and not value.hasobject:
            return ["dtype", value.str]
        if isinstance(value, FunctionType):
            return ["function", *self._register(value)]
        return self._write_array(value) or self._write_object(value)

    def _write_array(self, value: Any) -> list[Any] | None:
        if isinstance(value, np.generic) and not value.dtype.hasobject and value.dtype.kind in "biufU":
            return ["scalar", value.dtype.str, value.item()]
        if isinstance(value, pd.Series):
            return ["series", self.write(value.index.tolist()), self.write(value.to_numpy()), self.write(value.name)]
        if scipy.sparse.issparse(value):
            rows = value.tocsr()
            parts = (np.array(rows.shape), rows.data, rows.indices, rows.indptr)
            return ["sparse", value.format, isinstance(value, scipy.sparse.sparray), *map(self.write, parts)]
        if not isinstance(value, np.ndarray):
            return None
        if value.dtype.hasobject:
            return ["objects", list(value.shape), *map(self.write, value.ravel().tolist())]
        file = io.BytesIO()
        np.lib.format.write_array(file, value, allow_pickle=False)
        self._arrays.append(file.getvalue())
        return ["array", len(self._arrays) - 1]

    def _write_object(self, value: Any) -> list[Any]:
        if isinstance(value, type):
            raise TypeError(f"the class {name_class(value)}")
        name, version = self._register(type(value))
        if isinstance(value, dict | list | tuple | set | frozenset):
            raise TypeError(f"{name}, a collection of a class of its own")
        state = value.__getstate__()
        if state is not None and type(state) is not dict:
            raise TypeError(f"{name}, whose state is no dict")
        kept = {key: item for key, item in (state or {}).items() if key not in _PASSING}
        return ["object", name, version, self.write(kept)]

    def _register(self, kind: Any) -> tuple[str, str]:
        """Return the name and version of a registered class or function, and keep them for the model card."""
        name = find_name(kind)
        registered = None if name is None else find_registered(name)
        if name is None or registered is None:
            raise TypeError(name_class(kind))
        self.registered[name] = registered.version
        return name, registered.version


class OwnStateReader:
    """Constructs what `OwnStateWriter` wrote, of registered classes alone."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], folder: Path) -> None:
        self._arrays = arrays
        self._folder = folder

    def read(self, value: Any) -> Any:
        """Return a value; refuse classes that are not registered, or in another version."""
        if type(value) in _PLAIN:
            return value
        kind, *content = value
        if kind in _LISTS:
            return _LISTS[kind](map(self.read, content))
        if kind == "dict":
            return {self.read(key): self.read(item) for key, item in content}
        read: dict[str, Callable[[], Any]] = {
            "slice": lambda: slice(*map(self.read, content)),
            "type": lambda: _TYPES[content[0]],
            "dtype": lambda: _check_dtype(content[0]),
            "scalar": lambda: _check_dtype(content[0]).type(content[1]),
            "array": lambda: self._arrays[f"{content[0]:d}.npy"],
            "objects": lambda: self._read_objects(*content),
            "series": lambda: self._read_series(*content),
            "sparse": lambda: self._read_sparse(*content),
            "object": lambda: self._read_object(*content),
            "function": lambda: self._find(*content),
        }
        return read[kind]()

    def _read_objects(self, shape: list[int], *items: Any) -> NDArray[np.object_]:
        objects = np.empty(len(items), dtype=object)
        objects[:] = list(map(self.read, items))
        return objects.reshape(shape)

    def _read_series(self, index: Any, values: Any, name: Any) -> pd.Series[Any]:
        return pd.Series(self.read(values), index=pd.Index(self.read(index)), name=self.read(name))

    def _read_sparse(self, form: str, is_array: bool, *parts: Any) -> Any:
        shape, data, indices, indptr = map(self.read, parts)
        kind = scipy.sparse.csr_array if is_array is True else scipy.sparse.csr_matrix
        rows = kind((data, indices, indptr), shape=tuple(shape.tolist()))
        rows.check_format(full_check=True)  # compiled code reads by these indices
        return rows.asformat(form)

    def _read_object(self, name: str, version: str, state: Any) -> Any:
        kind = self._find(name, version)
        made = kind.__new__(kind)
        items = self.read(state)
        if hasattr(made, "__setstate__"):
            made.__setstate__(items)
        else:
            vars(made).update(items)
        return made

    def _find(self, name: str, version: str) -> Any:
        """Return a registered class or function."""
        registered = find_registered(name)
        if registered is None or registered.version != version:
            raise make_refusal(self._folder, name, version)
        return registered.kind


def make_refusal(folder: Path, name: str, version: str, others: Iterable[str] = ()) -> UntrustedModel:
    """Return the refusal of a class, with a remedy that names all missing ones among it and `others`."""
    found = f"an extractor of the class {name:.120}, version {version:.20}"
    registered = find_registered(name)
    if registered is not None:
        return UntrustedModel(folder, found, f"version {registered.version}, which is registered", "Train anew.")
    missing = [one for one in (name, *others) if find_registered(one) is None]
    libraries = {"sklearn": SCIKIT_LEARN, "skrub": SKRUB}
    listed = {libraries.get(one.partition(".")[0], one[:120]) for one in missing}
    remedy = f'If you trust it: IPML_EXTRACTORS="{", ".join(sorted(listed))}", or ipml.register_extractor for each.'
    return UntrustedModel(folder, found, "registered extractors", remedy)


def _check_dtype(name: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(name)
    if dtype.kind not in "biufUMm":
        raise ValueError("a type of other than plain values")
    return dtype
