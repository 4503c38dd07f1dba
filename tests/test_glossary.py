"""The words that were given up do not come back."""

import re

from support.documentation import ROOT, WRITTEN_PAGES

from ipml.cli import make_commands
from ipml.settings import Settings
from ipml.storage.tables import metadata
from ipml.web.app import make_app

GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [page for page in WRITTEN_PAGES if page != GLOSSARY]
CONSTANT = re.compile(r"^(\w+)(?:: .*)? = ", re.MULTILINE)  # or another name that a module assigns
ORDINARY = re.compile("_(?:look_(?:up|at|into|after|through)|looks_like|look_alikes?|log_odds)(?=_)")  # good English
ALLOWED = {
    *("lots", "LOT", "LOTS", "_LOTS", "_split_into_lots"),  # of goods
    *("clock_change", "ClockChange", "hold_to_clock"),  # of a clock on the wall
    *("GOLDEN_LISTINGS", "golden_log_odds", "check_golden", "_golden_mismatch"),  # what a model file is checked with
}
TEMPLATES = sorted((ROOT / "ipml" / "web" / "templates").rglob("*.html"))


def read_given_up():
    """Return the words of the first column of the table of words given up."""
    return read_table("not")


def read_table(head):
    """Return the words of the first column of the table that begins with a word."""
    table = GLOSSARY.read_text(encoding="utf-8").partition(f"| {head} | but |\n| --- | --- |\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.MULTILINE)
    return [word.strip() for row in rows for word in row.split(",")]


def read_prose(page):
    """Return a page without code."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"^    .*$|`[^`\n]*`|\]\([^)\n]*\)", "", text, flags=re.MULTILINE)


def find_words(texts, words):
    """Return a line for each page that uses some of the words."""
    patterns = {word: re.compile(rf"\b{word}s?\b", re.IGNORECASE) for word in words}
    used = {page: [word for word, pattern in patterns.items() if pattern.search(text)] for page, text in texts.items()}
    return "\n".join(f"{page.relative_to(ROOT)}: {', '.join(found)}" for page, found in used.items() if found)


def test_pages_speak_the_words_of_the_glossary():
    """No page uses a word that was given up for another."""
    found = find_words({page: read_prose(page) for page in PAGES}, read_given_up())
    assert not found, found


def test_templates_speak_the_words_of_the_glossary():
    """Nor does a page of the console, on which who gives notice is the reporter."""
    code = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", re.DOTALL)
    texts = {page: code.sub(" ", page.read_text(encoding="utf-8")) for page in TEMPLATES}
    found = find_words(texts, [*read_given_up(), "notifier"])
    assert not found, found


def list_names():
    """Return what tables, columns, settings, addresses, modules, commands, options and code are called."""
    yield from (name for table in metadata.tables.values() for name in (table.name, *table.c.keys()))
    yield from Settings.model_fields
    yield from (route.path for route in make_app(None, Settings()).routes)
    for module in (ROOT / "ipml").rglob("*.py"):
        yield module.stem
        source = module.read_text(encoding="utf-8")
        yield from re.findall(r"^ *(?:async )?(?:class|def) (\w+)", source, re.MULTILINE)
        yield from CONSTANT.findall(source)
    waiting = [make_commands()]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        yield command.name or ""
        yield from (option for parameter in command.params for option in parameter.opts)


def join_words(name):
    """Return the words of a name in small letters, with an underscore before, between and after them."""
    return f"_{'_'.join(re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z]+', name)).lower()}_"


def test_nothing_is_called_by_a_word_given_up():
    """The database, commands, addresses and code speak the same words as the pages."""
    words = "|".join(re.sub("[ -]", "_", word) for word in (*read_table("no name"), *read_given_up()))
    given_up = re.compile(f"_(?:{words})s?_")
    found = {name for name in list_names() if given_up.search(ORDINARY.sub("_", join_words(name)))} - ALLOWED
    assert not found, "\n".join(sorted(found))


def test_the_tables_are_read():
    """Words are found in them, or the tests above would hold nothing."""
    assert {"golden", "clue", "seal"} <= set(read_given_up())
    assert {"look", "odds"} <= set(read_table("no name"))
