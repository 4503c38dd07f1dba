"""Anchors of the audit trail: whoever tampers with it is found, whatever they do, as long as they lack the key."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, select, update
from support.databases import on_both
from support.transactions import read_with

from ipml.errors import Refused, UnusableSetting, UnwritableFile
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
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit as table

ROWS, AGAIN = 6, 4


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Return a file with a key."""
    make_key(tmp_path / "anchor.pem")
    return tmp_path / "anchor.pem"


@pytest.fixture
def anchors(tmp_path: Path) -> Path:
    """Return the path of a file of anchors."""
    return tmp_path / "anchors.jsonl"


@pytest.fixture
def trail(engine: Engine, key: Path, anchors: Path) -> Engine:
    """Return a database with a trail of ten rows, of which anchors were kept after six and after ten."""
    for count in (ROWS, AGAIN):
        with writing(engine) as connection:
            audit.append_all(
                connection, "ana", "claimed", ((f"case:{number}", {"token": 1}) for number in range(count))
            )
            store_anchor(anchors, make_anchor(connection, key))
    return engine


def forge(connection: Connection, first: int, last: int) -> None:
    """Give rows another actor and make their hashes anew, as one who knows how would."""
    rows = list(connection.execute(select(table).order_by(table.c.sequence)).mappings())
    previous = rows[first - 1]["previous"]
    for row in rows[first - 1 : last]:
        *stored, _ = {**row, "actor": "nobody", "previous": previous, "at": to_microseconds(row["at"])}.values()
        connection.execute(delete(table).where(table.c.sequence == row["sequence"]))
        forged = {**row, "actor": "nobody", "previous": previous, "hash": audit._hash(*stored)}
        connection.execute(insert(table), forged)
        previous = forged["hash"]


def edit(connection: Connection) -> None:
    """Change one cell."""
    connection.execute(update(table).where(table.c.sequence == 3).values(payload='{"token":2}'))


def drop(connection: Connection) -> None:
    """Take one row away and close the gap."""
    connection.execute(delete(table).where(table.c.sequence == 3))
    for sequence in range(4, ROWS + AGAIN + 1):
        connection.execute(update(table).where(table.c.sequence == sequence).values(sequence=sequence - 1))


def swap(connection: Connection) -> None:
    """Exchange two rows."""
    for old, new in ((3, 99), (4, 3), (99, 4)):
        connection.execute(update(table).where(table.c.sequence == old).values(sequence=new))


def cut(connection: Connection) -> None:
    """Take the last rows away."""
    connection.execute(delete(table).where(table.c.sequence > 8))


TAMPERING = {
    "edit": (edit, "row 3: was changed"),
    "deletion": (drop, "row 3: does not follow"),
    "reorder": (swap, "row 3: does not follow"),
    "truncation": (cut, "row 9: is missing"),
    "rewrite": (lambda connection: forge(connection, 1, ROWS + AGAIN), "row 1: is not the row of the anchor"),
    "emptying": (lambda connection: connection.execute(delete(table)), "row 1: is missing"),
    "edit with its hash": (lambda connection: forge(connection, 3, 3), "row 4: does not follow"),
    "rewrite of the end": (
        lambda connection: forge(connection, 8, ROWS + AGAIN),
        "row 10: is not the row of the anchor; the trail was written anew, somewhere from row 7 on",
    ),
}


@on_both
def test_whatever_is_tampered_with_is_found_at_its_first_row(trail, anchors, key, subtests):
    """Each kind is found with anchors, and the row is named; so are those that the chain alone cannot show.

    What `ipml serve` looks at when it starts says the same of these as reading the whole trail.
    """
    kept = [part for signed in read_anchors(anchors) for part in signed.anchors]
    for kind, (tamper, words) in TAMPERING.items():
        with subtests.test(kind), suppress(ZeroDivisionError), writing(trail) as connection:
            assert audit.verify(connection, *kept).is_intact
            assert check_trail(connection, anchors, key) == []
            tamper(connection)
            assert audit.verify(connection, *kept).problems[0].startswith(words)
            if audit.verify(connection).is_intact:
                assert kind in ("truncation", "emptying", "rewrite", "rewrite of the end")
                assert check_trail(connection, anchors, key)[0].startswith(words)
            else:
                assert kind in ("edit", "deletion", "reorder", "edit with its hash")
            raise ZeroDivisionError  # so that nothing is left of it


def test_an_anchor_of_each_row_is_told_from_one_that_is_not(trail: Engine):
    """`compare` and `verify` agree on every anchor there can be."""
    with reading(trail) as connection:
        rows = audit.list_between(connection, 1, ROWS + AGAIN)
        for row in rows:
            right, wrong = audit.Anchor(row.sequence, row.hash), audit.Anchor(row.sequence, "ab" * 32)
            assert audit.compare(connection, right) == audit.verify(connection, right).problems == ()
            assert audit.compare(connection, wrong) == audit.verify(connection, wrong).problems != ()


