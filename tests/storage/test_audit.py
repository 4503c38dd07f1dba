"""The audit trail: what it finds, and what it finds only with an anchor."""

from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update
from support.databases import copy_memory, on_both
from support.transactions import act, ask

from ipml.errors import Refused, UnstorableValue, UnusableSetting, UnwritableFile
from ipml.kit.moments import to_microseconds
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.anchors import (
    SignedAnchor,
    check_trail,
    find_bad_signatures,
    find_public_key,
    make_anchor,
    make_key,
    parse_anchor,
    read_anchors,
    store_anchor,
)
from ipml.storage.audit_trail.audit import Anchor, append, append_all, list_rows, verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit as table

ROWS = 6
MEMORY = copy_memory()
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=200)


@pytest.fixture
def trail(engine):
    """Return a database with a trail of six rows."""
    act(engine, append_all, "ana", "claimed", ((f"case:{number}", {"token": 1}) for number in range(ROWS)))
    return engine


def test_a_trail_that_nobody_touched_is_intact(trail):
    """Appending gives a chain that verifies, and whose end is the anchor; nothing done is nothing wrong."""
    with writing(trail) as connection:
        report = verify(connection, audit.anchor(connection))
        assert report.is_intact
        assert report.anchor.count == ROWS
        connection.execute(delete(table))
        assert verify(connection).anchor == Anchor(0, "0" * 64)


@on_both
def test_rows_come_back_as_they_were_appended(engine):
    """In order, by subject, with what was appended; the trail has room for 200 characters and for real numbers."""
    said: list[tuple[str, dict[str, audit.Value]]]
    said = [("claimed", {"token": 1}), ("released", {"token": 1, "score": 0.1, "late": None})]
    with writing(engine) as connection:
        for action, payload in said:
            append(connection, "ana", action, "case:1", payload)
            append(connection, "bo", action, "case:2", payload)
    assert [(row.action, row.payload) for row in ask(engine, list_rows, "case:1")] == said
    with writing(engine) as connection:
        append(connection, "ana", "claimed", "case:1", {"title": "x" * 200})
        for value in ("x" * 201, float("nan"), float("inf")):
            with pytest.raises(UnstorableValue, match="audit payload, title"):
                append(connection, "ana", "claimed", "case:1", {"title": value})


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=5))
def test_any_payload_comes_back_the_same_and_verifies(payload):
    """Whatever text or number is noted, it is read again as it was and keeps the chain whole."""
    with writing(MEMORY) as connection:
        append(connection, "ana", "noted", "case:1", payload)
        (row,) = list_rows(connection, "case:1")
        assert row.payload == payload
        assert verify(connection).is_intact
        connection.execute(delete(table))


@on_both
def test_rows_appended_together_are_those_appended_one_by_one(engine):
    """Only the number of statements differs, and rows appended at once come before those of the batch around them."""
    audit_events = [(f"user {number % 2}", "noted", f"case:{number}", {"token": number}) for number in range(ROWS)]
    at, trails = datetime(2026, 5, 1, tzinfo=UTC), []
    for is_together in (False, True):
        with writing(engine) as connection:
            append(connection, *audit_events[0], at=at)
            with audit.collect(connection) if is_together else nullcontext(connection) as trail:
                append(connection, *audit_events[1], at=at)
                for audit_event in audit_events[2:]:
                    append(trail, *audit_event, at=at)
            trails.append(audit.list_between(connection, 1, ROWS))
            assert verify(connection).is_intact
            connection.execute(delete(table))
    assert (trails[0], len(trails[0])) == (trails[1], ROWS)


@on_both
def test_what_failed_leaves_nothing_to_append(engine):
    """The record of a change that did not happen does not exist; whoever goes on with the connection starts anew."""
    for collect in (audit.collect, nullcontext):
        with suppress(UnstorableValue), writing(engine) as connection, collect(connection) as trail:
            append(trail, "ana", "noted", "case:1", {})
            append(trail, "ana", "noted", "case:1", {"note": "x" * 201})
    with writing(engine) as connection:
        append(connection, "ana", "noted", "case:2", {})
        assert [row.subject for row in audit.list_between(connection, 1, 9)] == ["case:2"]


@on_both
def test_an_edit_of_any_column_is_found_at_its_row(trail):
    """Whoever edits one cell is found, and so is the row."""
    for column in {*table.c.keys()} - {"sequence"}:
        with rolled_back(trail) as connection:
            value = datetime.now(UTC) if column == "at" else "other"
            connection.execute(update(table).where(table.c.sequence == 3).values({column: value}))
            problems = verify(connection).problems
            assert [problem for problem in problems if problem.startswith("row 3")], column


