"""`ipml penalty`: strikes and penalties of sellers, what a lead must confirm, and what another policy would change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.linked_accounts import link, links
from ipml.cli.moments import MOMENT, in_utc
from ipml.cli.options import By, Database, acting, open_for_command
from ipml.cli.penalty_simulation import PolicyFile, simulate
from ipml.cli.plain_text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from ipml.enforcement.penalties.imposed import Penalty

app = typer.Typer(
    no_args_is_help=True,
    help="""Look after strikes and penalties of sellers.

    Example: ipml penalty list --state proposed
    """,
)

Number = Annotated[int, typer.Argument(metavar="PENALTY", help="Its number, as listed.", show_default=False)]
Seller = Annotated[str, typer.Argument(metavar="SELLER", help="The seller's id.", show_default=False)]
Why = Annotated[str, typer.Option(help="The reason, for the record.", show_default=False)]
KnownBy = Annotated[
    datetime | None,
    typer.Option(metavar="DATE", formats=MOMENT, help="Only what was known by then, UTC.", show_default=False),
]


@app.command("list")
def list_(
    state: Annotated[
        str, typer.Option(help="proposed, in force, over, lifted, dismissed, taken back, or all.")
    ] = "in force",
    database: Database = None,
) -> None:
    """List penalties; those proposed wait for a lead.

    Example: ipml penalty list --state proposed
    """
    from rich.console import Console

    from ipml.enforcement.penalties.ladder import find_penalties
    from ipml.errors import UnusableSetting
    from ipml.storage.database import reading
    from ipml.storage.pseudonyms import find_seller

    states = ("proposed", "in force", "over", "lifted", "dismissed", "taken back", "all")
    if state not in states:
        raise UnusableSetting("state", repr(state[:40]), f"one of {', '.join(states)}")
    now = datetime.now(UTC)
    with reading(open_for_command(database)) as connection:
        found = find_penalties(connection, state=None if state == "all" else state, at=now)
        sellers = {one.pseudonym: find_seller(connection, one.pseudonym) for one in found}
    Console().print(_penalty_table(found, now, sellers))


@app.command()
def show(seller: Seller, policy: PolicyFile = None, database: Database = None) -> None:
    """Show a seller's strikes and penalties, with the reasons, and where they stand now.

    Example: ipml penalty show s-1029
    """
    from rich.console import Console
    from rich.table import Table

    from ipml.enforcement.penalties.imposed import explain_penalty
    from ipml.enforcement.penalties.ladder import find_penalties
    from ipml.enforcement.penalties.strikes import list_strikes, weigh
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.storage.database import reading
    from ipml.storage.pseudonyms import find_pseudonym

    engine, now, rules = open_for_command(database), datetime.now(UTC), load_enforcement_policy(policy)
    with reading(engine) as connection:
        pseudonym = find_pseudonym(connection, seller)
        if pseudonym is None:
            typer.echo(f"Nothing is kept of seller {printable(seller)}.")
            return
        found = find_penalties(connection, pseudonym=pseudonym)
        standing = weigh(connection, pseudonym, now, rules)
        reasons = {one.penalty_id: explain_penalty(connection, one.penalty_id) for one in found}
    table = Table("decision", "case", "ground", "weight", "on", "expires", "taken back", title="Strikes")
    for strike in list_strikes(engine, seller):
        back = f"{strike.taken_back_at:%Y-%m-%d}" if strike.taken_back_at else ""
        numbers = (str(strike.decision_id), str(strike.case_id), strike.ground, f"{strike.weight:.2f}")
        table.add_row(*numbers, f"{strike.struck_at:%Y-%m-%d}", f"{strike.expires_at:%Y-%m-%d}", back)
    Console().print(table)
    Console().print(_penalty_table(found, now, {pseudonym: seller}))
    for number, reason in reasons.items():
        if reason is None:
            typer.echo(f"{number}: its seller was erased")
            continue
        confirmed = f" Confirmed: {printable(reason.why_confirmed)}" if reason.why_confirmed else ""
        ended = f" Ended: {printable(reason.why_ended)}" if reason.why_ended else ""
        typer.echo(f"{number}: {' '.join(reason.sentences)}{confirmed}{ended}")
    typer.echo(f"Their strikes weigh {standing.weight:.2f} now.")


@app.command()
def confirm(penalty: Number, why: Why = "", by: By = None, database: Database = None) -> None:
    """Impose a penalty that was proposed; whoever decided its case cannot.

    Example: ipml penalty confirm 12 --why "third sweep in a month"
    """
    from ipml.enforcement.by_hand import confirm_penalty
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.permissions import Action

    engine = open_for_command(database)
    name = acting(engine, Action.CHANGE_PENALTIES, by)
    made = confirm_penalty(engine, penalty, name, why, load_enforcement_policy())
    typer.echo(f"Penalty {penalty} ({made.kind}) is in force{_until(made)}.")


@app.command()
def lift(penalty: Number, why: Why, by: By = None, database: Database = None) -> None:
    """End a penalty before its time, or dismiss one that was proposed.

    Example: ipml penalty lift 12 --why "the goods were authorised"
    """
    from ipml.enforcement.by_hand import lift_penalty
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.permissions import Action

    engine = open_for_command(database)
    name = acting(engine, Action.CHANGE_PENALTIES, by)
    ended = lift_penalty(engine, penalty, name, why, load_enforcement_policy())
    typer.echo(f"Penalty {penalty} ({ended.kind}) is {ended.ended_as}.")


app.command()(simulate)
app.command()(links)
app.command()(link)


@app.command()
def events(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="JSON lines or Parquet for programs, by suffix; CSV is for people: texts that a spreadsheet takes "
            "for formulae get an apostrophe.",
            show_default=False,
        ),
    ],
    known_by: KnownBy = None,
    policy: PolicyFile = None,
    database: Database = None,
) -> None:
    """Write strikes as seller events, as seller history reads them; what was taken back is not among them.

    Example: ipml penalty events struck.parquet --known-by 2026-05-01
    """
    import pandas as pd

    from ipml.enforcement.penalties.history import list_events
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.listings.writers import write_listings
    from ipml.spreadsheet import write_csv

    engine, rules = open_for_command(database), load_enforcement_policy(policy).penalties
    rows = [
        (event.seller_id, event.kind, event.occurred_at.isoformat(), event.known_at.isoformat(), event.amount)
        for event in list_events(engine, known_by=in_utc(known_by), rules=rules)
    ]
    names = ("seller_id", "kind", "occurred_at", "known_at", "amount")
    if target.suffix == ".csv":
        target.write_text(write_csv(names, rows), encoding="utf-8", newline="")
    else:
        write_listings(pd.DataFrame(rows, columns=list(names)), target)
    typer.echo(f"{len(rows):,} events into {target}.")


def _penalty_table(found: list[Penalty], now: datetime, sellers: Mapping[str, str | None]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("penalty", "seller", "kind", "state", "since", "until", "weight", title="Penalties")
    for one in found:
        since = f"{one.imposed_at or one.proposed_at:%Y-%m-%d}"
        until = f"{one.until:%Y-%m-%d}" if one.until else ""
        seller = Text(printable(sellers.get(one.pseudonym) or "erased"))
        table.add_row(str(one.penalty_id), seller, one.kind.value, one.state(now), since, until, f"{one.weight:.2f}")
    return table


def _until(penalty: Penalty) -> str:
    return f" until {penalty.until:%Y-%m-%d}" if penalty.until else " until it is lifted"
