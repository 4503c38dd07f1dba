"""How found names and the errors of other libraries are put into messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


def describe_faults(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Return all that pydantic found wrong in words of our own, for `UnusableSetting`.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel, optional
        What was to be made; with it an unknown name is shown beside the known one that it resembles.

    Examples
    --------
    >>> from pydantic import BaseModel, ValidationError
    >>> class Shelf(BaseModel, extra="forbid"):
    ...     width: int
    ...     height: int
    >>> try:
    ...     Shelf(width="broad", heigth=3)
    ... except ValidationError as error:
    ...     print(describe_faults(error, Shelf))
    width = 'broad' (Input should be a valid integer, unable to parse string as an integer); no height; unknown heigth
    (perhaps height)
    """
    found = []
    for fault in error.errors(include_url=False):
        place = ".".join(map(str, fault["loc"]))
        says = fault["msg"].removeprefix("Value error, ")
        near = _resembling(str(fault["loc"][-1]), _find_names(model, fault["loc"][:-1])) if fault["loc"] else ""
        plain = {"missing": f"no {place}", "extra_forbidden": f"unknown {place}{near}"}
        value = f"{place} = {fault['input']!r:.80} ({says})" if place else says
        found.append(plain.get(fault["type"], value))
    return "; ".join(found)


def _find_names(model: type[BaseModel] | None, place: Sequence[object]) -> list[str]:
    """Return the names that a model knows at a place in what was written."""
    for step in place:
        fields = getattr(model, "model_fields", {})
        if str(step) not in fields:  # a name in a dictionary of models: it stands for any other
            continue
        kind = fields[str(step)].annotation
        model = next((part for part in (kind, *get_args(kind)) if hasattr(part, "model_fields")), None)
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


def enumerate_names(names: Sequence[str], known: Sequence[str] = (), most: int = 50) -> str:
    """Return names in a row, each perhaps with the known one it resembles: a file may have any number of any length."""
    shown = [_quote(name) + _resembling(name, known) for name in names[:most]]
    return ", ".join([*shown, f"and {len(names) - most:,} more"] if len(names) > most else shown)


def _quote(name: str) -> str:
    """Return a name as it is, or as in Python where one would not see what it is; at most 60 letters of it."""
    is_plain = name and name == name.strip() and name.isprintable()
    name = name if len(name) <= 60 else name[:59] + "…"
    return name if is_plain else repr(name)


def _resembling(name: str, known: Sequence[str]) -> str:
    by_lower = {one.lower(): one for one in reversed(known)}
    near = get_close_matches(name[:60].lower(), by_lower, n=1)
    return f" (perhaps {by_lower[near[0]]})" if near else ""


def hide_password(text: str) -> str:
    """Return a text without the user and password in a URI that it quotes.

    Examples
    --------
    >>> hide_password("cannot open postgresql://user:secret@host/db")
    'cannot open postgresql://…@host/db'
    """
    return re.sub(r"//[^/\s]*@", "//…@", text)


def first_line(error: BaseException) -> str:
    """Return what another library's error says, without passwords: its first line, or its name, up to 200 letters.

    Examples
    --------
    >>> first_line(ValueError("no such table\\nselect 1"))
    'no such table'
    >>> first_line(EOFError())
    'EOFError'
    """
    return hide_password(str(error) or type(error).__name__).splitlines()[0][:200]
