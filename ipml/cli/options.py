"""Options that several commands share, each said in the same words; and what they may not be."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.errors import UnusableSetting

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ipml.web.permissions import Action

Database = Annotated[
    str | None,
    typer.Option(
        help="Review database, as a SQLAlchemy URL; by default IPML_DATABASE, or ipml.db here.", show_default=False
    ),
]
NewList = Annotated[
    bool,
    typer.Option(
        "--new-list",
        help="Begin an empty list of erased sellers where IPML_ERASED is not there: nobody erased before is in it.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Model folder or registry URI; by default IPML_MODEL, or the champion of ipml.", show_default=False
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="How the file's columns map to ipml's: a TOML file, or a bundled map such as ozon-ecup.",
        show_default=False,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        help="The user (`ipml user`) who does it; by default the one with your name on this machine.",
        show_default=False,
    ),
]
Networks = Annotated[
    Path | None,
    typer.Option(
        help="Folder that `ipml network find` wrote; by default IPML_NETWORKS, or networks here.", show_default=False
    ),
]
Rejects = Annotated[Path | None, typer.Option(help="Keep bad rows apart in this CSV file.", show_default=False)]


OPENED = ExitStack()
"""What the command that runs has opened; `ipml.cli` closes it when the command ends."""


def open_for_command(url: str | None = None, *, create: bool = False) -> Engine:
    """Open the review database for as long as the command runs; its connections are closed when the command ends.

    Parameters
    ----------
    url : str, default=the setting `database`
        SQLAlchemy URL.
    create : bool, default=False
        Whether a SQLite file that is not there is made.

    Raises
    ------
    UnusableDatabase
        The URL names nothing that can be opened as a database.
    """
    from ipml.storage.database import open_database

    engine = open_database(url, create=create)
    OPENED.callback(engine.dispose)
    return engine


def acting(engine: Engine, action: Action, by: str | None) -> str:
    """Return the name of the user who acts: the one that was given, else the one named as who runs the command.

    Raises
    ------
    MayNotAct
        No active user of the database has that name, or their role is too low (`ipml.web.permissions`).
    """
    from getpass import getuser

    from ipml.web.users import find_permitted

    if not by:
        try:
            by = getuser()
        except (KeyError, OSError):  # such as in a container whose user has no name
            by = ""
    return find_permitted(engine, by, action).name


def choose_networks(folder: Path | None) -> Path:
    """Return the folder of networks that was given, else that of the settings, else `networks`."""
    from ipml.settings import get_settings

    return folder or get_settings().networks or Path("networks")


def check_distinct(*files: Path | None) -> None:
    """Refuse to write over the file that is read, or two results into one file.

    Raises
    ------
    UnusableSetting
        Two of the files are the same; None stands for one that was not given.
    """
    given = [file.resolve() for file in files if file is not None]
    for at, file in enumerate(given):
        if file in given[:at]:
            raise UnusableSetting("files", f"{file.name} twice", "a file of its own for each of them")
