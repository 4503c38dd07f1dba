"""`ipml penalty links` and `link`: accounts linked to penalised sellers, which a lead looks at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from ipml.cli.options import By, Database, acting
from ipml.cli.penalty_simulation import PolicyFile
from ipml.cli.plain_text import printable


def links(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CSV]", help="Links to look at: seller, other, kind, weight, evidence.", show_default=False
        ),
    ] = None,
    policy: PolicyFile = None,
    database: Database = None,
) -> None:
    """List accounts linked to penalised sellers, after looking through a file of links; none of them is struck.

    Example: ipml penalty links shared_payout.csv
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.enforcement.penalties.links import list_linked, read_links, recommend_linked
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.storage.database import open_database, reading, writing
    from ipml.storage.pseudonyms import find_seller

    engine, rules = open_database(database, create=False), load_enforcement_policy(policy)
    if source is not None:
        handed_in = read_links(source)
        with writing(engine) as connection:
            made = recommend_linked(connection, handed_in, rules, datetime.now(UTC))
        typer.echo(f"{len(handed_in):,} links, {len(made):,} accounts newly recommended.")
    table = Table("link", "account", "penalty", "shares", "weight", "evidence")
    with reading(engine) as connection:
        for one in list_linked(connection):
            account = find_seller(connection, one.pseudonym) or "erased"
            shown = [Text(printable(words)) for words in (account, str(one.penalty_id), one.kind)]
            evidence = Text(printable(one.evidence or "erased"))
            table.add_row(str(one.link_id), *shown, f"{one.weight:.2f}", evidence)
    Console().print(table)


def link(
    number: Annotated[int, typer.Argument(metavar="LINK", help="Its number, as listed.", show_default=False)],
    outcome: Annotated[
        str, typer.Argument(metavar="OUTCOME", help="look (at the account's listings) or nothing.", show_default=False)
    ],
    why: Annotated[str, typer.Option(help="The reason, for the record.", show_default=False)] = "",
    by: By = None,
    database: Database = None,
) -> None:
    """Note what you made of a linked account.

    Example: ipml penalty link 3 look --why "same payout account"
    """
    from ipml.enforcement.penalties.links import decide_link
    from ipml.errors import UnusableSetting
    from ipml.storage.database import open_database
    from ipml.web.permissions import Action

    if outcome not in ("look", "nothing"):
        raise UnusableSetting("outcome", repr(outcome[:40]), "look or nothing")
    decided: Literal["look", "nothing"] = "look" if outcome == "look" else "nothing"
    engine = open_database(database, create=False)
    decide_link(engine, number, acting(engine, Action.CHANGE_PENALTIES, by), decided, why)
    typer.echo(f"Link {number}: {outcome}.")
