"""The reference, which `docs/hooks.py` makes from the code, is complete, and no link of the site is dead."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort
from support.documentation import ROOT, import_from_docs, make_reference

from ipml.listings.fields import FIELDS
from ipml.settings import Settings
from ipml.storage.message_kinds import EXAMPLES_FILE, MESSAGE_KINDS, MESSAGES
from ipml.storage.tables import metadata
from ipml.web.http_api.api import API_ROUTES

DESCRIPTIONS = {"Meaning", "Purpose"}
"""Heads of the column that describes what a row is about."""
COMPLETE_PAGES = ("settings", "commands", "columns", "webhooks")
"""Pages on which every row of every table is described."""


def read_sections(name: str) -> Mapping[str, str]:
    """Return what a page of the reference says under each heading."""
    headings_and_texts = re.split(r"^##+ (.*)\n", make_reference()[f"reference/{name}.md"], flags=re.MULTILINE)[1:]
    return dict(zip(headings_and_texts[::2], headings_and_texts[1::2], strict=True))


def read_rows(section: str) -> Iterator[Mapping[str, str]]:
    """Return each row of the tables in a section, by the heads of its columns."""
    for head, body in re.findall(r"^(\| .*)\n\| --- .*\n((?:\| .*\n?)+)", section, re.MULTILINE):
        heads, *rows = (
            [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in (head, *body.split("\n"))
        )
        yield from (dict(zip(heads, row, strict=True)) for row in rows if row)


def test_the_site_has_every_page_and_no_dead_link(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every page is in the navigation, and every link leads to a page and a heading, in the reference too."""
    with suppress(Abort):  # for the warnings, which are named below
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path)))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [path for path in make_reference() if not (tmp_path / path).with_suffix(".html").exists()] == []


def test_every_setting_is_listed() -> None:
    """Each under its environment variable."""
    listed = {
        row.get("Environment variable") for section in read_sections("settings").values() for row in read_rows(section)
    }
    assert {f"`IPML_{name.upper()}`" for name in Settings.model_fields} == listed - {None}


def test_every_column_is_listed() -> None:
    """Each by its name."""
    listed = [row["Column"] for row in read_rows(read_sections("columns")["Columns of a listing"])]
    assert listed == [f"`{field.name}`" for field in FIELDS]


def test_every_row_has_a_description() -> None:
    """Each setting, argument, option, column and field of a message says what it means."""
    missing = [
        (page, heading, next(iter(row.values())))
        for page in COMPLETE_PAGES
        for heading, section in read_sections(page).items()
        for row in read_rows(section)
        if not any(row.get(head) for head in (*DESCRIPTIONS, "Reaction of ipml"))
    ]
    assert missing == []


def test_every_command_has_an_example() -> None:
    """Each command is under a heading of its whole name, with a description and an example that begins with it."""
    commands = dict(import_from_docs("reference_maker.interface_pages").walk_commands())
    sections = read_sections("commands")
    assert {name for name in sections if name.startswith("ipml ")} == commands.keys() - {"ipml"}
    single = [name for name, command in commands.items() if not hasattr(command, "commands")]
    assert [name for name in single if f"Example:\n\n```bash\n{name}" not in sections[name]] == []
    assert [name for name in single if not sections[name].strip().partition("```")[0]] == []


def test_every_http_operation_has_a_description() -> None:
    """Each is under its method and path, and says more than its title."""
    sections = {name: text for name, text in read_sections("http-api").items() if " /" in name}
    assert sections.keys() == {f"{method} {path}" for method, path, *_ in API_ROUTES} - {"GET /openapi.json"}
    described = re.compile(r"\n\*\*.+\*\*\n\n(?!Callers)\w")
    assert [name for name, text in sections.items() if not described.match(text)] == []


def test_every_table_has_a_description() -> None:
    """Each has a purpose, and no purpose is left of a table that is gone."""
    purposes = import_from_docs("reference_maker.data_pages").PURPOSES
    assert purposes.keys() == set(metadata.tables), "docs/reference_maker/data_pages.py needs a line for each table"
    assert read_sections("tables").keys() == set(metadata.tables)


def test_every_kind_of_message_has_a_meaning_and_an_example() -> None:
    """A receiver finds each kind of message with what it says."""
    sections = read_sections("webhooks")
    assert sections.keys() >= MESSAGE_KINDS
    assert [shape for shape in MESSAGES.values() if f'"type": "{shape.type}"' not in sections[shape.kind]] == []
    assert [shape for shape in MESSAGES.values() if shape.meaning not in sections[shape.kind]] == []


@pytest.mark.slow
def test_the_examples_of_messages_are_what_the_code_sends() -> None:
    """The pages and `ipml outbox test` show them."""
    examples = import_from_docs("make_message_examples").write_examples()
    assert EXAMPLES_FILE.read_text("utf-8") == examples, "run `python docs/make_message_examples.py`"
