"""What the checker of packages finds, and whom it blames."""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, product
from pathlib import Path

import bagit
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from support.actions import KEEPING_EVIDENCE
from support.authority import Authority
from support.databases import copy_sqlite
from support.transactions import act

from ipml.enforcement.evidence import bag
from ipml.enforcement.evidence.bag import close_bag
from ipml.enforcement.evidence.package import PackageOutput, PackageParts, export_package
from ipml.enforcement.evidence.verify import STAMP, STAMPED, check_package, is_signed, main
from ipml.errors import Refused, UnreadableFile
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.undo import UndoRequest, undo
from ipml.storage.audit_trail.anchors import make_key
from ipml.storage.database import open_database, writing


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Return a database in which a case was decided, taken back and decided again."""
    engine = open_database(copy_sqlite(tmp_path_factory.mktemp("market")))
    listing = Listing("A7", "s1", "Gu\u0441\u0441i bag", observed_at=datetime(2026, 5, 1, tzinfo=UTC))
    enqueue(engine, [ScoredListing(listing, 0.9, 2.2, (), (), None, "m/1")])
    for note in ("mirror quality", "seen again"):
        with writing(engine) as connection:
            held = claim(connection, "ana")
            decision = decide(
                connection,
                DecisionRequest(held, Verdict.COUNTERFEIT, "declared_replica", note=note),
                context=KEEPING_EVIDENCE,
            )
        if note == "mirror quality":
            act(engine, undo, decision.decision_id, UndoRequest("ana"), context=KEEPING_EVIDENCE)
    return engine


@pytest.fixture(scope="module")
def made(market, tmp_path_factory):
    """Return a signed package of that case."""
    folder = tmp_path_factory.mktemp("made")
    make_key(folder / "anchor.pem")
    return export_package(market, 1, PackageOutput(folder / "package", "lea", folder / "anchor.pem"))


@pytest.fixture
def copy(made, tmp_path):
    """Return a function that gives a copy of it to tamper with."""
    numbers = count()
    return lambda: replace(made, path=Path(shutil.copytree(made.path, tmp_path / f"package-{next(numbers)}")))


@pytest.fixture
def package(copy):
    """Return one copy."""
    return copy()


def blamed(folder, *arguments):
    """Return the files that are found at fault."""
    return {finding.file for finding in check_package(folder, *arguments).findings}


def flip(folder, name, place, mask):
    """Change bits of a byte of a file."""
    content = bytearray((folder / name).read_bytes())
    content[place] ^= mask
    (folder / name).write_bytes(content)


def list_files(folder):
    """Return the names of all files of a package."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def edit_lines(folder, change):
    """Change the lines of the audit trail."""
    path = folder / "data/audit.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def write_anew(folder, exported):
    """Make all manifests fit again, as a forger would."""
    for path in folder.glob("*manifest-*.txt"):
        path.unlink()
    close_bag(folder, "case:1", datetime.fromisoformat(exported.anchor.at))


def test_a_package_is_whole_and_every_archive_can_read_it(package, tmp_path):
    """With and without the key, for the Library of Congress's own reader, and by the copy in it, which runs alone."""
    assert check_package(package.path).findings == []
    assert check_package(package.path, package.anchor.key).findings == []
    bagit.Bag(str(package.path)).validate()
    assert main([str(package.path), "--key", package.anchor.key]) == 0
    alone = tmp_path / "alone" / "verify.py"
    alone.parent.mkdir()
    shutil.copyfile(package.path / "verify.py", alone)
    command = [sys.executable, "-I", "-S", str(alone), str(package.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "The package is whole." in done.stdout


def test_every_changed_byte_is_named_with_its_file_and_no_other(package):
    """Whatever byte of whatever file; of the trail the line as well, also where the manifests were made to fit."""
    random.seed(60)
    names = list_files(package.path)
    for number in range(60):
        name = names[number % len(names)]
        place, mask = random.randrange((package.path / name).stat().st_size), random.randrange(1, 256)
        flip(package.path, name, place, mask)
        assert blamed(package.path) == {name}, (name, place, mask)
        flip(package.path, name, place, mask)
    lines = (package.path / "data/audit.jsonl").read_bytes().splitlines(keepends=True)
    flip(package.path, "data/audit.jsonl", len(lines[0]) + len(lines[1]) + 30, 1)
    write_anew(package.path, package)
    assert [(one.file, one.line) for one in check_package(package.path).findings] == [("data/audit.jsonl", 3)]


def test_dropped_added_and_moved_lines_are_named(copy):
    """With manifests that fit or not, the first such line is told."""
    changes = [
        (lambda lines: lines[1:], 1, "missing"),
        (lambda lines: [*lines[:2], *lines[3:]], 3, "missing"),
        (lambda lines: lines[:-1], None, "missing"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3, "out of order"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2, "missing"),
    ]
    for (change, line, word), fits in product(changes, (False, True)):
        package = copy()
        edit_lines(package.path, change)
        if fits:
            write_anew(package.path, package)
        findings = [one for one in check_package(package.path).findings if one.line == line and word in one.what]
        assert {one.file for one in findings} == {"data/audit.jsonl"}, (line, word, fits)


def test_a_missing_or_added_file_is_named(copy):
    """Of the payload, of the tag files, and a manifest, wherever it lies; a link is named as well, and not followed."""
    for name in ("data/evidence-000001.json", "data/export.json", "README.txt", "manifest-sha512.txt"):
        folder = copy().path
        (folder / name).unlink()
        assert name in blamed(folder)
    for name in ("data/evidence-000009.json", "data/x/y.txt", "more.txt", "tagmanifest-md5.txt"):
        folder = copy().path
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
        (folder / "data/link").symlink_to("/etc/hostname")
        assert {name, "data/link"} <= blamed(folder)


def test_what_a_forger_changes_is_found_although_the_manifests_fit(copy):
    """The trail holds digests of what was kept and exported; with a key, a signature that is gone shows, too."""
    replaced, slipped_in, unsigned = copy(), copy(), copy()
    path = replaced.path / "data/evidence-000001.json"
    content = json.loads(path.read_text())
    content["decision"]["verdict"] = "genuine"
    path.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True))
    (slipped_in.path / "data/capture.warc").write_bytes(b"WARC/1.0\r\n")
    (unsigned.path / "data/anchor.json").write_text(f"{replace(unsigned.anchor, key='', signature='')}\n")
    for package in (replaced, slipped_in, unsigned):
        write_anew(package.path, package)
    assert "data/evidence-000001.json" in blamed(replaced.path)
    assert blamed(slipped_in.path) == {"data/export.json"}
    assert blamed(unsigned.path) == set()
    assert blamed(unsigned.path, unsigned.anchor.key) == {"data/anchor.json"}


