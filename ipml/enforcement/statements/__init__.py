"""Statements of reasons: the letter to the seller, and the same for the transparency database."""
