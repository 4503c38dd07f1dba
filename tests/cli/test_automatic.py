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


def test_without_such_a_policy_nothing_is_done(ipml):
    """The bundled policy says no."""
    said = "The policy acts on nothing without review: is_on is false in its section [automatic].\n"
    answer = ipml("enforce automatic run")
    assert (answer.exit_code, answer.out) == (0, said)


def test_it_is_said_what_was_done_and_why_not(ipml, policy, tmp_path):
    """Nothing is acted on without evidence, neither by the job nor where a file comes in."""
    assert ipml("enforce automatic run").out.startswith("0 listings acted on")
    row = {"listing_id": "L1", "seller_id": "s1", "title": "Bag", "brand": "Acme", "score": 0.99, "log_odds": 4.0}
    said = json.dumps(row | {"model_version": "m1", "abstained": None, "reasons": "[]"})
    (tmp_path / "scored.jsonl").write_text(f"{said}\n")
    assert "0 acted on without review" in ipml("enqueue scored.jsonl").out
    shown = ipml("enforce automatic status").out
    assert "Acme" in shown
    assert "At least 300 must be reviewed." in shown


def test_a_person_withdraws_and_allows(ipml, policy):
    """What a person said is shown, and can be taken back; a brand that is not covered is refused in one line."""
    assert ipml("enforce automatic withdraw Acme --why 'parallel imports'").exit_code == 0
    assert "Withdrawn by" in ipml("enforce automatic status").out
    assert ipml("enforce automatic allow Acme").exit_code == 0
    said = "ipml: automatic action: found brand 'Umbra'; expected one that the policy covers: Acme."
    assert ipml("enforce automatic withdraw Umbra").is_refusal(said)
