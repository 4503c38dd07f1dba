"""Notices keep nothing of a seller who was erased, whatever notifiers wrote, and go on without."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, select, update
from support.actions import COOPERATING
from support.databases import copy_sqlite, on_both
from support.given_notices import NOON, POLICY, WORDS, offer, say
from support.planted_seller import find_clear, find_markers
from support.transactions import check_sound

from ipml.cooperation.notices.intake import match_notices, receive
from ipml.cooperation.notices.status import find_notices, find_receipt
from ipml.cooperation.notifiers.notifier import check_document
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.privacy.retention import run_retention
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.sellers.seller_record import list_record
from ipml.review.undo import UndoRequest, undo
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import open_database, reading, writing
from ipml.storage.pseudonyms import decrypt, encrypt, keyed_digest, pseudonym_of
from ipml.storage.tables import measure_messages, measure_stakes, notice_items, notices, notifiers, rights_documents

LATER = NOON + timedelta(days=1)


def forget(engine: Engine, seller_id: str) -> None:
    """Erase a seller."""
    erase_sellers(engine, [seller_id], why="request 7", by="lea", now=LATER)


def test_an_explanation_goes_with_the_seller_it_may_name(engine: Engine, give: Callable):
    """Where the listing was goes, too; the notice's other listing of another seller is as it was."""
    enqueue(engine, [offer("L1", "ann"), offer("L2", "ben")], now=NOON)
    receipt = give(say("L1", "L2", explanation=f"{WORDS} Ann Meier sells them."))
    forget(engine, "ann")
    with reading(engine) as connection:
        (left,) = find_notices(connection, 2)
        assert (left.explanation, left.state) == (None, "waiting")
        found = find_receipt(connection, receipt.reference).listings
        assert [(one.state, one.location) for one in found] == [("waiting", None), ("waiting", "L2")]
        assert connection.scalars(select(notices.c.explanation)).all() == [""]
        check_sound(connection)


def test_where_a_listing_was_goes_with_the_seller_even_if_nobody_had_joined_it(engine: Engine, give: Callable):
    """The notice came before the listing, and the seller was erased before the two met."""
    receipt = give(say("L1"))
    enqueue(engine, [offer("L1", "ann")], now=NOON)
    forget(engine, "ann")
    with reading(engine) as connection:
        row = connection.execute(select(notice_items)).one()
        assert (row.location, row.listing_digest, row.case_id) == ("", "", 1)
        assert connection.scalars(select(notices.c.explanation)).all() == [""]
        assert [one.location for one in find_receipt(connection, receipt.reference).listings] == [None]
    assert match_notices(engine, POLICY, now=LATER).found == 0


def test_what_repeats_a_notice_goes_with_the_seller_as_well(engine: Engine, give: Callable):
    """It was encrypted with the notifier's key when it came, as nobody knew the listing, and is the seller's since."""
    give(say("L1"))
    again = give(say("L1", explanation=f"{WORDS} Again."))
    enqueue(engine, [offer("L1", "ann")], now=NOON)
    assert match_notices(engine, POLICY, now=LATER).found == 1
    with reading(engine) as connection:
        assert len(set(connection.scalars(select(notice_items.c.pseudonym)))) == 1
        (status,) = find_receipt(connection, again.reference).listings
        assert (status.location, status.state, status.is_repeated) == ("L1", "waiting", True)
    forget(engine, "ann")
    with reading(engine) as connection:
        assert [one.location for one in find_receipt(connection, again.reference).listings] == [None]
        assert set(connection.scalars(select(notices.c.explanation))) == {""}
        assert set(connection.scalars(select(notice_items.c.listing_digest))) == {""}