def test_one_who_writes_everything_anew_is_found_out_by_the_key_or_an_anchor_outside(package, market, tmp_path):
    """A package that agrees with itself in all is unmasked by what it did not come with, and by that alone."""
    make_key(tmp_path / "forger.pem")
    forged = export_package(market, 1, PackageOutput(tmp_path / "forged", "eve", tmp_path / "forger.pem"))
    true = f"{package.anchor.count}:{package.anchor.head}"
    other = f"{forged.anchor.count}:{'0' * 64}"
    assert check_package(forged.path).findings == []  # by itself nothing can be wrong with it
    assert blamed(forged.path, package.anchor.key) == {"data/anchor.json"}
    report = check_package(forged.path, None, (other,))
    assert {one.file for one in report.findings} == {"data/anchor.json"}
    assert check_package(package.path, package.anchor.key, (true,)).findings == []


def test_names_are_withheld_and_can_be_proved(package):
    """No login name is in it; who knows one can check the rows of that person, and a wrong one is told."""
    texts = b"".join((package.path / name).read_bytes() for name in list_files(package.path))
    assert b'"ana"' not in texts
    assert b'"lea"' not in texts
    rows = [json.loads(line) for line in (package.path / "data/audit.jsonl").read_text().splitlines()]
    (person,) = {row["actor"] for row in rows if row.get("withheld")}
    assert check_package(package.path, None, (), {person: "ana"}).findings == []
    at_fault = [one.line for one in check_package(package.path, None, (), {person: "ben"}).findings]
    assert at_fault == [number for number, row in enumerate(rows, 1) if row.get("withheld")]


def test_junk_in_any_file_is_found_and_breaks_nothing(package):
    """Whatever stands in a file, with manifests that fit: a finding, and no crash."""
    junks = [b"", b"\xff\xfe", b"[" * 100_000, b'{"a":1}\n', b'{"sequence":' + b"9" * 5_000 + b"}\n", b"\0\n"]
    for name in ("data/audit.jsonl", "data/export.json", "data/anchor.json", "data/evidence-000001.json"):
        whole = (package.path / name).read_bytes()
        for junk in junks:
            (package.path / name).write_bytes(junk)
            write_anew(package.path, package)
            assert check_package(package.path).findings, (name, junk[:20])
        (package.path / name).write_bytes(whole)


@settings(max_examples=10)
@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
def test_signatures_are_checked_as_cryptography_does(message, seed):
    """What the library signs is accepted; another message, key or signature is not."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw().hex(), key.sign(message).hex()
    assert is_signed(public, signature, message)
    assert not is_signed(public, signature, message + b".")
    assert not is_signed(public, signature[:-2] + ("00" if signature[-2:] != "00" else "01"), message)
    assert not is_signed("00" * 32, signature, message)


CONTENT = b"what is stamped"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Return an authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def folder(engine, decide_on, make_scored, tmp_path):
    """Return a package without a stamp."""
    decide_on(make_scored())
    return export_package(engine, 1, PackageOutput(tmp_path / "package", "lea")).path


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")
def test_a_package_is_stamped_as_it_is_exported(authority, engine, folder, tmp_path):
    """The stamp is of this package for us, for verify.py, for the bag's readers and for openssl."""
    with authority.serve() as url:
        exported = export_package(
            engine,
            1,
            PackageOutput(tmp_path / "b", "lea"),
            PackageParts(stamper=lambda content: bag.ask_for_stamp(url, content, authority.roots)),
        )
    assert exported.stamped_at is not None
    report = check_package(exported.path)
    assert report.findings == []
    assert any(STAMP in note for note in report.notes)
    assert "stamped at" in bag.check_stamp_of(exported.path, authority.roots)
    assert authority.verify(exported.path / STAMPED, exported.path / STAMP)
    bagit.Bag(str(exported.path)).validate()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")
