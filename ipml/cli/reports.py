"""Reports: on a year (`ipml report transparency`), on a brand (`ipml report brand`), and on traders (`ipml report
traders`).

The public is told of a year, the owner of a brand of that brand. Of traders it is said what they must have told, and
who sells so much that more is asked.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.terminal import DAY, Database, read_moment_option, reading_from

if TYPE_CHECKING:
    from collections import Counter
    from datetime import date

    from ipml.cooperation.policy import TraderRules
    from ipml.cooperation.reports.period import Period
    from ipml.cooperation.reports.traders import State, TraderStep


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
        parser=read_moment_option,
        help="As things stood then; UTC where no zone is given, by default now.",
        show_default=False,
    ),
]
Networks = Annotated[
    Path | None,
    typer.Option(
        help="Folder that `ipml cooperate network find` wrote; by default IPML_NETWORKS, or none.", show_default=False
    ),
]


def report_transparency(
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

    No person is named in it. Provider and service are named in `[reports]` of the policy (IPML_POLICY_COOPERATION).

    Example: ipml report transparency --year 2026 --out transparency-2026
    """
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.reports.document import show, show_interval
    from ipml.cooperation.reports.transparency import write_transparency_report
    from ipml.settings import get_settings

    period = choose_period(year, first, last)
    folder = out or Path(f"transparency-{year or str(period).replace('/', '-')}")
    with reading_from(database) as connection:
        written = write_transparency_report(
            connection,
            period,
            folder,
            load_cooperation_policy().reports,
            now=as_of,
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


def report_brand(
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

    Example: ipml report brand Acme --from 2026-01-01 --until 2026-03-31 --out acme-2026-q1
    """
    from ipml.cli.terminal import printable
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.reports.brand import write_brand_report
    from ipml.cooperation.reports.document import show, show_interval
    from ipml.settings import get_settings

    period, folder = choose_period(year, first, last), out or Path("brand-report")
    with reading_from(database) as connection:
        written = write_brand_report(
            connection,
            brand,
            period,
            folder,
            load_cooperation_policy().reports,
            now=as_of,
            networks=networks or get_settings().networks,
        )
    for one in written.headline:
        interval = f" ({show_interval(one)})" if show_interval(one) else ""
        typer.echo(f"{one.name}: {show(one.value, one.unit)}{interval}")
    typer.echo(f"Report on {printable(brand)}, {period}, written to {folder}")


def report_traders(
    traders: Annotated[
        Path,
        typer.Argument(
            metavar="TRADERS", help="CSV or Parquet: seller_id and what each trader told.", show_default=False
        ),
    ],
    sales: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet: seller_id, sold_at, value, currency of each sale.", show_default=False),
    ] = None,
    rates: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: currency, usd, and since if they change.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="What each trader lacks (CSV).")] = Path("traders-lack.csv"),
    high_volume: Annotated[Path, typer.Option(help="High-volume sellers (CSV), with --sales.")] = Path(
        "high-volume.csv"
    ),
    on: Annotated[
        datetime | None, typer.Option(metavar="DATE", formats=DAY, help="On this day; by default today.")
    ] = None,
) -> None:
    """Say what each trader lacks of what the law asks for, and who is a high-volume seller.

    Article 30 of the EU's Digital Services Act: which fields are missing or malformed, whom to ask, and whose
    suspension to propose. With --sales also the INFORM Consumers Act of the United States: who has had 200 sales and
    5,000 dollars in twelve continuous months, since when, and by when their details must be collected. Both files name
    sellers: only you can read them. Nobody is suspended by this.

    Example: ipml report traders traders.csv --sales sales.parquet --rates rates.csv
    """
    from datetime import UTC

    from ipml.cli.terminal import check_distinct
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.reports.traders import check_traders, count_states, read_traders, write_findings

    check_distinct(traders, out, *((sales, high_volume) if sales else ()), rates)
    rules, day = load_cooperation_policy().traders, (on or datetime.now(UTC)).date()
    findings = check_traders(read_traders(traders, rules), rules, day)
    _show_lacking(*count_states(write_findings(findings, rules, out)), rules)
    typer.echo(f"What each trader lacks: {out}")
    if sales:
        _find_high_volume(sales, rates, rules, day, high_volume)


def _show_lacking(states: Counter[tuple[str, State]], steps: Counter[TraderStep], rules: TraderRules) -> None:
    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.reports.traders import LETTERS, State, TraderStep

    table = Table("field", "Article 30(1)", *(state.value for state in State))
    for name in rules.fields:
        letter = f"({LETTERS[name]})" if name in LETTERS else ""
        table.add_row(name, letter, *(f"{states[name, state]:,}" for state in State))
    Console().print(table)
    total, complete = sum(steps.values()), steps[TraderStep.NOTHING]
    typer.echo(f"{total:,} traders, {complete:,} of them complete.")
    for step, what in _STEPS.items():
        if steps[TraderStep(step)]:
            typer.echo(f"{steps[TraderStep(step)]:,} {what}")


_STEPS = {
    "ask": "to be asked for what is missing",
    "wait": "asked, or given time by law, and not due yet",
    "suspend until given": "due: their suspension until they have told it is proposed (Article 30(2) and (3))",
}


def _find_high_volume(sales: Path, rates: Path | None, rules: TraderRules, day: date, out: Path) -> None:
    from ipml.cooperation.reports.high_volume import find_high_volume, read_sales
    from ipml.cooperation.reports.traders import write_high_volume

    found = find_high_volume(read_sales(sales, rates), rules.inform, day)
    write_high_volume(found, out)
    late, disclosed = sum(one.collect_by < day for one in found), sum(one.is_disclosed for one in found)
    typer.echo(
        f"{len(found):,} high-volume sellers (15 U.S.C. 45f): for {late:,} the {rules.inform.collect_days} days to "
        f"collect their details are over; {disclosed:,} must be disclosed to buyers. Written to {out}"
    )
