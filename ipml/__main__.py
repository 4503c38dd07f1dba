"""`python -m ipml` is the same as `ipml`."""

from ipml.cli import main

if __name__ == "__main__":
    main()
