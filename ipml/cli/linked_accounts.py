"""`ipml penalty links` and `link`: accounts linked to penalised sellers, which a lead looks at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ipml.cli.options import By, Database, acting, open_for_command
from ipml.cli.penalty_simulation import PolicyFile
from ipml.cli.plain_text import printable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ipml.enforcement.penalties.links import Link
    from ipml.enforcement.policy import EnforcementPolicy

_MOST_SHARED = 3


def links(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[LINKS]",
            help="Links to look at: the folder of `ipml network find`, or CSV: seller, other, kind, weight, evidence.",
            show_default=False,
        ),
    ] = None,
    policy: PolicyFile = None,
    database: Database = None,
) -> None:
    """List accounts linked to penalised sellers, after looking through links that were found; none of them is struck.

    Example: ipml penalty links networks
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.enforcement.penalties.links import list_linked, read_links, recommend_linked
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.storage.database import reading, writing
    from ipml.storage.pseudonyms import find_seller

    engine, rules = open_for_command(database), load_enforcement_policy(policy)
    if source is not None:
        now = datetime.now(UTC)
        with writing(engine) as connection:
            is_csv = source.is_file() and source.suffix != ".parquet"
            handed_in = read_links(source) if is_csv else _read_networks(connection, source, rules, now)
            made = recommend_linked(connection, handed_in, rules, now)
        typer.echo(f"{len(handed_in):,} links, {len(made):,} accounts newly recommended.")
    table = Table("link", "account", "penalty", "shares", "weight", "evidence")
    with reading(engine) as connection:
        for one in list_linked(connection):
            account = find_seller(connection, one.pseudonym) or "erased"
            shown = [Text(printable(words)) for words in (account, str(one.penalty_id), one.kind)]
            evidence = Text(printable(one.evidence or "erased"))
            table.add_row(str(one.link_id), *shown, f"{one.weight:.2f}", evidence)
    Console().print(table)


def _read_networks(connection: Connection, source: Path, policy: EnforcementPolicy, at: datetime) -> list[Link]:
    """Return the links of penalised sellers in a folder of networks, which may be named by the file of links in it."""
    from ipml.cooperation.network.evidence import explain_tie
    from ipml.cooperation.network.folder import load_networks
    from ipml.cooperation.network.rarity import find_probability
    from ipml.enforcement.penalties.links import Link, find_penalised
    from ipml.storage.pseudonyms import find_seller

    networks = load_networks(source.parent if source.is_file() else source)
    ids, penalised = networks.holdings.seller_ids, find_penalised(connection, policy, at)
    found = []
    for first, second in zip(networks.links.first.tolist(), networks.links.second.tolist(), strict=True):
        if ids[first] in penalised or ids[second] in penalised:
            tie = explain_tie(networks, first, second)
            seller, other = (find_seller(connection, one) or one for one in (tie.first, tie.second))
            weight = find_probability(tie.bits, networks.holdings.n_marketplace)
            evidence = "; ".join(map(str, tie.shared[:_MOST_SHARED]))
            found.append(Link(seller, other, str(tie.shared[0].kind), weight, evidence))
    return found


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
    from ipml.web.permissions import Action

    if outcome not in ("look", "nothing"):
        raise UnusableSetting("outcome", repr(outcome[:40]), "look or nothing")
    decided: Literal["look", "nothing"] = "look" if outcome == "look" else "nothing"
    engine = open_for_command(database)
    decide_link(engine, number, acting(engine, Action.CHANGE_PENALTIES, by), decided, why)
    typer.echo(f"Link {number}: {outcome}.")
