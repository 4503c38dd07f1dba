"""Every command keeps the conventions that the reference states (`docs/reference_maker/interface_pages.py`)."""

from __future__ import annotations

import inspect
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from ipml.cli import make_commands

OTHER_OUTPUTS = {"--rejects", "--high-volume"}
"""Options that name what is written beside the result."""
INPUTS = {
    *("--events", "--labelled", "--portfolios", "--rates", "--sales", "--networks", "--folder", "--text"),
    *("--policy", "--rules", "--key", "--timestamp-roots", "--response", "--warc"),
}
"""Options that name what is read besides the arguments."""
GROWS = re.compile(r"added to|appended|never written over|in place of an earlier one")
MANY_MEANINGS = {
    "--days",  # of a simulated year, in whole weeks; of a measure, in parts
    "--dropped",  # messages, or why a referral was
    "--key",  # to check a signature, to hash attributes, or of an appeal that is sent again
    "--year",  # to simulate one, or of which to report
}
"""Short words of the trade that stand for several things, each plain in its own command."""


def walk(command: Any, name: str = "ipml") -> Iterator[tuple[str, Any]]:
    """Give every command with its whole name."""
    if not hasattr(command, "commands"):
        yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, f"{name} {part}")


COMMANDS = dict(walk(make_commands()))


def options_of(command: Any) -> dict[str, Any]:
    """Return the options of a command by their long names."""
    return {one.opts[0]: one for one in command.params if one.opts[0].startswith("--")}


def type_of(command: Any, parameter: Any) -> type:
    """Return what a parameter holds: of a list its parts, and of what may be left out what it is otherwise."""
    found = get_type_hints(inspect.unwrap(command.callback))[parameter.name]
    while parts := [part for part in get_args(found) if part is not type(None)]:
        found = parts[0]
    return found if isinstance(found, type) else type(found)


@pytest.mark.parametrize("name", COMMANDS)
def test_paths_are_arguments_and_results_go_to_out(name: str) -> None:
    """A path that is no argument is the result, or one of the known options; the result can be named by -o."""
    command = COMMANDS[name]
    paths = {label for label, one in options_of(command).items() if type_of(command, one) is Path}
    assert paths <= {"--out"} | OTHER_OUTPUTS | INPUTS
    if out := options_of(command).get("--out"):
        assert out.opts == ["--out", "-o"]
        assert type_of(command, out) is Path
        assert set(out.metavar.split("|")) <= {"FILE", "FOLDER"}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_there_is_replaced_by_force_alone(name: str) -> None:
    """A command with a result takes --force, or says that the result grows or is never written over."""
    options = options_of(COMMANDS[name])
    grows = "--out" in options and bool(GROWS.search(options["--out"].help))
    assert ("--force" in options) == ("--out" in options and not grows)


def test_an_option_is_of_one_type_everywhere() -> None:
    """Whoever knows it from one command knows it from all; what always means the same is described alike."""
    types, meanings = defaultdict(set), defaultdict(set)
    for command in COMMANDS.values():
        for label, one in options_of(command).items():
            if label != "--help":
                types[label].add(type_of(command, one))
                meanings[label].add(one.help)
    assert {label for label, found in types.items() if len(found) > 1} <= MANY_MEANINGS
    alike = ("--database", "--by", "--columns", "--force", "--rejects", "--tracking", "--known-by", "--as-of", "--jobs")
    assert {label: meanings[label] for label in alike if len(meanings[label]) > 1} == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_is_a_line_that_the_command_takes(name: str) -> None:
    """It has all that is required, and nothing that is not known; each option that takes a value has one."""
    command = COMMANDS[name]
    (line,) = re.findall(r"Example: (ipml .*)", command.help)
    words = shlex.split(line.partition(", or ipml")[0].removeprefix(name))
    known = {label: one for one in command.params for label in one.opts}
    arguments, given, rest = 0, set(), iter(words)
    for word in rest:
        if word.startswith("-"):
            assert word in known
            given.add(known[word].name)
            if not known[word].is_flag:
                next(rest)
        else:
            arguments += 1
    positional = [one for one in command.params if not one.opts[0].startswith("-")]
    required = [one for one in command.params if one.required]
    assert {one.name for one in required if one not in positional} <= given
    assert len([one for one in required if one in positional]) <= arguments
    assert arguments <= len(positional) or any(one.nargs == -1 for one in positional)


def test_a_moment_is_shown_as_a_date() -> None:
    """The help of an option that takes a moment or a day says so in the same way."""
    moments = [
        (name, label, one.metavar)
        for name, command in COMMANDS.items()
        for label, one in options_of(command).items()
        if label != "--help" and type_of(command, one) is datetime
    ]
    assert moments
    assert [found for found in moments if found[2] != "DATE"] == []
