"""The tutorial shows the marketplace of the story, all of it and nothing else."""

import re
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "connect-a-marketplace.md"
MARKETPLACE = Path(__file__).with_name("marketplace.py")


def test_the_tutorial_shows_the_marketplace_that_is_tested() -> None:
    """Put below one another, the parts that it shows are the file, but for empty lines between them."""
    parts = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for part in parts for line in part.splitlines() if line]
    assert lines == [line for line in MARKETPLACE.read_text(encoding="utf-8").splitlines() if line]


def test_the_marketplace_is_short() -> None:
    """It is short enough to read whole."""
    assert len(MARKETPLACE.read_text(encoding="utf-8").splitlines()) <= 220
