"""What is done to listings, by whom, and how far the platform has come with it (`ipml enforce measure`).

Acting without review goes as far as the policy's promise is shown to hold (`ipml enforce automatic`). The ledger says
what wrongful takedowns cost honest sellers, beside the value caught (`ipml enforce ledger`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.terminal import By, Database, acting, open_for_command, printable, reading_from, show_minute, writing_to

if TYPE_CHECKING:
    from rich.table import Table

    from ipml.enforcement.actions import MeasureOrder
    from ipml.enforcement.ledger import LedgerEntry
    from ipml.enforcement.takedown.measures import Measure, Span


measure_app = typer.Typer(
    no_args_is_help=True,
    help="""Take listings down, put them back, and see that the platform does it.

    Example: ipml enforce measure list
    """,
)

Number = Annotated[int, typer.Argument(metavar="MEASURE", help="Number of a measure.", show_default=False)]
Kind = Annotated[str, typer.Option(help="label, demote, pause, price-hold, remove-in or remove.", show_default=False)]
Why = Annotated[str, typer.Option(help="Why; kept with the measure.", show_default=False)]
Countries = Annotated[str, typer.Option("--in", help="For remove-in: countries, such as DE,FR.")]
Days = Annotated[float | None, typer.Option(min=0.01, max=3660, help="After how many days it ends by itself.")]
_SHOWN = 50


@measure_app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option(help="asked, done, refused, lifted, back, replaced, or overdue.", show_default=False)
    ] = None,
    case: Annotated[int | None, typer.Option(help="Those of one case only.", show_default=False)] = None,
    before: Annotated[int | None, typer.Option(help="Older ones than this number.", show_default=False)] = None,
    database: Database = None,
) -> None:
    """List measures, the newest first, and how far the platform has come with each.

    Example: ipml enforce measure list --state overdue
    """
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.takedown.measures import STATES, find_measures, find_overdue, read_whys
    from ipml.errors import UnusableSetting

    if state not in (None, "overdue", *STATES):
        raise UnusableSetting("state", repr(state), f"one of {', '.join(STATES)}, overdue")
    hours = load_enforcement_policy().measures.overdue_hours
    table = Table("measure", "case", "what", "state", "by", "since", "why")
    with reading_from(database) as connection:
        if state == "overdue":
            found = find_overdue(connection, datetime.now(UTC), hours, before=before, at_most=_SHOWN)
        else:
            found = find_measures(connection, case_id=case, state=state, before=before, at_most=_SHOWN)
        for measure in found:
            whys = read_whys(connection, measure)
            why = (whys["why_refused"] if measure.state == "refused" else whys["why_lifted"]) or whys["why"] or ""
            since = f"{measure.imposed_at:%Y-%m-%d %H:%M}"
            texts = (measure.state, printable(measure.imposed_by), since, printable(why)[:80])
            table.add_row(str(measure.measure_id), str(measure.case_id), _describe(measure), *map(Text, texts))
    Console().print(table)
    if len(found) == _SHOWN:
        typer.echo(f"Older ones: --before {found[-1].measure_id}")


@measure_app.command()
def show(measure: Number, database: Database = None) -> None:
    """Show a measure, the messages that told the platform of it, and what the platform answered.

    Example: ipml enforce measure show 7
    """
    from ipml.enforcement.takedown.delivery import list_answers, list_messages
    from ipml.enforcement.takedown.measures import get_measure, read_whys

    with reading_from(database) as connection:
        found = get_measure(connection, measure)
        whys = read_whys(connection, found)
        told = [(one, list_answers(connection, one.key)) for one in list_messages(connection, measure)]
    typer.echo(f"Measure {measure} on case {found.case_id}: {_describe(found)}, {found.state}")
    typer.echo(printable(f"imposed {show_minute(found.imposed_at)} by {found.imposed_by}: {whys['why'] or ''}"))
    if found.lifted_at is not None:
        typer.echo(printable(f"lifted {show_minute(found.lifted_at)} by {found.lifted_by}: {whys['why_lifted'] or ''}"))
    for message, answers in told:
        typer.echo(f"message {printable(message.key)}, put down {show_minute(message.put_at)}: {message.state}")
        for answer in answers:
            typer.echo(printable(f"  {answer.status} {show_minute(answer.said_at)}, told by {answer.told_by}"))
    if whys["why_refused"]:
        typer.echo(printable(f"refused: {whys['why_refused']}"))


@measure_app.command()
def impose(
    case: Annotated[int, typer.Argument(metavar="CASE", help="Number of a counterfeit case.", show_default=False)],
    kind: Kind,
    why: Why,
    countries: Countries = "",
    days: Days = None,
    by: By = None,
    database: Database = None,
) -> None:
    """Impose a measure of your choice on a listing that was decided counterfeit, beside those there are.

    Example: ipml enforce measure impose 12 --kind price-hold --why "payout frozen by court order"
    """
    from ipml.enforcement.actions import impose_measure
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.accounts.permissions import Action

    order, policy = _read_order(kind, why, countries, days), load_enforcement_policy()
    with writing_to(database) as connection:
        measure = impose_measure(connection, case, order, acting(connection, Action.CHANGE_MEASURES, by), policy)
    typer.echo(f"Measure {measure.measure_id}: {_describe(measure)}.")


@measure_app.command()
def change(
    measure: Number,
    kind: Kind,
    why: Why,
    countries: Countries = "",
    days: Days = None,
    by: By = None,
    database: Database = None,
) -> None:
    """Put a milder or harder measure in the place of one.

    Example: ipml enforce measure change 7 --kind remove-in --in DE,FR --why "genuine elsewhere"
    """
    from ipml.enforcement.actions import change_measure
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.accounts.permissions import Action

    order, policy = _read_order(kind, why, countries, days), load_enforcement_policy()
    with writing_to(database) as connection:
        new = change_measure(connection, measure, order, acting(connection, Action.CHANGE_MEASURES, by), policy)
    typer.echo(f"Measure {new.measure_id} takes the place of {measure}: {_describe(new)}.")


@measure_app.command()
def lift(measure: Number, why: Why, by: By = None, database: Database = None) -> None:
    """Lift a measure; the decision stays. Where nothing else stands against the listing it is put back.

    Example: ipml enforce measure lift 7 --why "licence shown"
    """
    from ipml.enforcement.actions import lift_measure
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.accounts.permissions import Action

    with writing_to(database) as connection:
        name = acting(connection, Action.CHANGE_MEASURES, by)
        lift_measure(connection, measure, name, why, load_enforcement_policy())
    typer.echo(f"Measure {measure} is lifted.")


@measure_app.command()
def end(database: Database = None) -> None:
    """End the measures and penalties whose time is over, and tell platform and sellers; run it every hour or day.

    Example: ipml enforce measure end
    """
    from ipml.enforcement.actions import end_due
    from ipml.enforcement.policy import load_enforcement_policy

    ended = end_due(open_for_command(database), load_enforcement_policy())
    typer.echo(f"{ended.measures:,} measures and {ended.penalties:,} penalties ended.")


@measure_app.command()
def explain(
    case: Annotated[int, typer.Argument(metavar="CASE", show_default=False)], database: Database = None
) -> None:
    """Say what the policy in force would do to a listing on each ground, and why; nothing is done.

    Example: ipml enforce measure explain 12
    """
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.review.cases import get_case
    from ipml.review.decisions import GROUNDS

    with reading_from(database) as connection:
        scored, rules = (
            get_case(connection, case).scored,
            load_enforcement_policy().measures,
        )
    for ground in GROUNDS:
        typer.echo(f"{ground}: {printable(rules.choose(scored.listing, scored.score, ground).why)}")


@measure_app.command()
def times(
    by: Annotated[str, typer.Option(help="all, brand, category or month.")] = "all",
    database: Database = None,
) -> None:
    """Show how long it takes from a listing to its measure, and how many came before the first sale.

    Example: ipml enforce measure times --by month
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.enforcement.takedown.measures import GROUPINGS, STAGES, measure_times
    from ipml.errors import UnusableSetting

    if by not in GROUPINGS:
        raise UnusableSetting("by", repr(by), f"one of {', '.join(GROUPINGS)}")
    table = Table(by, "measures", *STAGES, "before the first sale", caption="median / nine in ten within")
    with reading_from(database) as connection:
        for group in measure_times(connection, by):
            spans = [_describe_span(group.spans.get(stage)) for stage in STAGES]
            share = "" if group.before_first_sale is None else f"{group.before_first_sale:.0%} of {group.sales_known:,}"
            table.add_row(Text(printable(group.group)[:40]), f"{group.measures:,}", *spans, share)
    Console().print(table)


