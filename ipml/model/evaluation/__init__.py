"""Evaluation: measures of a ranking with intervals over sellers, honest splits, and slices."""
