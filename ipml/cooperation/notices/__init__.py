"""Notices: reports of rights holders and consumers, and their outcomes."""