def _describe(measure: Measure) -> str:
    where = f" {','.join(measure.territories)}" if measure.territories else ""
    until = f" until {measure.until:%Y-%m-%d}" if measure.until else ""
    return f"{measure.kind}{where}{until}"


def _describe_span(span: Span | None) -> str:
    return "" if span is None else f"{_hours(span.median)} / {_hours(span.p90)}"


def _hours(span: object) -> str:
    from datetime import timedelta

    assert isinstance(span, timedelta)
    hours = span / timedelta(hours=1)
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def _read_order(kind: str, why: str, countries: str, days: float | None) -> MeasureOrder:
    from datetime import UTC, datetime, timedelta

    from ipml.enforcement.actions import MeasureOrder
    from ipml.enforcement.restrictions import MeasureKind
    from ipml.errors import UnusableSetting

    if kind not in tuple(MeasureKind):
        raise UnusableSetting("kind", repr(kind[:80]), f"one of {', '.join(MeasureKind)}")
    where = tuple(name.strip().upper() for name in countries.split(",") if name.strip())
    return MeasureOrder(
        MeasureKind(kind), why, where, None if days is None else datetime.now(UTC) + timedelta(days=days)
    )


automatic_app = typer.Typer(
    no_args_is_help=True,
    help="""Act on listings without review, as far as a promise of precision is shown to hold.

    Example: ipml enforce automatic status
    """,
)
Brand = Annotated[
    str | None, typer.Argument(metavar="[BRAND]", help="One brand; without it all of them.", show_default=False)
]
Reason = Annotated[str, typer.Option(help="Why; it goes on record.", show_default=False)]


