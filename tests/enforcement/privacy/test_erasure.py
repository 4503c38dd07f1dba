"""Forgetting a seller: no byte of them is left, the trail holds, and the others are as they were."""

import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select, text, update
from support.actions import APPEAL_RULES
from support.databases import copy_memory, copy_sqlite, on_both, read_tables
from support.planted_seller import (
    MARKERS,
    NAME,
    NOON,
    SELLER,
    bag,
    clear_columns,
    find_clear,
    find_markers,
    key_of,
    plant,
    plant_anew,
)
from support.postgres import FORGETFUL, own_server
from support.transactions import act, ask, execute, read_rows, read_scalars

from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy import erased_list, erasure
from ipml.enforcement.privacy.legal_holds import HoldOrder, place_hold, release_holds
from ipml.enforcement.privacy.retention import run_retention
from ipml.errors import Conflict, DatabaseBusy, NotFound, SellerErased, UnreadableFile, UnusableSetting
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case, history
from ipml.review.claims import claim
from ipml.review.decisions import list_decisions
from ipml.review.exports import ExportFilter, export_cases, export_decisions, export_labels
from ipml.review.near_duplicates.matches import explain_relisting
from ipml.review.quality.assessment import assess_reviewers
from ipml.review.sampling.estimates import estimate
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.precedents import find_precedents
from ipml.review.worklists.search import Filter, browse_cases, read_seller_record
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.backup import back_up, restore
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.pseudonyms import decrypt, pseudonym_of
from ipml.storage.remains import sweep
from ipml.storage.tables import appeals, cases, erasures, evidence, measures, outbox, user_sellers

LATER = NOON + timedelta(days=1)
MEMORY = copy_memory()


def forget(engine, seller=SELLER, **options):
    """Erase a seller."""
    return erasure.erase_sellers(engine, [seller], why="request 7", by="lea", now=LATER, **options)


@on_both
def test_nothing_of_an_erased_seller_is_left_in_any_column(engine):
    """Not their id, not what they or others wrote, not their key, in any place that held a trace of them before."""
    pseudonym = plant(engine)
    markers = [*MARKERS, key_of(engine, SELLER)]
    assert set(find_clear(engine, markers)) == clear_columns()
    forget(engine)
    assert list(find_clear(engine, markers)) == []
    with reading(engine) as connection, pytest.raises(SellerErased):
        decrypt(connection, pseudonym, str(connection.scalar(select(evidence.c.encrypted))))
    assert enqueue(engine, [bag(0, SELLER, 0.9)], now=LATER).added == 1
    assert act(engine, pseudonym_of, SELLER) != pseudonym


def test_no_byte_of_an_erased_seller_is_left_in_the_files(tmp_path):
    """Not in the database, its log, its index or the free pages, while it is open, and while others have it open."""
    engine = open_database(copy_sqlite(tmp_path))
    plant_anew(engine)
    markers = [*MARKERS, key_of(engine, SELLER)]
    other = open_database(str(engine.url))
    read_rows(other, select(cases))
    assert list(find_markers(tmp_path.iterdir(), markers))
    forget(engine)
    assert {path.name for path in tmp_path.iterdir()} >= {"ipml.db", "ipml.db-wal", "ipml.db-turn"}
    assert list(find_markers(tmp_path.iterdir(), markers)) == []
    engine.dispose()
    other.dispose()
    assert list(find_markers(tmp_path.iterdir(), markers)) == []


@pytest.mark.slow
def test_no_byte_of_an_erased_seller_is_left_in_the_tables_of_a_server(tmp_path):
    """On PostgreSQL the files of tables, indexes and statistics are clean; what is not said to be is the log alone."""
    with own_server(FORGETFUL) as server:
        if server is None:
            pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
        engine = open_database(server.url("postgres"))
        migrate(engine)
        plant_anew(engine)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        markers = [*MARKERS, key_of(engine, SELLER)]
        data = server.folder / "data"
        assert list(find_markers((path for path in (data / "base").rglob("*") if path.is_file()), markers))
        remarks = forget(engine).remarks
        outside = [path for path in data.rglob("*") if path.is_file() and "pg_wal" not in path.parts]
        assert list(find_markers(outside, markers)) == []
        assert len(remarks) == 1
        assert "write-ahead log" in remarks[0]
        engine.dispose()


