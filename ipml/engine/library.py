"""Calls into the engine: arrays are looked at before they are handed over, and no other thread waits meanwhile.

The engine says itself which structs and functions it has, as its sources declare them: `ipml.engine.build`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

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

        Raises `ValueError`: it is of another type, has gaps, or may not be written.
        """
        if isinstance(array, cls):
            return array
        flags = array.flags
        if flags.carray and array.dtype == cls.dtype and array.size:  # to write and without gaps, as most
            return cls(_place(_byte_at(array)), array.size)
        if array.dtype != cls.dtype or not flags.c_contiguous or not flags.aligned:
            raise ValueError(f"found an array of {array.dtype}, {flags}; expected {cls.__name__}")
        if cls.is_written and not flags.writeable:
            raise ValueError(f"found an array of {array.dtype}, {flags}; expected {cls.__name__}")
        return cls(array.__array_interface__["data"][0], array.size)


_byte_at: Callable[[Any], ctypes.c_char] = ctypes.c_char.from_buffer  # quicker than to ask the array where it is
_place = ctypes.addressof


class Struct(ctypes.Structure):
    """A struct of C, made of arrays, numbers and other structs by name; it holds its arrays as long as it lives."""

    __hash__ = object.__hash__  # one struct is like no other

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @classmethod
    def from_param(cls, held: Any) -> Self:
        """Return an object as the engine takes it by value."""
        if isinstance(held, cls):
            return held
        return cls(*(kind.from_param(getattr(held, name)) for name, kind in cls._fields_))  # type: ignore[misc]


class _Pointer:
    """The type of a parameter that is a struct by its place."""

    def __init__(self, kind: type[ctypes.Structure]) -> None:
        self._kind = kind

    def from_param(self, struct: Any) -> Any:
        if type(struct) is not self._kind:
            raise TypeError(f"found {type(struct).__name__}; expected {self._kind.__name__}")
        return ctypes.byref(struct)


class Buffer(ctypes.Structure):
    """Bytes that the engine writes, as many as there turn out to be; they are read once.

    >>> Buffer().take(np.int64).tolist()
    []
    """

    _fields_: ClassVar = [("at", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("n", "room", "failed"))]
    at: Any
    n: int
    room: int
    failed: int

    def read(self, dtype: Any) -> NDArray[Any]:
        """Return a copy of what was written; raises MemoryError if there was not enough memory for it."""
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


class Buffers(Struct):
    """A struct of C, made of buffers, that the engine writes in one call and reads in the next."""

    def __del__(self) -> None:
        _free_buffers(ctypes.byref(self), len(self._fields_))


KINDS: dict[str, Any] = {
    "buffer": Buffer,
    **{name: getattr(ctypes, f"c_{name.removesuffix('_t')}") for name in ("int64_t", "uint64_t", "double", "bool")},
    **{"outcome": ctypes.c_int64, "void": None, "void*": ctypes.c_void_p, "char*": ctypes.c_char_p},
}
"""The types that the engine takes, by their names in C: besides numbers arrays, and structs of its own."""
_FUNCTIONS: dict[str, tuple[str, list[str]]] = {}
_OUT_OF_MEMORY = -1  # of an outcome, as engine.h has it; a lower one says that lengths do not fit


def make_struct(struct: str, **values: Any) -> Struct:
    """Return a struct by its name in C, of these values; for one within it any object with its attributes does.

    >>> make_struct("number_lists", starts=np.array([0, 2]), number=np.array([7, 8])).number.n
    2
    """
    kind: type[Struct] = KINDS[struct]
    fields: dict[str, Any] = dict(kind._fields_)  # type: ignore[arg-type]
    if values.keys() != fields.keys():
        raise TypeError(f"found {', '.join(values)} for {struct}; expected {', '.join(sorted(fields))}")
    made = kind()
    made._held = values
    for name, of in fields.items():
        setattr(made, name, of.from_param(values[name]) if issubclass(of, (Array, Struct)) else values[name])
    return made


