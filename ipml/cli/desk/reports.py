"""Reports: on a year (`ipml report transparency`), a brand (`ipml report brand`), traders (`ipml report traders`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import AsOf, Database, FirstDay, Force, LastDay, Year, out_option, take_records
from ipml.cli.terminal import check_outputs, printable, reading_from, show_table
from ipml.errors import UnusableSetting

if TYPE_CHECKING:
    from collections import Counter
    from datetime import date

    from ipml.cooperation.policy import ReportRules, TraderRules
    from ipml.cooperation.reports.document import ReportDocument
    from ipml.cooperation.reports.period import Period, ReportScope
    from ipml.cooperation.reports.traders import State, TraderStep


KnownNetworks = Annotated[
    Path | None,
    typer.Option(
        "--networks", help="Folder that `ipml cooperate network find` wrote; by default IPML_NETWORKS, or none."
    ),
]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """The options that reports on a period share."""

    year: Year = None
    since: FirstDay = None
    until: LastDay = None
    as_of: AsOf = None
    networks: KnownNetworks = None
    force: Force = False
    database: Database = None

    @property
    def period(self) -> Period:
        """The period of the report; raises UnusableSetting if none or two are given."""
        return _choose_period(self.year, self.since, self.until)

    @contextmanager
    def open_scope(self, folder: Path) -> Iterator[ReportScope]:
        """Yield the scope of a report into a folder, by default as of now and with the networks of the settings."""
        from ipml.cooperation.reports.period import ReportScope
        from ipml.settings import get_settings

        period = self.period
        check_outputs(folder, force=self.force)
        with reading_from(self.database) as connection:
            now = self.as_of or datetime.now(UTC)
            yield ReportScope(connection, period, now, networks=self.networks or get_settings().networks)


@take_records
def report_transparency(
    out: Annotated[Path | None, out_option("Folder to write; by default transparency-YEAR.", "FOLDER")] = None,
    *,
    options: ReportOptions,
) -> None:
    """Write the transparency report of a year: a page, tables as CSV, and the files of the EU's template.

    It names no person. Provider and service are set in `[reports]` of the policy (IPML_POLICY_COOPERATION).

    Example: ipml report transparency --year 2026 --out transparency-2026
    """
    from ipml.cooperation.reports.transparency import write_transparency_report

    period = options.period
    folder = out or Path(f"transparency-{options.year or str(period).replace('/', '-')}")
    with options.open_scope(folder) as scope:
        _show_headline(write_transparency_report(scope, folder, _read_rules()))
    typer.echo(f"Report of {period} written to {folder}")


@take_records
def report_brand(
    brand: Annotated[str, typer.Argument(metavar="BRAND", help="The brand, as listings have it.")],
    out: Annotated[Path, out_option("Folder to write.", "FOLDER")] = Path("brand-report"),
    *,
    options: ReportOptions,
) -> None:
    """Write a report on a brand for its owner: a page, and tables as CSV.

    It shows findings over time, their certainty and speed, prices, and notices with their outcomes. Sellers are
    counted, not named, and small counts are withheld.

    Example: ipml report brand Acme --since 2026-01-01 --until 2026-03-31 --out acme-2026-q1
    """
    from ipml.cooperation.reports.brand import write_brand_report

    with options.open_scope(out) as scope:
        _show_headline(write_brand_report(replace(scope, brand=brand), out, _read_rules()))
    typer.echo(f"Report on {printable(brand)}, {options.period}, written to {out}")


def _choose_period(year: int | None, first: datetime | None, last: datetime | None) -> Period:
    """Return the requested period; UnusableSetting if there is none or two."""
    from ipml.cooperation.reports.period import Period

    if year is not None and first is None and last is None:
        return Period.of_year(year)
    if year is None and first is not None and last is not None:
        return Period.between(first.date(), last.date())
    raise UnusableSetting("period", "none, or parts of several", "--year, or both --since and --until")


def _read_rules() -> ReportRules:
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.settings import get_settings

    return load_cooperation_policy(get_settings().policy_cooperation).reports


def _show_headline(report: ReportDocument) -> None:
    """Print the main figures of a report."""
    from ipml.cooperation.reports.document import show, show_interval

    for quantity in report.headline:
        interval = f" ({show_interval(quantity)})" if show_interval(quantity) else ""
        typer.echo(f"{quantity.name}: {show(quantity.value, quantity.unit)}{interval}")


def report_traders(
    traders: Annotated[
        Path, typer.Argument(metavar="TRADERS", help="CSV or Parquet: seller_id and the details given by each trader.")
    ],
    sales: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: seller_id, sold_at, value, currency of each sale.")
    ] = None,
    rates: Annotated[Path | None, typer.Option(help="CSV or Parquet: currency, usd, and since if they change.")] = None,
    out: Annotated[Path, out_option("CSV of what each trader lacks.")] = Path("traders-lack.csv"),
    high_volume: Annotated[Path, typer.Option(help="High-volume sellers (CSV), with --sales.")] = Path(
        "high-volume.csv"
    ),
    as_of: AsOf = None,
    force: Force = False,
) -> None:
    """List the legally required details that each trader lacks, and the high-volume sellers.

    Article 30 of the EU's Digital Services Act: missing or malformed fields, traders to ask, and suspensions to
    propose. With --sales also the INFORM Consumers Act of the United States: sellers with 200 sales and 5,000 dollars
    in twelve continuous months, since when, and by when their details must be collected. Both files name sellers: only
    you can read them. This suspends nobody.

    Example: ipml report traders traders.csv --sales sales.parquet --rates rates.csv
    """
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.reports.traders import check_traders, count_states, read_traders, write_findings
    from ipml.settings import get_settings

    check_outputs(out, high_volume if sales else None, read=[traders, sales, rates], force=force)
    rules = load_cooperation_policy(get_settings().policy_cooperation).traders
    day = (as_of or datetime.now(UTC)).date()
    findings = check_traders(read_traders(traders, rules), rules, day)
    _show_lacking(*count_states(write_findings(findings, rules, out)), rules)
    typer.echo(f"Details that each trader lacks: {out}")
    if sales:
        _find_high_volume(sales, rates, rules, day, high_volume)


def _show_lacking(states: Counter[tuple[str, State]], steps: Counter[TraderStep], rules: TraderRules) -> None:
    from ipml.cooperation.reports.traders import LETTERS, State, TraderStep

    rows = [
        (name, f"({LETTERS[name]})" if name in LETTERS else "", *(f"{states[name, state]:,}" for state in State))
        for name in rules.fields
    ]
    show_table(("field", "Article 30(1)", *(state.value for state in State)), rows)
    total, complete = sum(steps.values()), steps[TraderStep.NOTHING]
    typer.echo(f"{total:,} traders, {complete:,} of them complete.")
    for step, what in _STEPS.items():
        if steps[TraderStep(step)]:
            typer.echo(f"{steps[TraderStep(step)]:,} {what}")


_STEPS = {
    "ask": "to be asked for what is missing",
    "wait": "asked, or given time by law, and not due yet",
    "suspend until given": "due: suspension until they have given it is proposed (Article 30(2) and (3))",
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
