"""Sampling: listings drawn with known probability, and estimates for all listings."""
