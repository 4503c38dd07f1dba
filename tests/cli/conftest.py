"""A command run as from a terminal: what it exits with, and what it prints where."""

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine
from support.databases import copy_sqlite
from support.staff import OPERATOR, add_staff

from ipml.cli import main
from ipml.model.model_file import save_model
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.settings import get_settings
from ipml.storage.database import open_database, writing


class Answer(NamedTuple):
    """What a command answered."""

    exit_code: int
    out: str
    err: str

    def is_refusal(self, *words: str) -> bool:
        """Say whether it is one printable line with these words, and exit code 2."""
        line = self.err.removesuffix("\n")
        is_line = line.startswith("ipml: ") and line.isprintable() and len(line) < 2_000
        return (self.exit_code, self.out) == (2, "") and is_line and all(word in line for word in words)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run commands among the slow tests: each reads files and opens a database before it does anything."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent in (here, here / "desk") and "ipml" in item.fixturenames:  # type: ignore[attr-defined]
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def ipml(tmp_path, monkeypatch, capfd) -> Callable[..., Answer]:
    """Return a function that runs a line, and more arguments as they are, in the test's own folder.

    The settings are the default ones, so the database is `ipml.db` in that folder.
    """
    for name in ("DATABASE", "TRACKING", "MODEL", "MODEL_KEY", "DATA", "BRANDS", "NETWORKS"):
        monkeypatch.delenv(f"IPML_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LOGNAME", OPERATOR)  # who runs the commands
    monkeypatch.chdir(tmp_path)

    def run(line: str, *more: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["ipml", *shlex.split(line), *map(str, more)])
        capfd.readouterr()
        get_settings.cache_clear()
        try:
            with pytest.raises(SystemExit) as exited:
                main()
        finally:
            get_settings.cache_clear()
        return Answer(exited.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture
def accepted(ipml) -> Callable[[Mapping[str, str]], dict[str, Answer]]:
    """Return a function that runs lines, each to be refused with some words, and returns what was not refused so."""

    def run(refusals: Mapping[str, str]) -> dict[str, Answer]:
        answers = {line: ipml(line) for line in refusals}
        return {line: answer for line, answer in answers.items() if not answer.is_refusal(refusals[line])}

    return run


@pytest.fixture
def make_queue(ipml, tmp_path) -> Callable[..., Engine]:
    """Return a function that puts listings into the queue of the test's own folder; ana finds some counterfeit."""

    def make(*listings: Listing, counterfeit: Iterable[int] = (), score: float = 0.9, **said: object) -> Engine:
        engine = open_database(copy_sqlite(tmp_path))
        add_staff(engine)
        enqueue(engine, [ScoredListing(one, score, 2.2, (), (), None, "m1") for one in listings])
        for case_id in counterfeit:
            with writing(engine) as connection:
                held = claim(connection, "ana", case_id)
                decide(connection, DecisionRequest(held, Verdict.COUNTERFEIT, "declared_replica"), **said)
        return engine

    return make


@pytest.fixture(scope="session")
def saved_model(classifier, tmp_path_factory) -> Path:
    """Return the folder of the small marketplace's model."""
    folder = tmp_path_factory.mktemp("saved") / "market"
    save_model(classifier, folder, name="market", data_digest="0", experiment={}, figures={})
    return folder
