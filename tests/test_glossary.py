"""The words that were given up do not come back."""

import re

from support.documentation import ROOT, WRITTEN_PAGES

from ipml.cli import make_commands
from ipml.settings import Settings
from ipml.storage.tables import metadata
from ipml.web.app import make_app

GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [page for page in WRITTEN_PAGES if page != GLOSSARY]
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


def find_words(text, words):
    """Return those of the words that a text contains, in the singular or plural."""
    return [word for word in words if re.search(rf"\b{word}s?\b", text, re.IGNORECASE)]


def test_the_pages_speak_the_words_of_the_glossary():
    """No page uses a word that was given up for another."""
    found = {page.name: find_words(read_prose(page), read_given_up()) for page in PAGES}
    assert {name: words for name, words in found.items() if words} == {}


def test_the_templates_speak_the_words_of_the_glossary():
    """Nor does a page of the console, on which who gives notice is the reporter."""
    code = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", re.DOTALL)
    words = [*read_given_up(), "notifier"]
    found = {page.name: find_words(code.sub(" ", page.read_text("utf-8")), words) for page in TEMPLATES}
    assert {name: words for name, words in found.items() if words} == {}


def list_names():
    """Return what tables, columns, settings, addresses, modules, classes, commands and options are called."""
    yield from (name for table in metadata.tables.values() for name in (table.name, *table.c.keys()))
    yield from Settings.model_fields
    yield from (route.path for route in make_app(None, Settings()).routes)
    for module in (ROOT / "ipml").rglob("*.py"):
        yield module.stem
        yield from re.findall(r"^class (\w+)", module.read_text(encoding="utf-8"), re.MULTILINE)
    waiting = [make_commands()]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        yield command.name or ""
        yield from (option for parameter in command.params for option in parameter.opts)


def split_name(name):
    """Return the words of a name, in small letters."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_nothing_is_called_by_a_word_given_up():
    """The database, commands, addresses and code speak the same words as the pages."""
    given_up = {form for word in read_table("no name") for form in (word, f"{word}s")}
    allowed = {"look_alikes", "lots", "log_odds", "clock_change"}  # of letters; of goods; logarithms; on the wall
    assert sorted(name for name in list_names() if split_name(name) & given_up and name not in allowed) == []


def test_the_tables_are_read():
    """Words are found in them, or the tests above would hold nothing."""
    assert {"golden", "clue", "seal"} <= set(read_given_up())
    assert {"look", "odds"} <= set(read_table("no name"))
