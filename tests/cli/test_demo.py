"""`ipml demo` walks the whole street, or a whole year, and says where everything is."""

import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import func, select

from ipml.cli.demo import PEOPLE, USER, _describe, describe_year
from ipml.cooperation.networks.store import load_networks
from ipml.records import Listing, Reason, ScoredListing
from ipml.review.cases import count_cases
from ipml.review.pictures.reference import list_references
from ipml.review.pictures.stored import path_of
from ipml.review.worklists.search import Filter, browse_cases
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.scorer import load_model
from ipml.simulation.year.population import Plan
from ipml.simulation.year.programme import TrainedModel, YearResult
from ipml.simulation.year.run import Account, YearFigure
from ipml.simulation.year.weekly_scores import Timings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import open_database, reading
from ipml.storage.tables import appeals, case_comments, notices, outbox, pictures, review_queues
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import list_users


def make_scored(title: str, *sentences: str, **listing) -> ScoredListing:
    """Return a scored listing with reasons of rising weight, the lightest of which speaks for genuine."""
    reasons = tuple(Reason("f", sentence, weight) for weight, sentence in enumerate(sentences, start=-1))
    return ScoredListing(Listing("1", "s", title, **listing), 0.5, 0.0, reasons, (), None, "m/1")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Return the folder in which the demonstrations run."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(home) -> subprocess.CompletedProcess[str]:
    """Return the first demonstration."""
    return run(home)


def run(home: Path) -> subprocess.CompletedProcess[str]:
    """Run a small demonstration as from a terminal, with warnings as anybody sees them."""
    command = [sys.executable, "-m", "ipml", "demo", "--listings", "2000", "--seed", "3"]
    return subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)


def test_what_a_seller_wrote_is_inert_in_the_terminal():
    """Letters that a terminal would obey are shown as one that says so."""
    for title in ("\x1b[2J", "a\rb", "\u202egnp.exe", "line\nbreak", "\x07"):
        shown = _describe(1, make_scored(title, "genuine", "zero", f"Says “{title}”"))
        assert not any(letter in shown for letter in "\x1b\r\u202e\x07")
        assert shown.count("\n") == 2


def test_a_listing_is_shown_with_three_reasons_against_it():
    """The strongest come first; what speaks for a listing is not among them, nor is a price where there is none."""
    shown = _describe(7, make_scored("Wool hat", "genuine", "zero", "one", "two", "three", "four"))
    assert shown.startswith("  7. 50.0%  Wool hat  (no price)")
    assert re.findall(r"[+-]\d\.\d +(\w+)", shown) == ["four", "three", "two"]
    assert "(1,234.50 EUR)" in _describe(1, make_scored("Hat", price=1234.5, currency="EUR"))


