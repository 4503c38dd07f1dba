"""`ipml restore`: the review database made again from a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.options import Database


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
) -> None:
    """Fill an empty review database from a backup: all of it, checked, or nothing.

    A backup of an older release is brought up to date. Everybody has to log in anew. Sellers who were erased since the
    backup was made, by the file IPML_ERASED, are erased again.

    Example: ipml restore ipml-2026-05-01.zip --database postgresql+psycopg://ipml@db/ipml
    """
    from ipml.settings import get_settings
    from ipml.storage.audit import Anchor
    from ipml.storage.database import open_database
    from ipml.storage.restoring import restore as restore_into

    kept = Anchor.parse(anchor) if anchor else None
    engine = open_database(database)
    manifest = restore_into(engine, file, kept)
    typer.echo(f"{manifest.rows:,} rows of {len(manifest.tables)} tables restored, as they were at {manifest.made_at}.")
    erased_in = get_settings().erased
    if erased_in is not None and erased_in.exists():
        from ipml.cli.seller import tell_erased
        from ipml.enforcement.privacy.erasure import erase_again

        tell_erased(erase_again(engine, erased_in, by="restore"))
