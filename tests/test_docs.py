"""What README and docs/ promise is so, and words that were given up do not come back."""

import doctest
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.documentation import README, ROOT, WRITTEN_PAGES, read_pages

from ipml.cli import make_commands
from ipml.model.training import Experiment
from ipml.settings import Settings
from ipml.storage.tables import metadata
from ipml.web.app import make_app

COMMANDS = make_commands()
README_MOST_BYTES = 8_000


def walk_commands(group, path=()):
    """Yield each command and group of commands, with the words that lead to it."""
    for name, command in getattr(group, "commands", {}).items():
        yield (*path, name), command
        yield from walk_commands(command, (*path, name))


def is_group(command):
    """Return whether a command is a group of commands."""
    return bool(getattr(command, "commands", None))


def find_command(words):
    """Return the command that the first words name, and the words after them."""
    command = COMMANDS
    for place, word in enumerate(words):
        if word not in getattr(command, "commands", {}):
            return command, words[place:]
        command = command.commands[word]
    return command, []


def list_shown_commands():
    """Return page and words after `ipml` of each command that a page shows, in a line or in a block."""
    words = re.compile(r"(?:^|[`/\s])ipml((?: [a-z][a-z-]*)+)", re.MULTILINE)
    for page, text in read_pages().items():
        code = "\n".join(re.findall(r"(?s:```bash\n(.*?)```)", text) + re.findall(r"`([^`\n]+)`", text))
        yield from ((page, match.split()) for match in words.findall(code))


def list_shown_lines():
    """Return page and command line of each that a page shows in a block or between backticks."""
    for page, text in read_pages().items():
        blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL) + re.findall(r"^    (.*)$", text, re.MULTILINE)
        lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`(ipml [^`\n]+)`", text)
        yield from ((page, match) for line in lines for match in re.findall(r"\bipml (?=[a-z-]).*", line))


@pytest.mark.parametrize(
    "page", [page for page in WRITTEN_PAGES if ">>> " in page.read_text("utf-8")], ids=lambda page: page.name
)
def test_the_examples_run(page):
    """Every Python example gives what it shows."""
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testfile(str(page), module_relative=False, optionflags=flags).failed == 0


def test_every_command_shown_exists():
    """A command that a page shows is one, down to the name in its group."""
    shown = [(page, words, *find_command(words)) for page, words in list_shown_commands()]
    assert shown
    unknown = {(page, f"ipml {' '.join(words)}") for page, words, found, rest in shown if rest and is_group(found)}
    assert unknown == set()


def test_every_option_shown_exists():
    """The options of a command line that a page shows are options of that command."""
    shown = set(list_shown_lines())
    assert shown
    unknown = {}
    for page, line in shown:
        command, words = find_command(line.partition("#")[0].split()[1:])
        options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
        given = {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}
        if given - options:
            unknown[page, line] = given - options
    assert unknown == {}


def test_every_group_of_commands_explains_itself():
    """The help of each group shows an example; that of each command is in the reference, with its example."""
    groups = [(" ".join(path), group) for path, group in walk_commands(COMMANDS) if is_group(group)]
    assert groups
    missing = [
        name for name, group in groups if not re.search(rf"^\s*Example: ipml {name}\b", group.help, re.MULTILINE)
    ]
    assert missing == []


def test_help_is_shown(subtests):
    """Each command and group at the top answers --help."""
    for name in COMMANDS.commands:
        with subtests.test(msg=name):
            assert CliRunner().invoke(COMMANDS, [name, "--help"]).exit_code == 0


def test_the_experiments_shown_are_ones(subtests):
    """Each experiment file that a page shows is understood."""
    blocks = [block for page in read_pages().values() for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    experiments = [block for block in blocks if "\n[data]" in block]
    assert experiments
    for text in experiments:
        with subtests.test(msg=text.splitlines()[0]):
            assert Experiment(**tomllib.loads(text)).record.model.startswith("ipml-")


def test_every_link_of_the_readme_leads_somewhere():
    """Pictures and files that the README points to are there; those of docs/ are checked when the site is built."""
    links = re.findall(r"\]\(([^):#]+)", README.read_text("utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_file_shown_exists():
    """A page names no file of the project that is not there."""
    names = {
        (page, name)
        for page, text in read_pages().items()
        for name in re.findall(r"`((?:ipml|tests|docs)/[\w./]+)`", text)
    }
    assert names
    assert sorted((page, name) for page, name in names if not (ROOT / name).exists()) == []


def test_the_readme_is_short():
    """A newcomer in a hurry reads one screen and a half."""
    assert len(README.read_bytes()) <= README_MOST_BYTES


def correct(file, lines):
    """Put lines in the place of those with the same key, or at the end."""
    keys = tuple(line.partition(" = ")[0] + " = " for line in lines)
    others = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith(keys)]
    file.write_text("\n".join([*others, *lines, ""]), encoding="utf-8")


@pytest.mark.slow
def test_the_tutorial_on_own_listings_can_be_followed(tmp_path):
    """With the files that the tutorial shows, its commands run one after another, up to scored listings."""
    text = (ROOT / "docs/tutorials/own-listings.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"```\w+\n# ([\w.-]+\.(?:py|toml))\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(content, encoding="utf-8")
    waiting = ("ipml serve", "mlflow ui")  # stay open until somebody ends them
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if not line.startswith(waiting)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        found = int("leakage-audit" in command)  # it finds that a random split flatters
        assert done.returncode == found, f"{command}\n{done.stdout}\n{done.stderr}"
        if "guess-columns" in command:
            (lines,) = re.findall(r"```toml\n((?:\w+ = .*\n)+)```", text)
            correct(tmp_path / "shop.toml", lines.splitlines())
    assert (tmp_path / "scored.parquet").exists()


def test_the_architecture_names_modules_that_exist():
    """Each file and folder that the page names in its flows is there."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+(?:\.py|/\w+))`", text))
    assert len(named) > 30
    assert not [name for name in named if not any((ROOT / top / name).exists() for top in ("ipml", ""))]


def test_the_documentation_can_be_opened(tmp_path: Path) -> None:
    """`ipml docs` prints its address, and hands it to the browser, if there is one."""
    (tmp_path / "browser").write_text('#!/bin/sh\necho "$1" > "$0.txt"\n')
    (tmp_path / "browser").chmod(0o755)
    command = [sys.executable, "-m", "ipml", "docs"]
    environment = os.environ | {"BROWSER": str(tmp_path / "browser")}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("https://")
    assert answer.stdout == (tmp_path / "browser.txt").read_text()


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


def test_nothing_is_called_by_a_word_given_up():
    """The database, commands, addresses and code speak the same words as the pages."""
    words = "|".join(re.sub("[ -]", "_", word) for word in (*read_table("no name"), *read_given_up()))
    given_up = re.compile(f"_(?:{words})s?_")
    found = {
        name
        for name in list_names()
        if given_up.search(
            ORDINARY.sub("_", (f"_{'_'.join(re.findall('[A-Z]+(?![a-z])|[A-Z]?[a-z]+', name)).lower()}_"))
        )
    } - ALLOWED
    assert not found, "\n".join(sorted(found))


def test_the_tables_are_read():
    """Words are found in them, or the tests above would hold nothing."""
    assert {"golden", "clue", "seal"} <= set(read_given_up())
    assert {"look", "odds"} <= set(read_table("no name"))
