"""`ipml restore`: the review database made again from a backup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, NewList, open_for_command

if TYPE_CHECKING:
    from sqlalchemy import Connection


def restore(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.zip", help="What `ipml backup` wrote.", exists=True, show_default=False),
    ],
    database: Database = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="COUNT:HASH",
            help="What was once printed of the audit trail; shows whether the backup was tampered with.",
            show_default=False,
        ),
    ] = None,
    new_list: NewList = False,
) -> None:
    """Fill an empty review database from a backup: all of it, checked, or nothing.

    A backup of an older release is brought up to date. Everybody has to log in anew. Sellers who were erased since the
    backup was made, by the file IPML_ERASED, are erased again before anything is kept; without that file, or if it is
    damaged, nothing is restored.

    Example: ipml restore ipml-2026-05-01.zip --database postgresql+psycopg://ipml@db/ipml
    """
    from datetime import UTC, datetime

    from ipml.cli.seller import tell_erased
    from ipml.enforcement.privacy.erased_list import begin_list, read_erased
    from ipml.enforcement.privacy.erasure import Erased, Erasure, erase_again_within, sweep_erased
    from ipml.settings import get_settings
    from ipml.storage.audit import Anchor
    from ipml.storage.restoring import restore as restore_into

    kept = Anchor.parse(anchor) if anchor else None
    erased_in, erased = get_settings().erased, None
    if erased_in is not None:
        if new_list:
            begin_list(erased_in)
        erased = read_erased(erased_in)
    engine, again = open_for_command(database, create=True), list[Erasure]()

    def erase_again(connection: Connection) -> None:
        if erased is not None:
            again.extend(erase_again_within(connection, erased, by="restore", now=datetime.now(UTC)))

    manifest = restore_into(engine, file, kept, finish=erase_again)
    typer.echo(f"{manifest.rows:,} rows of {len(manifest.tables)} tables restored, as they were at {manifest.made_at}.")
    if erased is not None:
        tell_erased(Erased(tuple(again), sweep_erased(engine)))
