"""Every command keeps the conventions that the reference states (`docs/reference_maker/interface_pages.py`)."""

import ast
import inspect
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from support.databases import copy_sqlite
from typer.testing import CliRunner

import ipml.cli
from ipml.cli import make_commands
from ipml.cli.removed import REMOVED
from ipml.cli.terminal import open_for_command

OTHER_OUTPUTS = {"--rejects", "--high-volume"}
"""Options that name what is written beside the result."""
INPUTS = {
    *("--events", "--labelled", "--portfolios", "--rates", "--sales", "--networks", "--folder", "--text"),
    *("--policy", "--rules", "--key", "--timestamp-roots", "--response", "--warc", "--pictures"),
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


def test_paths_are_arguments_and_results_go_to_out() -> None:
    """A path that is no argument is the result, or one of the known options; the result can be named by -o."""
    for name, command in COMMANDS.items():
        paths = {label for label, one in options_of(command).items() if type_of(command, one) is Path}
        assert paths <= {"--out"} | OTHER_OUTPUTS | INPUTS, name
        if out := options_of(command).get("--out"):
            assert (out.opts, type_of(command, out)) == (["--out", "-o"], Path), name
            assert set(out.metavar.split("|")) <= {"FILE", "FOLDER"}, name


def test_what_is_there_is_replaced_by_force_alone() -> None:
    """A command with a result takes --force, or says that the result grows or is never written over."""
    all_options = {name: options_of(command) for name, command in COMMANDS.items()}
    replacing = {name for name, one in all_options.items() if "--out" in one and not GROWS.search(one["--out"].help)}
    assert {name for name, one in all_options.items() if "--force" in one} == replacing


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


def find_fault_of_example(name: str) -> str | None:
    """Return what is wrong with the example in the help of a command."""
    command = COMMANDS[name]
    examples = re.findall(r"Example: (ipml .*)", command.help)
    if len(examples) != 1:
        return f"{len(examples)} examples"
    known = {label: one for one in command.params for label in one.opts}
    arguments, given = 0, set()
    rest = iter(shlex.split(examples[0].partition(", or ipml")[0].removeprefix(name)))
    for word in rest:
        if not word.startswith("-"):
            arguments += 1
        elif word not in known:
            return f"an unknown {word}"
        else:
            given.add(known[word].name)
            if not known[word].is_flag and next(rest, None) is None:
                return f"no value for {word}"
    positional = [one for one in command.params if not one.opts[0].startswith("-")]
    missing = {one.name for one in command.params if one.required and one not in positional} - given
    too_few = arguments < sum(one.required for one in positional)
    too_many = arguments > len(positional) and not any(one.nargs == -1 for one in positional)
    return f"{arguments} arguments, without {missing or 'nothing'}" if missing or too_few or too_many else None


def test_the_example_is_a_line_that_the_command_takes() -> None:
    """Each has one, with all that is required and nothing that is not known; each option that takes a value has one."""
    faults = {name: find_fault_of_example(name) for name in COMMANDS}
    assert {name: fault for name, fault in faults.items() if fault} == {}


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


# What commands share: the database they open is theirs for as long as they run
# `ipml serve` hands its database to a server, and closes it when that ends.
OPENS_BY_ITSELF = {"serve.py", "terminal.py"}


def test_a_database_is_closed_when_its_command_ends(tmp_path: Path) -> None:
    """What the command left in the pool of connections is closed with it, also where it ended in an error."""
    engines = []
    app = typer.Typer()
    app.callback()(ipml.cli.ipml)

    @app.command()
    def look(fails: bool = False) -> None:
        engines.append(open_for_command(copy_sqlite(tmp_path)).pool)
        assert engines[-1].checkedin() == 1
        if fails:
            raise OSError

    for arguments in (["look"], ["look", "--fails"]):
        CliRunner().invoke(app, arguments)
        assert engines.pop().checkedin() == 0


def test_every_command_opens_its_database_so() -> None:
    """No module of commands opens one in another way, which nobody would close."""
    modules = [path for path in Path(ipml.cli.__path__[0]).rglob("*.py") if path.name not in OPENS_BY_ITSELF]
    imported = {
        (path.name, name.name)
        for path in modules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert not {name for name, imports in imported if imports == "open_database"}


def test_a_removed_command_names_the_place_of_its_work(ipml) -> None:
    """In one line; none is a command still, and each command that a line names is one."""
    assert ipml("enforce penalty lift 12 --why x").is_refusal("`ipml enforce penalty lift` was removed: lift a penalty")
    assert not {f"ipml {name}" for name in REMOVED} & COMMANDS.keys()
    named = [name for place in REMOVED.values() for name in re.findall(r"`(ipml [a-z -]+?)(?: --.*)?`", place)]
    assert named
    assert set(named) <= COMMANDS.keys()
