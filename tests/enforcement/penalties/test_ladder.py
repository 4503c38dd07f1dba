"""What strikes lead to, who confirms it, and how it ends."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, select
from support.databases import on_both, read_tables
from support.transactions import act, ask, execute, read_rows

from ipml.enforcement.penalties.ladder import confirm, end_due, find_obstacle, hardest, lift, restriction_of
from ipml.enforcement.penalties.links import Link, decide_link, list_linked, read_links, recommend_linked
from ipml.enforcement.penalties.penalties import explain_penalties
from ipml.enforcement.restrictions import PenaltyKind
from ipml.errors import Conflict, NotFound, UnreadableFile
from ipml.kit.canonical_json import digest
from ipml.storage.audit_trail.audit import list_rows, verify
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import decrypt, find_pseudonym
from ipml.storage.tables import audit, cases, outbox, penalties, seller_keys

from .conftest import START


@on_both
def test_who_goes_on_after_each_notice_climbs_rung_by_rung(market):
    """Warned, limited, payout held; the account is suspended, and then closed, by nobody but a lead."""
    for day in (0, 20, 40, 60):
        market.strike(day=day)
    imposed = [one.kind.value for one in market.penalties() if one.imposed_at]
    assert imposed == ["warn", "limit", "hold payout"]
    (suspension,) = market.penalties(state="proposed", day=60)
    assert suspension.kind is PenaltyKind.SUSPEND
    act(market.engine, confirm, suspension.penalty_id, "cleo", now=START + timedelta(days=61))
    for day in (80, 100):
        market.strike(day=day)
    assert market.kinds(state="proposed", day=100) == ["close"]


def test_what_was_up_before_the_warning_arrived_is_no_repetition(market):
    """The warning of day 0 is told from day 7 on; a sweep is one offence, and two years later all begins anew."""
    for _ in range(4):
        market.strike()
    assert [one.kind.value for one in market.penalties() if one.imposed_at] == ["warn"]
    market.decide(market.enqueue(day=2, seller="bob"), day=30)
    market.strike(seller="bob", day=800)
    assert market.kinds(seller="bob") == ["warn", "warn"]
    market.strike(seller="cid")
    market.decide(market.enqueue(day=2, seller="cid"), day=30)
    assert market.kinds(seller="cid") == ["warn"]
    market.strike(day=31, seller="cid")
    assert market.kinds(seller="cid") == ["warn", "limit"]


def test_a_person_confirms_and_not_who_decided(make_market, policy):
    """The penalty runs from then; why is encrypted for the seller's key, and the trail holds a digest of that alone."""
    market = make_market(_asking_early(policy))
    for _ in range(2):
        market.strike()
    (proposed,) = market.penalties(state="proposed")
    with pytest.raises(Conflict, match="ana decided the case"), writing(market.engine) as connection:
        confirm(connection, proposed.penalty_id, "ana")
    at = START + timedelta(days=1)
    imposed = act(market.engine, confirm, proposed.penalty_id, "cleo", why="third sweep of ann", now=at)
    assert (imposed.imposed_by, imposed.imposed_at) == ("cleo", at)
    with reading(market.engine) as connection:
        (explained,) = explain_penalties(connection, [proposed.penalty_id]).values()
        kept = connection.scalars(select(penalties.c.why_confirmed).where(penalties.c.why_confirmed.is_not(None))).one()
        (payload,) = connection.scalars(select(audit.c.payload).where(audit.c.action == "penalty confirmed"))
    assert explained.why_confirmed == "third sweep of ann"
    assert digest(kept) in payload
    assert "sweep" not in kept + payload
    with pytest.raises(Conflict, match="imposed before"), writing(market.engine) as connection:
        confirm(connection, proposed.penalty_id, "cleo")


def test_lifting_needs_a_reason_and_is_told(market):
    """The platform gets both messages, in order, each with its own key; an unknown penalty is refused in words."""
    market.strike()
    with pytest.raises(Conflict, match="say why"), writing(market.engine) as connection:
        lift(connection, 1, "cleo", " ")
    lifted = act(market.engine, lift, 1, "cleo", "talked to them", now=START + timedelta(days=1))
    assert (lifted.ended_as, lifted.ended_by) == ("lifted", "cleo")
    assert [(row.key[:-9], row.kind) for row in _messages(market.engine)] == [
        ("penalty-1-imposed", "penalty"),
        ("penalty-1-lifted", "penalty_lifted"),
    ]
    with pytest.raises(Conflict, match="it is lifted"), writing(market.engine) as connection:
        lift(connection, 1, "cleo", "again")
    for number in (9, 0, 2**70):
        with pytest.raises(NotFound, match="No penalty"), writing(market.engine) as connection:
            confirm(connection, number, "cleo")


