"""The pages of the reference, made from the code; `docs/make_reference.py` writes them."""