@on_both
def test_trail_and_counts_hold_and_the_others_are_as_they_were(engine):
    """All rows are there, the chain verifies to its old anchor, and what is not the seller's is the same."""
    pseudonym = plant(engine)
    anchor, before = ask(engine, audit.anchor), read_tables(engine)
    assert forget(engine).sellers == (erasure.Erasure(pseudonym, 5, 3),)
    after = read_tables(engine)
    gone = {"case_texts": 5, "pictures": 1, "user_sellers": 1, "seller_keys": 1, "listings": 1, "seller_events": 1}
    gone |= {"saved_views": 1, "screened_pictures": 1, "translations": 1, "portfolios": 1, "portfolio_listings": 1}
    gone |= {"seller_languages": 1}
    for name in before.keys() - {"bands", "audit", "erasures"}:
        assert len(after[name]) == len(before[name]) - gone.get(name, 0), name
    with reading(engine) as connection:
        assert audit.verify(connection, anchor).is_intact
        assert list(find_disagreements(connection)) == []
        (row,) = audit.list_rows(connection, f"seller:{pseudonym}")
        assert (row.actor, row.action, row.said) == ("lea", "erased", {"cases": 5, "decisions": 3})
    theirs = {row[0] for row in after["cases"] if f"erased:{pseudonym}" in row}
    assert len(theirs) == 5
    for name, place in (("cases", 0), ("case_texts", 0), ("bands", 1)):
        kept, now = ([row for row in rows[name] if row[place] not in theirs] for rows in (before, after))
        assert kept == now, name
    for name in ("users", "seeds", "samples", "sample_cases", "enforcement_policies", "evidence"):
        assert before[name] == after[name], name


@pytest.mark.slow
def test_every_way_to_look_at_cases_copes(engine):
    """Lists, searches, pages, precedents, exports, estimates and labels go on, and tell nothing of the erased."""
    pseudonym = plant(engine)
    enqueue(engine, [bag(90, "third", 0.99, title=f"{NAME} sells bags", brand="Acme")], now=NOON)
    forget(engine)
    with reading(engine) as connection:
        decided, named = (
            browse_cases(connection, Filter(state="decided")),
            browse_cases(connection, Filter(search=NAME, state=None)),
        )
        assert [case.scored.listing.title for case in decided].count("(erased)") == 5
        assert [case.scored.listing.seller_id for case in named] == ["third"]
        assert browse_cases(connection, Filter(seller_id=SELLER, state=None)) == []
        assert len(read_seller_record(connection, f"erased:{pseudonym}").listings) == 5
        for case in browse_cases(connection, Filter(state=None), limit=100):
            find_precedents(connection, case)
            explain_relisting(connection, case.case_id)
            history(connection, case.case_id)
            list_decisions(connection, case.case_id, with_reversed=True)
    assert [row["seller_id"] for row in export_cases(engine, ExportFilter())].count(f"erased:{pseudonym}") == 5
    assert {row["note"] for row in export_decisions(engine, ExportFilter())} == {""}
    with reading(engine) as connection:
        assert list(export_labels(connection)) == []
        estimate(connection)
        assess_reviewers(connection)


def test_no_reviewer_is_offered_an_erased_listing(engine):
    """Neither as a case nor for a second review; what was held is held no more."""
    plant(engine)
    with writing(engine) as connection:
        taken = iter(lambda: claim(connection, "cy", now=NOON), None)
        held = next(one for one in taken if get_case(connection, one.case_id).scored.listing.seller_id == SELLER)
    forget(engine)
    with writing(engine) as connection:
        offered = list(iter(lambda: claim(connection, "dora", now=LATER), None))
        sellers = {get_case(connection, one.case_id).scored.listing.seller_id for one in offered}
    assert sellers == {"other"}
    assert ask(engine, get_case, held.case_id).state == "decided"


