"""Calls into the engine: arrays are looked at before they are handed over, and no other thread waits meanwhile."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ipml.engine.build import FOLDER, NAME, digest_sources


class Array(ctypes.Structure):
    """An array of one type, as a pointer and a number of elements."""

    _fields_: ClassVar = [("at", ctypes.c_void_p), ("n", ctypes.c_int64)]
    dtype: ClassVar[np.dtype[Any]]
    is_written: ClassVar[bool]

    @classmethod
    def around(cls, room: Any) -> Self:
        """Return what a ctypes array or number holds, of this type, as the engine takes it; it must live as long."""
        return cls(ctypes.addressof(room), ctypes.sizeof(room) // cls.dtype.itemsize)

    @classmethod
    def from_param(cls, array: Any) -> Self:
        """Return an array as the engine takes it; what is taken already as it is.

        Raises
        ------
        TypeError
            It is of another type, has gaps, or may not be written.
        """
        if isinstance(array, cls):
            return array
        flags = array.flags
        if flags.carray and array.dtype == cls.dtype and array.size:  # to write and without gaps, as most
            return cls(_place(_byte_at(array)), array.size)
        if array.dtype != cls.dtype or not flags.c_contiguous or not flags.aligned:
            raise TypeError(f"found an array of {array.dtype}, {flags}; expected {cls.__name__}")
        if cls.is_written and not flags.writeable:
            raise TypeError(f"found an array of {array.dtype}, {flags}; expected {cls.__name__}")
        return cls(array.__array_interface__["data"][0], array.size)


_byte_at: Callable[[Any], ctypes.c_char] = ctypes.c_char.from_buffer  # quicker than to ask the array where it is
_place = ctypes.addressof


def _make_kind(name: str, dtype: Any, is_written: bool) -> type[Array]:
    return type(name, (Array,), {"dtype": np.dtype(dtype), "is_written": is_written})


_DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
KINDS: dict[str, Any] = {
    **{f"{dtype}s": _make_kind(f"{dtype}s", dtype, False) for dtype in _DTYPES},
    **{f"{dtype}s_out": _make_kind(f"{dtype}s_out", dtype, True) for dtype in _DTYPES},
    "floats": _make_kind("floats", np.float32, False),
    "floats_out": _make_kind("floats_out", np.float32, True),
    "doubles": _make_kind("doubles", np.float64, False),
    "doubles_out": _make_kind("doubles_out", np.float64, True),
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "double": ctypes.c_double,
    "bool": ctypes.c_bool,
    "void": None,
}
"""The types that the engine takes, by their names in C."""


class Record(ctypes.Structure):
    """What a Python object holds in arrays, by the names of its attributes: a struct of C, taken by value."""

    @classmethod
    def from_param(cls, held: Any) -> Self:
        """Return an object as the engine takes it."""
        return cls(*(kind.from_param(getattr(held, name)) for name, kind in cls._fields_))  # type: ignore[misc]


class Texts(Record):
    """Some texts, as offsets and bytes."""

    _fields_: ClassVar = [("offsets", KINDS["int64s"]), ("data", KINDS["uint8s"])]


class Buffer(ctypes.Structure):
    """Bytes that the engine writes, as many as there turn out to be; they are read once.

    Examples
    --------
    >>> Buffer().take(np.int64).tolist()
    []
    """

    _fields_: ClassVar = [(name, ctypes.c_int64) for name in ("at", "n", "room", "failed")]
    at: int
    n: int
    room: int
    failed: int

    @classmethod
    def from_param(cls, buffer: Self) -> Any:
        """Return a buffer as the engine takes it."""
        return ctypes.byref(buffer)

    def read(self, dtype: Any) -> NDArray[Any]:
        """Return a copy of what was written.

        Raises
        ------
        MemoryError
            There was not enough.
        """
        if self.failed:
            raise MemoryError("not enough memory for what the engine writes")
        kind = np.dtype(dtype)
        read = np.empty(self.n // kind.itemsize, kind)
        if read.size:
            ctypes.memmove(_place(_byte_at(read)), self.at, read.nbytes)
        return read

    def take(self, dtype: Any) -> NDArray[Any]:
        """Return what `read` does, and give back the memory."""
        try:
            return self.read(dtype)
        finally:
            self.close()

    def close(self) -> None:
        """Give back the memory."""
        if self.at:
            _free(self.at)
        self.at = self.n = self.room = self.failed = 0

    def __del__(self) -> None:
        if not self._b_base_:  # else it is a part of `Buffers`, which gives back its memory
            self.close()


class Buffers(ctypes.Structure):
    """What the engine writes in one call and reads in the next: a struct of C, made of buffers.

    A subclass lists its `_fields_` in the order of C.
    """

    @classmethod
    def from_param(cls, buffers: Self) -> Any:
        """Return buffers as the engine takes them."""
        return ctypes.byref(buffers)

    def __del__(self) -> None:
        _free_buffers(ctypes.byref(self), len(self._fields_))


class Table(ctypes.Structure):
    """What the engine looks up: a struct of C, made of arrays and numbers by name.

    A subclass lists its `_fields_` in the order of C. A table holds its arrays as long as it lives.
    """

    __hash__ = object.__hash__  # one table is like no other

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return a table of these values."""
        if values.keys() != (names := {name for name, _ in cls._fields_}):  # type: ignore[misc]
            raise TypeError(f"found {', '.join(values)} for {cls.__name__}; expected {', '.join(sorted(names))}")
        table = cls()
        table._held = values
        for name, kind in cls._fields_:  # type: ignore[misc]
            value = values[name]
            setattr(table, name, kind.from_param(value) if issubclass(kind, (Array, Record)) else value)
        return table

    @classmethod
    def from_param(cls, table: Self) -> Any:
        """Return a table as the engine takes it, which is by its place."""
        if type(table) is not cls:
            raise TypeError(f"found {type(table).__name__}; expected {cls.__name__}")
        return ctypes.byref(table)


