"""Packages of evidence: what stands in them, what a mishap leaves, and archives that are unpacked safely."""

import gzip
import io
import json
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import bagit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update
from support.actions import KEEPING_EVIDENCE
from support.databases import invented_messages, on_both
from support.picture_host import serve_pictures
from support.transactions import act, ask, execute

from ipml.enforcement.evidence.archives import ArchiveLimits, lay_out, unpack, write_zip
from ipml.enforcement.evidence.package import (
    PackageOutput,
    PackageParts,
    compare_with_trail,
    export_package,
    subjects_of_cases,
)
from ipml.enforcement.evidence.pieces import evidence_of_decision, find_evidence, read_scored_listing
from ipml.enforcement.evidence.verify import check_package
from ipml.errors import EvidenceChanged, NotFound, UnreadableFile, UnwritableFile
from ipml.kit.canonical_json import canonical_json, digest
from ipml.records import PriceRange, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.arrivals.snapshot import encode
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.pictures.addresses import PictureSources, parse_picture_networks
from ipml.review.pictures.collection import fetch_due
from ipml.review.pictures.stored import path_of
from ipml.review.undo import UndoRequest, undo
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.database import reading, writing
from ipml.storage.outbox import Draft, put_all
from ipml.storage.tables import audit as audit_table
from ipml.storage.tables import enforcement_policies, evidence, measures


def write_capture(path, n_records=2):
    """Write a WARC file."""
    records = []
    for number in range(n_records):
        page = f"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>page {number}</html>".encode()
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{uuid4()}>\r\n"
        head += "WARC-Target-URI: http://shop.example/A7\r\nWARC-Date: 2026-05-01T12:00:00Z\r\n"
        head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(page)}\r\n\r\n"
        record = head.encode() + page + b"\r\n\r\n"
        records.append(gzip.compress(record) if path.suffix == ".gz" else record)
    path.write_bytes(b"".join(records))
    return path


@on_both
def test_all_that_concerns_a_case_is_in_its_package(engine, decide_on, make_scored, tmp_path):
    """Escalated, decided by a lead, taken back, decided again: both pieces of evidence, and every row, in order."""
    case_id = decide_on(make_scored(), Verdict.ESCALATE).case_id
    decide_on(make_scored("other", seller_id="s9"))
    for verdict in (Verdict.GENUINE, Verdict.CANNOT_TELL):
        with writing(engine) as connection:
            held = claim(connection, "lea", case_id)
            decision = decide(connection, DecisionRequest(held, verdict), context=KEEPING_EVIDENCE)
        if verdict is Verdict.GENUINE:
            act(engine, undo, decision.decision_id, UndoRequest("lea", why="a slip"), context=KEEPING_EVIDENCE)
    exported = export_package(engine, case_id, PackageOutput(tmp_path / "package", "lea"))
    rows = [json.loads(line) for line in (exported.path / "data/audit.jsonl").read_text().splitlines()]
    actions = [row["action"] for row in rows]
    expected = ["enqueued", "claimed", "escalated", "claimed", "decided", "evidence kept", "reversed"]
    assert actions == [*expected, "claimed", "decided", "evidence kept"]
    assert {row["subject"] for row in rows} == {f"case:{case_id}", "evidence:2", "evidence:3"}
    assert (exported.n_evidence, exported.n_rows, exported.n_erased) == (2, len(rows), 0)
    assert check_package(exported.path).findings == []
    assert ask(engine, compare_with_trail, exported.path) == []
    assert ask(engine, audit.verify).is_intact


def test_pictures_go_along_as_they_were_sent(engine, decide_on, make_scored, tmp_path):
    """The evidence says when and from where each came, or why not; a file that was changed since stays out."""
    folder = tmp_path / "pictures"
    sources = PictureSources(networks=parse_picture_networks("127.0.0.1"))
    with serve_pictures() as host:
        addresses = [host.address(path) for path in ("/moved", "/svg", "/png")]
        scored = make_scored(image_urls=" ".join(addresses))
        enqueue(engine, [scored])
        fetch_due(engine, folder, sources)
    decide_on(scored)
    exported = export_package(engine, 1, PackageOutput(tmp_path / "one", "lea"), PackageParts(pictures=folder))
    (piece,) = [json.loads(path.read_text()) for path in (exported.path / "data").glob("evidence-*.json")]
    moved, svg, png = piece["pictures"]
    assert (moved["address"], moved["found_at"]) == (addresses[0], host.address("/good.jpg"))
    assert svg == {"address": addresses[1], "state": "failed", "why": "is an SVG, which may hold a program"}
    assert (exported.path / "data" / moved["file"]).read_bytes() == host.jpeg
    assert check_package(exported.path).findings == []
    path_of(folder, png["digest"]).write_bytes(b"another")
    again = export_package(engine, 1, PackageOutput(tmp_path / "two", "lea"), PackageParts(pictures=folder))
    assert [path.name for path in (again.path / "data").glob("picture-*")] == [moved["file"]]
    assert check_package(again.path).findings == []
    assert "data/picture-" in (again.path / "README.txt").read_text()