def test_no_byte_of_an_erased_seller_is_left_of_notices_in_the_files(tmp_path: Path):
    """Neither encrypted with a key that is left, nor in the free pages."""
    engine = open_database(copy_sqlite(tmp_path))
    enqueue(engine, [offer("zqlisting1", "zqseller")], now=NOON)
    with writing(engine) as connection:
        receive(connection, say("zqlisting1", explanation=f"{WORDS} zqmeier"), policy=POLICY, now=NOON)
    with reading(engine) as connection:
        encrypted = connection.scalars(select(notices.c.explanation)).one()
    forget(engine, "zqseller")
    assert list(find_clear(engine, ["zqseller", "zqlisting1", "zqmeier"])) == []
    engine.dispose()
    assert list(find_markers(tmp_path.iterdir(), ["zqseller", "zqlisting1", encrypted[:40]])) == []


def test_notices_expire_by_the_policy(engine: Engine, give: Callable):
    """What was said and where goes; that there was a notice, and how it ended, stays."""
    enqueue(engine, [offer("L1")], now=NOON)
    receipt = give(say("L1"))
    policy = load_enforcement_policy()
    at = NOON + timedelta(days=policy.retention.notices + 1)
    counts = run_retention(engine, policy, now=at).counts
    assert (counts["notices"], counts["noted_listings"]) == (1, 1)
    assert run_retention(engine, policy, now=at).total == 0
    with reading(engine) as connection:
        (one,) = find_receipt(connection, receipt.reference).listings
        assert (one.location, one.state) == (None, "waiting")
        assert list(list_record(connection, "complained", at)) == []


def test_keys_of_notifiers_open_what_is_theirs_and_nothing_of_sellers(engine: Engine, give: Callable):
    """One way to encrypt for both, and each with a key of its own."""
    give(say())
    with writing(engine) as connection:
        seller = pseudonym_of(connection, "ann")
        (behind,) = connection.scalars(select(notices.c.encrypted)).all()
        assert decrypt(connection, seller, encrypt(connection, seller, "a")) == "a"
        assert behind != keyed_digest(connection, seller, "a") != keyed_digest(connection, seller, "b")


@on_both
def test_an_insider_who_edits_what_a_notice_led_to_is_found(engine: Engine, give: Callable):
    """Whatever became of listings and documents meanwhile: the trail agrees with all rows until somebody edits one."""
    give(say("L1", "L2", "L3"))
    give(say("L1", email="bo@nord.test", brand="Nord"))
    with reading(engine) as connection:
        (filed, other) = connection.scalars(
            select(rights_documents.c.document_id).order_by(rights_documents.c.document_id)
        ).all()
    with writing(engine) as connection:
        check_document(connection, filed, "lea", is_accepted=False, now=LATER)
        check_document(connection, other, "lea", is_accepted=True, now=LATER)
    give(say("L4", rights="EUTM 2"), now=LATER)
    enqueue(engine, [offer("L1", "ann"), offer("L2", "bea")], now=LATER)
    match_notices(engine, policy=POLICY, now=LATER)
    context = COOPERATING
    with writing(engine) as connection:
        for case_id, verdict, ground in ((1, Verdict.COUNTERFEIT, "declared_replica"), (2, Verdict.GENUINE, "")):
            held = claim(connection, "ana", case_id, now=LATER)
            made = decide(connection, DecisionRequest(held, verdict, ground), now=LATER, context=context)
        undo(connection, made.decision_id, UndoRequest("ana", why="a mistake"), now=LATER, context=context)
    edits = [
        update(notices).where(notices.c.notice_id == 1).values(tier="trusted"),
        update(notice_items).where(notice_items.c.item_id == 1).values(state="rejected"),
        update(notifiers).where(notifiers.c.notifier_id == 1).values(kind="authority"),
        update(rights_documents).where(rights_documents.c.document_id == 2).values(is_accepted=False),
        update(measure_messages).values(effect="lifted"),
        update(measure_stakes).values(harm=1.0),
    ]
    with writing(engine) as connection:
        assert check_rows(connection).problems == ()
        for edit in edits:
            connection.execute(edit)
        said = [line.partition(" is not")[0] for line in check_rows(connection).problems]
    assert said == [
        *("measure_messages 6: effect", "measure_stakes 1: harm", "notifiers 1: kind", "notices 1: tier"),
        *("notice_items 1: state", "rights_documents 2: is_accepted"),
    ]
