"""What can go wrong, named as facts, and the words in which other libraries' errors are quoted.

Every exception that ipml raises on purpose derives from `IpmlError` and is one line: what was found, what was expected,
and what to do, which is a sentence of its own. The commands print that line and nothing else.

Most are one of a few shapes, which hold the facts and make the line of them: `NotFound`, `Refused`, `Conflict`,
`Forbidden` and `Failed`. A class of its own has only what a caller tells from everything else: it is derived from a
shape where it fits one.
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
    """The base of all exceptions ipml raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        # Python would ask the constructor for the facts anew; an error that cannot be copied out of a worker kills it.
        return _restore, (type(self), self.args, vars(self))


def _restore(kind: type[IpmlError], args: tuple[object, ...], facts: Mapping[str, object]) -> IpmlError:
    error = kind.__new__(kind, *args)
    vars(error).update(facts)
    return error


class NotFound(IpmlError):
    """Nothing of that name or number is there.

    Parameters
    ----------
    kind : str
        What was looked for, as a noun.
    name : int, str or Path
        Which one. A text is quoted, and cut where it is long: it may be anybody's.
    hint : str, default=""
        A sentence that says where to look.

    Examples
    --------
    >>> raise NotFound("penalty", 7, "`ipml enforce penalty list` shows those there are.")
    Traceback (most recent call last):
    ipml.errors.NotFound: No penalty 7. `ipml enforce penalty list` shows those there are.
    """

    def __init__(self, kind: str, name: int | str | Path, hint: str = "") -> None:
        self.kind, self.name = kind, name
        shown = repr(name if len(name) <= 80 else name[:79] + "…") if isinstance(name, str) else str(name)
        super().__init__(f"No {kind} {shown}. {hint}".rstrip())


class Refused(IpmlError):
    """What was given cannot be used as it is.

    Parameters
    ----------
    subject : str or Path
        What was given.
    found, expected : str
        What it is, and what it should be.
    remedy : str, default=""
        A sentence that says what to do, where `expected` does not.

    Examples
    --------
    >>> raise Refused("password", "3 characters", "12 to 1,000", "Choose another.")
    Traceback (most recent call last):
    ipml.errors.Refused: password: found 3 characters; expected 12 to 1,000. Choose another.
    """

    def __init__(self, subject: str | Path, found: str, expected: str, remedy: str = "") -> None:
        self.subject, self.found, self.expected, self.remedy = subject, found, expected, remedy
        super().__init__(f"{subject}: found {found}; expected {expected}. {remedy}".rstrip())


class UnusableSetting(Refused):
    """A setting, an experiment file or a column map says something ipml cannot follow.

    Examples
    --------
    >>> raise UnusableSetting("zone", "'Mars'", "a time zone such as Europe/Berlin")
    Traceback (most recent call last):
    ipml.errors.UnusableSetting: zone: found 'Mars'; expected a time zone such as Europe/Berlin.
    """


class UnreadableFile(Refused):
    """A file cannot be read as what it claims to be.

    Examples
    --------
    >>> raise UnreadableFile("shop.csv", "a byte that is no UTF-8", "text in UTF-8")
    Traceback (most recent call last):
    ipml.errors.UnreadableFile: shop.csv: found a byte that is no UTF-8; expected text in UTF-8.
    """


class UnwritableFile(Refused):
    """A file cannot be written where it should be.

    Examples
    --------
    >>> raise UnwritableFile("out/scored.csv", "no such folder", "a folder that exists")
    Traceback (most recent call last):
    ipml.errors.UnwritableFile: cannot write out/scored.csv: found no such folder; expected a folder that exists.
    """

    def __init__(self, path: str | Path, found: str, expected: str, remedy: str = "") -> None:
        super().__init__(f"cannot write {path}", found, expected, remedy)


class _Stopped(IpmlError):
    """The shape of what stands against a request that is well made."""

    def __init__(self, subject: str | Path, found: str, remedy: str = "") -> None:
        self.subject, self.found, self.remedy = subject, found, remedy
        super().__init__(f"{subject}: {found}. {remedy}".rstrip())


class Conflict(_Stopped):
    """What is asked for does not fit what is there by now, or what somebody else is doing; nothing was changed.

    Parameters
    ----------
    subject : str or Path
        What it is about.
    found : str
        What stands against it, as a clause.
    remedy : str, default=""
        A sentence that says what to do.

    Examples
    --------
    >>> raise Conflict("case 12", "has been decided", "Take the next one.")
    Traceback (most recent call last):
    ipml.errors.Conflict: case 12: has been decided. Take the next one.
    """