def test_evidence_says_like_what_a_listing_was(decide_on, make_scored, engine, tmp_path):
    """In the package and in its text, as the case said it when it was decided."""
    again = [decide_on(make_scored(name, title="Leather wallet, brown")) for name in ("L1", "L2")][1]
    exported = export_package(engine, again.case_id, PackageOutput(tmp_path / "package", "lea"))
    assert "listed again: like case 1, by seller" in (exported.path / "README.txt").read_text()


def test_the_trail_says_who_exported_what(engine, decide_on, make_scored, tmp_path):
    """The row of the export ends the trail up to the anchor, and the next package tells of it."""
    decide_on(make_scored())
    first = export_package(engine, 1, PackageOutput(tmp_path / "one", "lea"))
    assert ask(engine, audit.anchor) == audit.Anchor(first.anchor.count, first.anchor.head)
    *_, who, what = ask(engine, audit.list_rows, "case:1")
    assert (who.actor, who.action) == ("lea", "exported evidence")
    assert who.payload["content"] == what.payload["content"]
    second = export_package(engine, 1, PackageOutput(tmp_path / "two", "lea"), PackageParts(with_names=True))
    assert second.n_rows == first.n_rows + 2
    rows = [json.loads(line) for line in (second.path / "data/audit.jsonl").read_text().splitlines()]
    assert not any(row.get("withheld") for row in rows)
    assert "lea" in {row["actor"] for row in rows}
    assert check_package(second.path).findings == []


def test_an_erased_seller_is_a_plain_line(engine, decide_on, make_scored, forget, tmp_path):
    """The package has the digests, and says why it has no more."""
    decide_on(make_scored(title="Mirror quality"))
    forget("s1")
    exported = export_package(engine, 1, PackageOutput(tmp_path / "package", "lea"))
    assert exported.n_erased == 1
    assert not list((exported.path / "data").glob("evidence-*"))
    assert "the seller was erased" in (exported.path / "README.txt").read_text()
    report = check_package(exported.path)
    assert report.findings == []
    assert any("is not in this package" in note for note in report.notes)


def test_an_edited_trail_disowns_the_package(engine, decide_on, make_scored, tmp_path):
    """Rows that the trail lost, and rows that it has and the package lacks, are both told."""
    decide_on(make_scored())
    folder = export_package(engine, 1, PackageOutput(tmp_path / "package", "lea")).path
    with writing(engine) as connection:
        audit.append(connection, "eve", "claimed", "case:1", {})
        connection.execute(update(audit_table).where(audit_table.c.sequence == 2).values(hash="0" * 64))
        connection.execute(delete(audit_table).where(audit_table.c.sequence == 3))
    problems = ask(engine, compare_with_trail, folder)
    expected = ["data/audit.jsonl, line 2", "data/audit.jsonl, line 3"]
    assert [problem.partition(":")[0] for problem in problems] == expected
    whole = export_package(engine, 1, PackageOutput(tmp_path / "whole", "lea")).path
    lines = (whole / "data/audit.jsonl").read_text().splitlines(keepends=True)
    (whole / "data/audit.jsonl").write_text("".join([lines[0], *lines[2:]]))
    assert "row 2 of the trail is missing (claimed)" in ask(engine, compare_with_trail, whole)[0]


def test_a_capture_is_part_of_the_package(engine, decide_on, make_scored, tmp_path):
    """Byte for byte, under a name of ours; one that is cut, or none, is refused and nothing written."""
    decide_on(make_scored())
    for suffix in (".warc", ".warc.gz"):
        capture = write_capture(tmp_path / f"\u202egpj{suffix}")
        exported = export_package(
            engine, 1, PackageOutput(tmp_path / f"package{suffix}", "lea"), PackageParts(capture=capture)
        )
        assert (exported.path / f"data/capture{suffix}").read_bytes() == capture.read_bytes()
        assert check_package(exported.path).findings == []
        bagit.Bag(str(exported.path)).validate()
    capture = write_capture(tmp_path / "page.warc")
    whole = capture.read_bytes()
    for content in (whole[:0], whole[:40], whole[:-30], b"<html>no capture</html>"):
        capture.write_bytes(content)
        with pytest.raises(UnreadableFile, match="WARC"):
            export_package(engine, 1, PackageOutput(tmp_path / "package", "lea"), PackageParts(capture=capture))
    assert not (tmp_path / "package").exists()


