"""Registered models: how a version is registered and found again, and which one is, and was, the champion.

The champion's alias is set in one step, so that there is a champion at every moment. MLflow cannot set it on condition
that nobody else has; so a change is noted first, as a tag of the version, and made only if no other note has come
meanwhile. What remains is the moment between the last look and the change: two may then both be told of success, the
later one is champion, and the history holds both.

A change is confirmed after it was made, for two stores cannot be written at once and a process may be killed in
between. So a note that was never confirmed counts only if what followed shows that the change was made. People may also
set the alias by other means; that shows by what the next note says it replaced.
"""

from __future__ import annotations

import getpass
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo
from pydantic import TypeAdapter, ValidationError

from ipml.errors import Conflict, NotFound, UntrustedModel, UnusableSetting, describe_faults, first_line
from ipml.model.model_file import manifest_sha256
from ipml.model.model_file.folder import MANIFEST
from ipml.model.tracking.flavor import MODEL_FOLDER, convert_sklearn
from ipml.model.tracking.store import NAME_ANOTHER, ModelUri, download, find_store_of, open_store, parse_model_uri
from ipml.settings import get_settings

MANIFEST_TAG = "ipml.manifest_sha256"
CHAMPION, CHALLENGER = "champion", "challenger"
_RUN_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version in the registry, and the run it came of.

    Examples
    --------
    >>> RegisteredModel("ipml", 3, "0123abcd").uri
    'models:/ipml/3'
    """

    name: str
    version: int
    run_id: str

    @property
    def uri(self) -> str:
        """The registry URI of this very version."""
        return f"models:/{self.name}/{self.version}"


def find_model(reference: str | Path, tracking_uri: str | None = None) -> RegisteredModel:
    """Find a registered version by its URI, by the id of its run, or by a model folder that was recorded.

    Parameters
    ----------
    reference : str or Path
        "models:/NAME@ALIAS", "models:/NAME/VERSION", the 32 digits of a run, or a folder as `ipml model train` leaves
        it.
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.

    Raises
    ------
    UnusableSetting, NotFound
        No registered version goes by this name.

    Examples
    --------
    >>> find_model("models:/../../etc/1")
    Traceback (most recent call last):
    ipml.errors.UnusableSetting: model: found 'models:/../../etc/1'; expected models:/NAME@ALIAS or ...
    """
    reference = str(reference)
    wanted = parse_model_uri(reference) if reference.startswith("models:") else _make_filter(reference)
    with open_store(find_store_of(reference, tracking_uri)) as client:
        if isinstance(wanted, ModelUri):
            found = find_version(client, wanted)
        else:
            versions = client.search_model_versions(wanted)
            if not versions:
                raise NotFound("model registered in this store as", reference, NAME_ANOTHER)
            found = max(versions, key=lambda version: int(version.version))
    return RegisteredModel(found.name, int(found.version), found.run_id or "")


def resolve_model(uri: str, tracking_uri: str | None = None) -> Path:
    """Fetch a registered model and return its folder, for `load_model`.

    The folder is a copy of our own that nobody else can write to; it is deleted when the process ends.

    Parameters
    ----------
    uri : str
        "models:/NAME@ALIAS" or "models:/NAME/VERSION".
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.

    Raises
    ------
    UnusableSetting
        Another form of URI, or a name that could be a path.
    NotFound
        No such model, alias or version, or its files are gone.
    UntrustedModel
        The version was not registered by ipml, and `IPML_TRUSTED_MODELS` does not name the model; or the files are not
        those that were registered.

    Examples
    --------
    >>> resolve_model("models:/../../etc/1")
    Traceback (most recent call last):
    ipml.errors.UnusableSetting: model: found 'models:/../../etc/1'; expected models:/NAME@ALIAS or ...
    """
    wanted = parse_model_uri(uri)
    with open_store(find_store_of(uri, tracking_uri)) as client:
        registered = find_version(client, wanted)
        expected = registered.tags.get(MANIFEST_TAG)
        if expected is None:
            _check_named(registered.name, uri)
            return convert_sklearn(_fetch(client, wanted, registered), registered.name)
        folder = _fetch(client, wanted, registered, MODEL_FOLDER)
    if manifest_sha256(folder) != expected:
        raise UntrustedModel(uri, f"a {MANIFEST} that has changed", "the one that was registered")
    return folder


def register(client: mlflow.MlflowClient, name: str, logged: ModelInfo, folder: Path) -> ModelVersion:
    """Register a logged model as a new version, with the hash of its manifest."""
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    return client.create_model_version(
        name,
        source=f"models:/{logged.model_id}",
        run_id=logged.run_id,
        model_id=logged.model_id,
        tags={MANIFEST_TAG: manifest_sha256(folder)},
    )


def find_version(client: mlflow.MlflowClient, wanted: ModelUri) -> ModelVersion:
    """Return what the registry says of a version."""
    try:
        if wanted.alias is not None:
            return client.get_model_version_by_alias(wanted.name, wanted.alias)
        return client.get_model_version(wanted.name, str(wanted.version))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise NotFound("registered model", str(wanted), NAME_ANOTHER) from None
        raise


def _make_filter(reference: str) -> str:
    """Return what MLflow is to search for: a run, or the hash of a folder's manifest."""
    if _RUN_ID.fullmatch(reference):
        return f"run_id = '{reference}'"
    return f"tags.`{MANIFEST_TAG}` = '{manifest_sha256(reference)}'"


