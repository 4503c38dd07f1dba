"""Drawings of the pages: tables, charts and networks."""
