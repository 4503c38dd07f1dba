"""A command run as from a terminal: what it exits with, and what it prints where."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.staff import OPERATOR

from ipml.cli import main
from ipml.model.model_file import save_model
from ipml.settings import get_settings


class Answer(NamedTuple):
    """What a command answered."""

    exit_code: int
    out: str
    err: str


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run commands among the slow tests: each reads files and opens a database before it does anything."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def ipml(tmp_path, monkeypatch, capfd) -> Callable[..., Answer]:
    """Return a function that runs `ipml` with some arguments, in the test's own folder and with default settings."""
    for name in ("DATABASE", "TRACKING", "MODEL", "MODEL_KEY", "DATA", "BRANDS", "NETWORKS"):
        monkeypatch.delenv(f"IPML_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LOGNAME", OPERATOR)  # who runs the commands
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["ipml", *map(str, arguments)])
        capfd.readouterr()
        get_settings.cache_clear()
        try:
            with pytest.raises(SystemExit) as exited:
                main()
        finally:
            get_settings.cache_clear()
        return Answer(exited.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def saved_model(classifier, tmp_path_factory) -> Path:
    """Return the folder of the small marketplace's model."""
    folder = tmp_path_factory.mktemp("saved") / "market"
    save_model(classifier, folder, name="market", data_digest="0", experiment={}, figures={})
    return folder
