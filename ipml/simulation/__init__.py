"""Simulation: makes a marketplace with known truth from a seed.

`year` (`ipml demo --year`) and `networks` are an optional part: nothing else in ipml imports them.
"""
