"""Slices: parts the long tests into runs of some five minutes, `pytest --slice NAME`.

Each marked test belongs to the first slice whose mark or path it matches, so that none is left out.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatch

import pytest

SLICES = {
    "browser": ["@browser"],
    "packages": ["@install", "@spark"],
    "story": ["tests/story/*", "tests/histories/*"],
    "kills": ["*killed*", "*together*", "*full_disk*", "*restart*", "*at_once*"],
    "hostile": ["*fuzz*", "*attacks*", "*hostile*", "*bad_input*", "*sanitized*", "*reordering*"],
    "commands": ["tests/cli/*"],
    "desk": ["tests/storage/*", "tests/review/*", "tests/enforcement/*", "tests/cooperation/*", "tests/web/*"],
    "classifier": ["*"],
}
MARKS = frozenset({"browser", "spark", "install", "slow"})


def find_slice(path: str, marks: Iterable[str]) -> str | None:
    """Return the slice of a test, None for a fast one.

    >>> find_slice("tests/web/test_browser.py", ["browser"]), find_slice("tests/web/test_killed_page.py", ["slow"])
    ('browser', 'kills')
    >>> find_slice("tests/model/test_pipeline.py", ["slow"]), find_slice("tests/model/test_pipeline.py", [])
    ('classifier', None)
    """
    marks = MARKS & set(marks)
    if not marks:
        return None
    keys = [path, *(f"@{mark}" for mark in marks)]
    return next(name for name, patterns in SLICES.items() if any(fnmatch(key, p) for key in keys for p in patterns))


def choose_slice(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the slice that was asked for."""
    name = config.getoption("--slice")
    if name is None:
        return

    def is_chosen(item: pytest.Item) -> bool:
        path = item.path.relative_to(config.rootpath).as_posix()
        return find_slice(path, [mark.name for mark in item.iter_markers()]) == name

    chosen: Sequence[pytest.Item] = [item for item in items if is_chosen(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen
