"""What is handed to the engine is looked at before, and an engine of other sources is refused."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ipml.engine.library import KINDS, Buffer, bind, make_struct

ROOT = Path(__file__).parents[2]
find_longest = bind("find_longest")


def test_an_array_that_the_engine_would_misread_is_refused():
    """One of another type, or with gaps: it would read other bytes than those meant."""
    for array in (np.zeros(4), np.zeros(8, np.uint8)[::2]):
        with pytest.raises(ctypes.ArgumentError, match="expected uint8s"):
            find_longest(array, 1)


def test_an_array_that_may_not_be_written_is_refused():
    """The texts of Arrow are shared with whoever made them."""
    counts = np.zeros(1, np.int64)
    counts.flags.writeable = False
    with pytest.raises(ValueError, match="expected int64s_out"):
        KINDS["int64s_out"].from_param(counts)


def test_a_table_wants_all_its_fields():
    """One that is missing would be a pointer to nothing."""

    with pytest.raises(TypeError, match="found lines for word_set; expected lines, table"):
        make_struct("word_set", lines=np.zeros(2, np.uint8))


def test_memory_that_ran_out_is_told():
    """What was written until then is no result."""
    buffer = Buffer()
    buffer.failed = 1
    with pytest.raises(MemoryError):
        buffer.take(np.int64)


@pytest.mark.slow
def test_structs_follow_their_headers(tmp_path):
    """Fields that change places need a new build, and no line of Python; places not the compiler's are refused."""
    shutil.copytree(ROOT / "ipml", tmp_path / "ipml")
    header, elsewhere = tmp_path / "ipml" / "engine" / "spelling" / "spelling.h", tmp_path / "elsewhere.h"
    before = header.read_text()
    header.write_text(before.replace("    uint64s table;\n    uint8s lines;", "    uint8s lines;\n    uint64s table;"))
    elsewhere.write_text("#include <stddef.h>\n#undef offsetof\n#define offsetof(kind, field) (sizeof(kind))\n")

    def run(*command):
        return subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)

    find = "from ipml.features.compiled.spelling import OrdinaryWords; print('belt' in OrdinaryWords.of(b'hat\\nbelt'))"
    assert "are other than those it was built of: build it anew with" in run("-c", find).stderr.splitlines()[-1]
    assert run("ipml/engine/build.py").returncode == 0
    assert header.read_text() != before
    assert run("-c", find).stdout == "True\n"
    assert run("ipml/engine/build.py", "-include", str(elsewhere)).returncode == 0
    assert "are laid out otherwise than ctypes lays them out" in run("-c", find).stderr.splitlines()[-1]
