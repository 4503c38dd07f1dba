"""`ipml enforce automatic` acts only where a policy says so, shows why not, and obeys a person."""

import json
from pathlib import Path

import pytest
from support.databases import copy_sqlite
from support.staff import add_staff

from ipml.enforcement import policy as policy_module
from ipml.records import Listing, ScoredListing
from ipml.review.queue import enqueue
from ipml.storage.database import open_database

BUNDLED = Path(policy_module.__file__).with_name("policy.toml").read_text("utf-8")
POLICY = BUNDLED.replace("is_on = false", "is_on = true").replace("\nbrands = []", '\nbrands = ["Acme"]')


@pytest.fixture
def policy(ipml, tmp_path, monkeypatch):
    """Put a policy in force that covers one brand, and a listing of it into the queue of the test's own folder."""
    (tmp_path / "policy.toml").write_text(POLICY)
    monkeypatch.setenv("IPML_POLICY_ENFORCEMENT", str(tmp_path / "policy.toml"))
    engine = open_database(copy_sqlite(tmp_path))
    add_staff(engine)
    enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag", brand="Acme"), 0.99, None, (), (), None, "m1")])


def test_without_such_a_policy_nothing_is_done(ipml, tmp_path):
    """The bundled policy says no."""
    answer = ipml("enforce automatic run")
    assert (answer.exit_code, answer.out) == (
        0,
        "The policy acts on nothing without review: is_on is false in its section [automatic].\n",
    )


def test_run_says_what_was_done(ipml, policy):
    """Nothing is acted on without evidence."""
    assert ipml("enforce automatic run").out.startswith("0 listings acted on")


def test_enqueue_acts_too(ipml, policy, tmp_path):
    """Where the policy is on, what comes in is drawn or acted on at once."""
    row = {"listing_id": "L1", "seller_id": "s1", "title": "Bag", "brand": "Acme", "score": 0.99, "log_odds": 4.0}
    scored = tmp_path / "scored.jsonl"
    scored.write_text(json.dumps(row | {"model_version": "m1", "abstained": None, "reasons": "[]"}) + "\n")
    assert "0 acted on without review" in ipml("enqueue", scored).out


def test_status_says_why_it_is_not_in_force(ipml, policy):
    """The brand, what was reviewed, what is promised, and what is missing."""
    answer = ipml("enforce automatic status")
    assert answer.exit_code == 0
    assert "Acme" in answer.out
    assert "At least 300 must be reviewed." in answer.out


def test_a_person_withdraws_and_allows(ipml, policy):
    """What a person said is shown, and can be taken back; a brand that is not covered is refused in one line."""
    assert ipml("enforce automatic withdraw Acme --why 'parallel imports'").exit_code == 0
    assert "Withdrawn by" in ipml("enforce automatic status").out
    assert ipml("enforce automatic allow Acme").exit_code == 0
    answer = ipml("enforce automatic withdraw Umbra")
    assert answer.exit_code == 2
    assert answer.err == "ipml: automatic action: found brand 'Umbra'; expected one that the policy covers: Acme.\n"
