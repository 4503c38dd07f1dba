"""Migrations: the history of the tables, one step per file. A released step is never edited."""
