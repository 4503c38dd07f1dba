"""What is kept of a decision, and how it is read again."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, select, update
from support.databases import on_both
from support.transactions import read_with

from ipml.enforcement.evidence.pieces import evidence_of_decision, find_evidence, read_scored_listing
from ipml.errors import EvidenceChanged
from ipml.kit.canonical_json import canonical_json, digest
from ipml.records import Decision, PriceRange, ScoredListing
from ipml.review.arrivals.snapshot import encode
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.database import reading, writing
from ipml.storage.tables import evidence

Decide = Callable[..., Decision]
MakeScored = Callable[..., ScoredListing]


def test_evidence_holds_the_snapshot_exactly(engine: Engine, decide_on: Decide, make_scored: MakeScored):
    """The scored listing in it is the one that was decided on; encoding it gives the very snapshot."""
    scored = make_scored(title="Gu\u0441\u0441i \u202e bag", price=0.1 + 0.2, seller_sales=3.0, country="DE")
    prices = PriceRange("Gucci", "EUR", 1.0, 2.0, 3.0)
    scored = replace(scored, price_range=prices, model_digest="ab" * 32, earlier_listings=3.0, earlier_suspicion=1.25)
    decision = decide_on(scored)
    (kept,) = read_with(engine, find_evidence, decision.case_id)
    assert read_scored_listing(kept.content) == scored
    assert digest(encode(read_scored_listing(kept.content))) == kept.content["case"]["snapshot"]
    assert kept.content["seller"]["history"] == {"seller_sales": 3.0}


@on_both
def test_the_text_is_canonical_and_its_digest_is_in_the_trail(engine, decide_on, make_scored):
    """There is one spelling, of ASCII; table and audit trail hold its SHA-256."""
    decision = decide_on(make_scored(title="Caf\u00e9 \x1b[2J"), note="seen at the caf\u00e9")
    with reading(engine) as connection:
        kept = evidence_of_decision(connection, decision.decision_id)
        (row,) = audit.list_rows(connection, kept.subject)
        (decided,) = [one for one in audit.list_rows(connection, f"case:{kept.case_id}") if one.action == "decided"]
    assert kept.text.isascii()
    assert kept.text.isprintable()
    assert canonical_json(json.loads(kept.text)) == kept.text
    assert digest(kept.text) == kept.digest == row.payload["digest"]
    assert row.payload["decision"] == decision.decision_id
    assert kept.content["case"]["snapshot"] == decided.payload["snapshot"]
    assert kept.content["decision"]["note_digest"] == decided.payload["note"]


def test_who_decided_is_a_pseudonym(engine: Engine, decide_on: Decide, make_scored: MakeScored):
    """The login name is not in it, but one name for each seller; the same content has another digest by its salt."""
    ours = [decide_on(make_scored(f"L{number}"), reviewer="anastasia") for number in range(2)]
    other = decide_on(make_scored("L9", seller_id="s2"), reviewer="anastasia")
    with reading(engine) as connection:
        kept = [find_evidence(connection, one.case_id)[0] for one in (*ours, other)]
    names = [one.content["decision"]["reviewer"] for one in kept]
    assert not any("anastasia" in (one.text or "") for one in kept)
    assert names[0] == names[1] != names[2]
    assert kept[0].content["salt"] != kept[1].content["salt"]


def test_changed_evidence_is_not_read(engine, decide_on, make_scored):
    """Neither the encrypted text nor its digest can be changed unnoticed."""
    decision = decide_on(make_scored())
    for column in ("encrypted", "digest"):
        with writing(engine) as connection:
            (before,) = connection.scalars(select(evidence.c[column]))
            other = before[:5] + ("A" if before[5] != "A" else "B") + before[6:]
            connection.execute(update(evidence).values({column: other}))
            with pytest.raises(EvidenceChanged, match="evidence 1"):
                find_evidence(connection, decision.case_id)
            connection.execute(update(evidence).values({column: before}))


def test_the_doctor_sees_evidence_with_another_digest(engine: Engine, decide_on: Decide, make_scored: MakeScored):
    """Table and trail must say the same; evidence that is gone, as in time it may be, is no fault."""
    for number in (1, 2):
        decide_on(make_scored(f"L{number}"))
    with writing(engine) as connection:
        connection.execute(update(evidence).where(evidence.c.evidence_id == 1).values(digest="0" * 64))
        connection.execute(delete(evidence).where(evidence.c.evidence_id == 2))
    with reading(engine) as connection:
        problems = list(find_disagreements(connection))
    assert problems == ["evidence 1: is not what the audit trail says was kept"]
