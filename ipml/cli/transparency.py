"""`ipml transparency`: what the public is told of a year."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.moments import DAY, MOMENT, in_utc
from ipml.cli.options import Database, open_for_command

if TYPE_CHECKING:
    from ipml.cooperation.reports.period import Period

Year = Annotated[int | None, typer.Option(help="A calendar year, in UTC.", show_default=False)]
First = Annotated[
    datetime | None,
    typer.Option("--from", metavar="DATE", formats=DAY, help="First day, in place of --year.", show_default=False),
]
Last = Annotated[
    datetime | None, typer.Option("--until", metavar="DATE", formats=DAY, help="Last day.", show_default=False)
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        metavar="DATE",
        formats=MOMENT,
        help="As things stood then; UTC where no zone is given, by default now.",
        show_default=False,
    ),
]
Networks = Annotated[
    Path | None,
    typer.Option(help="Folder that `ipml network find` wrote; by default IPML_NETWORKS, or none.", show_default=False),
]

app = typer.Typer(
    no_args_is_help=True,
    help="""Tell the public what was done about counterfeits.

    Example: ipml transparency report --year 2026
    """,
)


@app.command()
def report(
    year: Year = None,
    first: First = None,
    last: Last = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default transparency-YEAR.", show_default=False)
    ] = None,
    as_of: AsOf = None,
    networks: Networks = None,
    database: Database = None,
) -> None:
    """Write the transparency report of a year: a page, tables as CSV, and the files of the EU's template.

    No person is named in it. Provider and service are named in `[reports]` of the policy (IPML_COOPERATION).

    Example: ipml transparency report --year 2026 --out transparency-2026
    """
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.reports.tables import show, show_interval
    from ipml.cooperation.reports.transparency import write_transparency_report
    from ipml.settings import get_settings

    period = choose_period(year, first, last)
    folder = out or Path(f"transparency-{year or str(period).replace('/', '-')}")
    written = write_transparency_report(
        open_for_command(database),
        period,
        folder,
        load_cooperation_policy().reports,
        now=in_utc(as_of),
        networks=networks or get_settings().networks,
    )
    for one in written.headline:
        interval = f" ({show_interval(one)})" if show_interval(one) else ""
        typer.echo(f"{one.name}: {show(one.value, one.unit)}{interval}")
    typer.echo(f"Report of {period} written to {folder}")


def choose_period(year: int | None, first: datetime | None, last: datetime | None) -> Period:
    """Return the period that was asked for; UnusableSetting where that was none, or two."""
    from ipml.cooperation.reports.period import Period
    from ipml.errors import UnusableSetting

    if year is not None and first is None and last is None:
        return Period.of_year(year)
    if year is None and first is not None and last is not None:
        return Period.between(first.date(), last.date())
    raise UnusableSetting("period", "none, or parts of several", "--year, or both --from and --until")
