"""The champion in the registry: which version it is, and how another takes its place.

The alias is set in one step, so that there is a champion at every moment. MLflow cannot set it on condition that
nobody else has; so a change is noted first, as a tag of the version, and made only if no other note has come
meanwhile. What remains is the moment between the last look and the change: two may then both be told of success, the
later one is champion, and the history holds both.
"""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import mlflow
from mlflow.exceptions import MlflowException

from ipml.errors import ChampionMoved, ModelNotFound
from ipml.model.tracking.history import Champions, Move
from ipml.model.tracking.registry import CHAMPION
from ipml.model.tracking.store import find_store_of, open_store
from ipml.model.tracking.uris import parse_model_uri

MOVE_TAG = "ipml.champion."
VERSIONS_AT_A_TIME = 1_000

Notes = Mapping[str, Move]


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
    ModelNotFound, UnusableModelName
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
) -> Move:
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
    ChampionMoved
        Another is champion than the one to be replaced, or somebody else is just moving it.
    ModelNotFound
        There is no such version.
    """
    wanted = parse_model_uri(f"models:/{name}/{version}")
    with open_store(find_store_of(str(wanted), tracking_uri)) as client:
        before = _read_notes(client, name)
        _check_current(client, name, replacing)
        number = 1 + max((move.number for move in before.values()), default=0)
        move = Move(number, kind, version, replacing, datetime.now(UTC), _find_account(), reason)
        key = f"{MOVE_TAG}{number:06d}.{uuid.uuid4().hex[:8]}"
        _note(client, name, key, move)
        try:
            _check_alone(client, name, {*before, key})
            _check_current(client, name, replacing)
        except ChampionMoved:
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
            raise ModelNotFound(f"models:/{name}", "a registered model") from None
        raise
    return None if champion is None else int(champion)


def _read_notes(client: mlflow.MlflowClient, name: str) -> Notes:
    """Return the moves in the tags of all versions, by the name of the tag."""
    notes: dict[str, Move] = {}
    page = None
    while True:
        versions = client.search_model_versions(f"name = '{name}'", max_results=VERSIONS_AT_A_TIME, page_token=page)
        for version in versions:
            notes |= {key: Move.from_json(text) for key, text in version.tags.items() if key.startswith(MOVE_TAG)}
        page = versions.token
        if not page:
            return notes


def _in_order(notes: Notes) -> tuple[Move, ...]:
    return tuple(sorted(notes.values(), key=lambda move: (move.number, move.moved_at)))


def _note(client: mlflow.MlflowClient, name: str, key: str, move: Move) -> None:
    try:
        client.set_model_version_tag(name, str(move.version), key, move.to_json())
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise ModelNotFound(f"models:/{name}/{move.version}", "a registered model") from None
        raise


def _check_current(client: mlflow.MlflowClient, name: str, expected: int | None) -> None:
    current = _read_current(client, name)
    if current != expected:
        raise ChampionMoved(name, _in_words(current), _in_words(expected))


def _check_alone(client: mlflow.MlflowClient, name: str, known: set[str]) -> None:
    others = _in_order({key: move for key, move in _read_notes(client, name).items() if key not in known})
    if others:
        found = f"{others[0].moved_by} just making version {others[0].version} the champion"
        raise ChampionMoved(name, found, "nobody else to do so")


def _in_words(version: int | None) -> str:
    return "no champion" if version is None else f"version {version} as champion"


def _find_account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # in a container without accounts; which one depends on the platform
        return "unknown"