def test_brand_and_category_stay_where_others_have_them(engine):
    """What many sellers write tells of none of them; verdicts by brand still count."""
    enqueue(engine, [bag(1, SELLER, 0.9), bag(2, "other", 0.8), bag(3, SELLER, 0.7, brand="Own")], now=NOON)
    forget(engine)
    found = [ask(engine, get_case, number).scored.listing for number in (1, 3)]
    expected = [("Acme", "Bags", 41.0), (None, "Bags", 43.0)]
    assert [(listing.brand, listing.category, listing.price) for listing in found] == expected


WORDS = st.text("abcdefghijklmnopqrstuvwxyz 0123456789+-@.", min_size=9, max_size=40).map(lambda text: f"zq{text}zq")
FIELDS = ("title", "description", "brand", "category", "condition", "country", "gtin", "image_hash")


@settings(max_examples=6)
@given(st.lists(WORDS, min_size=len(FIELDS), max_size=len(FIELDS), unique=True))
def test_whatever_a_seller_writes_wherever_is_gone(words):
    """No field of a listing keeps what only this seller wrote there."""
    enqueue(MEMORY, [bag(1, SELLER, 0.9, **dict(zip(FIELDS, words, strict=True)))], now=NOON)
    forget(MEMORY)
    assert list(find_clear(MEMORY, [*words, SELLER])) == []


@on_both
def test_an_erasure_that_would_lose_something_is_refused(engine):
    """A misspelt id, a reason that names the seller, a message that waits, and an appeal that would end undecided."""
    pseudonym = plant(engine)
    with pytest.raises(NotFound, match="how the id is written"):
        forget(engine, "nobody")
    with pytest.raises(UnusableSetting, match="names nobody"):
        erasure.erase_sellers(engine, [SELLER], why=f"{SELLER} asked", by="lea")
    execute(engine, update(outbox).values(state="waiting", settled_at=None))
    with pytest.raises(Conflict, match="1 messages"):
        forget(engine)
    with writing(engine) as connection:
        connection.execute(update(outbox).values(state="delivered", settled_at=NOON))
        of_evidence = connection.execute(select(evidence)).one()
        row = {"case_id": of_evidence.case_id, "decision_id": of_evidence.decision_id, "pseudonym": pseudonym}
        row |= {"kind": "complaint", "profile": "eu", "state": "open", "text": "", "filed_at": NOON}
        connection.execute(insert(appeals).values(row | {"subject": "measure:1"}))
    with pytest.raises(Conflict, match="page Appeals"):
        forget(engine)
    execute(engine, update(appeals).values(state="rejected"), update(user_sellers).values(seller_id="lone"))
    forget(engine)
    for seller in (SELLER, f"erased:{pseudonym}"):
        with pytest.raises(NotFound, match="No seller"):
            forget(engine, seller)
    assert forget(engine, "lone").sellers[0].cases == 0  # a reviewer who sells elsewhere is forgotten as such
    assert ask(engine, Connection.scalar, select(func.count()).select_from(user_sellers)) == 0


def test_a_legal_hold_keeps_a_seller_until_it_ends(engine):
    """Erasing says why not, and until when; a hold on one case is enough, and it ends by itself or by a person."""
    plant(engine)
    number = read_tables(engine)["cases"][0][0]
    until = LATER + timedelta(days=9)
    with writing(engine) as connection:
        place_hold(connection, SELLER, HoldOrder("claim 12", until, "lea", number), now=NOON)
        place_hold(connection, SELLER, HoldOrder("over", LATER - timedelta(hours=1), "lea"), now=NOON)
    before = read_tables(engine)
    with pytest.raises(Conflict, match=r"hold 1 until 2026-03-12 \(claim 12\); nothing was erased"):
        forget(engine)
    assert read_tables(engine) == before
    with pytest.raises(NotFound, match="No seller"), writing(engine) as connection:
        place_hold(connection, "other", HoldOrder("x", LATER, "lea", number), now=NOON)
    act(engine, release_holds, SELLER, by="lea", hold_id=1, now=LATER)
    assert forget(engine).sellers[0].cases == 5


