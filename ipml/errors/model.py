"""What all exceptions of ipml have in common, and what can go wrong with settings, listings, models and scoring."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from ipml.records import Problem


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


class UnusableSetting(IpmlError):
    """A setting, an experiment file or a column map says something ipml cannot follow."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(f"{where}: found {found}; expected {expected}.")


class UnreadableFile(IpmlError):
    """A file cannot be read as what it claims to be."""

    def __init__(self, path: Path | str, found: str, expected: str) -> None:
        self.path = Path(path)
        super().__init__(f"{path}: found {found}; expected {expected}.")


class InvalidListings(IpmlError):
    """Some listings break the rules of the schema; all of them are in `problems`."""

    def __init__(self, problems: Sequence[Problem], source: str = "listings") -> None:
        self.problems = tuple(problems)
        rows = len({problem.row for problem in self.problems})
        first = "; ".join(str(problem) for problem in self.problems[:3])
        more = "" if len(self.problems) <= 3 else f"; and {len(self.problems) - 3} more"
        super().__init__(
            f"{source}: {rows} bad row{'s' * (rows != 1)}: {first}{more}. "
            "Mend them, or part them: ipml data validate FILE --rejects BAD --good GOOD."
        )


class BadRows(IpmlError):
    """Some rows of a source that has no row numbers, such as a table on a cluster, break the rules of the schema."""

    def __init__(self, source: str, n_rows: int, listing_id: str, problem: Problem) -> None:
        column = problem.column or "the row"
        super().__init__(
            f"{source}: {n_rows:,} bad row{'s' * (n_rows != 1)}, such as listing {listing_id!r}: {column}: "
            f"found {problem.value!r}, expected {problem.expected}. Mend them, or say where to keep them apart."
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


class UnwritableFile(IpmlError):
    """A file cannot be written where it should be."""

    def __init__(self, path: Path | str, found: str, expected: str) -> None:
        self.path = Path(path)
        super().__init__(f"cannot write {path}: found {found}; expected {expected}.")


class UnknownColumns(IpmlError):
    """A table has columns that the schema does not know, or has one twice."""

    def __init__(self, source: str, unknown: Sequence[str], known: Sequence[str]) -> None:
        self.unknown = tuple(unknown)
        super().__init__(
            f"{source}: unknown or repeated column {enumerate_names(unknown, known)}; expected each of "
            f"{', '.join(known)} once at most. Leave it out, or say with --columns FILE which columns they are."
        )


class UnmeasurableScores(IpmlError):
    """Truth and scores from which no measure follows."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"Cannot measure: found {found}; expected {expected}.")


class UnsplittableData(IpmlError):
    """Listings that cannot be split honestly into training and test."""

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        super().__init__(f"Cannot split: found {found}; expected {expected}. {remedy}")


class FitNotConverged(IpmlError):
    """A fit is not the best one, or not known to be; nothing may be built on it."""

    def __init__(self, C: float, gap: float, tolerance: float) -> None:
        super().__init__(
            f"Cannot fit with C = {C:g}: found a fit that may be {gap:.1e} from the best, in parts of the loss of a "
            f"model without features; expected {tolerance:.1e}. Choose a smaller C."
        )


class IncomparableListings(IpmlError):
    """Listings, scores or labels from which nothing can be said of what has moved, leaks or is mislabelled."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"Cannot compare: found {found}; expected {expected}.")


class NoDriftReference(IpmlError):
    """Nothing says what listings looked like when a model was made."""

    def __init__(self, where: Path | str) -> None:
        super().__init__(
            f"{where}: found no drift reference; expected one beside the model. Make it from listings of unseen "
            "sellers at that time: ipml model drift MODEL LISTINGS --remember REFERENCE.json."
        )


class ModelNotFound(IpmlError):
    """No model is where one was expected."""

    def __init__(self, where: Path | str, expected: str = "a model folder") -> None:
        super().__init__(f"{where}: found no model; expected {expected}. Train one, or name another.")


class NotAModelFolder(IpmlError):
    """A model cannot be saved where something else already is."""

    def __init__(self, folder: Path, found: str) -> None:
        super().__init__(f"{folder}: found {found}; expected a model, or nothing. Choose another folder.")


class UntrustedModel(IpmlError):
    """A model file holds what ipml does not load; nothing of it was run."""

    def __init__(self, where: Path | str, found: str, expected: str = "a model as ipml writes it") -> None:
        super().__init__(f"{where}: refused, found {found}; expected {expected}. Fetch the model anew.")


class ModelChanged(IpmlError):
    """A file of a model is not the one that was saved."""

    def __init__(self, where: Path | str, file: str, expected: str = "the file its manifest names") -> None:
        self.file = file
        super().__init__(f"{where}: refused, {file} has changed; expected {expected}. Fetch the model anew.")


class SignatureMismatch(IpmlError):
    """A model is not signed with the key that was given."""

    def __init__(self, where: Path | str, found: str) -> None:
        super().__init__(f"{where}: refused, found {found}; expected a manifest signed with the key given.")


class VersionMismatch(IpmlError):
    """A model was made with other versions than those running."""

    def __init__(self, where: Path | str, different: Mapping[str, tuple[str, str]]) -> None:
        self.different = dict(different)
        pairs = ", ".join(f"{name} {saved} (running: {now})" for name, (saved, now) in different.items())
        super().__init__(f"{where}: made with {pairs}. Install those, train anew, or allow the mismatch.")


class GoldenMismatch(IpmlError):
    """A model no longer scores the golden listings as it did when it was saved."""

    def __init__(self, where: Path | str, found: str) -> None:
        super().__init__(f"{where}: golden listings gave {found}; expected those in the card. Train anew.")


class TrackingUnavailable(IpmlError):
    """The store of runs and models cannot be used."""

    def __init__(self, where: str, found: str) -> None:
        store = hide_password(where)
        super().__init__(f"{store}: found {found}; expected MLflow's store. Check the setting IPML_TRACKING.")


class UnusableModelName(IpmlError):
    """A name cannot be that of a model in the registry."""

    def __init__(self, found: str) -> None:
        expected = "models:/NAME@ALIAS or models:/NAME/VERSION, names of letters, digits, _ . and -"
        super().__init__(f"model {found[:120]!r}: expected {expected}.")


class RunFileMissing(IpmlError):
    """A run was recorded without a file that is needed of it."""

    def __init__(self, where: str, name: str) -> None:
        self.name = name
        super().__init__(f"{where}: found no file {name} of its run; expected one. Train it anew, or give --listings.")


class DifferentTests(IpmlError):
    """Two models were not tested on listings that they share."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"Cannot compare: found {found}; expected {expected}. Give labelled ones with --listings.")


class ChampionMoved(IpmlError):
    """Somebody else is changing, or has just changed, which model is in use."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        super().__init__(f"{name}: found {found}; expected {expected}. Look which model is in use, and try again.")


class AlreadyChampion(IpmlError):
    """A version that is in use cannot be promoted."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri} is the champion already; name another version.")


class NoEarlierChampion(IpmlError):
    """There is no model to go back to."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        super().__init__(f"{name}: found {found}; expected {expected}. Promote one with `ipml model promote`.")


class SparkJobFailed(IpmlError):
    """A Spark job ended before all rows were scored; the table of scores is as it was."""

    def __init__(self, found: str) -> None:
        super().__init__(f"Spark gave up: {found} Mend that and run it again: no row will be lost or come twice.")


class DifferentRun(IpmlError):
    """The finished parts of a run that was stopped are not what this run would write."""

    def __init__(self, folder: Path, what: str, found: str, expected: str) -> None:
        super().__init__(
            f"{folder}: found parts of a run that was stopped, with another {what}: {found}; expected {expected}. "
            "Repeat that run to finish it, or begin anew with --restart."
        )


class RunInProgress(IpmlError):
    """Another process is writing the same result."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: found another process at work in it; expected none. Wait for it, or stop it.")


class SourceChanged(IpmlError):
    """A file was changed while it was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: found that it has changed while it was scored; expected the same file to its end. "
            "Begin anew with --restart."
        )


