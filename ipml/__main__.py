"""Module entry point: `python -m ipml` equals `ipml`."""

from ipml.cli import main

if __name__ == "__main__":
    main()
