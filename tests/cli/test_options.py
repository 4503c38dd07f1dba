"""What commands share: the database they open is theirs for as long as they run."""

import ast
from pathlib import Path

import typer
from support.databases import copy_sqlite
from typer.testing import CliRunner

import ipml.cli
from ipml.cli.terminal import open_for_command

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
    modules = [path for path in Path(ipml.cli.__path__[0]).glob("*.py") if path.name not in OPENS_BY_ITSELF]
    imported = {
        (path.name, name.name)
        for path in modules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert not {name for name, imports in imported if imports == "open_database"}