def test_where_one_of_several_is_held_those_before_are_gone_for_good(tmp_path):
    """The line says which one; of the others no trace is left in the files."""
    engine = open_database(copy_sqlite(tmp_path))
    plant(engine)
    act(engine, place_hold, "other", HoldOrder("claim 12", LATER + timedelta(days=9), "lea"), now=NOON)
    with pytest.raises(Conflict, match="found hold"):
        erasure.erase_sellers(engine, [SELLER, "other"], why="requests 7, 8", by="lea", now=LATER)
    assert list(find_markers(tmp_path.iterdir(), MARKERS)) == []
    engine.dispose()


def test_what_is_typed_about_an_expired_listing_is_erased_with_the_seller(engine):
    """A note that came after the listing had gone does not stay."""
    plant(engine)
    run_retention(engine, load_enforcement_policy(), now=NOON + timedelta(days=3000))
    request = UndoRequest("lea", f"{NAME} wrote again", may_undo_others=True)
    act(engine, undo, 1, request, now=NOON + timedelta(days=3001))
    assert set(find_clear(engine, [NAME])) == {"reversals.why"}
    assert ask(engine, get_case, 1).state == "decided"  # taken back, but nobody can look at it again
    forget(engine)
    assert list(find_clear(engine, [*MARKERS])) == []


def test_what_was_interrupted_before_the_files_were_swept_is_finished_by_the_same_line(engine, monkeypatch):
    """The first step is whole or not there; the second is still owed until it is done."""
    plant(engine)

    def be_busy(*_):
        raise DatabaseBusy("x", "others")

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "sweep", be_busy)
        with pytest.raises(DatabaseBusy):
            forget(engine)
    assert forget(engine).sellers == ()
    assert read_scalars(engine, select(erasures.c.swept_at)) == [LATER]
    assert erasure.sweep_erased(engine) == ()


