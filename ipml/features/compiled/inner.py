"""How functions are compiled that only compiled functions call: without a way in for Python, which takes time to make.

The function that Python calls is kept in a cache with all that it calls. Numba looks at its own file only: when one of
the others is changed, remove the cache of that file, or touch it.
"""

from typing import Any

from numba import njit

_NO_WAY_IN: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner: Any = njit(nogil=True, **_NO_WAY_IN)
