"""`ipml enqueue` puts a scored file into the queue."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.places import tell_place

from ipml.cli import make_commands
from ipml.review.queue import list_cases
from ipml.storage.database import open_database, reading

NONE = "0 changed, 0 returned because their score rose, 0 rescored,"
SCORES = [0.9, 0.1, None, 0.5]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[str, list[Any]]]:
    """Return a function that enqueues a file of four listings and gives the output and the queue's scores."""
    rows = [
        {
            "listing_id": f"L{number}",
            "seller_id": "s1",
            "title": "Leather wallet, ünïque",
            "observed_at": "2024-05-01T00:00:00Z",
            "score": score,
            "log_odds": 1.5,
            "abstained": None if score is not None else "no text",
            "model_version": "m1",
            "reasons": json.dumps([{"feature": "f", "sentence": "Price is low", "weight": 0.25}]),
        }
        for number, score in enumerate(SCORES)
    ]
    file = tmp_path / "scored.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    url = f"sqlite:///{tmp_path}/ipml.db"

    def invoke(*options: str) -> tuple[str, list[Any]]:
        result = CliRunner().invoke(make_commands(), ["enqueue", str(file), "--database", url, *options])
        assert result.exit_code == 0, result.output
        with reading(open_database(url)) as connection:
            return result.stdout, [case.scored.score for case in list_cases(connection)]

    return invoke


def test_a_scored_file_becomes_the_queue(run: Callable[..., tuple[str, list[Any]]]):
    """All of it, best first; a second time nothing is new."""
    assert run() == (f"4 new, {NONE} 0 unchanged.\n", [0.9, 0.5, 0.1, None])
    assert run() == (f"0 new, {NONE} 4 unchanged.\n", [0.9, 0.5, 0.1, None])


@pytest.mark.parametrize(
    ("options", "scores"),
    [
        (["--top", "2"], [0.9, 0.5]),
        (["--min-score", "0.5"], [0.9, 0.5]),
        (["--min-score", "0.2", "--top", "1"], [0.9]),
        (["--top", "4"], [0.9, 0.5, 0.1, None]),
    ],
)
def test_options_keep_what_is_worth_a_persons_time(
    run: Callable[..., tuple[str, list[Any]]], options: list[str], scores: list[Any]
):
    """The most suspicious, or those above a score, or both."""
    assert run(*options, "--explore", "0")[1] == scores


def test_known_listings_count_among_the_most_suspicious(run: Callable[..., tuple[str, list[Any]]]):
    """N is of the file, whatever the queue knows of it already."""
    run("--top", "1", "--explore", "0")
    output, scores = run("--top", "2", "--explore", "0")
    assert output.startswith("1 new, ")
    assert scores == [0.9, 0.5]


def test_other_listings_are_drawn_beside_the_most_suspicious(run: Callable[..., tuple[str, list[Any]]]):
    """With time for more drawn listings than there are others, all are drawn; the sure one stays first."""
    output, scores = run("--top", "1", "--explore", "0.99")
    assert output == f"4 new, {NONE} 0 unchanged. 3 of them drawn.\n"
    assert scores == [0.9, 0.5, 0.1, None]


def test_a_deadline_is_given_to_all(run: Callable[..., tuple[str, list[Any]]], tmp_path: Path):
    """Cases of a notice say within how many hours they are due."""
    run("--due-in", "24")
    with reading(open_database(f"sqlite:///{tmp_path}/ipml.db")) as connection:
        said = tell_place(connection, 1, datetime.now(UTC))
    assert any(sentence in ("due in 23 h", "due in 24 h") for sentence in said)


def test_a_file_that_is_not_there_makes_no_database(tmp_path: Path):
    """A misspelt name is the user's mistake, and leaves nothing behind."""
    arguments = ["enqueue", str(tmp_path / "no.jsonl"), "--database", f"sqlite:///{tmp_path}/ipml.db"]
    assert CliRunner().invoke(make_commands(), arguments).exit_code == 2
    assert list(tmp_path.iterdir()) == []
