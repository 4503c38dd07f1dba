"""Column maps: load, guess and apply them, for files in the dialects of marketplaces."""