def bind(name: str, *kinds: Any, returns: Any = "void") -> Callable[..., Any]:
    """Return a function of the engine.

    Parameters
    ----------
    name : str
        Its name in C.
    *kinds : str or type
        The types of its parameters: by their names in C, "texts", "buffer", or a subclass of `Table`, for a pointer.
    returns : str, default="void"
        What it returns, by the name in C.
    """
    function = getattr(_library, name)
    function.argtypes = [_kind(kind) for kind in kinds]
    function.restype = _kind(returns)
    return function  # type: ignore[no-any-return]


def _kind(kind: Any) -> Any:
    if not isinstance(kind, str):
        return kind
    return {"texts": Texts, "buffer": Buffer}.get(kind) or KINDS[kind]


def _load() -> ctypes.CDLL:
    """Load the engine.

    Raises
    ------
    ImportError
        It was not built, or from other sources than those beside it.
    """
    path, sources = FOLDER / NAME, digest_sources()
    if not path.exists():
        raise ImportError(f"{path} is missing: build it with `python -m ipml.engine.build`")
    library = ctypes.CDLL(str(path))
    library.engine_sources.restype = ctypes.c_char_p
    built = library.engine_sources().decode()
    if sources and built != sources:
        raise ImportError(
            f"the sources of {path} are other than those it was built of: build it anew with `python -m"
            " ipml.engine.build`"
        )
    return library


def engine_digest() -> str:
    """Return a digest of the sources that the engine was built of.

    Examples
    --------
    >>> len(engine_digest())
    16
    """
    return str(_library.engine_sources().decode())


_library = _load()
_free = _library.engine_free
_free.argtypes, _free.restype = [ctypes.c_void_p], None
_free_buffers = _library.engine_free_buffers
_free_buffers.argtypes, _free_buffers.restype = [ctypes.c_void_p, ctypes.c_int64], None
