"""Documentation: README, the pages in `docs/`, and the reference, which `docs/hooks.py` makes from the code."""

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
WRITTEN_PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")))


def import_from_docs(name: str) -> ModuleType:
    """Return a module of the folder `docs`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        return importlib.import_module(name)


@cache
def make_reference() -> Mapping[str, str]:
    """Return the pages of the reference by their paths in `docs/`."""
    return {path: make_page() for path, make_page in import_from_docs("hooks").PAGES.items()}


@cache
def read_pages() -> Mapping[str, str]:
    """Return every page by its path in the repository, with the reference."""
    written = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in WRITTEN_PAGES}
    return written | {f"docs/{path}": page for path, page in make_reference().items()}
