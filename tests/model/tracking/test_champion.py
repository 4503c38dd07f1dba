"""The champion moves in one step, its history is kept, and of two moves at once only one succeeds."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from threading import Thread

import mlflow
import pytest

from ipml.errors import Conflict, NotFound, UnusableSetting
from ipml.model.tracking import move_champion, read_champions, resolve_model
from ipml.model.tracking.champion import MOVE_TAG, ChampionMove

pytestmark = pytest.mark.slow

WRITES = ("set_model_version_tag", "set_registered_model_alias")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def at_write(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Return a function that has something happen once, just before the n-th write (from 0) to the registry."""

    def at_write(n: int, happen: Callable[[], object]) -> None:
        written = 0

        def wrap(write: Callable) -> Callable:
            def count(*arguments: object, **named: object) -> object:
                nonlocal written
                written += 1
                if written == n + 1:
                    happen()
                return write(*arguments, **named)

            return count

        for name in WRITES:
            monkeypatch.setattr(mlflow.MlflowClient, name, wrap(getattr(mlflow.MlflowClient, name)))

    return at_write


def kill() -> None:
    """End the process."""
    raise Killed


def promote(name: str, version: int, replacing: int | None, store: str) -> ChampionMove:
    """Move the champion up."""
    return move_champion(name, version, replacing=replacing, kind="promotion", reason="better", tracking_uri=store)


def roll_back(name: str, version: int, replacing: int | None, store: str) -> ChampionMove:
    """Move the champion back."""
    return move_champion(name, version, replacing=replacing, kind="rollback", reason="worse", tracking_uri=store)


def test_a_move_is_noted_with_who_when_and_why(register, store):
    """The alias points to the version, and a tag of it in MLflow says what it replaced, by whom, when, and why."""
    name, before = register(2), datetime.now(UTC)
    made = promote(name, 2, 1, store)
    champions = read_champions(name, store)
    (move,) = champions.moves
    assert champions.current == move.version == 2
    assert (move.kind, move.replaced, move.reason) == ("promotion", 1, "better")
    assert before <= move.moved_at <= before + timedelta(minutes=1)
    assert move.moved_by
    assert resolve_model(f"models:/{name}@champion", store)
    tags = mlflow.MlflowClient(store, store).get_model_version(name, "2").tags
    assert [ChampionMove.from_json(text) for key, text in tags.items() if key.startswith(MOVE_TAG)] == [move] == [made]


def test_history_is_a_stack(register, store):
    """Each move back takes one away, each move up puts one on; so does an alias that somebody set in MLflow."""
    name = register(3)
    mlflow.MlflowClient(store, store).set_registered_model_alias(name, "champion", "2")
    promote(name, 3, 2, store)
    assert read_champions(name, store).stack == (2, 3)
    promote(name, 1, 3, store)
    roll_back(name, 3, 1, store)
    assert read_champions(name, store).stack == (2, 3)
    roll_back(name, 2, 3, store)
    assert read_champions(name, store).stack == (2,)
    assert len(read_champions(name, store).moves) == 4


@pytest.mark.parametrize("n_writes", range(2))
def test_killed_at_any_step_there_is_a_champion_and_a_way_back(register, store, at_write, n_writes):
    """A move that is killed before its note or before the alias is set was not made, and the next command works."""
    name = register(3)
    promote(name, 2, 1, store)
    at_write(n_writes, kill)
    with pytest.raises(Killed):
        promote(name, 3, 2, store)
    assert read_champions(name, store).stack == (1, 2)
    at_write(n_writes, kill)
    with pytest.raises(Killed):
        roll_back(name, 1, 2, store)
    assert read_champions(name, store).stack == (1, 2)
    promote(name, 3, 2, store)
    champions = read_champions(name, store)
    assert champions.stack == (1, 2, 3)
    assert champions.versions == {1, 2, 3}


@pytest.mark.skipif(sys.platform == "win32", reason="stores are not locked there")
@pytest.mark.parametrize("n_writes", range(2))
def test_of_two_at_once_one_is_refused(register, store, at_write, n_writes):
    """A move that begins between another's steps waits, finds another champion, and moves and notes nothing."""
    name, refused = register(3), []

    def overtake() -> None:
        try:
            promote(name, 3, 1, store)
        except Conflict as error:
            refused.append(str(error))

    other = Thread(target=overtake)
    at_write(n_writes, other.start)
    promote(name, 2, 1, store)
    other.join()
    (message,) = refused
    assert "found version 2 as champion, expected version 1" in message
    champions = read_champions(name, store)
    assert champions.stack == (1, 2)
    assert [move.version for move in champions.moves] == [2]


def test_a_move_without_lock_that_is_overwritten_at_once_is_reported(register, store, at_write, monkeypatch):
    """On a server, two moves at once leave a champion that was reported as made, and both notes."""
    monkeypatch.setattr("ipml.model.tracking.champion.lock_store", nullcontext)
    name = register(3)
    at_write(1, lambda: promote(name, 3, 1, store))
    promote(name, 2, 1, store)
    champions = read_champions(name, store)
    assert champions.stack[-1] == champions.current == 2
    assert [move.version for move in champions.moves] == [2, 3]


def test_a_move_decided_under_another_champion_is_refused(register, store):
    """It moves nothing and leaves no note."""
    name = register(3)
    with pytest.raises(Conflict, match="version 1 as champion"):
        promote(name, 3, 2, store)
    assert read_champions(name, store).moves == ()


def test_what_is_not_there_is_said_so(register, store, tmp_path):
    """An unknown model, version or store, and a note that ipml did not write, are one line and change nothing."""
    name = register(1)
    with pytest.raises(NotFound):
        read_champions("nobody", store)
    with pytest.raises(NotFound, match=f"models:/{name}/9"):
        promote(name, 9, 1, store)
    with pytest.raises(NotFound, match="registry"):
        read_champions(name, f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(UnusableSetting):
        read_champions("../x", store)
    assert read_champions(name, store).stack == (1,)
    assert list(tmp_path.iterdir()) == []
    mlflow.MlflowClient(store, store).set_model_version_tag(name, "1", f"{MOVE_TAG}x", "{}")
    with pytest.raises(UnusableSetting, match="tag of a model"):
        read_champions(name, store)
