"""How functions are compiled, and where their machine code is kept.

What Python calls is compiled once for all processes that run these sources. Numba by itself would run old code after a
change in another file than the one whose function is called; so it is kept in a folder named by a digest of all files
that may be part of it. Numba looks at its own release and at the processor.

What only compiled functions call costs half the time that numba takes by itself. It optimises each function and makes
machine code of it, then does the same again with every function that calls it; and it compiles a function anew for each
number that is written into a call. Here what is called is only translated: it is optimised, and becomes machine code,
together with the function that Python calls. This builds on classes of numba that it does not promise to keep: after an
update, the test of this file says so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from time import time
from typing import Any

from numba import _dynfunc, config, jit, njit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

_PACKAGE = Path(__file__).parents[2]
_SOURCES = "features", "model/solver.py", "model/calibration/calibration.py", "model/single/compiled.py"
"""What may be part of machine code: functions, and the constants that they read."""
_KEPT_DAYS = 7  # code of other sources, which another installation may use


class _Translated(JITCodeLibrary):
    """What a function and those it calls are in LLVM's language, neither optimised nor machine code."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _Translate(NativeLowering):
    """Translate a function, and let others call it."""

    _name = "translate_inner"

    def run_pass(self, state: Any) -> bool:
        library = state.library = _Translated(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        made = state["cr"]
        name = made.fndesc.qualname
        named = _dynfunc.make_function(made.fndesc.lookup_module(), name, name, 0, made.env, (library,))  # 0: no code
        state.targetctx.insert_user_function(named, made.fndesc, [library])
        state.reload_init.extend(library._reload_init)
        state["cr"] = made._replace(cfunc=named)
        return True


class _Compiler(CompilerBase):
    def define_pipelines(self) -> list[Any]:
        """Return numba's own steps but the last, in which machine code is made."""
        steps = DefaultPassBuilder.define_nopython_pipeline(self.state)
        steps.passes = [(_Translate if step is NativeLowering else step, name) for step, name in steps.passes]
        steps.finalize()
        return [steps]


class _Inner(CPUDispatcher):
    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Say how to call the function with these types, whatever numbers are known already."""
        numbers = {name: types.unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(map(types.unliteral, args)), numbers)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: Python has no way in."""
        raise TypeError(f"only compiled functions can call {self.py_func.__name__}")


_OPTIONS = {"nopython": True, "nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled functions call."""
    return _Inner(function, targetoptions=dict(_OPTIONS), pipeline_class=_Compiler)


def plain_njit(function: Callable[..., Any]) -> Any:
    """Compile one that makes no array: it does not count who uses one, which would take longer than what it does."""
    return _Inner(function, targetoptions={**_OPTIONS, "_nrt": False}, pipeline_class=_Compiler)


def alone(function: Callable[..., Any]) -> Any:
    """Compile one with a loop over several arrays, optimised by itself first: within others it takes one at a time."""
    return jit(function, **_OPTIONS)


def compiled(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Compile a function that Python calls, when it is first called, and keep its machine code.

    Parameters
    ----------
    function : callable
    **options
        Of `numba.njit`.
    """
    if function is None:
        return partial(compiled, **options)
    before, folder = config.CACHE_DIR, code_folder()
    try:
        config.CACHE_DIR = str(folder or before)
        return njit(cache=True, nogil=True, **options)(function)
    finally:
        config.CACHE_DIR = before


@lru_cache(maxsize=1)
def code_folder() -> Path | None:
    """Return where machine code of these sources is kept; None where no folder can be written.

    It is within `NUMBA_CACHE_DIR` where that is set, else beside this file, else in the user's cache folder. Code of
    other sources goes once no process has asked for it for a week.
    """
    for place in _list_places():
        folder = place / f"machine-code-{_digest_sources()}"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)  # fails where it cannot be written
            _remove_old(folder)
            return folder
    return None


def _list_places() -> Iterator[Path]:
    """Yield where machine code may be kept, the best place first."""
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR)
        return
    yield Path(__file__).parent / "__pycache__"
    with suppress(RuntimeError):  # a user without a home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ipml")


def _digest_sources() -> str:
    """Return a digest of the sources."""
    digest = hashlib.blake2b(digest_size=8)
    for source in _SOURCES:
        start = _PACKAGE / source
        for path in sorted([start, *start.rglob("*.py"), *start.rglob("*.toml")]):
            if path.is_file():
                digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _remove_old(folder: Path) -> None:
    """Remove machine code of other sources that was not asked for lately, as far as that can be done."""
    for other in folder.parent.glob("machine-code-*"):
        with suppress(FileNotFoundError):  # another process may be at it
            if other != folder and other.stat().st_mtime < time() - _KEPT_DAYS * 86_400:
                shutil.rmtree(other, ignore_errors=True)