def test_what_cannot_be_exported_is_told(engine, make_scored, decide_on, tmp_path):
    """No such case, one that nobody decided, a place that is taken or not there."""
    with pytest.raises(NotFound, match="No case"):
        export_package(engine, 7, PackageOutput(tmp_path / "package", "lea"))
    enqueue(engine, [make_scored("open")])
    with pytest.raises(NotFound, match="case 1"):
        export_package(engine, 1, PackageOutput(tmp_path / "package", "lea"))
    decide_on(make_scored("L2", title="Silk scarf"))
    (tmp_path / "taken").mkdir()
    with pytest.raises(UnwritableFile, match="something of that name"):
        export_package(engine, 2, PackageOutput(tmp_path / "taken", "lea"))
    with pytest.raises(UnwritableFile):
        export_package(engine, 2, PackageOutput(tmp_path / "no" / "such", "lea"))


def test_only_its_owner_can_read_a_package(engine, decide_on, make_scored, tmp_path):
    """It tells of a seller; moments in it are those given: nothing asks the clock."""
    decide_on(make_scored())
    exported = export_package(
        engine, 1, PackageOutput(tmp_path / "package", "lea"), now=datetime(2031, 5, 1, tzinfo=UTC)
    )
    assert exported.path.stat().st_mode & 0o077 == 0
    assert exported.anchor.at.startswith("2031-05-01T00:00:00")
    assert "Bagging-Date: 2031-05-01" in (exported.path / "bag-info.txt").read_text()


_KILLED = """
import os, signal, sys, threading
from pathlib import Path
from ipml.enforcement.evidence import bag, package
from ipml.storage.database import open_database

calls = int(sys.argv[3])
def strike(frame, event, argument):
    global calls
    if event == "call" and "/evidence/" in frame.f_code.co_filename:
        calls -= 1
        if calls == 0:
            os.kill(os.getpid(), signal.SIGKILL)
engine = open_database(sys.argv[1])
sys.setprofile(strike)
package.export_package(engine, 1, package.PackageOutput(Path(sys.argv[2]), "lea"))
"""


@pytest.mark.slow
def test_a_killed_export_leaves_no_half_package(database_url, engine, decide_on, make_scored, tmp_path):
    """Killed anywhere, there is a whole package or none, and the next export clears away what was left."""
    decide_on(make_scored())
    n_killed = 0
    for number, calls in enumerate((10, 25, 40, 60)):
        out = tmp_path / f"package-{number}"
        done = subprocess.run([sys.executable, "-c", _KILLED, database_url, str(out), str(calls)], check=False)
        n_killed += done.returncode == -signal.SIGKILL
        assert not out.exists() or check_package(out).findings == []
        if not out.exists():
            assert check_package(export_package(engine, 1, PackageOutput(out, "lea")).path).findings == []
    assert n_killed >= 2
    assert not list(tmp_path.glob(".*.partial-*"))
    assert ask(engine, audit.verify).is_intact


