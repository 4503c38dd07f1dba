"""Champion of a registered model: moves MLflow's alias, and keeps the history of its moves in tags of the versions.

Each move is written as a tag before the alias is set, so a process killed in between leaves a note without effect:
the champion that it should have replaced is still in use, and the note does not count.

Beside an SQLite store a lock lets one process at a time move the champion. On an MLflow server, on Windows and on file
systems without locks there is none, and MLflow cannot set an alias on condition. A move is then refused only if
another was finished before it began, or overwrote it at once; of two within the same moment both may report success,
the later one is champion, and both notes remain.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import mlflow
from mlflow.exceptions import MlflowException
from pydantic import TypeAdapter, ValidationError

from ipml.errors import Conflict, NotFound, UnusableSetting, describe_faults
from ipml.model.tracking.store import (
    NAME_ANOTHER,
    find_sqlite_file,
    find_store_of,
    lock_store,
    open_store,
    parse_model_uri,
)

CHAMPION, CHALLENGER = "champion", "challenger"
MOVE_TAG = "ipml.champion."
VERSIONS_AT_A_TIME = 1_000

MoveKind = Literal["promotion", "rollback"]


@dataclass(frozen=True, slots=True)
class ChampionMove:
    """One change of the champion.

    Attributes
    ----------
    number : int
        Place in the history, from 1; two moves at the same moment on a server may share one.
    replaced : int or None
        The version that was champion before.
    moved_at : datetime
        In UTC.
    moved_by : str
        Name of the account.

    Examples
    --------
    >>> from datetime import UTC
    >>> move = ChampionMove(1, "promotion", 3, 2, datetime(2026, 3, 1, tzinfo=UTC), "ada", "passed the gate")
    >>> ChampionMove.from_json(move.to_json()) == move
    True
    """

    number: int
    kind: MoveKind
    version: int
    replaced: int | None
    moved_at: datetime
    moved_by: str
    reason: str

    def to_json(self) -> str:
        """Return the move as JSON."""
        return _JSON.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> ChampionMove:
        """Read a move that `to_json` wrote; fields of earlier releases are ignored.

        Raises `UnusableSetting`: another program wrote the text.
        """
        try:
            return _JSON.validate_json(text)
        except ValidationError as error:
            raise UnusableSetting("tag of a model", describe_faults(error), "a move that ipml noted") from error


_JSON = TypeAdapter(ChampionMove)


@dataclass(frozen=True, slots=True)
class Champions:
    """Champion of a registered model (None without one), and all noted moves, the oldest first.

    >>> from datetime import UTC
    >>> moment = datetime(2026, 3, 1, tzinfo=UTC)
    >>> second = ChampionMove(1, "promotion", 2, 1, moment, "ada", "passed the gate")
    >>> third = ChampionMove(2, "promotion", 3, 2, moment, "ada", "passed the gate")
    >>> back = ChampionMove(3, "rollback", 2, 3, moment, "ada", "complaints")
    >>> Champions(3, (second, third)).stack, Champions(2, (second, third, back)).stack
    ((1, 2, 3), (1, 2))
    """

    current: int | None
    moves: tuple[ChampionMove, ...]

    @property
    def stack(self) -> tuple[int, ...]:
        """The champions that were not taken back, the oldest first and the one in use last.

        A promotion is put on top; a rollback removes all above the version to which it returns.
        """
        stack: list[int] = []
        for move in _select_made(self.moves, self.current):
            if move.replaced is not None:
                _put_on_top(stack, move.replaced)  # differs where the alias was set in MLflow itself
            if move.kind == "rollback" and move.version in stack:
                while stack[-1] != move.version:
                    stack.pop()
            _put_on_top(stack, move.version)
        if self.current is not None:
            _put_on_top(stack, self.current)
        return tuple(stack)

    @property
    def versions(self) -> frozenset[int]:
        """Every version that has been champion."""
        made = _select_made(self.moves, self.current)
        named = {move.version for move in made} | {move.replaced for move in made} | {self.current}
        return frozenset(version for version in named if version is not None)


def _put_on_top(stack: list[int], version: int) -> None:
    if stack[-1:] != [version]:
        stack.append(version)


def _select_made(moves: Sequence[ChampionMove], current: int | None) -> list[ChampionMove]:
    """Return the moves after which another version than the replaced one was champion."""
    champions_after = [*(move.replaced for move in moves), current][1:]
    return [move for move, after in zip(moves, champions_after, strict=True) if after != move.replaced]


def read_champions(name: str, tracking_uri: str) -> Champions:
    """Return the champion of a registered model and its history.

    Parameters
    ----------
    name : str
        Name in the registry.

    Raises
    ------
    NotFound, UnusableSetting
        No model of that name is registered.
    """
    uri = str(parse_model_uri(f"models:/{name}@{CHAMPION}"))
    with open_store(find_store_of(uri, tracking_uri)) as client:
        return _read(client, name)


def move_champion(
    name: str,
    version: int,
    *,
    replacing: int | None,
    kind: MoveKind,
    reason: str,
    tracking_uri: str,
) -> ChampionMove:
    """Make a version the champion, and note who did it, when and why.

    Parameters
    ----------
    name, version : str, int
        The version in the registry.
    replacing : int or None
        The champion when the move was decided; if it is another by now, nothing is changed.
    kind : {"promotion", "rollback"}
    reason : str
        Shown in the history.

    Raises
    ------
    Conflict
        Another version is champion than the one to be replaced.
    NotFound
        The version does not exist.
    """
    uri = str(parse_model_uri(f"models:/{name}/{version}"))
    store = find_store_of(uri, tracking_uri)
    with open_store(store) as client, lock_store(find_sqlite_file(store)):
        before = _read(client, name)
        _check_current(name, before.current, replacing)
        number = 1 + max((move.number for move in before.moves), default=0)
        move = ChampionMove(number, kind, version, replacing, datetime.now(UTC), _find_account(), reason)
        try:
            client.set_model_version_tag(name, str(version), f"{MOVE_TAG}{number:06d}", move.to_json())
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise NotFound("registered model", uri, NAME_ANOTHER) from None
            raise
        client.set_registered_model_alias(name, CHAMPION, str(version))
        _check_current(name, _read(client, name).current, version)
    return move


def _read(client: mlflow.MlflowClient, name: str) -> Champions:
    """Read the alias, and the moves in the tags of all versions."""
    try:
        champion = client.get_registered_model(name).aliases.get(CHAMPION)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFound("registered model", f"models:/{name}", NAME_ANOTHER) from None
        raise
    moves: list[ChampionMove] = []
    page: str | None = None
    while page != "":
        versions = client.search_model_versions(f"name = '{name}'", max_results=VERSIONS_AT_A_TIME, page_token=page)
        for version in versions:
            moves += [ChampionMove.from_json(text) for key, text in version.tags.items() if key.startswith(MOVE_TAG)]
        page = versions.token or ""
    moves.sort(key=lambda move: (move.number, move.moved_at))
    return Champions(None if champion is None else int(champion), tuple(moves))


def _check_current(name: str, current: int | None, expected: int | None) -> None:
    if current != expected:
        found, wished = ("no champion" if n is None else f"version {n} as champion" for n in (current, expected))
        raise Conflict(name, f"found {found}, expected {wished}", "Look which model is in use, and try again.")


def _find_account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # in a container without accounts; which one depends on the platform
        return "unknown"
