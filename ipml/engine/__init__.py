"""Engine: compiled C code that reads listing texts and computes features and scores of many listings.

Python is a thousand times too slow to look at each letter of a billion listings. `ipml.engine.library` makes functions
of the C files in this folder, which take arrays.
"""
