"""`ipml reproduce`: train a recorded model again, and see whether the same bytes come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.registry_options import Name, Tracking, make_uri


def reproduce(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Id of a run, registry URI, version number, or recorded model folder.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model that is trained again.")] = Path("models/reproduced"),
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where the files of the experiment lie; by default where they lay at the time.", show_default=False
        ),
    ] = None,
    name: Name = "ipml",
    tracking: Tracking = None,
) -> None:
    """Train a recorded model again, from the experiment that was recorded with it, and compare the two byte by byte.

    Where the data are no longer the same, nothing is trained. What differs is said line by line, the causes first:
    data and versions, then the model file and the figures. Nothing is registered. Exit code 1 says that something
    differs.

    Example: ipml reproduce models:/ipml@champion --out models/again
    """
    from rich.console import Console

    from ipml.model.training.reproduction import reproduce as train_again

    with Console(stderr=True).status("Starting") as status:
        outcome = train_again(
            make_uri(run, name),
            out,
            data_folder=folder,
            tracking_uri=tracking,
            say=lambda step: status.update(step.capitalize()),
        )
    uri, version = outcome.model.uri, outcome.recorded.full_version
    if not outcome.differences:
        typer.echo(f"Same bytes: {outcome.folder} is {version}, as {uri}")
        return
    trained = "not trained again" if outcome.folder is None else f"trained again into {outcome.folder}"
    typer.echo(f"{uri} ({version}) is {trained}; it differs:")
    for line in outcome.differences:
        typer.echo(f"  {line}")
    raise typer.Exit(1)