def test_what_is_only_proposed_is_dismissed_and_nobody_is_told(make_market, policy):
    """A lead says no."""
    market = make_market(_asking_early(policy))
    for _ in range(2):
        market.strike()
    (proposed,) = market.penalties(state="proposed")
    before = len(_messages(market.engine))
    assert act(market.engine, lift, proposed.penalty_id, "cleo", "too much").ended_as == "dismissed"
    assert len(_messages(market.engine)) == before


def test_a_proposal_lapses_once_its_strikes_do_not_carry_it(make_market, policy):
    """A year later nobody can confirm it, and it ends by itself; nor can anybody where its listing was erased."""
    market = make_market(_asking_early(policy))
    for _ in range(2):
        market.strike()
    (proposed,) = market.penalties(state="proposed")
    soon, late = START + timedelta(days=364), START + timedelta(days=365)
    assert end_due(market.engine, soon) == 0
    assert ask(market.engine, find_obstacle, proposed, "cleo", soon) is None
    with pytest.raises(Conflict, match=r"strikes weigh 0\.00 now"), writing(market.engine) as connection:
        confirm(connection, proposed.penalty_id, "cleo", now=late)
    execute(market.engine, cases.update().values(erased_at=soon))
    assert "was erased" in ask(market.engine, find_obstacle, proposed, "cleo", soon)
    assert end_due(market.engine, late) == 2
    assert market.penalties(state="proposed", day=365) == []
    (explained,) = ask(market.engine, explain_penalties, [proposed.penalty_id]).values()
    assert "strikes weigh 0.00 now" in explained.why_ended


def test_penalties_end_by_themselves_once(market):
    """The message says what to do until when, encrypted while it waits; a second run has nothing to do."""
    market.strike()
    market.strike(day=20)
    row = _messages(market.engine)[-1]
    body = json.loads(ask(market.engine, decrypt, row.pseudonym, row.body))
    assert '"ann"' not in row.body
    assert (body["seller_id"], body["do"]) == ("ann", "Accept no new listings of this seller.")
    assert body["until"] == (START + timedelta(days=50)).isoformat()
    later = START + timedelta(days=51)
    assert (end_due(market.engine, later), end_due(market.engine, later)) == (1, 0)
    assert market.kinds(state="over", day=51) == ["limit"]
    assert market.kinds(state="in force", day=51) == ["warn"]


def test_a_penalty_explains_itself_in_sentences(market):
    """How many strikes, what they weigh, and what made it milder."""
    market.strike(seller_listings=10_000.0)
    (explained,) = ask(market.engine, explain_penalties, [1]).values()
    weight, share = explained.sentences  # no rung is milder than a warning
    assert weight == "1 strike for 1 offence weigh 1.00."
    assert share == "1 of 10,000 listings was found counterfeit: surely a small share."
    assert explained.why_ended == ""


def test_the_restriction_is_that_of_the_last_strike(market):
    """What a statement of reasons must tell."""
    market.strike()
    decision = market.strike(day=20, ground="declared_replica")
    found = market.penalties()
    restriction = ask(market.engine, restriction_of, hardest(found, decision.decided_at) or found[0])
    assert (restriction.subject, restriction.kind) == ("penalty:2", PenaltyKind.LIMIT)
    assert (restriction.decision_id, restriction.ground) == (decision.decision_id, "declared_replica")
    assert (restriction.since, restriction.until) == (decision.decided_at, decision.decided_at + timedelta(days=30))
    assert not restriction.is_automatic


def test_the_trail_tells_of_each_step_and_is_whole(market):
    """By pseudonym, never by the seller's id."""
    market.undo(market.strike(), day=1)
    with reading(market.engine) as connection:
        rows = list_rows(connection, "penalty:1")
        assert verify(connection).is_intact
        assert [row.action for row in rows] == ["penalty imposed", "penalty lifted"]
        assert [row.action for row in list_rows(connection, "strike:1")] == ["struck", "strike taken back"]
    assert all("ann" not in row.payload.values() for row in rows)


