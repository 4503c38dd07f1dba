"""What README and docs/ promise is so."""

import doctest
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from ipml.cli import make_commands
from ipml.model.training import Experiment

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = make_commands()
README_MOST_BYTES = 8_000


def name_page(page):
    """Return the path of a page within the project."""
    return str(page.relative_to(ROOT))


def list_commands(group, path=()):
    """Return the words that lead to each command and each group of commands."""
    found = [(*path, name) for name in getattr(group, "commands", {})]
    return found + [one for name in found for one in list_commands(group.commands[name[-1]], name)]


def list_shown():
    """Return the words after `ipml` of each command that a page shows, in a line or in a block."""
    words = re.compile(r"(?:^|[`/\s])ipml((?: [a-z][a-z-]*)+)", re.MULTILINE)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        code = "\n".join(re.findall(r"(?s:```bash\n(.*?)```)", text) + re.findall(r"`([^`\n]+)`", text))
        yield from ((name_page(page), tuple(match.split())) for match in words.findall(code))


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_the_examples_run(page):
    """Every Python example gives what it shows."""
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testfile(str(page), module_relative=False, optionflags=flags).failed == 0


def test_every_command_shown_exists():
    """A command that a page shows is one, down to the name in its group."""
    shown = set(list_shown())
    assert shown
    for page, words in shown:
        command = COMMANDS
        for word in words:
            if not getattr(command, "commands", None):
                break
            assert word in command.commands, f"{page} shows ipml {' '.join(words)}"
            command = command.commands[word]


def list_lines():
    """Return each command line that a page shows in a block or between backticks."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL) + re.findall(r"^    (.*)$", text, re.MULTILINE)
        lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`(ipml [^`\n]+)`", text)
        yield from ((name_page(page), match) for line in lines for match in re.findall(r"\bipml (?=[a-z-]).*", line))


def test_every_option_shown_exists():
    """The options of a command line that a page shows are options of that command."""
    shown = set(list_lines())
    assert shown
    for page, line in shown:
        command, words = COMMANDS, line.partition("#")[0].split()[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
        options = {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}
        assert options <= known, f"{page}: {line}"


def test_every_command_explains_itself():
    """The help of each command, and of each group, says what it does and shows an example of it."""
    paths = list_commands(COMMANDS)
    assert paths
    for path in paths:
        command = COMMANDS
        for name in path:
            command = command.commands[name]
        example = rf"^\s*Example: ipml {' '.join(path)}\b"
        assert re.search(example, command.help, re.MULTILINE), f"ipml {' '.join(path)} shows no example"


@pytest.mark.parametrize("name", COMMANDS.commands)
def test_help_is_shown(name):
    """Each command and group at the top answers --help."""
    assert CliRunner().invoke(COMMANDS, [name, "--help"]).exit_code == 0


def list_experiments():
    """Return the experiments that the pages show."""
    blocks = [block for page in PAGES for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    return [block for block in blocks if "\n[data]" in block]


@pytest.mark.parametrize("text", list_experiments(), ids=lambda text: text.splitlines()[0])
def test_the_experiments_shown_are_ones(text):
    """Each experiment file that a page shows is understood."""
    assert Experiment(**tomllib.loads(text)).record.model.startswith("ipml-")


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", PAGES[0].read_text(encoding="utf-8")))
def test_every_link_of_the_readme_leads_somewhere(link):
    """Pictures and files that the README points to are there; those of docs/ are checked when the site is built."""
    assert (ROOT / link).exists()


def test_the_readme_is_short():
    """A newcomer in a hurry reads one screen and a half."""
    assert len(PAGES[0].read_bytes()) <= README_MOST_BYTES


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


def test_the_documentation_can_be_opened(tmp_path: Path) -> None:
    """`ipml docs` prints its address, and hands it to the browser, if there is one."""
    (tmp_path / "browser").write_text('#!/bin/sh\necho "$1" > "$0.txt"\n')
    (tmp_path / "browser").chmod(0o755)
    command = [sys.executable, "-m", "ipml", "docs"]
    environment = os.environ | {"BROWSER": str(tmp_path / "browser")}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("https://")
    assert answer.stdout == (tmp_path / "browser.txt").read_text()
