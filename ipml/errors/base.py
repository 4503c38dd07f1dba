"""What all exceptions of ipml have in common."""

from __future__ import annotations

from collections.abc import Mapping

_PUBLIC = "ipml.errors"


class IpmlError(Exception):
    """The base of all exceptions ipml raises on purpose."""

    def __init_subclass__(cls) -> None:
        # In tracebacks an exception bears the name by which it is imported.
        cls.__module__ = _PUBLIC if cls.__module__.startswith(f"{_PUBLIC}.") else cls.__module__

    def __reduce__(self) -> tuple[object, ...]:
        # Python would ask the constructor for the facts anew; an error that cannot be copied out of a worker kills it.
        return _restore, (type(self), self.args, vars(self))


IpmlError.__module__ = _PUBLIC


class CurrencyMismatch(IpmlError):
    """Amounts of different currencies were compared or added."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"Found {one} and {other}; expected amounts of one currency: exchange them first.")


def _restore(kind: type[IpmlError], args: tuple[object, ...], facts: Mapping[str, object]) -> IpmlError:
    error = kind.__new__(kind, *args)
    vars(error).update(facts)
    return error
