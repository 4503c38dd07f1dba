"""Keeping records: exactly those that are due go, a legal hold goes before, and a second run does nothing."""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, Text, func, insert, select, update
from support.databases import on_both, read_tables
from support.given_notices import POLICY as NOTICE_POLICY
from support.given_notices import say
from support.planted_seller import NOON, SELLER, bag, find_clear, plant
from support.transactions import act, ask, execute, read_rows

from ipml.cooperation.notices.intake import receive
from ipml.enforcement.appeals import appeal
from ipml.enforcement.policy import RetentionRules, load_enforcement_policy
from ipml.enforcement.privacy import retention
from ipml.enforcement.privacy.legal_holds import HoldOrder, list_holds, place_hold, release_holds
from ipml.enforcement.privacy.personal_data import BLANKED, REMOVED, REPLACED, TEXTS, Holds, touched_tables
from ipml.enforcement.privacy.retention import CLASSES, find_stored, run_retention
from ipml.errors import NotFound
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.group_decisions import preview_spread
from ipml.review.undo import UndoRequest, undo
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import find_seller
from ipml.storage.tables import appeals, cases, evidence, metadata, outbox, second_reviews, tries
from ipml.storage.tables.enforcement import PENDING_APPEALS

POLICY = load_enforcement_policy()
RULES = POLICY.retention
GROUNDS = {Verdict.COUNTERFEIT: "declared_replica"}
MOMENT = timedelta(microseconds=1)


def after(days):
    """Return a moment so many days after noon."""
    return NOON + timedelta(days=days)


def decide_all(engine, verdicts, at=NOON):
    """Decide cases; those of no verdict stay open."""
    for case_id, verdict in verdicts.items():
        taken = act(engine, claim, "ana", case_id=case_id, now=at)
        assert taken is not None
        act(engine, decide, DecisionRequest(taken, verdict, GROUNDS.get(verdict, "")), now=at)


@pytest.fixture
def listed(engine):
    """Return a queue of six listings of six sellers, five of them decided ten days later."""
    enqueue(engine, [bag(n, f"seller{n}", 0.9 - n / 50) for n in range(1, 7)], now=NOON)
    verdicts = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.GENUINE, Verdict.ESCALATE)
    decide_all(engine, dict(enumerate(verdicts, 1)), after(10))
    return engine


def erased(engine):
    """Return the numbers of the cases whose listing is gone."""
    with reading(engine) as connection:
        gone = select(cases.c.case_id).where(cases.c.erased_at.is_not(None))
        return list(connection.scalars(gone.order_by(cases.c.case_id)))


def run(engine, at, **options):
    """Run at a moment; return the classes of which something was due."""
    return {name: count for name, count in run_retention(engine, POLICY, now=at, **options).counts.items() if count}


@on_both
def test_listings_expire_by_their_last_verdict_to_the_microsecond(listed):
    """Nothing goes a moment too early; at the moment itself exactly those that are due do."""
    gone = []
    for days, due in (
        (RULES.undecided_listings, [6]),
        (10 + RULES.genuine_listings, [2, 3, 4, 5]),
        (10 + RULES.counterfeit_listings, [1]),
    ):
        run(listed, after(days) - MOMENT)
        assert erased(listed) == gone
        run(listed, after(days))
        gone = sorted(gone + due)
        assert erased(listed) == gone


def test_a_dry_run_and_a_second_run_change_nothing(listed):
    """The first says what a run would do; of the second only the trail says that it ran."""
    at, before = after(5000), read_tables(listed)
    due = {"undecided_listings": 2, "genuine_listings": 3, "counterfeit_listings": 1}
    assert run(listed, at, dry_run=True) == due
    assert read_tables(listed) == before
    assert run(listed, at) == due
    before = read_tables(listed)
    assert run(listed, at) == {}
    after_all = read_tables(listed)
    assert {name for name in before if before[name] != after_all[name]} == {"audit"}
    assert ask(listed, check_rows).problems == ()


def test_a_case_is_kept_while_anything_waits_for_it(listed):
    """Its days count from when it came back to people; a notice, an appeal or a person keeps it whatever they are."""
    assert appeal.PENDING == PENDING_APPEALS
    act(listed, undo, 1, UndoRequest("ana", may_undo_others=True), now=after(4900))
    filed = {"subject": "case:3", "case_id": 3, "decision_id": 3, "pseudonym": "p", "kind": "complaint"}
    filed |= {"profile": "x", "state": "open", "text": "", "filed_at": after(11)}
    second = {"case_id": 4, "kind": "second", "wanted_at": after(11)}
    act(listed, receive, say("seller2-L2"), NOTICE_POLICY, now=after(11))
    execute(listed, insert(appeals).values(filed), insert(second_reviews).values(second))
    act(listed, claim, "ana", case_id=6, now=after(5000))
    run(listed, after(5000))
    assert erased(listed) == [5]
    run(listed, after(4900 + RULES.undecided_listings))
    assert erased(listed) == [1, 5, 6]