def test_every_changed_byte_around_a_stamp_is_named(authority, folder):
    """Also in the stamp itself and in the manifests that name it."""
    content = bag.read_stamped(folder)
    bag.add_stamp(folder, bag.check_stamp(authority.answer(bag.make_request(content)), content, "answer").response)
    for name in (STAMP, "tagmanifest-sha256.txt", "tagmanifest-sha384.txt", "tagmanifest-sha512.txt"):
        whole = (folder / name).read_bytes()
        for place in range(0, len(whole), 61):
            (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            assert {finding.file for finding in check_package(folder).findings} == {name}, place
        (folder / name).write_bytes(whole)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")
def test_a_stamp_of_something_else_or_by_a_stranger_is_refused(authority, chained):
    """Whose word counts is for the caller to say; what is no stamp at all is refused as well."""
    response = authority.answer(bag.make_request(CONTENT))
    assert bag.check_stamp(response, CONTENT, "answer.tsr", authority.roots).response == response
    with pytest.raises(Refused, match=r"Root\.pem"):
        bag.check_stamp(response, CONTENT, "answer.tsr", chained.roots)
    with pytest.raises(Refused, match="stamp of something else"):
        bag.check_stamp(response, b"something else", "answer.tsr")
    with pytest.raises(Refused, match="no answer of RFC 3161"):
        bag.check_stamp(b"hello", CONTENT, "answer.tsr")


@pytest.fixture(scope="module")
def chained(tmp_path_factory):
    """Return an authority whose certificate for stamping is signed by another than the root."""
    return Authority(tmp_path_factory.mktemp("chained"), issuers=("Root", "Intermediate"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")
def test_certificates_may_come_in_any_order(chained, authority, tmp_path):
    """What openssl accepts is accepted, whichever sorts first; a root that the answer brings proves nothing."""
    content, answer = tmp_path / "content", tmp_path / "answer.tsr"
    for chain in (("Intermediate",), ("Root", "Intermediate"), ("Intermediate", "Root")):
        content.write_bytes(CONTENT + chain[0].encode())
        answer.write_bytes(chained.answer(bag.make_request(content.read_bytes()), chain))
        assert chained.verify(content, answer)
        stamp = bag.check_stamp(answer.read_bytes(), content.read_bytes(), "answer.tsr", chained.roots)
        assert stamp.response == answer.read_bytes()
        with pytest.raises(Refused, match=r"Root\.pem"):
            bag.check_stamp(answer.read_bytes(), content.read_bytes(), "answer.tsr", authority.roots)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")
@given(st.binary(max_size=60))
def test_what_is_no_answer_is_not_sorted(noise):
    """It comes back as it is, or with the same bytes in another order, and never ends in an exception."""
    assert sorted(bag.sort_certificates(noise)) == sorted(noise)
    assert sorted(bag.sort_certificates(b"\x30" + noise)) == sorted(b"\x30" + noise)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")
def test_an_authority_that_fails_is_told(authority):
    """By its status; one that is not there, by what went wrong."""
    with authority.serve(503) as url, pytest.raises(Refused, match="HTTP status 503"):
        bag.ask_for_stamp(url, CONTENT)
    with pytest.raises(Refused, match="expected an authority that answers"):
        bag.ask_for_stamp("http://127.0.0.1:9/", CONTENT)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")
def test_an_export_whose_stamp_fails_leaves_nothing(authority, engine, folder):
    """No package without the stamp that was asked for, and no half of one."""

    def refuse(content):  # type: ignore[no-untyped-def]
        raise Refused("nobody", "nothing", "a stamp")

    before = sorted(folder.parent.iterdir())
    with pytest.raises(Refused, match="found nothing; expected a stamp"):
        export_package(engine, 1, PackageOutput(folder.parent / "b", "lea"), PackageParts(stamper=refuse))
    assert sorted(folder.parent.iterdir()) == before


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")
def test_a_package_that_is_not_whole_is_not_stamped(folder):
    """A stamp would date what was tampered with; but what a killed stamping left is no obstacle."""
    (folder / STAMP).write_bytes(b"half")
    assert bag.read_stamped(folder)
    (folder / "README.txt").write_text("other")
    with pytest.raises(UnreadableFile, match="not whole"):
        bag.read_stamped(folder)
