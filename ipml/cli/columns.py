"""`ipml columns`: column maps, which say how the columns of a file become those of ipml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Column maps: how the columns of a file become those of ipml.

    Example: ipml columns guess shop.csv shop.toml
    """,
)


@app.callback()
def columns() -> None:
    """Keep `guess` a command of a group, though it is the only one."""


@app.command()
def guess(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or Parquet, by suffix.", show_default=False)
    ],
    target: Annotated[
        Path | None,
        typer.Argument(metavar="MAP", help="TOML file to write; it is shown where none is named.", show_default=False),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(help="Zone of times that do not say theirs, such as Europe/Berlin.", show_default=False),
    ] = None,
) -> None:
    """Write a first column map of a file, for you to read and correct: separator, encoding, and which column is which.

    Only the first 1,000 rows are looked at. Each line says on what evidence it rests; what the file does not tell stays
    as a comment. A file that is there is not written over.

    Example: ipml columns guess shop.csv shop.toml --zone Europe/Berlin
    """
    from zoneinfo import ZoneInfo

    from ipml.errors import UnusableSetting, UnwritableFile
    from ipml.listings.column_guess import guess_columns

    try:
        zone = zone and ZoneInfo(zone).key
    except (KeyError, ValueError, OSError):
        raise UnusableSetting("--zone", repr(zone), "a time zone such as Europe/Berlin") from None
    text = guess_columns(source, zone)
    if target is None:
        typer.echo(text, nl=False)
        return
    if target.suffix != ".toml":
        raise UnwritableFile(target, f"the suffix {target.suffix!r}", ".toml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UnwritableFile(target, "a file of that name", "a name that is not taken yet") from None
    except OSError as error:
        raise UnwritableFile(target, error.strerror or str(error), "a folder to write in") from error
    typer.echo(f"{target} is a first column map. Read it, correct it, then: ipml validate {source} --columns {target}")
