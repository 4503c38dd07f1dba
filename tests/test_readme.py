"""What the README promises is so."""

import doctest
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from typer.main import get_command

from ipml.cli import app
from ipml.model.training import Experiment

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = get_command(app)
SHELL = "\n".join(re.findall(r"^    (.*)$", README, re.MULTILINE))


def list_commands(group, path=()):
    """Return the words that lead to each command and each group of commands."""
    found = [(*path, name) for name in getattr(group, "commands", {})]
    return found + [one for name in found for one in list_commands(group.commands[name[-1]], name)]


def test_the_examples_run():
    """Every Python example gives what it shows."""
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testfile(str(ROOT / "README.md"), module_relative=False, optionflags=flags).failed == 0


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bipml ([a-z][\w-]*)", SHELL))))
def test_every_command_shown_exists_and_shows_an_example(name):
    """A command the README shows answers --help, with an example."""
    result = CliRunner().invoke(COMMANDS, [name, "--help"])
    assert result.exit_code == 0
    assert "ipml" in result.output


@pytest.mark.parametrize("name", COMMANDS.commands)
def test_every_command_is_named(name):
    """A reader of the README meets each command of `ipml --help`."""
    assert re.search(rf"(ipml |`){name}\b", README)


@pytest.mark.parametrize("path", list_commands(COMMANDS), ids=" ".join)
def test_every_command_explains_itself(path):
    """The help of each command, and of each group, says what it does and shows an example of it."""
    command = COMMANDS
    for name in path:
        command = command.commands[name]
    assert re.search(rf"^\s*Example: ipml {' '.join(path)}\b", command.help, re.MULTILINE)


def test_the_experiment_shown_is_one():
    """The experiment file of the README is understood."""
    import tomllib

    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert Experiment(**tomllib.loads(text)).record.model == "ipml-shoes"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_leads_somewhere(link):
    """Pictures and files the README points to are there."""
    assert (ROOT / link).exists()