def test_the_signature_is_over_the_bytes_that_are_documented(trail: Engine, key: Path):
    """Anybody can check an anchor with what the module's docstring says."""
    anchor = read_with(trail, make_anchor, key)
    message = f"ipml anchor 1\n{anchor.count}\n{anchor.head}\n{anchor.first}\n{anchor.at}\n".encode()
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(find_public_key(key)))
    public.verify(bytes.fromhex(anchor.signature), message)


SIGNED = SignedAnchor(10, "ab" * 32, "cd" * 32, "2026-05-01T12:00:00.000000+00:00", "ef" * 32, "01" * 64)


def test_an_anchor_that_was_changed_no_longer_fits_its_signature(trail: Engine, key: Path):
    """Each part is signed, be the key known or taken from the anchor itself."""
    anchor = read_with(trail, make_anchor, key)
    for public in (find_public_key(key), None):
        assert find_bad_signatures([anchor], public) == []
        for part in ({"count": 9}, {"head": "12" * 32}, {"first": "12" * 32}, {"at": SIGNED.at.replace("6", "7", 1)}):
            assert "does not fit" in find_bad_signatures([replace(anchor, **part)], public)[0], part


def test_an_anchor_signed_with_another_key_or_not_at_all_is_found(trail: Engine, key: Path, tmp_path: Path):
    """Where the key is known, only its word counts."""
    make_key(tmp_path / "other.pem")
    with reading(trail) as connection:
        forged, bare = make_anchor(connection, tmp_path / "other.pem"), make_anchor(connection)
    faults = find_bad_signatures([forged, bare], find_public_key(key))
    assert "another key" in faults[0]
    assert "not signed" in faults[1]
    assert find_bad_signatures([forged, bare], None) == []


def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next(trail: Engine, anchors: Path, key: Path):
    """It is named, and once it is taken out all others are there."""
    anchors.write_bytes(anchors.read_bytes()[:-30])
    store_anchor(anchors, read_with(trail, make_anchor, key))
    with pytest.raises(Refused, match="line 2"):
        read_anchors(anchors)
    first, _, last = anchors.read_text().splitlines()
    anchors.write_text(f"{first}\n{last}\n")
    assert [anchor.count for anchor in read_anchors(anchors)] == [ROWS, ROWS + AGAIN]


def test_who_waits_for_a_long_trail_is_told_how_far_it_is(trail: Engine, monkeypatch: pytest.MonkeyPatch):
    """Now and then, with the number of all rows."""
    monkeypatch.setattr(audit, "_AT_ONCE", 4)
    told: list[tuple[int, int | None]] = []
    read_with(trail, audit.verify, show=lambda *said: told.append(said))
    assert told == [(4, 10), (8, 10)]


def test_where_no_anchor_was_kept_yet_there_is_nothing_to_compare(trail: Engine, tmp_path: Path):
    """The first start with a new file is no problem."""
    assert read_with(trail, check_trail, tmp_path / "none.jsonl", None) == []


def test_a_key_is_for_its_owner_alone_and_never_written_over(key: Path):
    """Nobody else can read the file, and a second key does not take its place."""
    assert key.stat().st_mode & 0o077 == 0
    with pytest.raises(UnwritableFile, match="so that no key is lost"):
        make_key(key)


def test_what_is_no_anchor_is_refused_in_a_line():
    """A file that was cut, or is another one, is named with what was found."""
    changes = ({"head": "ab"}, {"at": "yesterday"}, {"at": "2026-05-01"}, {"key": "xyz"})
    changed = [str(replace(SIGNED, **change)) for change in changes]
    other = ("", "[]", "12:" + "0" * 64, '{"format":"ipml anchor 2"}', str(SIGNED).replace("10", "-1", 1))
    for line in (*other, *changed):
        with pytest.raises(Refused, match="anchor: found"):
            parse_anchor(line)


@given(st.text(max_size=80))
def test_no_text_brings_the_reader_of_anchors_down(text: str):
    """Whatever stands in a file of anchors is an anchor or a line that says it is none."""
    with pytest.raises(Refused, match="found"):
        parse_anchor(text)
    assert parse_anchor(str(SIGNED)) == SIGNED


def test_the_rows_of_several_subjects_come_in_order(trail: Engine):
    """What evidence needs of the trail is read at once."""
    with reading(trail) as connection:
        assert [row.sequence for row in audit.list_rows(connection, "case:0", "case:2")] == [1, 3, 7, 9]
        assert [row.sequence for row in audit.list_between(connection, 3, 5)] == [3, 4, 5]


def test_what_is_no_key_is_refused_in_a_line(tmp_path: Path):
    """A missing file and one that holds something else are named."""
    path = tmp_path / "key"
    for content in (None, "nonsense", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(UnusableSetting, match="ipml audit key"):
            find_public_key(path)