@invented_messages
def test_what_followed_from_a_case_is_found(engine, decide_on, make_scored):
    """Measures of the case and the messages about them, and nothing of another case."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    decisions = [decide_on(make_scored(f"L{number}", seller_id=f"s{number}")) for number in (1, 2)]
    with writing(engine) as connection:
        connection.execute(insert(enforcement_policies).values(digest="p", policy="{}", first_used_at=moment))
        for one in decisions:
            fields = {"decision_id": one.decision_id, "case_id": one.case_id, "pseudonym": "x", "kind": "remove"}
            fields |= {"territories": "", "policy_digest": "p", "imposed_by": "ana", "imposed_at": moment}
            connection.execute(insert(measures).values(**fields))
            number, about = one.decision_id, f"measure:{one.decision_id}"
            told = {"channel": "platform", "kind": "measure", "subject": about, "body": {}, "pseudonym": None}
            put_all(connection, [Draft(key=f"k{number}", **told, now=moment)])
        subjects = subjects_of_cases(connection, [decisions[1].case_id])
    assert subjects == ["case:2", "evidence:2", "measure:2", "message:2"]


def test_evidence_holds_the_snapshot_exactly(engine, decide_on, make_scored):
    """The scored listing in it is the one that was decided on; encoding it gives the very snapshot."""
    scored = make_scored(title="Gu\u0441\u0441i \u202e bag", price=0.1 + 0.2, seller_sales=3.0, country="DE")
    prices = PriceRange("Gucci", "EUR", 1.0, 2.0, 3.0)
    scored = replace(scored, price_range=prices, model_digest="ab" * 32, earlier_listings=3.0, earlier_suspicion=1.25)
    decision = decide_on(scored)
    (kept,) = ask(engine, find_evidence, decision.case_id)
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


def test_who_decided_is_a_pseudonym(engine, decide_on, make_scored):
    """The login name is not in it, but one name for each seller; the same content has another digest by its salt."""
    ours = [decide_on(make_scored(f"L{number}"), reviewer="anastasia") for number in range(2)]
    other = decide_on(make_scored("L9", seller_id="s2"), reviewer="anastasia")
    kept = [ask(engine, find_evidence, one.case_id)[0] for one in (*ours, other)]
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


def test_the_doctor_sees_evidence_with_another_digest(engine, decide_on, make_scored):
    """Table and trail must say the same; evidence that is gone, as in time it may be, is no fault."""
    for number in (1, 2):
        decide_on(make_scored(f"L{number}"))
    execute(
        engine,
        update(evidence).where(evidence.c.evidence_id == 1).values(digest="0" * 64),
        delete(evidence).where(evidence.c.evidence_id == 2),
    )
    problems = list(ask(engine, find_disagreements))
    assert problems == ["evidence 1: is not what the audit trail says was kept"]


Entries = dict[str, bytes]

LEADING_OUT = ("../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "\\\\host\\share\\evil", "a/..")
STRANGE = ("CON", "aux.txt", "invoice\u202egpj.exe", "n" * 300, "nul", "-rf", "~", "a\nb", "\x1b[2J", "=1+1", " ")


def write_zip_of(path, entries):
    """Write a .zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def write_tar_of(path, entries, **kind):
    """Write a .tar file; `kind` are attributes that every entry gets."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for attribute, value in kind.items():
                setattr(info, attribute, value)
            archive.addfile(info, io.BytesIO(content))
    return path


WRITERS: dict[str, Callable[[Path, Entries], Path]] = {
    ".zip": write_zip_of,
    ".tar": write_tar_of,
    ".tar.gz": write_tar_of,
}


def list_all(folder):
    """Return all that is in a folder."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def refuse(tmp_path, entries, words, limits=None):
    """Assert that an archive of any kind is refused with these words, and nothing written."""
    for suffix, write in WRITERS.items():
        archive = write(tmp_path / f"a{suffix}", entries)
        with pytest.raises(UnreadableFile, match=words):
            unpack(archive, tmp_path / "out", limits or ArchiveLimits())
        assert list_all(tmp_path) == [archive], entries
        archive.unlink()


def test_files_come_out_under_names_of_ours(tmp_path):
    """What the archive calls them is kept as data, however strange it is."""
    for suffix, write in WRITERS.items():
        archive = write(tmp_path / f"a{suffix}", dict.fromkeys(STRANGE, b"content"))
        files = unpack(archive, tmp_path / f"out{suffix}")
        assert sorted(file.name for file in files) == sorted(STRANGE)
        assert [file.path.name for file in files] == [f"{number:06}" for number in range(1, len(STRANGE) + 1)]
        assert list_all(tmp_path / f"out{suffix}") == [file.path for file in files]
        assert all(file.path.read_bytes() == b"content" for file in files)


def test_names_that_lead_out_or_collide_are_refused(tmp_path):
    """And nothing is written; some file systems hold two names for the same."""
    for name in LEADING_OUT:
        refuse(tmp_path, {"good": b"1", name: b"2"}, "leads out of the folder")
    for one, other in (("a", "A"), ("stra\u00dfe", "STRASSE")):
        refuse(tmp_path, {one: b"1", other: b"2"}, "two files of the name")


