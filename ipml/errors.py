"""Errors: the exceptions that ipml raises on purpose, and short quotes of other libraries' errors.

Each derives from `IpmlError` and is one line: found, expected, remedy. The commands print only that line. Most are one
of the shapes `NotFound`, `Refused`, `Conflict`, `Forbidden` and `Failed`, which build the line from facts. An error
has its own class, derived from a shape if possible, only if a caller catches it by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from ipml.records import Problem


class IpmlError(Exception):
    """Base of all exceptions that ipml raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        # Python would ask the constructor for the facts anew; an error that cannot be copied out of a worker kills it.
        return _restore, (type(self), self.args, vars(self))


def _restore(kind: type[IpmlError], args: tuple[object, ...], facts: Mapping[str, object]) -> IpmlError:
    error = kind.__new__(kind, *args)
    vars(error).update(facts)
    return error


class NotFound(IpmlError):
    """Nothing has this name or number.

    `kind` is a noun; `name` is quoted and cut if it is a text, since it may be untrusted; `hint` is a sentence.

    >>> raise NotFound("penalty", 7, "`ipml enforce penalty list` shows those there are.")
    Traceback (most recent call last):
    ipml.errors.NotFound: No penalty 7. `ipml enforce penalty list` shows those there are.
    """

    def __init__(self, kind: str, name: int | str | Path, hint: str = "") -> None:
        self.kind, self.name = kind, name
        shown = repr(name if len(name) <= 80 else name[:79] + "…") if isinstance(name, str) else str(name)
        super().__init__(f"No {kind} {shown}. {hint}".rstrip())


class Refused(IpmlError):
    """A given value cannot be used as it is; `remedy` is a sentence, needed if `expected` does not say what to do.

    >>> raise Refused("password", "3 characters", "12 to 1,000", "Choose another.")
    Traceback (most recent call last):
    ipml.errors.Refused: password: found 3 characters; expected 12 to 1,000. Choose another.
    """

    def __init__(self, subject: str | Path, found: str, expected: str, remedy: str = "") -> None:
        self.subject, self.found, self.expected, self.remedy = subject, found, expected, remedy
        super().__init__(f"{subject}: found {found}; expected {expected}. {remedy}".rstrip())


class UnusableSetting(Refused):
    """A setting, an experiment file or a column map is invalid."""


class UnreadableFile(Refused):
    """A file cannot be read as the expected kind."""


class UnwritableFile(Refused):
    """A file cannot be written to its place.

    >>> raise UnwritableFile("out/scored.csv", "no such folder", "a folder that exists")
    Traceback (most recent call last):
    ipml.errors.UnwritableFile: cannot write out/scored.csv: found no such folder; expected a folder that exists.
    """

    def __init__(self, path: str | Path, found: str, expected: str, remedy: str = "") -> None:
        super().__init__(f"cannot write {path}", found, expected, remedy)


class _Stopped(IpmlError):
    """Shape of errors for a valid request that cannot be carried out."""

    def __init__(self, subject: str | Path, found: str, remedy: str = "") -> None:
        self.subject, self.found, self.remedy = subject, found, remedy
        super().__init__(f"{subject}: {found}. {remedy}".rstrip())


class Conflict(_Stopped):
    """A request does not fit the present state or another person's action; nothing was changed.

    `found` is the obstacle as a clause, `remedy` a sentence.

    >>> raise Conflict("case 12", "has been decided", "Take the next one.")
    Traceback (most recent call last):
    ipml.errors.Conflict: case 12: has been decided. Take the next one.
    """


class Forbidden(_Stopped):
    """This person may not do it, though another may; parameters as in `Conflict`."""


class Failed(_Stopped):
    """A process, a database or a service that ipml relies on has failed; parameters as in `Conflict`."""


class InvalidListings(IpmlError):
    """Some listings break the rules of the schema; all faults are in `problems`."""

    def __init__(self, problems: Sequence[Problem], source: str = "listings") -> None:
        self.problems, self.source = tuple(problems), source
        rows = len({problem.row for problem in self.problems})
        first = "; ".join(str(problem) for problem in self.problems[:3])
        more = "" if len(self.problems) <= 3 else f"; and {len(self.problems) - 3} more"
        super().__init__(
            f"{source}: {rows} bad row{'s' * (rows != 1)}: {first}{more}. "
            "Mend them, or part them: ipml data validate FILE --out GOOD --rejects BAD."
        )


class MissingColumns(IpmlError):
    """A file lacks required columns."""

    def __init__(
        self,
        source: str,
        missing: Sequence[str],
        found: Sequence[str],
        remedy: str = "Rename them, or say with --columns FILE which they are.",
    ) -> None:
        self.missing, self.found = tuple(missing), tuple(found)
        super().__init__(
            f"{source}: no column {enumerate_names(missing)}; found {enumerate_names(found) or 'none'}. {remedy}"
        )


