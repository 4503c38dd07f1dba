"""The function others import: a listing in, a probability with reasons out."""
