"""Time stamps by an authority of one's own, on loopback."""

import shutil
from collections.abc import Callable
from pathlib import Path

import bagit
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.authority import Authority

from ipml.enforcement.evidence import bag
from ipml.enforcement.evidence.package import export_package
from ipml.enforcement.evidence.verify import STAMP, STAMPED, check_package
from ipml.errors import Refused, UnreadableFile
from ipml.records import Decision, ScoredListing

CONTENT = b"what is stamped"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl, which plays the authority")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def folder(
    engine: Engine, decide_on: Callable[..., Decision], make_scored: Callable[..., ScoredListing], tmp_path: Path
) -> Path:
    """Return a package without a stamp."""
    decide_on(make_scored())
    return export_package(engine, 1, tmp_path / "package", by="lea").path


def test_a_package_is_stamped_as_it_is_exported(authority: Authority, engine: Engine, folder: Path, tmp_path: Path):
    """The stamp is of this package for us, for verify.py, for the bag's readers and for openssl."""
    with authority.serve() as url:
        exported = export_package(
            engine,
            1,
            tmp_path / "b",
            by="lea",
            stamper=lambda content: bag.ask_for_stamp(url, content, authority.roots),
        )
    assert exported.stamped_at is not None
    report = check_package(exported.path)
    assert report.findings == []
    assert any(STAMP in note for note in report.notes)
    assert "stamped at" in bag.check_stamp_of(exported.path, authority.roots)
    assert authority.verify(exported.path / STAMPED, exported.path / STAMP)
    bagit.Bag(str(exported.path)).validate()


def test_every_changed_byte_around_a_stamp_is_named(authority: Authority, folder: Path):
    """Also in the stamp itself and in the manifests that name it."""
    content = bag.read_stamped(folder)
    bag.stamp_package(folder, bag.check_stamp(authority.answer(bag.make_request(content)), content, "answer"))
    for name in (STAMP, "tagmanifest-sha256.txt", "tagmanifest-sha384.txt", "tagmanifest-sha512.txt"):
        whole = (folder / name).read_bytes()
        for place in range(0, len(whole), 61):
            (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            assert {finding.file for finding in check_package(folder).findings} == {name}, place
        (folder / name).write_bytes(whole)


def test_a_stamp_of_something_else_or_by_a_stranger_is_refused(authority: Authority, chained: Authority):
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
def chained(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority whose certificate for stamping is signed by another than the root."""
    return Authority(tmp_path_factory.mktemp("chained"), issuers=("Root", "Intermediate"))


def test_certificates_may_come_in_any_order(chained: Authority, authority: Authority, tmp_path: Path):
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


@given(st.binary(max_size=60))
def test_what_is_no_answer_is_not_sorted(noise: bytes):
    """It comes back as it is, or with the same bytes in another order, and never ends in an exception."""
    assert sorted(bag.sort_certificates(noise)) == sorted(noise)
    assert sorted(bag.sort_certificates(b"\x30" + noise)) == sorted(b"\x30" + noise)


def test_an_authority_that_fails_is_told(authority: Authority):
    """By its status; one that is not there, by what went wrong."""
    with authority.serve(503) as url, pytest.raises(Refused, match="HTTP status 503"):
        bag.ask_for_stamp(url, CONTENT)
    with pytest.raises(Refused, match="expected an authority that answers"):
        bag.ask_for_stamp("http://127.0.0.1:9/", CONTENT)


def test_an_export_whose_stamp_fails_leaves_nothing(authority: Authority, engine: Engine, folder: Path):
    """No package without the stamp that was asked for, and no half of one."""

    def refuse(content: bytes):  # type: ignore[no-untyped-def]
        raise Refused("nobody", "nothing", "a stamp")

    before = sorted(folder.parent.iterdir())
    with pytest.raises(Refused, match="found nothing; expected a stamp"):
        export_package(engine, 1, folder.parent / "b", by="lea", stamper=refuse)
    assert sorted(folder.parent.iterdir()) == before


def test_a_package_that_is_not_whole_is_not_stamped(folder: Path):
    """A stamp would date what was tampered with; but what a killed stamping left is no obstacle."""
    (folder / STAMP).write_bytes(b"half")
    assert bag.read_stamped(folder)
    (folder / "README.txt").write_text("other")
    with pytest.raises(UnreadableFile, match="not whole"):
        bag.read_stamped(folder)