def test_links_and_devices_are_refused(tmp_path):
    """Of whatever kind; in a .zip one is a link by its mode."""
    archives = []
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        archives.append(write_tar_of(tmp_path / f"{kind!r}.tar", {"x": b""}, type=kind, linkname="/etc/passwd"))
    info = zipfile.ZipInfo("x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    for path in (*archives, tmp_path / "a.zip"):
        with pytest.raises(UnreadableFile, match="link or a device"):
            unpack(path, tmp_path / "out")


def test_what_would_fill_the_disk_is_refused(tmp_path):
    """By what a header declares, by how much more comes out than went in, and by more than was declared."""
    info = tarfile.TarInfo("x")
    info.size = 10 * 2**30
    (tmp_path / "a.tar").write_bytes(info.tobuf() + b"\0" * 10_240)
    archive = write_zip_of(tmp_path / "a.zip", {"x": b"1234"})
    content = bytearray(archive.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    archive.write_bytes(content)
    for path in (tmp_path / "a.tar", archive):
        with pytest.raises(UnreadableFile, match=r"more than 536,870,912 bytes"):
            unpack(path, tmp_path / "out")
    assert list_all(tmp_path / "out") == []
    for suffix in (".zip", ".tar.gz"):
        archive = WRITERS[suffix](tmp_path / f"a{suffix}", {"x": b"\0" * 5_000_000})
        with pytest.raises(UnreadableFile, match="200 times its size"):
            unpack(archive, tmp_path / "out")
    archive = write_zip_of(tmp_path / "a.zip", {"x": b"x" * 5_000})
    content = bytearray(archive.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    archive.write_bytes(content)
    with pytest.raises(UnreadableFile, match="Nothing was unpacked"):
        unpack(archive, tmp_path / "out")
    assert list_all(tmp_path / "out") == []


def test_many_entries_are_refused(tmp_path):
    """A hundred thousand as well as one too many."""
    refuse(tmp_path, {f"{number}": b"" for number in range(11)}, "more than 10 files", ArchiveLimits(n_entries=10))
    archive = write_zip_of(tmp_path / "a.zip", {f"{number}": b"" for number in range(10)})
    assert len(unpack(archive, tmp_path / "out", ArchiveLimits(n_entries=10))) == 10


def test_what_would_fill_the_memory_is_refused(tmp_path):
    """LZMA may ask for gigabytes in a few bytes; what stands before a file of a .tar is read in sips."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x", b"1")
    with pytest.raises(UnreadableFile, match="encrypted or packed"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 200_000_000
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(info.tobuf())
        stream.write(b"\0" * 3_000_000)
    with pytest.raises(UnreadableFile, match="description of"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=600) | st.binary(max_size=60).map(lambda tail: b"PK\x03\x04" + tail))
def test_junk_is_no_archive(content, tmp_path):
    """Whatever the bytes are: a refusal in words, and nothing written."""
    (tmp_path / "a").write_bytes(content)
    try:
        files = unpack(tmp_path / "a", tmp_path / "out")
    except UnreadableFile:
        files = []
    assert files == []


def test_a_cut_archive_leaves_nothing(tmp_path):
    """Cut anywhere, it is refused as a whole."""
    for suffix, write in WRITERS.items():
        archive = write(tmp_path / f"a{suffix}", {"x": bytes(range(256)) * 40, "y": b"2" * 3_000})
        whole = archive.read_bytes()
        for length in range(1, len(whole) - 2_000 if suffix == ".tar" else len(whole), max(len(whole) // 20, 1)):
            archive.write_bytes(whole[:length])
            with suppress(UnreadableFile):
                for file in unpack(archive, tmp_path / "out"):  # a .tar cut between two files is one of fewer
                    file.path.unlink()
            assert list_all(tmp_path / "out") == []


def test_a_package_goes_through_a_zip(tmp_path):
    """It is laid out as it was packed; an archive with names that ipml does not give is no package."""
    folder = tmp_path / "package"
    (folder / "data").mkdir(parents=True)
    for name in ("bagit.txt", "data/evidence-000001.json"):
        (folder / name).write_text(name)
    archive = write_zip(folder, tmp_path / "package.zip")
    out = lay_out(unpack(archive, tmp_path / "out"), archive, tmp_path / "again")
    assert {path.relative_to(out).as_posix(): path.read_text() for path in list_all(out)} == {
        name: name for name in ("bagit.txt", "data/evidence-000001.json")
    }
    names = ("p/a b", "p/CON", "p/data/x/y", "x", "p/other/y", "p/\u0430", "p/.hidden", "p/data/-x")
    for number, name in enumerate(names):
        archive = write_zip_of(tmp_path / "a.zip", {"p/bagit.txt": b"", name: b""})
        files = unpack(archive, tmp_path / f"out{number}")
        with pytest.raises(UnreadableFile, match="Nothing was unpacked"):
            lay_out(files, archive, tmp_path / "again")