@on_both
def test_a_hold_goes_before_and_its_end_lets_go(listed):
    """Of a seller, or of one case: what is held stays as it is, everything else goes."""
    at, until = after(5000), after(6000)
    enqueue(listed, [bag(7, "seller5", 0.9, title="C thing", brand="C")], now=NOON)
    with writing(listed) as connection:
        place_hold(connection, "seller2", HoldOrder("claim 1", until, "lea"), now=at)
        place_hold(connection, "seller5", HoldOrder("claim 2", until, "lea", 5), now=at)
    held = [row for row in read_tables(listed)["cases"] if row[0] in (2, 5)]
    run(listed, at)
    assert erased(listed) == [1, 3, 4, 6, 7]
    assert [row for row in read_tables(listed)["cases"] if row[0] in (2, 5)] == held
    assert act(listed, release_holds, "seller2", by="lea", now=at) == 1
    run(listed, at)
    assert erased(listed) == [1, 2, 3, 4, 6, 7]
    run(listed, until)  # the other ends by itself
    assert erased(listed) == [1, 2, 3, 4, 5, 6, 7]


def test_holds_are_listed_released_and_asked_for_by_their_seller(listed):
    """One hold can end alone; what is not there is told."""
    with writing(listed) as connection:
        place_hold(connection, "seller2", HoldOrder("claim 1", after(20), "lea"), now=NOON)
        place_hold(connection, "seller2", HoldOrder("claim 2", after(30), "lea"), now=NOON)
        assert [hold.why for hold in list_holds(connection, now=NOON)] == ["claim 1", "claim 2"]
        assert release_holds(connection, "seller2", by="lea", hold_id=1, now=NOON) == 1
        assert [hold.hold_id for hold in list_holds(connection, now=after(29))] == [2]
        assert list_holds(connection, now=after(30)) == []
    with pytest.raises(NotFound, match="hold 1"), writing(listed) as connection:
        release_holds(connection, "seller2", by="lea", hold_id=1, now=NOON)
    with pytest.raises(NotFound, match="No seller"), writing(listed) as connection:
        place_hold(connection, "nobody", HoldOrder("claim", after(20), "lea"), now=NOON)


def test_each_run_is_noted_with_its_counts(listed):
    """By class as it happens, and in one row at the end, with the policy."""
    run(listed, after(10 + RULES.genuine_listings))
    with reading(listed) as connection:
        rows = audit.list_rows(connection, "retention")
        assert audit.verify(connection).is_intact
    assert [(row.action, row.payload.get("class"), row.payload.get("rows")) for row in rows[:-1]] == [
        ("expired", "genuine_listings", 3),
        ("expired", "undecided_listings", 2),
    ]
    assert (rows[-1].action, rows[-1].payload["policy"]) == ("ran", POLICY.digest)
    assert (rows[-1].payload["genuine_listings"], rows[-1].payload["tries"]) == (3, 0)


def test_whoever_waits_for_an_expired_case_is_shown(engine):
    """A near-duplicate that came later does not wait for ever."""
    enqueue(engine, [bag(1, SELLER, 0.9, title="Leather bag, brown, large")], now=NOON)
    later = [bag(n, SELLER, 0.9, title="Leather bag, brown, large", price=41.0) for n in (2, 3)]
    enqueue(engine, later, now=after(100))
    assert len(ask(engine, preview_spread, 1).cases) == 2
    run(engine, after(RULES.undecided_listings))
    assert [ask(engine, get_case, number).exemplar for number in (2, 3)] == [None, 2]


def test_records_of_each_class_go_when_they_are_due(engine):
    """Evidence and messages of a seller, attempts to log in: each by its own days, and no row beside."""
    plant(engine)
    execute(
        engine,
        insert(tries).values(address="10.0.0.1", name_hash="x", at=NOON),
        insert(tries).values(address="10.0.0.2", name_hash="x", at=after(1)),
    )
    assert run(engine, after(RULES.tries)) == {"tries": 1}
    gone = {"tries": 1, "delivered_messages": 1, "screened_pictures": 1}
    assert run(engine, after(RULES.delivered_messages)) == gone
    assert read_rows(engine, select(outbox.c.key, outbox.c.body)) == [("measure-1-imposed", "")]
    act(engine, place_hold, SELLER, HoldOrder("claim", after(9000), "lea"), now=NOON)
    kept = run(engine, after(8999)).keys() & {"evidence", "notices", "noted_listings", "notifier_steps"}
    assert kept == set()  # nor the notice on which the case rests, nor what its notifier was warned of
    act(engine, release_holds, SELLER, by="lea", now=after(RULES.evidence))
    assert run(engine, after(RULES.evidence))["evidence"] == 1
    assert ask(engine, Connection.scalar, select(func.count()).select_from(evidence)) == 0


