"""`ipml enqueue` puts a scored file into the queue."""

import json
from datetime import UTC, datetime

import pytest
from support.places import tell_place

from ipml.review.queue import list_cases
from ipml.storage.database import open_database, reading

NONE = "0 changed, 0 returned because their score rose, 0 rescored,"
SCORES = [0.9, 0.1, None, 0.5]


@pytest.fixture
def run(ipml, tmp_path):
    """Return a function that enqueues a file of four listings and gives the output and the queue's scores."""
    said = {"seller_id": "s1", "title": "Leather wallet, ünïque", "observed_at": "2024-05-01T00:00:00Z"}
    reasons = json.dumps([{"feature": "f", "sentence": "Price is low", "weight": 0.25}])
    said |= {"log_odds": 1.5, "model_version": "m1", "reasons": reasons}
    rows = [
        {"listing_id": f"L{number}", "score": score, "abstained": None if score is not None else "no text", **said}
        for number, score in enumerate(SCORES)
    ]
    (tmp_path / "scored.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")

    databases: list[str] = []

    def invoke(options: str = "", is_new: bool = True):
        if is_new:
            databases.append(f"sqlite:///{tmp_path}/{len(databases)}.db")
        url = databases[-1]
        answer = ipml(f"enqueue scored.jsonl {options}", "--database", url)
        assert answer.exit_code == 0, answer
        with reading(open_database(url)) as connection:
            return answer.out, [case.scored.score for case in list_cases(connection)]

    return invoke


def test_a_scored_file_becomes_the_queue(run):
    """All of it, best first; a second time nothing is new."""
    assert run() == (f"4 new, {NONE} 0 unchanged.\n", [0.9, 0.5, 0.1, None])
    assert run(is_new=False) == (f"0 new, {NONE} 4 unchanged.\n", [0.9, 0.5, 0.1, None])


def test_options_keep_what_is_worth_a_persons_time(run):
    """The most suspicious of the file, or those above a score, or both; beside them, others are drawn."""
    kept = {
        "--top 2": [0.9, 0.5],
        "--min-score 0.5": [0.9, 0.5],
        "--min-score 0.2 --top 1": [0.9],
        "--top 4": [0.9, 0.5, 0.1, None],
    }
    assert {options: run(f"{options} --explore 0")[1] for options in kept} == kept
    run("--top 1 --explore 0")
    output, scores = run("--top 2 --explore 0", is_new=False)
    assert (output[:6], scores) == ("1 new,", [0.9, 0.5])
    drawn = run("--top 1 --explore 0.99")  # with time for more drawn listings than there are others
    assert drawn == (f"4 new, {NONE} 0 unchanged. 3 of them drawn.\n", [0.9, 0.5, 0.1, None])


def test_a_deadline_is_given_to_all(run, tmp_path):
    """Cases of a notice say within how many hours they are due."""
    run("--due-in 24")
    with reading(open_database(f"sqlite:///{tmp_path}/0.db")) as connection:
        said = tell_place(connection, 1, datetime.now(UTC))
    assert {"due in 23 h", "due in 24 h"} & set(said)
