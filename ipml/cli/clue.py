"""`ipml clue`: cases for the police, customs, rights holders: few, good, and such that anybody can check them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.clue_outcome import outcome, receipt
from ipml.cli.options import By, Database, Networks, acting, choose_networks, open_for_command
from ipml.cli.plain_text import printable

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Engine

    from ipml.cooperation.clues.rules import ClueRules

app = typer.Typer(
    no_args_is_help=True,
    help="""Hand networks of sellers on to those who can follow them, and learn what became of it.

    Example: ipml clue rank
    """,
)
app.command()(receipt)
app.command()(outcome)

Sales = Annotated[
    Path | None,
    typer.Option(
        help="Parquet: seller_id, units, value, currency of each listing, empty where not known.", show_default=False
    ),
]


@app.command()
def build(
    network: Annotated[int, typer.Argument(metavar="NETWORK", help="Number of a network.", show_default=False)],
    recipient: Annotated[str, typer.Option(help="Who gets it: a profile of the policy.")] = "police-criminal",
    brand: Annotated[
        str | None, typer.Option(help="Whose listings alone are told, for rights holders.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where; by default clue-NETWORK here.", show_default=False)] = None,
    as_zip: Annotated[bool, typer.Option("--zip", help="As one file.")] = False,
    sales: Sales = None,
    warc: Annotated[
        list[Path] | None,
        typer.Option(help="A capture of a page to put in.", exists=True, dir_okay=False, show_default=False),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Though nothing is new since the last one.")] = False,
    by: By = None,
    networks: Networks = None,
    database: Database = None,
) -> None:
    """Write all that a recipient may be told of a network as a folder (BagIt) that is read in a minute.

    What may be in it is said by the recipient's profile in the policy; of whom it tells is noted. For the police, what
    is kept of the sellers found out is held. The anchor that is printed is for the recipient, by another way.

    Example: ipml clue build 12 --recipient rights-holder --brand Nordvik --zip
    """
    from ipml.cooperation.clues.contents import ClueRequest
    from ipml.cooperation.clues.package import build_clue
    from ipml.cooperation.network.folder import load_networks
    from ipml.enforcement.privacy.erased_list import read_erased
    from ipml.settings import get_settings
    from ipml.storage.anchors import keep_anchor
    from ipml.web.permissions import Action

    settings = get_settings()
    request = ClueRequest(network, recipient, brand, _read_sales(sales), tuple(warc or ()), again)
    engine = _open(database)
    built = build_clue(
        engine,
        load_networks(choose_networks(networks)),
        request,
        _load_rules(),
        out or Path(f"clue-{network}-{printable(recipient)}{'.zip' if as_zip else ''}"),
        by=acting(engine, Action.HAND_ON_NETWORKS, by),
        key_file=settings.anchor_key,
        erased=read_erased(settings.erased) if settings.erased and settings.erased.exists() else None,
        is_zipped=as_zip,
    )
    clue = built.clue
    typer.echo(
        f"Clue {clue.clue_id} ({clue.reference}) in {printable(str(built.path))}: {built.n_named} sellers named,"
    )
    typer.echo(f"{clue.n_confirmed} listings found counterfeit, {built.n_evidence} pieces of evidence.")
    for line in built.news:
        typer.echo(printable(line))
    if built.n_held:
        typer.echo(f"What is kept of {built.n_held} sellers is held for it; `ipml seller release` ends that.")
    if settings.anchors:
        keep_anchor(settings.anchors, built.anchor)
    typer.echo(f"Anchor   {built.anchor.count}:{built.anchor.head}")
    if built.anchor.key:
        typer.echo(f"Key      {built.anchor.key}")


@app.command("list")
def list_(database: Database = None) -> None:
    """List the clues that were handed out, the newest first, with receipts and outcomes.

    Example: ipml clue list
    """
    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.clues.log import list_clues
    from ipml.cooperation.clues.outcomes import find_outcomes
    from ipml.money import say_amount
    from ipml.storage.database import reading

    with reading(_open(database)) as connection:
        clues, outcomes = list_clues(connection), find_outcomes(connection)
    table = Table("clue", "reference", "network", "recipient", "built", "counterfeits", "value", "receipt", "outcome")
    for clue in clues:
        value = "" if clue.value is None else say_amount(clue.value, clue.currency)
        became = ", ".join(map(str, outcomes.get(clue.clue_id, ())))
        recipient = clue.recipient + (f" ({clue.brand})" if clue.brand else "")
        receipt = f"{clue.received_at:%Y-%m-%d} {clue.received_by}" if clue.received_at else ""
        cells = (clue.clue_id, clue.reference, clue.network, recipient, f"{clue.built_at:%Y-%m-%d}", clue.n_confirmed)
        table.add_row(*(printable(str(cell)) for cell in (*cells, value, receipt, became)))
    Console().print(table)


@app.command()
def rank(
    top: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    sales: Sales = None,
    networks: Networks = None,
    database: Database = None,
) -> None:
    """Rank networks by value x solvability / effort: which to hand over first. Networks without a counterfeit are out.

    Values are in the currency of the ranking policy in force, at its rates; what has no rate is not counted, and said.

    Example: ipml clue rank --sales sales.parquet
    """
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.clues.outcomes import read_known
    from ipml.cooperation.clues.ranking import rank_networks
    from ipml.cooperation.clues.solvability import learn_solvability
    from ipml.cooperation.network.folder import load_networks
    from ipml.storage.database import reading

    rules = _load_rules()
    with reading(_open(database)) as connection:
        model = learn_solvability(rules.solvability, read_known(connection))
        found = load_networks(choose_networks(networks))
        ranked = rank_networks(connection, found, model, rules, datetime.now(UTC), _read_sales(sales))
    table = Table(
        "network", "members", "counterfeits", "value", "solvability", "hours", "value an hour", "what speaks for it"
    )
    for one in ranked[:top]:
        low, high = model.bound(one.signs)
        signs = " ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in one.signs.items())
        likely = f"{one.solvability:.0%} ({low:.0%} to {high:.0%})"
        counts = (one.number, one.n_members, one.n_confirmed, str(one.value))
        table.add_row(*map(str, (*counts, likely, f"{one.effort:.0f}", str(one.worth), signs)))
    Console().print(table)
    typer.echo(f"Solvability was learnt from {model.n_outcomes} outcomes, beside the policy's judgement.")


@app.command()
def profiles() -> None:
    """Show who is told what, on which terms.

    Example: ipml clue profiles
    """
    for name, profile in _load_rules().profiles.items():
        typer.echo(f"{name}: {profile.title}\n  {profile.purpose}\n  {profile.legal_basis}")
        typer.echo(f"  told: {', '.join(sorted(profile.fields))}")
        who = "all members" if profile.names_unconfirmed else "members with a listing found counterfeit"
        of = "of one brand" if profile.needs_brand else "of all brands"
        typer.echo(
            f"  names {who}; {of}; from {profile.least_members} members and {profile.least_confirmed} counterfeits on"
        )
        typer.echo(f"  kept: {profile.retention}")
        may = "may hear of it" if profile.tells_sellers else "do not hear of it"
        typer.echo(f"  sellers who ask {may}; records held for {profile.hold_days} days\n")


@app.command()
def verify(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="A folder, or a .zip.", exists=True, show_default=False)
    ],
    key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Public key that the anchor must be signed with.", show_default=False),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|COUNT:HASH", help="The anchor as told when it was made.", show_default=False),
    ] = None,
) -> None:
    """Say whether a clue is as it was made; exit code 1, with every file and line at fault, if it is not.

    The one file verify.py in it does the same without ipml.

    Example: ipml clue verify clue-12-police-criminal.zip
    """
    from ipml.cli.evidence import as_folder, read_given_anchors
    from ipml.enforcement.evidence.verify import check_package

    with as_folder(package) as folder:
        report = check_package(folder, key, read_given_anchors(anchor or ()))
    for finding in report.findings:
        typer.echo(f"problem  {printable(str(finding))}")
    for note in report.notes:
        typer.echo(f"note     {printable(note)}")
    typer.echo("The package is NOT as it was made." if report.findings else "The package is whole.")
    if report.findings:
        raise typer.Exit(1)


def _open(database: str | None) -> Engine:

    return open_for_command(database)


def _load_rules() -> ClueRules:
    from ipml.cooperation.policy import load_cooperation_policy

    return load_cooperation_policy().clues


def _read_sales(path: Path | None) -> pd.DataFrame | None:
    from ipml.cooperation.network.sales import read_sales

    return read_sales(path) if path else None
