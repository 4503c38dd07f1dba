"""How functions are compiled that only compiled functions call, in half the time that numba takes by itself.

Numba optimises each function and makes machine code of it, then does the same again with every function that calls it;
and it compiles a function anew for each number that is written into a call. Here what is called is only translated: it
is optimised, and becomes machine code, together with the function that Python calls. That alone is kept in a cache.
Numba looks at its own file only: when one of the others is changed, remove the cache of that file, or touch it.

This builds on classes of numba that it does not promise to keep: after an update, the test of this file says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import _dynfunc, jit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering


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
