"""The pages of the reference, made from the code; `docs/hooks.py` adds them to the site."""