@contextmanager
def rolled_back(engine):
    """Open a connection whose changes last as long as the block."""
    with suppress(ZeroDivisionError), writing(engine) as connection:
        yield connection
        raise ZeroDivisionError


def test_what_is_no_anchor_is_refused():
    """An anchor is typed by people, or in a file that was cut or is another one; what was found is named."""
    for text in ("", "12", "12:abc", "x:" + "0" * 64, "-1:" + "0" * 64):
        with pytest.raises(UnusableSetting, match="expected COUNT:HASH"):
            Anchor.parse(text)
    changes = ({"head": "ab"}, {"at": "yesterday"}, {"at": "2026-05-01"}, {"key": "xyz"})
    changed = [str(replace(SIGNED, **change)) for change in changes]
    other = ("", "[]", "12:" + "0" * 64, '{"format":"ipml anchor 2"}', str(SIGNED).replace("10", "-1", 1))
    for line in (*other, *changed):
        with pytest.raises(Refused, match="anchor: found"):
            parse_anchor(line)


AGAIN = 4


@pytest.fixture
def key(tmp_path):
    """Return a file with a key."""
    make_key(tmp_path / "anchor.pem")
    return tmp_path / "anchor.pem"


@pytest.fixture
def anchors(tmp_path):
    """Return the path of a file of anchors."""
    return tmp_path / "anchors.jsonl"


@pytest.fixture
def anchored(engine, key, anchors):
    """Return a database with a trail of ten rows, of which anchors were kept after six and after ten."""
    for count in (ROWS, AGAIN):
        with writing(engine) as connection:
            audit.append_all(
                connection, "ana", "claimed", ((f"case:{number}", {"token": 1}) for number in range(count))
            )
            store_anchor(anchors, make_anchor(connection, key))
    return engine


def forge(connection, first, last):
    """Give rows another actor and make their hashes anew, as one who knows how would."""
    rows = list(connection.execute(select(table).order_by(table.c.sequence)).mappings())
    previous = rows[first - 1]["previous"]
    for row in rows[first - 1 : last]:
        *stored, _ = {**row, "actor": "nobody", "previous": previous, "at": to_microseconds(row["at"])}.values()
        connection.execute(delete(table).where(table.c.sequence == row["sequence"]))
        forged = {**row, "actor": "nobody", "previous": previous, "hash": audit._hash(*stored)}
        connection.execute(insert(table), forged)
        previous = forged["hash"]


def move(old, new):
    """Return the statement that gives a row another number."""
    return update(table).where(table.c.sequence == old).values(sequence=new)


def remove(*sequences):
    """Return the statement that takes rows away."""
    return delete(table).where(table.c.sequence.in_(sequences))


# What is done to the trail, statements or the first and last row that are forged, and what is found.
TAMPERING = {
    "edit": ([update(table).where(table.c.sequence == 3).values(payload='{"token":2}')], "row 3: was changed"),
    "deletion": ([remove(3), *(move(number, number - 1) for number in range(4, 11))], "row 3: does not follow"),
    "gap": ([remove(3)], "row 3: found row 4 in its place"),
    "gap at the start": ([remove(1)], "row 1: found row 2 in its place"),
    "reorder": ([move(3, 99), move(4, 3), move(99, 4)], "row 3: does not follow"),
    "truncation": ([remove(9, 10)], "row 9: is missing"),
    "emptying": ([delete(table)], "row 1: is missing"),
    "rewrite": ((1, 10), "row 1: is not the row of the anchor"),
    "edit with its hash": ((3, 3), "row 4: does not follow"),
    "rewrite of the end": ((8, 10), "row 10: is not the row of the anchor; the trail was written anew, somewhere"),
}


@on_both
def test_whatever_is_tampered_with_is_found_at_its_first_row(anchored, anchors, key, subtests):
    """Each kind is found with anchors, and the row is named; so are those that the chain alone cannot show."""
    kept = [part for signed in read_anchors(anchors) for part in signed.anchors]
    for kind, (tampering, words) in TAMPERING.items():
        with subtests.test(kind), suppress(ZeroDivisionError), writing(anchored) as connection:
            assert audit.verify(connection, *kept).is_intact
            assert check_trail(connection, anchors, key) == []
            if isinstance(tampering, tuple):
                forge(connection, *tampering)
            else:
                [connection.execute(statement) for statement in tampering]
            assert audit.verify(connection, *kept).problems[0].startswith(words)
            if audit.verify(connection).is_intact:
                assert kind in ("truncation", "emptying", "rewrite", "rewrite of the end")
                assert check_trail(connection, anchors, key)[0].startswith(words)
            else:
                assert kind in ("edit", "deletion", "gap", "gap at the start", "reorder", "edit with its hash")
            raise ZeroDivisionError  # so that nothing is left of it


