"""The words that were given up do not come back."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page != GLOSSARY and page.parent.name != "reference"  # which the code writes
]


def read_given_up():
    """Return the words of the first column of the table of words given up."""
    table = GLOSSARY.read_text(encoding="utf-8").partition("## Words given up")[2]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.MULTILINE)
    return [word.strip() for row in rows if row not in ("not", "---") for word in row.split(",")]


def read_prose(page):
    """Return a page without code."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"^    .*$|`[^`\n]*`|\]\([^)\n]*\)", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_speaks_the_words_of_the_glossary(page):
    """No page uses a word that was given up for another."""
    prose = read_prose(page)
    assert [word for word in read_given_up() if re.search(rf"\b{word}s?\b", prose, re.IGNORECASE)] == []


def test_the_table_is_read():
    """Words are found in it, or the test above would hold nothing."""
    assert {"golden", "clue", "seal"} <= set(read_given_up())