def bind(name: str) -> Callable[..., Any]:
    """Return a function of the engine, which takes and returns what it is declared with in C.

    Raises
    ------
    MemoryError
        There is not enough memory for its results or buffers.
    ValueError
        Arrays are shorter than the function reads or writes them. For an array of another type, with gaps, or
        that may not be written, ctypes makes an error of its own.
    """
    function = getattr(_library, name)
    returned, kinds = _FUNCTIONS[name]
    function.restype = _kind(returned)
    function.argtypes = [_kind(kind) for kind in kinds]
    if returned == "outcome":
        function.errcheck = _check_buffers if "buffer*" in kinds else _check_outcome
    return function  # type: ignore[no-any-return]


def _check_outcome(returned: int, function: Any, given: tuple[Any, ...]) -> int:
    if returned >= 0:
        return returned
    if returned == _OUT_OF_MEMORY:
        raise MemoryError(f"not enough memory for {function.__name__}")
    shapes = ", ".join(str(each.shape) for each in given if isinstance(each, np.ndarray)) or "tables"
    raise ValueError(f"found {shapes} among the arguments of {function.__name__}; expected lengths that fit together")


def _check_buffers(returned: int, function: Any, given: tuple[Any, ...]) -> int:
    has_failed = any(each.failed for each in given if type(each) is Buffer)
    return _check_outcome(_OUT_OF_MEMORY if has_failed and returned >= 0 else returned, function, given)


def _kind(declared: str) -> Any:
    name = declared.removeprefix("const ")
    if name not in KINDS and name.endswith("*"):
        KINDS[name] = _Pointer(KINDS[name.removesuffix("*")])
    return KINDS[name]


def _load() -> ctypes.CDLL:
    """Load the engine.

    Raises `ImportError`: it was not built, or from other sources than those beside it.
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


def _declare(library: ctypes.CDLL) -> None:
    """Learn the types and functions of the engine.

    Raises `ImportError`: a struct is laid out otherwise than the compiler did it.
    """
    declarations = ctypes.c_char.in_dll(library, "engine_declarations")
    layout: list[int] = []
    for line in ctypes.string_at(ctypes.addressof(declarations)).decode().splitlines():
        head, _, rest = line.partition(": ")
        declared = [tuple(each.rsplit(" ", 1)) for each in rest.split(", ") if each]
        kind, name = head.rsplit(" ", 1)
        if kind != "struct":
            _FUNCTIONS[name] = kind, [of for of, _ in declared]
            continue
        struct = KINDS[name] = KINDS.get(name) or _make_struct(name, declared)
        layout += [ctypes.sizeof(struct), *(getattr(struct, field).offset for _, field in declared)]
    if layout != [*(ctypes.c_int64 * len(layout)).in_dll(library, "engine_layout")]:
        raise ImportError(f"the structs of {FOLDER / NAME} are laid out otherwise than ctypes lays them out")


def _make_struct(name: str, declared: list[Any]) -> type[ctypes.Structure]:
    if [field for _, field in declared] == ["at", "n"]:
        element = declared[0][0].removeprefix("const ").removesuffix("*").removesuffix("_t")
        dtype, is_written = np.dtype(getattr(ctypes, f"c_{element}")), not declared[0][0].startswith("const ")
        return type(name, (Array,), {"dtype": dtype, "is_written": is_written})
    fields = [(field, KINDS[kind]) for kind, field in declared]
    return type(name, (Buffers if all(kind is Buffer for _, kind in fields) else Struct,), {"_fields_": fields})


def engine_digest() -> str:
    """Return a digest of the sources that the engine was built of.

    >>> len(engine_digest())
    16
    """
    return str(bind("engine_sources")().decode())


_library = _load()
_declare(_library)
_free, _free_buffers = bind("engine_free"), bind("engine_free_buffers")