@automatic_app.command()
def run(database: Database = None) -> None:
    """Act on what the policy (IPML_POLICY_ENFORCEMENT) allows now, and draw the cases by which it is watched.

    Example: ipml enforce automatic run
    """
    from rich.console import Console

    from ipml.cooperation.consequences import Cooperation
    from ipml.enforcement.automation.automatic_decisions import act
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.settings import get_settings

    policy = load_enforcement_policy()
    if not policy.automatic.is_on:
        typer.echo("The policy acts on nothing without review: is_on is false in its section [automatic].")
        return
    engine, consequences = open_for_command(database), Cooperation(policy)
    with Console(stderr=True).status("Looking at cases") as status:

        def tell(seen: int) -> None:
            status.update(f"Looking at cases: {seen:,}")

        acted = act(engine, policy, get_settings(), progress=tell, consequences=consequences)
    typer.echo(f"{acted.decided:,} listings acted on, {acted.drawn:,} drawn for people.")
    for why, number in sorted(acted.left.items(), key=lambda one: -one[1]):
        typer.echo(f"{number:,} left: {why}.")


@automatic_app.command()
def status(database: Database = None) -> None:
    """Show for each brand what was drawn and found, what is promised, and whether it is in force or why not.

    Example: ipml enforce automatic status
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.cli.terminal import printable
    from ipml.enforcement.automation.promises import read_standings
    from ipml.enforcement.policy import load_enforcement_policy

    policy = load_enforcement_policy()
    with reading_from(database) as connection:
        standings = read_standings(connection, policy)
    on = "on" if policy.automatic.is_on else "off: nothing is done"
    typer.echo(f"Policy {policy.digest[:12]}, automatic action {on}.")
    table = Table("brand", "from score", "reviewed", "errors", "waiting", "precision at least", "promised", "in force")
    for one in standings:
        counts = (f"{one.count.n:,}", f"{one.count.errors:,}", f"{one.count.waiting:,}")
        shown = (f"{one.threshold:g}", *counts, f"{one.bound:.4f}", f"{one.promised:g}")
        table.add_row(Text(printable(one.brand)[:40]), *shown, "yes" if one.is_in_force else "no")
    Console().print(table)
    for one in standings:
        against = ", ".join(map(str, one.count.against[-10:]))
        cases = f" Cases that speak against it, for a lead to look at: {against}." if against else ""
        if cases or not one.is_in_force:
            typer.echo(f"{printable(one.brand)[:40]}: {one.why}{cases}")


@automatic_app.command()
def withdraw(brand: Brand = None, why: Reason = "", by: By = None, database: Database = None) -> None:
    """Stop acting on a brand without review, at once, until a person allows it again.

    Example: ipml enforce automatic withdraw Acme --why "Parallel imports since Monday"
    """
    from ipml.enforcement.automation.promises import withdraw as withdraw_promise
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.accounts.permissions import Action

    with writing_to(database) as connection:
        name = acting(connection, Action.CHANGE_AUTOMATION, by)
        withdraw_promise(connection, load_enforcement_policy(), brand, name, why)
    typer.echo(f"Nothing more is done without review to {brand or 'any brand'}.")


@automatic_app.command()
def allow(brand: Brand = None, why: Reason = "", by: By = None, database: Database = None) -> None:
    """Take back a person's withdrawal; newly drawn cases must show the promise before anything is done.

    Example: ipml enforce automatic allow Acme
    """
    from ipml.enforcement.automation.promises import allow as allow_again
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.accounts.permissions import Action

    with writing_to(database) as connection:
        name = acting(connection, Action.CHANGE_AUTOMATION, by)
        allow_again(connection, load_enforcement_policy(), brand, name, why)
    typer.echo(f"{brand or 'All brands'}: allowed again once newly drawn cases show the promise.")


def ledger(
    csv: Annotated[Path | None, typer.Option(help="Write it into this file as well.", show_default=False)] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Policy file; by default IPML_POLICY_ENFORCEMENT, or the one that comes with ipml.", show_default=False
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Show what errors cost honest sellers beside the value caught, by size and age of the seller.

    Days offline x usual sales x price. Slips, taken back within minutes, count apart. Says so when small or new sellers
    are wronged more often than the others; exit code 1 then.

    Example: ipml enforce ledger --csv ledger.csv
    """
    from rich.console import Console

    from ipml.enforcement.ledger import find_alarms, read_ledger
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.storage.database import reading

    engine, rules = open_for_command(database), load_enforcement_policy(policy)
    with reading(engine) as connection:
        lines = read_ledger(connection, rules)
    Console().print(_ledger_table(lines))
    if csv is not None:
        _write_ledger(lines, csv)
        typer.echo(f"{len(lines):,} lines into {csv}.")
    with reading(engine) as connection:
        alarms = find_alarms(connection, rules)
    for found in alarms:
        typer.echo(f"{'too few to say' if found.state == 'too few' else found.state}: {found.words}")
    if any(found.state == "alarm" for found in alarms):
        raise typer.Exit(1)


def _ledger_table(lines: list[LedgerEntry]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("sellers", "", "right", "caught", "wrong", "days offline", "cost", "slips", "their cost")
    for line in lines:
        name = line.band if line.by == "all" else f"{line.by} {line.band}"
        money = [f"{amount:,.0f}" for amount in (line.caught, line.cost, line.slip_cost)]
        counts = (f"{line.right:,}", money[0], f"{line.wrong:,}", f"{line.days:,.1f}", money[1])
        table.add_row(Text(name), line.currency, *counts, f"{line.slips:,}", money[2])
    return table


def _write_ledger(lines: list[LedgerEntry], target: Path) -> None:
    import csv

    from ipml.enforcement.ledger import LedgerEntry, ledger_rows
    from ipml.spreadsheet import defuse_within

    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, LedgerEntry.__slots__)
        writer.writeheader()
        for row in ledger_rows(lines):
            writer.writerow(
                {name: defuse_within(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
            )
