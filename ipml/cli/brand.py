"""`ipml brand`: what the owner of a brand is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.moments import in_utc
from ipml.cli.options import Database, open_for_command
from ipml.cli.transparency import AsOf, First, Last, Networks, Year, choose_period

app = typer.Typer(
    no_args_is_help=True,
    help="""Tell rights holders what was done about counterfeits of their brand.

    Example: ipml brand report Acme --year 2026
    """,
)


@app.command()
def report(
    brand: Annotated[str, typer.Argument(metavar="BRAND", help="The brand, as listings have it.", show_default=False)],
    year: Year = None,
    first: First = None,
    last: Last = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default brand-report.", show_default=False)
    ] = None,
    as_of: AsOf = None,
    networks: Networks = None,
    database: Database = None,
) -> None:
    """Write a report on a brand for its owner: a page, and tables as CSV.

    What was found over time, how sure and how fast, prices, notices and what came of them. Sellers are counted, not
    named, and small counts are not told.

    Example: ipml brand report Acme --from 2026-01-01 --until 2026-03-31 --out acme-2026-q1
    """
    from ipml.cli.plain_text import printable
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.reports.brand import write_brand_report
    from ipml.cooperation.reports.tables import show, show_interval
    from ipml.settings import get_settings

    period, folder = choose_period(year, first, last), out or Path("brand-report")
    written = write_brand_report(
        open_for_command(database),
        brand,
        period,
        folder,
        load_cooperation_policy().reports,
        now=in_utc(as_of),
        networks=networks or get_settings().networks,
    )
    for one in written.headline:
        interval = f" ({show_interval(one)})" if show_interval(one) else ""
        typer.echo(f"{one.name}: {show(one.value, one.unit)}{interval}")
    typer.echo(f"Report on {printable(brand)}, {period}, written to {folder}")