def _check_named(name: str, uri: str) -> None:
    """Refuse a version that ipml did not register, unless the settings name its model; no hash vouches for it."""
    if f"models:/{name}" not in map(str.strip, get_settings().trusted_models.split(",")):
        remedy = f"If you trust all who can write to this store, set IPML_TRUSTED_MODELS=models:/{name}."
        raise UntrustedModel(uri, f"no tag {MANIFEST_TAG}", "a version registered by ipml", remedy)


def _fetch(client: mlflow.MlflowClient, wanted: ModelUri, registered: ModelVersion, part: str = "") -> Path:
    source = client.get_model_version_download_uri(registered.name, registered.version)
    try:
        return download(client, f"{source.rstrip('/')}/{part}".rstrip("/"))
    except (MlflowException, OSError) as error:
        raise NotFound("files of", str(wanted), f"The store says: {first_line(error)}. {NAME_ANOTHER}") from None


@dataclass(frozen=True, slots=True)
class ChampionMove:
    """One change of the champion.

    Attributes
    ----------
    number : int
        Place in the history, from 1; two who move at once may have the same.
    kind : str
        "promotion" or "rollback".
    version : int
        The version that became champion.
    replaced : int or None
        The version that was champion before.
    moved_at : datetime
        When, in UTC.
    moved_by : str
        Who, by the name of the account.
    reason : str
        Why.
    is_done : bool, default=False
        Confirmed after the change was made.

    Examples
    --------
    >>> from datetime import UTC
    >>> move = ChampionMove(1, "promotion", 3, 2, datetime(2026, 3, 1, tzinfo=UTC), "ada", "passed the gate", True)
    >>> ChampionMove.from_json(move.to_json()) == move
    True
    """

    number: int
    kind: Literal["promotion", "rollback"]
    version: int
    replaced: int | None
    moved_at: datetime
    moved_by: str
    reason: str
    is_done: bool = False

    def to_json(self) -> str:
        """Return the move as JSON, from which `from_json` makes it again."""
        return _JSON.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> ChampionMove:
        """Read a move that `to_json` wrote.

        Raises
        ------
        UnusableSetting
            Somebody else wrote it.
        """
        try:
            return _JSON.validate_json(text)
        except ValidationError as error:
            raise UnusableSetting("tag of a model", describe_faults(error), "a move that ipml noted") from error


_JSON = TypeAdapter(ChampionMove)


@dataclass(frozen=True, slots=True)
class Champions:
    """The champion of a registered model, and how it came to be.

    Attributes
    ----------
    current : int or None
        The version in use.
    moves : tuple of ChampionMove
        All notes, the oldest first.
    """

    current: int | None
    moves: tuple[ChampionMove, ...]

    @property
    def stack(self) -> tuple[int, ...]:
        """The versions to which one can go back, one after the other, and last the one in use."""
        return stack_champions(self.moves, self.current)

    @property
    def versions(self) -> frozenset[int]:
        """Every version that has been champion."""
        made = _find_made(self.moves, self.current)
        named = {move.version for move in made} | {move.replaced for move in made} | {self.current}
        return frozenset(version for version in named if version is not None)


def stack_champions(moves: Sequence[ChampionMove], current: int | None) -> tuple[int, ...]:
    """Return the champions that were not taken back, the oldest first and the one in use last.

    A promotion is put on top; a rollback takes away all above the version it goes back to.

    Examples
    --------
    >>> from datetime import UTC
    >>> moment = datetime(2026, 3, 1, tzinfo=UTC)
    >>> second = ChampionMove(1, "promotion", 2, 1, moment, "ada", "passed the gate", True)
    >>> third = ChampionMove(2, "promotion", 3, 2, moment, "ada", "passed the gate", True)
    >>> back = ChampionMove(3, "rollback", 2, 3, moment, "ada", "complaints", True)
    >>> stack_champions([second, third], 3), stack_champions([second, third, back], 2)
    ((1, 2, 3), (1, 2))
    """
    stack: list[int] = []
    for move in _find_made(moves, current):
        if move.replaced is not None:
            _put_on_top(stack, move.replaced)  # where the alias was set by other means
        if move.kind == "rollback" and move.version in stack:
            while stack[-1] != move.version:
                stack.pop()
        _put_on_top(stack, move.version)
    if current is not None:
        _put_on_top(stack, current)
    return tuple(stack)


