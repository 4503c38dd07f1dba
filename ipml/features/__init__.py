"""A listing turned into numbers: one extractor a file, and the text work beneath them."""