class WorkerLost(IpmlError):
    """A process that scored a part ended without a word."""

    def __init__(self, rows: str, exit_code: int | None) -> None:
        super().__init__(
            f"A process that worked on {rows} was ended (exit code {exit_code}), perhaps for want of memory. What is "
            "finished is kept: run the same command again, perhaps with fewer --jobs."
        )


class PartFailed(IpmlError):
    """A part could not be scored, for a reason that nobody foresaw."""

    def __init__(self, rows: str, found: str) -> None:
        super().__init__(
            f"{rows} could not be scored: {found}. What is finished is kept; with --jobs 1 one sees where it fails."
        )


class UnfamiliarListings(IpmlError):
    """Listings are unlike those the model was trained on, and only such as are like them were to be scored."""

    def __init__(self, path: Path, version: str, found: Sequence[str]) -> None:
        super().__init__(
            f"{path}: found listings unlike those {version} was trained on ({'. '.join(found)}); expected such as are "
            "like them. Nothing was written: use a model trained on listings of this market, or leave out "
            "--require-familiar."
        )


class PortfoliosOfAnotherModel(IpmlError):
    """What is known of sellers was said by another model than the one that is to use it."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(
            f"{path}: found portfolios by the model {found[:120]!r}; expected some by {expected!r}, for models do not "
            "suspect alike. Name that model with --model, or make a new file: ipml data portfolios LISTINGS FILE."
        )