class Forbidden(_Stopped):
    """Somebody else may do this, but not this person; the facts are those of `Conflict`.

    Examples
    --------
    >>> raise Forbidden("appeal 3", "ada decided in the matter before", "Another must decide it.")
    Traceback (most recent call last):
    ipml.errors.Forbidden: appeal 3: ada decided in the matter before. Another must decide it.
    """


class Failed(_Stopped):
    """A process, a database or a service that ipml relies on has failed; the facts are those of `Conflict`.

    Examples
    --------
    >>> raise Failed("sqlite:///ipml.db", "locked by others for 5 seconds", "Try again.")
    Traceback (most recent call last):
    ipml.errors.Failed: sqlite:///ipml.db: locked by others for 5 seconds. Try again.
    """


class InvalidListings(IpmlError):
    """Some listings break the rules of the schema; all of them are in `problems`."""

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
    """A file lacks columns that ipml cannot do without."""

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
    """Truth and scores from which no measure follows."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__("Cannot measure", found, expected)


class UntrustedModel(Refused):
    """A model is not loaded: it is not as ipml saved it, or might score otherwise here; nothing of it was run."""

    def __init__(
        self,
        where: Path | str,
        found: str,
        expected: str = "a model as ipml writes it",
        remedy: str = "Fetch the model anew.",
    ) -> None:
        super().__init__(where, found, expected, remedy)


class WorkerLost(Failed):
    """A process that scored a part ended without a word."""

    def __init__(self) -> None:
        super().__init__(
            "A process that scored the file",
            "was ended from outside, perhaps for want of memory",
            "What is finished is stored: run the same command again, perhaps with fewer --jobs.",
        )


class InvalidNotice(IpmlError):
    """A notice breaks the rules; everything wrong with it is in `problems`."""

    def __init__(self, problems: Sequence[Problem], source: str = "notice") -> None:
        self.problems = tuple(problems)
        shown = [
            f"{found.column or 'all of it'}: found {found.value!r}, expected {found.expected}" for found in problems
        ]
        more = "" if len(shown) <= 3 else f"; and {len(shown) - 3} more"
        count = f"{len(shown)} fault{'s' * (len(shown) != 1)}"
        super().__init__(f"{source}: {count}: {'; '.join(shown[:3])}{more}. Mend them and send it again.")


class UnstorableValue(Refused):
    """A text or number cannot be kept as it is."""


class UnusableDatabase(Refused):
    """A database cannot be opened, read or written, or its tables are not those of this release."""


class UnreachableDatabase(UnusableDatabase):
    """No server answers where the database should be, or it is just starting or stopping: it may be there later."""


class WrongRevision(UnusableDatabase):
    """The tables of a database are those of another release, with which this one cannot work, or there are none."""


class DatabaseBusy(Failed):
    """Others kept the database locked for too long, or stood in the way."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(name, found, "Nothing was changed. Try again.")


class LoginNeeded(_Stopped):
    """Nobody is logged in, or no key was shown, so that it is not known who asks; the facts are those of `Conflict`."""


class OwnListing(Forbidden):
    """The case is about a listing of a seller that the reviewer sells as."""


class Overtaken(Conflict):
    """Something changed since it was shown or kept.

    The case has been decided, its listing was changed, or its claim ended; or a later message was sent.
    """


class KeyReused(Conflict):
    """The key of an earlier decision or notice came again with another content."""

    def __init__(self, key: str, owner: str) -> None:
        super().__init__(f"key {key!r}", f"belongs to another {owner}", "Use a new key for another content.")


class IllegalStep(Refused):
    """Something was asked of a deadline or an appeal that its state does not allow."""

    def __init__(self, what: str, state: str | None, event: str) -> None:
        super().__init__(what, f"'{event}' in state '{state or 'none'}'", "a step that it can take now")


class EvidenceChanged(Refused):
    """Evidence in the database is not what was encrypted when the case was decided."""

    def __init__(self, evidence_id: int, found: str) -> None:
        expected = "what was encrypted when the case was decided"
        super().__init__(f"evidence {evidence_id}", found, expected, "Restore it from a backup, and run `ipml doctor`.")


class SellerErased(IpmlError):
    """What was encrypted with the key of a seller, or of a notifier, who was erased cannot be read, by anybody."""

    def __init__(self, pseudonym: str) -> None:
        super().__init__(f"seller {pseudonym}: was erased; what was kept of them cannot be read any more.")


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
