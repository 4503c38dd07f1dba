"""`ipml complaint`: what consumers complained of, as seller history."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.moments import MOMENT, in_utc
from ipml.cli.options import Database, open_for_command

app = typer.Typer(
    no_args_is_help=True,
    help="""Turn complaints of consumers into seller history.

    Example: ipml complaint export complaints.parquet
    """,
)


@app.callback()
def complaint() -> None:
    """Keep `export` a command of its own while there is only one."""


@app.command()
def export(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="CSV, JSON lines or Parquet, by suffix. CSV holds texts as they are: it is for programs.",
            show_default=False,
        ),
    ],
    known_by: Annotated[
        datetime | None,
        typer.Option(
            metavar="DATE",
            formats=MOMENT,
            help="Only complaints made by then; UTC where no zone is given.",
            show_default=False,
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Write complaints as seller events "complained": once for each consumer and listing, as seller history reads them.

    Those of consumers who were suspended when they complained are left out, as are those of erased sellers.

    Example: ipml complaint export complaints.parquet --known-by 2026-05-01
    """
    import pandas as pd

    from ipml.cooperation.notices.complaints import list_complaints
    from ipml.listings.writers import write_listings

    found = list(list_complaints(open_for_command(database), known_by=in_utc(known_by)))
    names = ("seller_id", "kind", "occurred_at", "known_at", "amount")
    events = pd.DataFrame({name: [getattr(event, name) for event in found] for name in names})
    for name in ("occurred_at", "known_at"):
        events[name] = pd.to_datetime(events[name], utc=True)
    write_listings(events, target)
    typer.echo(f"{len(events):,} complaints into {target}.")
