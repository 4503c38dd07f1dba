"""What the engine finds in texts, said plainly, one text at a time: the tests hold the engine to it."""