def test_a_dead_message_waits_for_people_longer(engine):
    """It is kept with its words until its own days are over, and then goes as a whole."""
    plant(engine)
    execute(engine, update(outbox).values(state="dead"))
    assert run(engine, after(RULES.dead_messages) - MOMENT).get("delivered_messages") is None
    assert run(engine, after(RULES.dead_messages))["dead_messages"] == 1


def test_an_expired_listing_tells_as_little_as_an_erased_one(engine):
    """Nothing that its seller or a reviewer wrote is left; what is encrypted has days of its own."""
    plant(engine)
    run(engine, after(9000))
    left = {place.partition(".")[0] for place in find_clear(engine, ("zqanneliese", "zqelmstreet", "zq015112345"))}
    assert left == set()


def test_who_is_behind_a_pseudonym_is_forgotten_when_nothing_is_left_of_them(engine):
    """As long as a listing is there, or something their key opens, the link stays; a hold keeps it, too."""
    pseudonym = plant(engine)
    run(engine, after(RULES.counterfeit_listings))
    assert ask(engine, find_seller, pseudonym) == SELLER  # the evidence is still there
    act(engine, place_hold, SELLER, HoldOrder("claim", after(9000), "lea"), now=NOON)
    run(engine, after(8999))
    assert ask(engine, find_seller, pseudonym) == SELLER
    run(engine, after(9000))  # the evidence goes
    run(engine, after(9000 + RULES.ended_holds))  # so does the reason of the hold, and then the link
    assert ask(engine, find_seller, pseudonym) is None


def test_a_run_that_was_killed_goes_on(listed, monkeypatch):
    """Each transaction is whole: what was done is done, what was not is still due."""
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    expire, calls = retention._expire_listings, []

    def fail_at_the_second(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return expire(*given)

    with monkeypatch.context() as patched:
        patched.setattr(retention, "_expire_listings", fail_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            run(listed, after(5000))
    assert erased(listed) == [1, 2]
    run(listed, after(5000))
    assert erased(listed) == [1, 2, 3, 4, 5, 6]


def test_what_is_kept_of_a_seller_is_told_with_its_end(engine):
    """By class, with the day on which the last record goes, and what holds it."""
    pseudonym = plant(engine)
    with writing(engine) as connection:
        place_hold(connection, SELLER, HoldOrder("claim", after(9000), "lea"), now=NOON)
        kept = find_stored(connection, SELLER, POLICY, now=NOON)
    assert kept.pseudonym == pseudonym
    once = ("counterfeit_listings", "genuine_listings", "evidence", "delivered_messages", "noted_listings", "notes")
    once += ("ended_holds", "marketplace_listings", "seller_events", "portfolios", "portfolio_listings")
    once += ("screened_pictures",)
    assert {kind.name: kind.records for kind in kept.classes} == {"undecided_listings": 3} | dict.fromkeys(once, 1)
    until = {kind.name: kind.until for kind in kept.classes}
    assert until["counterfeit_listings"] == after(RULES.counterfeit_listings)
    assert [hold.why for hold in kept.holds] == ["claim"]


def test_nothing_an_appeal_needs_may_go_before_six_months():
    """A policy that says so is refused; so is one of pictures beyond their listing, and a class without a rule."""
    for name, days in (("counterfeit_listings", 100), ("evidence", 100), ("screened_pictures", 366)):
        with pytest.raises(ValidationError, match=name):
            RetentionRules.model_validate(RULES.model_dump() | {name: days})
    assert {*retention.LISTING_CLASSES, *(kind.name for kind in CLASSES)} == set(RetentionRules.model_fields)


DECLARED = {(table, name): holds for table, columns in TEXTS.items() for name, holds in columns.items()}


def test_every_column_of_text_is_declared():
    """As telling of sellers or not; what does is blanked, replaced, removed or encrypted."""
    there = {
        name: {column.name for column in table.c if isinstance(column.type, Text)}
        for name, table in metadata.tables.items()
    }
    assert {name: columns for name, columns in there.items() if columns} == {
        name: {*columns} for name, columns in TEXTS.items() if columns
    }
    blanked = {(table, name) for (table, _), columns in BLANKED.items() for name in columns}
    replaced = {(table, name) for table, columns in REPLACED.items() for name in columns}
    clear = {place for place, holds in DECLARED.items() if holds is Holds.CLEAR}
    assert clear == {place for place in blanked | replaced if place in clear} | {
        place for place in clear if place[0] in REMOVED
    }
    assert blanked | replaced <= clear
    assert touched_tables() <= set(metadata.tables)  # a misspelt table would be left as it is
    for (table, name), holds in DECLARED.items():
        if holds is Holds.ENCRYPTED:
            beside = [metadata.tables[table], *(key.column.table for key in metadata.tables[table].foreign_keys)]
            assert any("pseudonym" in one.c for one in beside) or table == "platform_answers", (table, name)
