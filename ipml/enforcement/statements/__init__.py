"""Statements of reasons: the letter to the seller, and the submission to the transparency database."""
