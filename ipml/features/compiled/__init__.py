"""What the engine is told, and calls into it: texts as bytes, so that no Python object is made for each."""
