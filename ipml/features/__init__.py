"""A listing turned into numbers: an extractor or two a file, and the text work beneath them."""
