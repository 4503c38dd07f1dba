"""Archives that are handed in: what is taken from them, and what is refused (W7)."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.enforcement.evidence.archives import ArchiveLimits, lay_out, unpack, write_zip
from ipml.errors import UnreadableFile

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
