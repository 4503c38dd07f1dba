"""The reference in `docs/reference/` is what `docs/make_reference.py` makes of the code."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from ipml.settings import Settings
from ipml.storage.message_kinds import EXAMPLES_FILE, MESSAGE_KINDS, MESSAGES
from ipml.storage.tables import metadata

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("settings.md", "commands.md", "columns.md", "http-api.md", "webhooks.md", "tables.md", "policies.md")
HOW = "run `python docs/make_reference.py`, look at what changed, and commit it with the code"


def load(name: str) -> ModuleType:
    """Return a module of the folder `docs`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """Return the script that makes the pages."""
    return load("make_reference")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(reference: ModuleType, name: str) -> None:
    """A change of the code that shows on a page is committed with the page."""
    path = DOCS / "reference" / name
    written = path.read_text("utf-8") if path.exists() else ""
    assert written == reference.PAGES[name](), f"docs/reference/{name} is outdated: {HOW}"


def test_every_page_is_tested(reference: ModuleType) -> None:
    """What the script makes, what lies in the folder, and what is tested here are the same pages."""
    assert set(PAGES) == set(reference.PAGES) == {path.name for path in (DOCS / "reference").glob("*.md")}


def test_every_setting_is_on_its_page() -> None:
    """Each with a meaning, under its environment variable."""
    rows = dict(re.findall(r"^\| `(IPML_\w+)` \|.*\| (\S[^|]*) \|$", _read("settings.md"), re.MULTILINE))
    assert {f"IPML_{name.upper()}" for name in Settings.model_fields} == rows.keys()


def test_every_command_is_on_its_page() -> None:
    """Each under a heading of its whole name; none is there that is gone."""
    headings = re.findall(r"^##+ (ipml .*)$", _read("commands.md"), re.MULTILINE)
    names = [name for name, _ in load("reference_maker.interface_pages").walk_commands()]
    assert sorted([*headings, "ipml"]) == sorted(names)


def test_every_table_is_on_its_page() -> None:
    """Each with a purpose, and no purpose is left of a table that is gone."""
    tables = set(metadata.tables)
    assert set(re.findall(r"^## (\w+)$", _read("tables.md"), re.MULTILINE)) == tables
    purposes = load("reference_maker.data_pages").PURPOSES
    assert purposes.keys() == tables, "docs/reference_maker/data_pages.py needs a line for each table, and no others"


def test_every_kind_of_message_has_a_meaning_and_an_example() -> None:
    """A receiver finds each kind of message with what it says."""
    parts = re.split(r"^### ", _read("webhooks.md").partition("\n## Contents")[0], flags=re.MULTILINE)[1:]
    found = {part.partition("\n")[0]: part for part in parts}
    assert found.keys() == MESSAGE_KINDS
    assert [shape for shape in MESSAGES.values() if f'"type": "{shape.type}"' not in found[shape.kind]] == []
    assert [shape for shape in MESSAGES.values() if shape.meaning not in found[shape.kind]] == []


def test_the_examples_of_messages_are_what_the_code_sends() -> None:
    """They are made by the code itself, as the pages are."""
    assert EXAMPLES_FILE.read_text("utf-8") == load("reference_maker.messages").write_examples(), HOW


@pytest.mark.parametrize("name", PAGES)
def test_links_within_a_page_lead_somewhere(name: str) -> None:
    """Each link to a heading has that heading; a link to another page has that page."""
    page = _read(name)
    name_anchor = load("reference_maker.markdown").name_anchor
    anchors = {name_anchor(heading) for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= anchors
    assert {link for link in re.findall(r"\]\(([\w-]+\.md)", page) if link not in PAGES} == set()


def _read(name: str) -> str:
    return (DOCS / "reference" / name).read_text("utf-8")
