"""`ipml penalty simulate`: what another policy would have made of the decisions there are."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.moments import MOMENT, in_utc
from ipml.cli.options import Database, open_for_command

if TYPE_CHECKING:
    from ipml.enforcement.penalties.rules import PenaltyRules
    from ipml.enforcement.penalties.simulation import Simulation

PolicyFile = Annotated[
    Path | None,
    typer.Option(help="Policy file; by default IPML_ENFORCEMENT, or the one that comes with ipml.", show_default=False),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        metavar="DATE",
        formats=MOMENT,
        help="Count only penalties from then on, UTC.",
        show_default=False,
    ),
]

_COUNTED = ("imposed", "proposed", "wrong", "wrong_days")


def simulate(policy: PolicyFile = None, since: Since = None, database: Database = None) -> None:
    """Show what a policy would have made of the decisions there are, beside the one in force; nothing changes.

    Example: ipml penalty simulate --policy milder.toml --since 2026-01-01
    """
    from rich.console import Console

    from ipml.enforcement.penalties.simulation import simulate_penalties
    from ipml.enforcement.policy import load_enforcement_policy

    in_force, other = load_enforcement_policy().penalties, load_enforcement_policy(policy).penalties
    with Console(stderr=True).status("Replaying decisions") as status:
        found = simulate_penalties(
            open_for_command(database),
            in_force,
            other,
            since=in_utc(since),
            progress=lambda done: status.update(f"Replaying decisions: {done:,}"),
        )
    _show_simulation(found, in_force)


def _show_simulation(found: Simulation, rules: PenaltyRules) -> None:
    from rich.console import Console
    from rich.table import Table

    from ipml.enforcement.penalties.simulation import name_bands
    from ipml.enforcement.restrictions import PenaltyKind

    kinds = [kind.value for kind in PenaltyKind]
    table = Table("penalty: now > then", "imposed", "proposed", "wrongly imposed", "for days")
    for kind in kinds:
        pairs = [(getattr(found.now, name)[kind], getattr(found.then, name)[kind]) for name in _COUNTED]
        table.add_row(kind, *(_change(*pair) for pair in pairs))
    console = Console()
    console.print(table)
    table = Table("sellers", *("nothing", *kinds), title="The hardest each seller met: now > then")
    now, then = found.now.hardest, found.then.hardest
    met = {band for band, _ in (*now, *then)}
    for band in [band for band in name_bands(rules) if band in met]:
        table.add_row(band, *(_change(now[band, kind], then[band, kind]) for kind in ("nothing", *kinds)))
    console.print(table)
    changed = f"{found.harder:,} would have met a harder penalty, {found.milder:,} a milder one"
    typer.echo(f"{found.decisions:,} decisions on {found.sellers:,} sellers: {changed}.")
    hit = f"a penalty hit {found.honest_now:,} now and {found.honest_then:,} then"
    typer.echo(f"Of {found.honest:,} sellers whose every decision was taken back, {hit}.")


def _change(now: int, then: int) -> str:
    return f"{now:,}" if now == then else f"{now:,} > {then:,}"
