"""Worklists: searches, saved views, queues, assignment and comments."""