def _asking_early(policy):
    """Return a policy under which a lead is asked from the second strike on."""
    rules = policy.penalties.model_copy(update={"flagrant_weight": 2.0})
    return policy.model_copy(update={"penalties": rules})


def _messages(engine):
    return read_rows(engine, select(outbox).order_by(outbox.c.message_id))


LATER = START + timedelta(days=81)
PAYOUT = Link("bob", "ann", "payout", 0.95, "both are paid to account DE00 1234")


@pytest.fixture
def suspended(market):
    """Return a marketplace in which ann is suspended, and bob has done nothing."""
    for day in (0, 20, 40, 80):
        market.strike(day=day, seller="ann")
    (suspension,) = market.penalties(state="proposed", day=80)
    act(market.engine, confirm, suspension.penalty_id, "cleo", now=START + timedelta(days=80))
    return market


def test_a_linked_account_is_recommended_once_with_the_evidence_until_it_is_decided(suspended):
    """Not for a link that is weak or leads to nobody penalised; the evidence is gone with either seller."""
    weak = Link("ann", "bob", "phone", 0.5, "a courier's phone"), Link("bob", "cid", "phone", 1.0, "not penalised")
    with writing(suspended.engine) as connection:
        for link in (*weak, Link("ann", "ann", "phone", 1.0, "themselves")):
            assert recommend_linked(connection, [link], suspended.policy, LATER) == []
        (made,) = recommend_linked(connection, [PAYOUT], suspended.policy, LATER)
        assert recommend_linked(connection, [PAYOUT], suspended.policy, LATER) == []
        assert made.pseudonym == find_pseudonym(connection, "bob")
        assert made.linked_to == find_pseudonym(connection, "ann")
        assert made.evidence == PAYOUT.evidence
        assert list_linked(connection) == [made]
        decided = decide_link(connection, made.link_id, "cleo", "review", "plausible", now=LATER)
        assert (decided.outcome, decided.decided_by, decided.decided_at) == ("review", "cleo", LATER)
        assert list_linked(connection) == []
        assert list_linked(connection, pseudonym=made.linked_to, is_open=False) == [decided]
        with pytest.raises(NotFound, match="No link 99"):
            decide_link(connection, 99, "cleo", "review", "")
        connection.execute(delete(seller_keys).where(seller_keys.c.seller_id == "ann"))
        assert [link.evidence for link in list_linked(connection, is_open=False)] == [None]


def test_no_path_strikes_a_linked_account(suspended):
    """Whatever links are handed in and however a lead decides: strikes and penalties are untouched."""
    tables = ("strikes", "strikes_taken_back", "penalties", "measures", "decisions")
    before = {name: rows for name, rows in read_tables(suspended.engine).items() if name in tables}
    links = [PAYOUT, Link("ann", "cid", "phone", 1.0, "one phone"), Link("bob", "cid", "device", 1.0, "one device")]
    made = act(suspended.engine, recommend_linked, links, suspended.policy, LATER)
    for one, outcome in zip(made, ("review", "nothing"), strict=True):
        act(suspended.engine, decide_link, one.link_id, "cleo", outcome, "seen", now=LATER)
    after = {name: rows for name, rows in read_tables(suspended.engine).items() if name in tables}
    assert before == after
    assert suspended.strikes("bob") == suspended.strikes("cid") == []
    assert suspended.penalties(seller="bob") == suspended.penalties(seller="cid") == []


def test_a_file_of_links_is_read(tmp_path):
    """As it was written; one that breaks a rule is refused with the row and the column."""
    path, head = tmp_path / "links.csv", "seller,other,kind,weight,evidence\n"
    path.write_text(f'{head}bob,ann,payout,0.95,"both are paid to account DE00 1234"\n')
    assert read_links(path) == [PAYOUT]
    for text, words in {
        "seller,other\n": "no column kind, weight, evidence",
        f"{head}a,b,phone,2,x\n": "row 1: weight '2'",
        f"{head}a,b,phone,,x\n": "row 1: weight ''",
        f"{head}a,,phone,1,x\n": "0 characters of other",
    }.items():
        path.write_text(text)
        with pytest.raises(UnreadableFile, match=words):
            read_links(path)
