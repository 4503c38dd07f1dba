"""Features: turn listings into numbers; one or two extractors per module, and the text processing that they share."""
