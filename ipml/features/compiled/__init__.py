"""What runs compiled, by numba over the bytes of Arrow strings: no Python object is made per text.

Each module names the plain function beside this package that says what it must do; a property test holds the two equal
on any text. Machine code is compiled at the first call and kept beside the source, or in the user's cache folder.
"""