KILLED = """
import os, signal, sys
from datetime import datetime
from sqlalchemy import event
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.storage.database import open_database
engine, left = open_database(sys.argv[1]), int(sys.argv[2])
def count(statement):
    global left
    left -= statement.startswith(("INSERT", "UPDATE", "DELETE", "VACUUM"))
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(engine, "before_cursor_execute", lambda connection, cursor, statement, *_: count(statement))
@event.listens_for(engine, "connect")
def trace(connection, record):
    connection.set_trace_callback(lambda statement: count(statement) if statement.startswith("VACUUM") else None)
engine.dispose()
erase_sellers(engine, [sys.argv[3]], why="request 7", by="lea", now=datetime.fromisoformat(sys.argv[4]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_statements_an_erasure_comes_to_the_same_end(tmp_path, seed):
    """A kill leaves the seller whole, or known to be erased in part; in the end all is as after one run."""
    ends = []
    for name, kills in (("whole", []), ("killed", random.Random(seed).sample(range(3, 90), 4))):
        (tmp_path / name).mkdir()
        engine = open_database(copy_sqlite(tmp_path / name))
        plant(engine)
        enqueue(engine, [bag(n, SELLER, n / 99, brand=f"zqown{n % 3}") for n in range(20, 80)], now=NOON)
        markers = [*MARKERS, key_of(engine, SELLER), "zqown"]
        before = read_tables(engine)
        engine.dispose()
        for step in kills:
            command = [sys.executable, "-c", KILLED, str(engine.url), str(step), SELLER, LATER.isoformat()]
            assert subprocess.run(command, check=False).returncode in (0, -signal.SIGKILL)
            ended = [*filter(None, read_scalars(engine, select(erasures.c.cases)))]
            assert ask(engine, erasure.list_begun) or ended or read_tables(engine) == before
            engine.dispose()
            if ended:
                break
        else:
            forget(engine)
        assert erasure.finish_begun(engine, now=LATER) == erasure.sweep_erased(engine, now=LATER) == ()
        assert list(find_markers((tmp_path / name).iterdir(), markers)) == []
        with reading(engine) as connection:  # rows were planted without digests
            assert audit.verify(connection).is_intact
            assert list(find_disagreements(connection)) == []
        ends.append({table: rows for table, rows in read_tables(engine).items() if table != "audit"})
        engine.dispose()
    assert ends[0] == ends[1]


def test_an_erasure_that_has_begun_lets_nothing_stand_in_its_way(engine):
    """No hold and no appeal comes meanwhile, and the key stays; a message of a decision goes out before it ends."""
    pseudonym = plant(engine)
    execute(engine, update(measures).values(lifted_at=None))
    act(engine, erasure.begin, SELLER, erasure.ErasureOrder("request 7", "lea", LATER))
    with pytest.raises(Conflict, match="erasure that has begun"):
        act(engine, place_hold, SELLER, HoldOrder("claim 12", LATER + timedelta(days=9), "lea"), now=LATER)
    with pytest.raises(Conflict, match="erasure that has begun"):
        act(engine, file_appeal, AppealRequest("measure:1", SELLER, "It is mine."), APPEAL_RULES, now=LATER)
    run_retention(engine, load_enforcement_policy(), now=NOON + timedelta(days=3000))
    execute(engine, update(outbox).values(state="waiting", settled_at=None, pseudonym=pseudonym))
    enqueue(engine, [bag(30, SELLER, 0.9)], now=LATER)
    with pytest.raises(Conflict, match="1 messages about the seller wait to be delivered; all but the key was erased"):
        erasure.finish_begun(engine, now=LATER)
    assert erasure.sweep_erased(engine, now=LATER) == ()
    assert list(find_clear(engine, [NAME])) == []
    execute(engine, update(outbox).values(state="delivered", settled_at=LATER))
    assert [done.pseudonym for done in erasure.finish_begun(engine, now=LATER)] == [pseudonym]
    assert list(find_clear(engine, MARKERS)) == []


def test_a_reader_who_does_not_end_is_told_of(tmp_path):
    """As long as somebody reads what was there before, traces are left, and that is said."""
    engine = open_database(copy_sqlite(tmp_path))
    plant(engine)
    other = open_database(str(engine.url))
    with reading(other) as connection:
        connection.execute(select(func.count()).select_from(cases)).all()
        execute(engine, update(cases).values(holder=None))
        with pytest.raises(DatabaseBusy, match="go on reading"):
            sweep(engine, ["cases"], patience_seconds=0.2)
    assert sweep(engine, ["cases"]) == ()
    engine.dispose()
    other.dispose()


@pytest.mark.slow
def test_an_older_backup_does_not_bring_an_erased_seller_back(tmp_path):
    """By the list outside the database they are known, whether they had a pseudonym then or not, and erased again."""
    engine = open_database(copy_sqlite(tmp_path))
    listed = tmp_path / "erased.jsonl"
    plant(engine)
    enqueue(engine, [bag(7, "unnamed", 0.4)], now=NOON)
    back_up(engine, tmp_path / "backup.zip", now=NOON)
    erasure.erase_sellers(engine, [SELLER, "unnamed"], why="requests 7, 8", by="lea", listed_in=listed, now=LATER)
    assert listed.stat().st_mode & 0o077 == 0
    assert list(find_markers([listed], [*MARKERS, "unnamed"])) == []
    (tmp_path / "restored").mkdir()
    restored = open_database(f"sqlite:///{tmp_path}/restored/ipml.db")
    restore(restored, tmp_path / "backup.zip")
    assert set(find_clear(restored, MARKERS)) == clear_columns() - {"seller_keys.key"}
    assert len(erasure.erase_again(restored, listed, by="restore", now=LATER).sellers) == 2
    assert list(find_clear(restored, [*MARKERS, "unnamed"])) == []
    assert list(find_markers((tmp_path / "restored").iterdir(), MARKERS)) == []
    assert erasure.erase_again(restored, listed, by="restore", now=LATER).sellers == ()


def test_even_what_was_held_or_waiting_then_is_erased_again(engine, tmp_path):
    """A hold that is in an older backup has ended since, or the seller could not have been erased."""
    pseudonym = plant(engine)
    with writing(engine) as connection:
        place_hold(connection, SELLER, HoldOrder("claim 12", LATER + timedelta(days=9), "lea"), now=NOON)
        connection.execute(update(outbox).values(state="waiting", settled_at=None))
    erased_list.note_erased(tmp_path / "erased.jsonl", SELLER, pseudonym, LATER)
    erasure.erase_again(engine, tmp_path / "erased.jsonl", by="restore", now=LATER)
    assert list(find_clear(engine, MARKERS)) == []
    assert read_scalars(engine, select(outbox.c.state)) == ["dead"]
    enqueue(engine, [bag(1, SELLER, 0.9)], now=LATER + timedelta(days=1))  # came back by themselves
    assert erasure.erase_again(engine, tmp_path / "erased.jsonl", by="restore").sellers == ()


def test_a_list_that_was_cut_or_changed_anywhere_is_refused(tmp_path):
    """Whatever byte is the last, or another: never is it taken for a shorter list, nor is anything added to it."""
    path = tmp_path / "erased.jsonl"
    for seller in ("ann", "ben"):
        erased_list.note_erased(path, seller, f"p-{seller}", NOON)
    whole = path.read_bytes()
    damaged = [whole[:length] for length in (*range(0, len(whole), 3), len(whole) - 1)]
    damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole), 7)]
    damaged += [b"nonsense\n", b'{"format":"other","key":"00"}\n', b'{"format":"ipml erased sellers 1"}\n']
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UnreadableFile, match="list of erased sellers"):
            erased_list.note_erased(path, "cleo", "p-cleo", NOON)
        assert path.read_bytes() == content


def stop(*_, **__):
    """Do nothing more."""
    raise KeyboardInterrupt


def test_a_list_is_replaced_whole(tmp_path, monkeypatch):
    """Stopped at any step, it is that of before or that of after, and only its owner can read it."""
    path = tmp_path / "erased.jsonl"
    erased_list.note_erased(path, "ann", "p-ann", NOON)
    before = path.read_bytes()
    for place, name in ((erased_list, "_end_of"), (os, "fsync"), (Path, "replace")):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, stop)
            with pytest.raises(KeyboardInterrupt):
                erased_list.note_erased(path, "ben", "p-ben", NOON)
        assert path.read_bytes() == before
        assert path.stat().st_mode & 0o777 == 0o600
    erased_list.note_erased(path, "ben", "p-ben", NOON)
    assert set(erased_list.read_erased(path).moments) > {"p-ann", "p-ben"}


def test_a_list_of_an_older_release_goes_on(tmp_path):
    """It had no end that tells of its lines; it gets one when somebody is added."""
    path = tmp_path / "erased.jsonl"
    path.write_text(
        '{"format":"ipml erased sellers 1","key":"00"}\n'
        '{"pseudonym":"p-ann","mark":"m","at":"2026-03-01T00:00:00+00:00"}\n'
    )
    erased_list.note_erased(path, "ben", "p-ben", NOON)
    assert set(erased_list.read_erased(path).moments) > {"p-ann", "m", "p-ben"}
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnreadableFile, match="list of erased sellers"):
        erased_list.read_erased(path)


def test_nobody_is_erased_while_the_list_is_lost(engine, tmp_path):
    """Else the next list would know only those who came after; a new one is begun by whoever says so."""
    plant(engine)
    path = tmp_path / "erased.jsonl"
    erasure.erase_sellers(engine, [SELLER], why="request 7", by="lea", listed_in=path, now=LATER)
    path.unlink()
    before = read_tables(engine)
    with pytest.raises(NotFound, match="--new-list"):
        erasure.erase_sellers(engine, ["other"], why="request 8", by="lea", listed_in=path, now=LATER)
    assert read_tables(engine) == before
    erased_list.begin_list(path)
    assert erasure.erase_sellers(engine, ["other"], why="request 8", by="lea", listed_in=path, now=LATER).sellers
