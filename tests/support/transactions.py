"""One call in a transaction of its own."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from ipml.storage.database import reading, writing


def read_with(engine: Engine, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function with a connection that only reads."""
    with reading(engine) as connection:
        return function(connection, *arguments, **options)


def write_with(engine: Engine, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function with a connection whose changes are kept."""
    with writing(engine) as connection:
        return function(connection, *arguments, **options)
