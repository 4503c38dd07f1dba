"""Takedown commands: measures (`ipml enforce measure`), automatic action (`ipml enforce automatic`) and the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, EnforcementPolicyFile, Force, make_group, out_option, take_records
from ipml.cli.terminal import (
    ActingUser,
    check_outputs,
    printable,
    reading_from,
    show_table,
)
from ipml.errors import UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from ipml.enforcement.ledger import LedgerEntry
    from ipml.enforcement.takedown.changes import MeasureOrder
    from ipml.enforcement.takedown.measures import Measure, Span


measure_app = make_group("List measures and the platform's progress, and impose more.", "enforce measure list")

Number = Annotated[int, typer.Argument(metavar="MEASURE", help="Number of a measure.")]
Kind = Annotated[str, typer.Option(help="label, demote, pause, price-hold, remove-in or remove.")]
Why = Annotated[str, typer.Option(help="Why; stored with the measure.")]
Countries = Annotated[str, typer.Option("--in", help="For remove-in: countries, such as DE,FR.")]
Days = Annotated[float | None, typer.Option(min=0.01, max=3660, help="Days after which it ends.")]
_SHOWN = 50


@measure_app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="asked, done, refused, lifted, back, replaced, or overdue.")] = None,
    case: Annotated[int | None, typer.Option(help="Those of one case only.")] = None,
    before: Annotated[int | None, typer.Option(help="Older ones than this number.")] = None,
    database: Database = None,
) -> None:
    """List measures, the newest first, with the platform's progress on each.

    Example: ipml enforce measure list --state overdue
    """
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.takedown.measures import STATES, find_measures, find_overdue, read_whys

    if state not in (None, "overdue", *STATES):
        raise UnusableSetting("state", repr(state), f"one of {', '.join(STATES)}, overdue")
    hours = load_enforcement_policy().measures.overdue_hours
    rows = []
    with reading_from(database) as connection:
        if state == "overdue":
            found = find_overdue(connection, datetime.now(UTC), hours, before=before, at_most=_SHOWN)
        else:
            found = find_measures(connection, case_id=case, state=state, before=before, at_most=_SHOWN)
        for one in found:
            whys = read_whys(connection, one)
            why = (whys["why_refused"] if one.state == "refused" else whys["why_lifted"]) or whys["why"] or ""
            by = (one.imposed_by, f"{one.imposed_at:%Y-%m-%d %H:%M}", printable(why)[:80])
            rows.append((one.measure_id, one.case_id, _describe(one), one.state, *by))
    show_table(("measure", "case", "what", "state", "by", "since", "why"), rows)
    if len(found) == _SHOWN:
        typer.echo(f"Older ones: --before {found[-1].measure_id}")


@measure_app.command()
@take_records
def impose(
    case: Annotated[int, typer.Argument(metavar="CASE", help="Number of a counterfeit case.")],
    kind: Kind,
    why: Why,
    countries: Countries = "",
    days: Days = None,
    *,
    user: ActingUser,
) -> None:
    """Impose a measure on a listing decided counterfeit, in addition to those in force.

    Example: ipml enforce measure impose 12 --kind price-hold --why "payout frozen by court order"
    """
    from ipml.enforcement.actions import ActingLead, impose_measure
    from ipml.enforcement.policy import load_enforcement_policy

    order, policy = _read_order(kind, why, countries, days), load_enforcement_policy()
    with user.acting(Action.CHANGE_MEASURES) as (connection, name):
        measure = impose_measure(connection, case, order, ActingLead(name, policy))
    typer.echo(f"Measure {measure.measure_id}: {_describe(measure)}.")


@measure_app.command()
def times(
    group_by: Annotated[str, typer.Option(help="all, brand, category or month.")] = "all", database: Database = None
) -> None:
    """Show the time from a listing to its measure, and how many measures came before the first sale.

    Example: ipml enforce measure times --group-by month
    """
    from ipml.enforcement.takedown.measures import GROUPINGS, STAGES, measure_times

    if group_by not in GROUPINGS:
        raise UnusableSetting("group-by", repr(group_by), f"one of {', '.join(GROUPINGS)}")
    rows = []
    with reading_from(database) as connection:
        for group in measure_times(connection, group_by):
            spans = [_describe_span(group.spans.get(stage)) for stage in STAGES]
            share = "" if group.before_first_sale is None else f"{group.before_first_sale:.0%} of {group.sales_known:,}"
            rows.append((printable(group.group)[:40], f"{group.measures:,}", *spans, share))
    head = (group_by, "measures", *STAGES, "before the first sale")
    show_table(head, rows, caption="median / nine in ten within")


def _describe(measure: Measure) -> str:
    where = f" {','.join(measure.territories)}" if measure.territories else ""
    until = f" until {measure.until:%Y-%m-%d}" if measure.until else ""
    return f"{measure.kind}{where}{until}"


def _describe_span(span: Span | None) -> str:
    return "" if span is None else f"{_hours(span.median)} / {_hours(span.p90)}"


def _hours(span: object) -> str:

    assert isinstance(span, timedelta)
    hours = span / timedelta(hours=1)
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def _read_order(kind: str, why: str, countries: str, days: float | None) -> MeasureOrder:

    from ipml.enforcement.restrictions import MeasureKind
    from ipml.enforcement.takedown.changes import MeasureOrder

    if kind not in tuple(MeasureKind):
        raise UnusableSetting("kind", repr(kind[:80]), f"one of {', '.join(MeasureKind)}")
    where = tuple(name.strip().upper() for name in countries.split(",") if name.strip())
    return MeasureOrder(
        MeasureKind(kind), why, where, None if days is None else datetime.now(UTC) + timedelta(days=days)
    )


automatic_app = make_group(
    "Show and stop action without review, which needs a precision guarantee.", "enforce automatic status"
)
Brand = Annotated[str | None, typer.Argument(metavar="[BRAND]", help="One brand; without it all of them.")]
Reason = Annotated[str, typer.Option(help="Why; it goes on record.")]


@automatic_app.command()
def status(database: Database = None) -> None:
    """Show the precision guarantee of each brand: reviews, errors, and whether it is in force or why not.

    For a withdrawn guarantee it shows when and why, and the cases decided under it that are still in force.

    Example: ipml enforce automatic status
    """
    from ipml.enforcement.automation.guarantees import assess_guarantees
    from ipml.enforcement.policy import load_enforcement_policy

    policy = load_enforcement_policy()
    with reading_from(database) as connection:
        standings = assess_guarantees(connection, policy.automatic, datetime.now(UTC))
    on = "on" if policy.automatic.is_on else "off: nothing is done"
    typer.echo(f"Policy {policy.digest[:12]}, automatic action {on}.")
    head = ("brand", "from score", "reviewed", "errors", "waiting", "precision at least", "promised", "in force")
    rows = []
    for one in standings:
        counts = (f"{one.count.n:,}", f"{one.count.errors:,}", f"{one.count.waiting:,}")
        shown = (f"{one.threshold:g}", *counts, f"{one.bound:.4f}", f"{one.promised:g}")
        rows.append((printable(one.brand)[:40], *shown, "yes" if one.is_in_force else "no"))
    show_table(head, rows)
    for one in standings:
        against = ", ".join(map(str, one.count.against[-10:]))
        cases = f" Cases that speak against it, for a lead to look at: {against}." if against else ""
        if cases or not one.is_in_force:
            typer.echo(f"{printable(one.brand)[:40]}: {printable(one.why)}{cases}")
        if one.acted_on.n:
            latest = ", ".join(map(str, one.acted_on.latest))
            of_them = f" (the latest {len(one.acted_on.latest)})" if one.acted_on.n > len(one.acted_on.latest) else ""
            typer.echo(f"  Decided without review under it, for a second look: {one.acted_on.n:,}{of_them}: {latest}")


@automatic_app.command()
@take_records
def withdraw(brand: Brand = None, why: Reason = "", *, user: ActingUser) -> None:
    """Stop acting on a brand without review, at once, until a person allows it again.

    Example: ipml enforce automatic withdraw Acme --why "Parallel imports since Monday"
    """
    from ipml.enforcement.automation.guarantees import GuaranteeOrder
    from ipml.enforcement.automation.guarantees import withdraw as withdraw_guarantee
    from ipml.enforcement.policy import load_enforcement_policy

    with user.acting(Action.CHANGE_AUTOMATION) as (connection, name):
        order = GuaranteeOrder(brand, name, why)
        withdraw_guarantee(connection, load_enforcement_policy(), order, datetime.now(UTC))
    typer.echo(f"Nothing more is done without review to {brand or 'any brand'}.")


@automatic_app.command()
@take_records
def allow(brand: Brand = None, why: Reason = "", *, user: ActingUser) -> None:
    """Take back a person's withdrawal; newly drawn cases must show the guaranteed precision first.

    Example: ipml enforce automatic allow Acme
    """
    from ipml.enforcement.automation.guarantees import GuaranteeOrder
    from ipml.enforcement.automation.guarantees import allow as allow_again
    from ipml.enforcement.policy import load_enforcement_policy

    with user.acting(Action.CHANGE_AUTOMATION) as (connection, name):
        order = GuaranteeOrder(brand, name, why)
        allow_again(connection, load_enforcement_policy(), order, datetime.now(UTC))
    typer.echo(f"{brand or 'All brands'}: allowed again once newly drawn cases show the guaranteed precision.")


def ledger(
    out: Annotated[Path | None, out_option("CSV of what is shown.")] = None,
    policy: EnforcementPolicyFile = None,
    force: Force = False,
    database: Database = None,
) -> None:
    """Show the cost of errors to honest sellers beside the value caught, by size and age of the seller.

    Cost is days offline x usual sales x price. Slips, taken back within minutes, count separately. Exit code 1 if small
    or new sellers are wronged more often than others.

    Example: ipml enforce ledger --out ledger.csv
    """
    from ipml.enforcement.fairness import find_alarms
    from ipml.enforcement.ledger import read_ledger
    from ipml.enforcement.policy import load_enforcement_policy

    check_outputs(out, force=force)
    rules = load_enforcement_policy(policy)
    with reading_from(database) as connection:
        lines, alarms = read_ledger(connection, rules), find_alarms(connection, rules)
    _show_ledger(lines)
    if out is not None:
        _write_ledger(lines, out)
        typer.echo(f"{len(lines):,} lines into {out}.")
    for found in alarms:
        typer.echo(f"{'too few to say' if found.state == 'too few' else found.state}: {found.words}")
    if any(found.state == "alarm" for found in alarms):
        raise typer.Exit(1)


def _show_ledger(lines: list[LedgerEntry]) -> None:
    rows = []
    for line in lines:
        name = line.band if line.by == "all" else f"{line.by} {line.band}"
        caught, cost, slip_cost = (f"{amount:,.0f}" for amount in (line.caught, line.cost, line.slip_cost))
        wrong = (f"{line.wrong:,}", f"{line.days:,.1f}", cost, f"{line.slips:,}", slip_cost)
        rows.append((name, line.currency, f"{line.right:,}", caught, *wrong))
    head = ("sellers", "", "right", "caught", "wrong", "days offline", "cost", "slips", "their cost")
    show_table(head, rows)


def _write_ledger(lines: list[LedgerEntry], target: Path) -> None:
    import csv

    from ipml.enforcement.ledger import LedgerEntry, ledger_rows
    from ipml.kit.spreadsheet import defuse_within

    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, LedgerEntry.__slots__)
        writer.writeheader()
        for row in ledger_rows(lines):
            writer.writerow(
                {name: defuse_within(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
            )
