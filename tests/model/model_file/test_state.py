"""A classifier has one spelling as a file and comes back from it; nothing in the file outgrows its limit."""

import io
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from skops.io import dumps

from ipml.errors import UntrustedModel
from ipml.model.model_file import load_model
from ipml.model.model_file.state import pack, read_array, read_skops, unpack

FOLDER = Path("model")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
    ),
)
ARRAYS = st_numpy.arrays(
    st.sampled_from(["f8", "i4", "u1", "?", "<U3", "u8"]),
    st_numpy.array_shapes(max_dims=3, min_side=0),
    fill=st.nothing(),
)


@given(VALUES)
def test_a_copy_is_spelt_alike_and_read_back(value):
    """Objects at other places in memory give the same bytes, and nothing is lost, not even a type."""
    packed = pack(value)
    assert pack(deepcopy(value)) == packed
    assert repr(unpack(packed, FOLDER)) == repr(value)


@given(ARRAYS, st.booleans())
def test_an_array_is_read_back_to_the_bit(array, is_by_columns):
    """Type, shape and every byte of an array come back, however it lies in memory, and it can be written to."""
    array = np.asfortranarray(array) if is_by_columns else array
    found = unpack(pack({"array": array}), FOLDER)["array"]
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert found.flags.writeable


def test_nothing_else_is_written(title_classifier):
    """What needs something run to be read is refused by type, nor is the moment kept; a copy is the same model."""
    for value in (b"bytes", {1}, {1: 2}, np.array([None]), object(), len, int):
        with pytest.raises(TypeError, match=type(value).__name__):
            pack([value])
    with zipfile.ZipFile(io.BytesIO(pack({"a": np.arange(3)}))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    packed = pack(title_classifier)
    assert packed == pack(deepcopy(title_classifier)) == pack(unpack(packed, FOLDER))
    found = unpack(pack([np.float32(0.1), np.int8(3)]), FOLDER)
    assert [(type(number), number) for number in found] == [(np.float32, np.float32(0.1)), (np.int8, 3)]


Reseal = Callable[..., None]


def zip_of(entries: dict[str, bytes]) -> bytes:
    """Pack these entries, beside an empty state where they have none."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in ({"state.json": b"{}"} | entries).items():
            archive.writestr(name, content)
    return packed.getvalue()


@cache
def bomb_of_zeros() -> bytes:
    """Return 0.15 MB that unpack to 150 MB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("state.json", "{}")
        with archive.open("1.npy", "w", force_zip64=True) as entry:
            for _ in range(150):
                entry.write(bytes(1 << 20))
    return packed.getvalue()


def bomb_with_lying_sizes() -> bytes:
    """Return the same, declaring 1,000 bytes in both tables of the zip."""
    packed, true_size = bytearray(bomb_of_zeros()), struct.pack("<L", 150 << 20)
    place = packed.rfind(b"PK\x01\x02") + 24
    assert packed[place : place + 4] == true_size
    packed[place : place + 4] = struct.pack("<L", 1_000)
    return bytes(packed)


def many_entries() -> bytes:
    """Return a zip of 2,001 entries."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("state.json", "{}")
        for number in range(2_000):
            archive.writestr(zipfile.ZipInfo(f"{number}.npy"), b"")
    return packed.getvalue()


def array_claiming(shape: tuple[int, ...], body: bytes = bytes(80), descr: str = "<f8") -> bytes:
    """Return a model file with an array whose header claims a shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return zip_of({"1.npy": file.getvalue() + body})


def long_state() -> bytes:
    """Return a state of 33 MB that would become gigabytes of lists."""
    return zip_of({"state.json": b"[" + b"[]," * (11 << 20) + b"[]]"})


BOMBS = {
    "zeros": (bomb_of_zeros, "unpacks from"),
    "lying sizes": (bomb_with_lying_sizes, "no sound zip"),
    "many entries": (many_entries, "2,000 entries"),
    "huge shape": (lambda: array_claiming((1 << 40,)), "shape"),
    "overflowing shape": (lambda: array_claiming((1 << 33, 1 << 33)), "shape"),
    "negative shape": (lambda: array_claiming((-2, -5)), "shape"),
    "objects": (lambda: array_claiming((10,), descr="|O"), "array of object"),
    "zip as array": (lambda: zip_of({"1.npy": bomb_of_zeros()}), "sound header"),
    "nested zip": (lambda: zip_of({"1.npz": bomb_of_zeros()}), "an entry '1.npz'"),
    "long state": (long_state, "state.json of more than"),
    "deep state": (lambda: zip_of({"state.json": b"[" * 1_000_000}), "cannot be read"),
}


def test_a_bomb_is_refused_quickly(folder, reseal, subtests):
    """A file that would grow is refused in under a second, with less than 100 MB more of memory."""
    for name, (make, reason) in BOMBS.items():
        with subtests.test(name):
            reseal(folder, model=make())
            tracemalloc.start()
            started = time.process_time()
            with pytest.raises(UntrustedModel, match=reason):
                load_model(folder)
            seconds, peak_bytes = time.process_time() - started, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert seconds < 5.0  # of processor time, under tracemalloc, which slows it down manyfold
            assert peak_bytes < 100 << 20


@given(header=st.binary(max_size=80), version=st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"]))
@settings(max_examples=200, deadline=None)
@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")  # numpy takes some nonsense for Python 2
def test_no_header_gets_through(header, version):
    """Whatever stands where the header of an array should be, the answer is one line."""
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    with pytest.raises(UntrustedModel):
        read_array(b"\x93NUMPY" + version + length + header, Path("model"))


def test_entries_that_are_doubled_or_have_a_path_are_refused(folder, reseal):
    """Of two entries of one name, a check and a reader might choose differently."""
    packed = io.BytesIO((folder / "model.zip").read_bytes())
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("state.json", "{}")
    reseal(folder, model=packed.getvalue())
    with pytest.raises(UntrustedModel, match="doubled"):
        load_model(folder)
    for name in ("../../evil.npy", "/etc/passwd", "..\\evil.npy", "a/b.npy", "state.json/"):
        reseal(folder, model=zip_of({name: b""}))
        with pytest.raises(UntrustedModel, match="entry"):
            load_model(folder)


def test_what_skops_saved_passes_the_checks_of_our_files(title_classifier):
    """It comes back; another estimator, a type that is not ours and tables that do not fit are refused."""
    assert pack(read_skops(dumps(title_classifier), FOLDER)) == pack(title_classifier)
    broken = deepcopy(title_classifier)
    broken.features_.parts()["title"].idf_ = np.ones(3)
    refused = {
        title_classifier.listing_calibration_: "a SigmoidCalibration",
        Path("x"): "be read",
        broken: "tables that",
    }
    for wrong, found in refused.items():
        with pytest.raises(UntrustedModel, match=found):
            read_skops(dumps(wrong), FOLDER)