def test_what_cannot_be_is_refused_and_nothing_is_made(ipml, tmp_path):
    """Too small a marketplace, a scale out of bounds, and a file in the place of its own folder."""
    for line, words in (("--listings 10", "--listings"), ("--year --scale 7 --out year", "a scale from")):
        answer = ipml(f"demo {line}")
        assert (answer.exit_code, words in answer.err) == (2, True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").touch()
    answer = ipml("demo --out there")
    assert (answer.exit_code, answer.out) == (2, "")
    assert re.fullmatch(r"ipml: .*there.*\n", answer.err)


@pytest.mark.slow
def test_figures_and_the_most_suspicious_are_shown_and_nothing_strange(first):
    """The model beside its baselines, ten listings with reasons; else steps alone, and commands that work."""
    assert first.returncode == 0
    step = r"[A-Z][a-z ,\-]+(\(\d of \d\))?\n"
    assert re.fullmatch(
        rf"({step})+Marketplace: 2,000 listings in ipml-demo/market\n({step})+"
        r"Model: ipml/\w{12}\. Registered as models:/ipml/1, "
        r"alias (champion|challenger: (refused by the gate|passed, but) .+)\n"
        rf"({step})+Shift: \d+ cases decided, \d+ open, 3 escalated; 5 appeals, 8 notices,"
        r"\s+\d+\s+messages\s+delivered,\s+\d+\s+networks,\s+[01]\s+referral\n",
        first.stderr,
    )
    assert re.search(r"^average precision +0\.\d{3}", first.stdout, re.MULTILINE)
    assert [int(rank) for rank in re.findall(r"^ +(\d+)\. \d+\.\d%  ", first.stdout, re.MULTILINE)] == [*range(1, 11)]
    printed = re.findall(r"^ {4}(\S.*?) (?:demo|ui) --", first.stdout, re.MULTILINE)
    assert len(printed) == 2
    for command in printed:
        subprocess.run([*shlex.split(command), "--help"], check=True, capture_output=True)


@pytest.mark.slow
def test_everything_lies_in_one_folder(home, first):
    """A model that loads, a marketplace, scores, pictures, and a queue that holds the most suspicious."""
    out = home / "ipml-demo"
    assert {path.name for path in home.iterdir()} == {"ipml-demo"}
    assert load_model(out / "models" / "demo").version in first.stderr
    assert len(pd.read_parquet(out / "market" / "listings.parquet")) == 2_000
    scores = sorted((one.score or 0.0 for one in read_scored(out / "scored.parquet")), reverse=True)
    engine = open_database(f"sqlite:///{out / 'ipml.db'}")
    with reading(engine) as connection:
        shown = browse_cases(connection, Filter(state=None), limit=600)
        drawn = connection.scalars(select(pictures.c.digest).where(pictures.c.state == "stored")).all()
        kinds = Counter(one.kind for one in list_references(connection))
    engine.dispose()
    assert sorted((case.scored.score for case in shown), reverse=True) == scores[:500]
    assert len(drawn) == 150
    assert all(path_of(out / "pictures", digest).exists() for digest in drawn)
    assert min(kinds.values()) > 0
    assert all(case.scored.reasons for case in shown)
    assert all(case.scored.score_low <= case.scored.score <= case.scored.score_high for case in shown)
    assert "Reasons: what speaks for a counterfeit" in (out / "models" / "demo.report.html").read_text("utf-8")


@pytest.mark.slow
def test_the_desk_is_in_the_middle_of_a_shift(home, first):
    """Cases wait with pictures, appeals and notices are pending, a delivery failed, and every role has a user."""
    assert first.returncode == 0
    with reading(open_database(f"sqlite:///{home / 'ipml-demo' / 'ipml.db'}")) as connection:
        counts, waiting = count_cases(connection, as_listed=True), browse_cases(connection, limit=500)
        rows = {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in (appeals, notices, case_comments, review_queues)
        }
        failed = connection.scalar(select(func.count()).where(outbox.c.last_error.is_not(None)))
        roles = Counter(user.role for user in list_users(connection))
        assert verify(connection).is_intact
    assert (counts["escalated"], 40 <= counts["open"] <= 80) == (3, True)
    assert all(case.scored.listing.image_urls for case in waiting)
    assert rows == {"appeals": 5, "notices": 8, "case_comments": 4, "review_queues": 2}
    assert failed == 1
    assert roles.keys() == set(Role)
    assert load_networks(home / "ipml-demo" / "networks").numbers


@pytest.mark.slow
def test_a_second_demonstration_adds_a_challenger_and_no_user(home, first):
    """The same marketplace and figures; the password given out the first time still holds."""
    second = run(home)
    assert second.returncode == 0
    assert "Registered as models:/ipml/2" in second.stderr
    assert first.stdout.split("Open the")[0] == second.stdout.split("Open the")[0]
    assert f"as {USER} (lead)" in first.stdout
    with reading(open_database(f"sqlite:///{home / 'ipml-demo' / 'ipml.db'}")) as connection:
        assert {user.name for user in list_users(connection)} == PEOPLE.keys()


# `ipml demo --year` shows the account of a year, and refuses one that cannot be run
def test_the_account_names_each_figure_beside_history_and_where_the_time_went():
    """With a line on what the simulation does not show."""
    timings = Timings()
    timings.add("review", 12.0, 15.0)
    result = YearResult(timings=timings, peak=2**30, peak_beside=2**29, seconds=20.0)
    figures = [YearFigure("gangs", "41", "F1 0.95", "43", "43")]
    told = describe_year(Account(Plan(0.001), TrainedModel(Path("model"), 0.25, 0.7, 0.8), result, figures))
    lines = told.splitlines()
    assert "not how good it is on your listings" in told
    assert "gangs   43       43             41         F1 0.95" in lines
    assert any(line.split() == ["review", "12.0", "15.0"] for line in lines)
    assert "together 1,536 MiB" in told
