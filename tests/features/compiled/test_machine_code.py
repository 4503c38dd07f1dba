"""What only compiled functions call is compiled with those that Python calls, once; what is kept is never outdated."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import ipml
from ipml.features.compiled.copying import copy
from ipml.features.compiled.machine_code import inner, plain_njit


@plain_njit
def add(one, other):
    """Return a sum."""
    return one + other


@inner
def make_sums(n):
    """Return the sums of each number and of two others."""
    sums = np.empty(n, np.int64)
    for i in range(n):
        sums[i] = add(add(i, 1), 20)
    return sums


@njit
def sum_up(n):
    """Return what `make_sums` does, which is seen from Python."""
    return make_sums(n)


@njit
def copy_all(source, target):
    """Copy an array behind the first place of another."""
    copy(source, 0, source.size, target, 1)


def test_compiled_functions_call_others():
    """Through several, of which one makes an array."""
    assert sum_up(3).tolist() == [21, 22, 23]


def test_python_has_no_way_in():
    """It is told so, rather than run something that is not there."""
    with pytest.raises(TypeError, match="only compiled functions can call add"):
        add(1, 2)


def test_numbers_written_into_calls_are_compiled_once():
    """A function is compiled for kinds of arguments, not for their values."""
    sum_up(1)
    assert len(add.overloads) == 1


def test_no_machine_code_is_made_of_what_only_compiled_functions_call():
    """That is made with the function that Python calls; else numba has changed inside, and compiles twice as long."""
    sum_up(1)
    (inside,), (outside,) = add.overloads.values(), sum_up.overloads.values()
    engine = outside.library.codegen._engine
    assert engine.is_symbol_defined(outside.fndesc.mangled_name)
    assert not engine.is_symbol_defined(inside.fndesc.mangled_name)


def test_all_is_copied():
    """And nothing else is touched."""
    target = np.array([7, 7, 7, 7])
    copy_all(np.array([1, 2]), target)
    assert target.tolist() == [7, 1, 2, 7]


_MARK = """
import numpy as np
from ipml.features.compiled.machine_code import code_folder
from ipml.features.compiled.ngrams import mark_known
print(mark_known(np.array([2.0]), np.array([False])).tolist(), len([*code_folder().rglob("*.nbc")]))
"""


def _mark(package: Path) -> str:
    environ = {**os.environ, "PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(package.parent / "kept")}
    command = [sys.executable, "-P", "-c", _MARK]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_code_of_a_changed_source_is_not_run(tmp_path: Path) -> None:
    """Also where the change is in another file than the function that Python calls: numba looks at that one only."""
    package = tmp_path / "ipml"
    shutil.copytree(Path(ipml.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    assert _mark(package) == _mark(package) == "[2.0, 0.0] 1\n"
    source = package / "features" / "compiled" / "copying.py"
    source.write_text(source.read_text().replace("= source[", "= 3.0 + source["))
    assert _mark(package) == "[5.0, 0.0] 1\n"
    assert len([*(tmp_path / "kept").iterdir()]) == 2
