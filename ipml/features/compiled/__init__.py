"""Compiled: prepares tables for the engine and calls it, with texts as bytes instead of Python objects."""