def _put_on_top(stack: list[int], version: int) -> None:
    if stack[-1:] != [version]:
        stack.append(version)


def _find_made(moves: Sequence[ChampionMove], current: int | None) -> list[ChampionMove]:
    """Return the moves that were made: confirmed, or seen by the next note or in the registry."""
    after = [*(move.replaced for move in moves), current][1:]
    return [move for move, seen in zip(moves, after, strict=True) if move.is_done or move.version == seen]


MOVE_TAG = "ipml.champion."
VERSIONS_AT_A_TIME = 1_000
_TRY_AGAIN = "Look which model is in use, and try again."

Notes = Mapping[str, ChampionMove]


def read_champions(name: str = "ipml", tracking_uri: str | None = None) -> Champions:
    """Return the champion of a registered model and its history.

    Parameters
    ----------
    name : str, default="ipml"
        Name in the registry.
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.

    Raises
    ------
    NotFound, UnusableSetting
        No model of that name is registered.
    """
    wanted = str(parse_model_uri(f"models:/{name}@{CHAMPION}"))
    with open_store(find_store_of(wanted, tracking_uri)) as client:
        return Champions(_read_current(client, name), _in_order(_read_notes(client, name)))


def move_champion(
    name: str,
    version: int,
    *,
    replacing: int | None,
    kind: Literal["promotion", "rollback"],
    reason: str,
    tracking_uri: str | None = None,
) -> ChampionMove:
    """Make a version the champion, and note who did it when and why.

    Killed at any moment, it leaves the old champion or the new one, and the way back.

    Parameters
    ----------
    name, version : str, int
        The version in the registry.
    replacing : int or None
        The champion when it was decided to move; if it is another by now, nothing is changed.
    kind : str
        "promotion" or "rollback".
    reason : str
        Why, for those who read the history.

    Raises
    ------
    Conflict
        Another is champion than the one to be replaced, or somebody else is just moving it.
    NotFound
        There is no such version.
    """
    wanted = parse_model_uri(f"models:/{name}/{version}")
    with open_store(find_store_of(str(wanted), tracking_uri)) as client:
        before = _read_notes(client, name)
        _check_current(client, name, replacing)
        number = 1 + max((move.number for move in before.values()), default=0)
        move = ChampionMove(number, kind, version, replacing, datetime.now(UTC), _find_account(), reason)
        key = f"{MOVE_TAG}{number:06d}.{uuid.uuid4().hex[:8]}"
        _note(client, name, key, move)
        try:
            _check_alone(client, name, {*before, key})
            _check_current(client, name, replacing)
        except Conflict:
            client.delete_model_version_tag(name, str(version), key)
            raise
        client.set_registered_model_alias(name, CHAMPION, str(version))
        done = replace(move, is_done=True)
        _note(client, name, key, done)
        _check_current(client, name, version)
    return done


def _read_current(client: mlflow.MlflowClient, name: str) -> int | None:
    try:
        champion = client.get_registered_model(name).aliases.get(CHAMPION)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFound("registered model", f"models:/{name}", NAME_ANOTHER) from None
        raise
    return None if champion is None else int(champion)


def _read_notes(client: mlflow.MlflowClient, name: str) -> Notes:
    """Return the moves in the tags of all versions, by the name of the tag."""
    notes: dict[str, ChampionMove] = {}
    page = None
    while True:
        versions = client.search_model_versions(f"name = '{name}'", max_results=VERSIONS_AT_A_TIME, page_token=page)
        for version in versions:
            notes |= {
                key: ChampionMove.from_json(text) for key, text in version.tags.items() if key.startswith(MOVE_TAG)
            }
        page = versions.token
        if not page:
            return notes


def _in_order(notes: Notes) -> tuple[ChampionMove, ...]:
    return tuple(sorted(notes.values(), key=lambda move: (move.number, move.moved_at)))


def _note(client: mlflow.MlflowClient, name: str, key: str, move: ChampionMove) -> None:
    try:
        client.set_model_version_tag(name, str(move.version), key, move.to_json())
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFound("registered model", f"models:/{name}/{move.version}", NAME_ANOTHER) from None
        raise


def _check_current(client: mlflow.MlflowClient, name: str, expected: int | None) -> None:
    current = _read_current(client, name)
    if current != expected:
        raise Conflict(name, f"found {_in_words(current)}, expected {_in_words(expected)}", _TRY_AGAIN)


def _check_alone(client: mlflow.MlflowClient, name: str, known: set[str]) -> None:
    others = _in_order({key: move for key, move in _read_notes(client, name).items() if key not in known})
    if others:
        found = f"{others[0].moved_by} is just making version {others[0].version} the champion"
        raise Conflict(name, found, _TRY_AGAIN)


def _in_words(version: int | None) -> str:
    return "no champion" if version is None else f"version {version} as champion"


def _find_account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # in a container without accounts; which one depends on the platform
        return "unknown"
