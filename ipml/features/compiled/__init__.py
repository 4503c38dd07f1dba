"""What runs compiled, by numba over the bytes of Arrow strings: no Python object is made per text.

Each module names the plain function beside this package that says what it must do; a property test holds the two equal
on any text. Machine code is compiled at the first call and kept beside the source, or in the user's cache folder.
"""

from numba.core.registry import cpu_target

# What numba knows of types and functions it would load at the first call of a compiled function, which is when a model
# is loaded; with the imports is a better time.
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
