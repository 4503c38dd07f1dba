"""`ipml backup`: the whole review database as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.options import Database, open_for_command


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="A file that is not there yet.", show_default=False)],
    database: Database = None,
) -> None:
    """Write the whole review database into one file, as it is at one moment, while people go on working.

    The file is for its owner's eyes: it holds listings, decisions and hashes of passwords, but nobody's login. A
    database on SQLite can be restored to PostgreSQL, and the other way round.

    Example: ipml backup ipml-2026-05-01.zip
    """
    from ipml.storage.backup import back_up

    manifest = back_up(open_for_command(database), file)
    typer.echo(
        f"{manifest.rows:,} rows of {len(manifest.tables)} tables into {file}; keep this anchor: {manifest.anchor}"
    )