def test_an_anchor_of_each_row_is_told_from_one_that_is_not(anchored):
    """`compare` and `verify` agree on every anchor there can be."""
    with reading(anchored) as connection:
        rows = audit.list_between(connection, 1, ROWS + AGAIN)
        for row in rows:
            right, wrong = audit.Anchor(row.sequence, row.hash), audit.Anchor(row.sequence, "ab" * 32)
            assert audit.compare(connection, right) == audit.verify(connection, right).problems == ()
            assert audit.compare(connection, wrong) == audit.verify(connection, wrong).problems != ()


SIGNED = SignedAnchor(10, "ab" * 32, "cd" * 32, "2026-05-01T12:00:00.000000+00:00", "ef" * 32, "01" * 64)


def test_an_anchor_that_was_changed_no_longer_fits_its_signature(anchored, key, tmp_path):
    """Each part is signed, over the documented bytes; where the key is known, only its word counts."""
    anchor = ask(anchored, make_anchor, key)
    for public in (find_public_key(key), None):
        assert find_bad_signatures([anchor], public) == []
        for part in ({"count": 9}, {"head": "12" * 32}, {"first": "12" * 32}, {"at": SIGNED.at.replace("6", "7", 1)}):
            assert "does not fit" in find_bad_signatures([replace(anchor, **part)], public)[0], part
    message = f"ipml anchor 1\n{anchor.count}\n{anchor.head}\n{anchor.first}\n{anchor.at}\n".encode()
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(find_public_key(key)))
    public.verify(bytes.fromhex(anchor.signature), message)
    make_key(tmp_path / "other.pem")
    with reading(anchored) as connection:
        forged, bare = make_anchor(connection, tmp_path / "other.pem"), make_anchor(connection)
    faults = find_bad_signatures([forged, bare], find_public_key(key))
    assert "another key" in faults[0]
    assert "not signed" in faults[1]
    assert find_bad_signatures([forged, bare], None) == []


def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next(anchored, anchors, key, tmp_path):
    """It is named, and once it is taken out all others are there."""
    anchors.write_bytes(anchors.read_bytes()[:-30])
    store_anchor(anchors, ask(anchored, make_anchor, key))
    with pytest.raises(Refused, match="line 2"):
        read_anchors(anchors)
    first, _, last = anchors.read_text().splitlines()
    anchors.write_text(f"{first}\n{last}\n")
    assert [anchor.count for anchor in read_anchors(anchors)] == [ROWS, ROWS + AGAIN]
    assert ask(anchored, check_trail, tmp_path / "none.jsonl", None) == []


def test_who_waits_for_a_long_trail_is_told_how_far_it_is(anchored, monkeypatch):
    """Now and then, with the number of all rows."""
    monkeypatch.setattr(audit, "_AT_ONCE", 4)
    told = []
    ask(anchored, audit.verify, show=lambda *said: told.append(said))
    assert told == [(4, 10), (8, 10)]


def test_a_key_is_for_its_owner_alone_and_never_written_over(key, tmp_path):
    """Nobody else can read the file, and no second key takes its place; what is no key is refused in a line."""
    assert key.stat().st_mode & 0o077 == 0
    with pytest.raises(UnwritableFile, match="so that no key is lost"):
        make_key(key)
    path = tmp_path / "key"
    for content in (None, "nonsense", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(UnusableSetting, match="ipml audit key"):
            find_public_key(path)


@given(st.text(max_size=80))
def test_no_text_brings_the_reader_of_anchors_down(text):
    """Whatever stands in a file of anchors is an anchor or a line that says it is none."""
    with pytest.raises(Refused, match="found"):
        parse_anchor(text)
    assert parse_anchor(str(SIGNED)) == SIGNED


def test_the_rows_of_several_subjects_come_in_order(anchored):
    """What evidence needs of the trail is read at once."""
    with reading(anchored) as connection:
        assert [row.sequence for row in audit.list_rows(connection, "case:0", "case:2")] == [1, 3, 7, 9]
        assert [row.sequence for row in audit.list_between(connection, 3, 5)] == [3, 4, 5]
