"""What is handed to the engine is looked at before, and an engine of other sources is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ipml.engine.library import KINDS, Buffer, Table, bind

ROOT = Path(__file__).parents[2]
find_longest = bind("find_longest", "uint8s", "int64_t", returns="int64_t")


def test_an_array_that_the_engine_would_misread_is_refused():
    """One of another type, or with gaps: it would read other bytes than those meant."""
    for array in (np.zeros(4), np.zeros(8, np.uint8)[::2]):
        with pytest.raises(Exception, match="expected uint8s"):
            find_longest(array, 1)


def test_an_array_that_may_not_be_written_is_refused():
    """The texts of Arrow are shared with whoever made them."""
    counts = np.zeros(1, np.int64)
    counts.flags.writeable = False
    with pytest.raises(TypeError, match="expected int64s_out"):
        KINDS["int64s_out"].from_param(counts)


def test_a_table_wants_all_its_fields():
    """One that is missing would be a pointer to nothing."""

    class Pair(Table):
        _fields_ = (("first", KINDS["int64s"]), ("second", KINDS["double"]))

    assert Pair.of(first=np.arange(3), second=2.0).first.n == 3
    with pytest.raises(TypeError, match="found first for Pair; expected first, second"):
        Pair.of(first=np.arange(3))


def test_memory_that_ran_out_is_told():
    """What was written until then is no result."""
    buffer = Buffer()
    buffer.failed = 1
    with pytest.raises(MemoryError):
        buffer.take(np.int64)


@pytest.mark.slow
def test_an_engine_of_other_sources_is_refused(tmp_path):
    """After a change in C, and before it is compiled, one clear line says what to do."""
    shutil.copytree(ROOT / "ipml", tmp_path / "ipml")
    source = tmp_path / "ipml" / "engine" / "base" / "engine.c"
    source.write_text(source.read_text() + "\n/* changed */\n")
    code = "import ipml.engine.library"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "are other than those it was built of: build it anew with" in run.stderr.splitlines()[-1]