class UnmeasurableScores(Refused):
    """Truth and scores from which no metric can be computed."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__("Cannot measure", found, expected)


class UntrustedModel(Refused):
    """A model was not loaded: it was changed, or might score differently here; none of its code ran."""

    def __init__(
        self,
        where: Path | str,
        found: str,
        expected: str = "a model as ipml writes it",
        remedy: str = "Fetch the model anew.",
    ) -> None:
        super().__init__(where, found, expected, remedy)


class WorkerLost(Failed):
    """A process that scored a part ended without an error message."""

    def __init__(self) -> None:
        super().__init__(
            "A process that scored the file",
            "was ended from outside, perhaps for want of memory",
            "Finished parts are stored: run the same command again, perhaps with fewer --jobs.",
        )


class InvalidNotice(IpmlError):
    """A notice breaks the rules; all faults are in `problems`."""

    def __init__(self, problems: Sequence[Problem], source: str = "notice") -> None:
        self.problems = tuple(problems)
        shown = [
            f"{found.column or 'all of it'}: found {found.value!r}, expected {found.expected}" for found in problems
        ]
        more = "" if len(shown) <= 3 else f"; and {len(shown) - 3} more"
        count = f"{len(shown)} fault{'s' * (len(shown) != 1)}"
        super().__init__(f"{source}: {count}: {'; '.join(shown[:3])}{more}. Mend them and send it again.")


class UnstorableValue(Refused):
    """A text or number cannot be stored as it is."""


class UnusableDatabase(Refused):
    """A database cannot be opened, read or written, or its tables belong to another release."""


class UnreachableDatabase(UnusableDatabase):
    """No database server answers, or it is starting or stopping; it may be available later."""


class WrongRevision(UnusableDatabase):
    """The tables of a database are missing, or belong to a release with which this one cannot work."""


class DatabaseBusy(Failed):
    """Others kept the database locked for too long, or transactions conflicted."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(name, found, "Nothing was changed. Try again.")


class LoginNeeded(_Stopped):
    """The caller is unknown: not logged in and without a key; parameters as in `Conflict`."""


class OwnListing(Forbidden):
    """The case is about a listing of a seller for whom the reviewer sells."""


class Overtaken(Conflict):
    """Something changed since it was shown or stored.

    The case was decided, its listing changed, or its claim ended; or a later message was sent.
    """


class KeyReused(Conflict):
    """The key of an earlier decision or notice came again with other content."""

    def __init__(self, key: str, owner: str) -> None:
        super().__init__(f"key {key!r}", f"belongs to another {owner}", "Use a new key for another content.")


class IllegalStep(Refused):
    """The state of a deadline or an appeal does not allow a step."""

    def __init__(self, what: str, state: str | None, event: str) -> None:
        super().__init__(what, f"'{event}' in state '{state or 'none'}'", "a step that it can take now")


class EvidenceChanged(Refused):
    """Evidence in the database differs from the text that was encrypted when the case was decided."""

    def __init__(self, evidence_id: int, found: str) -> None:
        expected = "what was encrypted when the case was decided"
        super().__init__(f"evidence {evidence_id}", found, expected, "Restore it from a backup, and run `ipml doctor`.")


class SellerErased(IpmlError):
    """Data encrypted with the key of an erased seller or notifier is lost."""

    def __init__(self, pseudonym: str) -> None:
        super().__init__(f"seller {pseudonym}: was erased; what was kept of them cannot be read any more.")


def describe_faults(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Return all faults that pydantic found as one line, for `UnusableSetting`.

    With the `model`, an unknown name is shown with the known one it resembles.

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
    """Return the names that a model knows at a place."""
    for step in place:
        fields = getattr(model, "model_fields", {})
        if str(step) not in fields:  # a key of a dictionary of models
            continue
        kind = fields[str(step)].annotation
        model = next((part for part in (kind, *get_args(kind)) if hasattr(part, "model_fields")), None)
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


def enumerate_names(names: Sequence[str], known: Sequence[str] = (), most: int = 50) -> str:
    """Return names in a row, each with the known one it resembles; long names and long lists are cut."""
    shown = [_quote(name) + _resembling(name, known) for name in names[:most]]
    return ", ".join([*shown, f"and {len(names) - most:,} more"] if len(names) > most else shown)


def _quote(name: str) -> str:
    """Return a name, cut to 60 letters, and in Python's spelling if it would be unclear."""
    is_plain = name and name == name.strip() and name.isprintable()
    name = name if len(name) <= 60 else name[:59] + "…"
    return name if is_plain else repr(name)


def _resembling(name: str, known: Sequence[str]) -> str:
    by_lower = {one.lower(): one for one in reversed(known)}
    near = get_close_matches(name[:60].lower(), by_lower, n=1)
    return f" (perhaps {by_lower[near[0]]})" if near else ""


def hide_password(text: str) -> str:
    """Return a text without user and password in a quoted URI.

    >>> hide_password("cannot open postgresql://user:secret@host/db")
    'cannot open postgresql://…@host/db'
    """
    return re.sub(r"//[^/\s]*@", "//…@", text)


def first_line(error: BaseException) -> str:
    """Return the first line of another library's error without passwords, or its name, up to 200 letters.

    >>> first_line(ValueError("no such table\\nselect 1"))
    'no such table'
    >>> first_line(EOFError())
    'EOFError'
    """
    return hide_password(str(error) or type(error).__name__).splitlines()[0][:200]
