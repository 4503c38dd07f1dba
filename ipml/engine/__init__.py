"""The engine: what reads the text of listings, and what is worked out for many of them, compiled from C.

Python is a thousand times too slow to look at each letter of a billion listings. What does is written in C, in the
files of this folder; `ipml.engine.library` makes functions of it that take arrays.
"""
