"""`ipml network`: the networks behind sellers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.options import Networks, choose_networks
from ipml.cli.plain_text import printable

app = typer.Typer(
    no_args_is_help=True,
    help="""Find the networks behind sellers, by what they share, and look at one.

    Example: ipml network list
    """,
)


@app.command()
def find(
    attributes: Annotated[
        Path,
        typer.Argument(metavar="ATTRIBUTES", help="Parquet: seller_id, kind, value (a keyed hash), seen_at."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the networks; what it holds is added to. By default IPML_NETWORKS, or networks here.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="How much shared things say: a copy of network/rules.toml.", show_default=False)
    ] = None,
) -> None:
    """Find networks in what sellers share, or add the events of a day to those found before.

    Sellers who come into a network that was known are named: new accounts most of all.

    Example: ipml network find attributes.parquet --out networks
    """
    from ipml.cooperation.network.folder import has_networks, keep_networks, load_networks
    from ipml.cooperation.network.networks import add_events, find_networks
    from ipml.cooperation.network.newcomers import find_newcomers
    from ipml.cooperation.network.rules import load_network_rules
    from ipml.errors import UnusableSetting

    newcomers, out = [], choose_networks(out)
    if has_networks(out):
        before = load_networks(out)
        if rules and load_network_rules(rules) != before.rules:
            raise UnusableSetting("rules", f"other rules than those of {out}", "the same rules, or a new folder")
        networks = add_events(before, attributes)
        newcomers = find_newcomers(before, networks)
    else:
        networks = find_networks(attributes, load_network_rules(rules))
    keep_networks(networks, out, newcomers)
    n_members = int((networks.numbering.number > 0).sum())
    n_networks = len(set(networks.numbering.number[networks.numbering.number > 0].tolist()))
    typer.echo(f"{networks.holdings.n_sellers:,} sellers, {n_members:,} of them in {n_networks:,} networks, in {out}.")
    for newcomer in newcomers:
        because = "; ".join(map(str, newcomer.tie.shared[:3]))
        typer.echo(f"New in network {newcomer.network}: {newcomer.seller_id}, with {newcomer.tie.second}: {because}.")


@app.command("hash")
def hash_(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Parquet: seller_id, kind, value as it is, seen_at.")],
    attributes: Annotated[Path, typer.Argument(metavar="ATTRIBUTES", help="Parquet file to write.")],
    key: Annotated[Path, typer.Option(help="File with the key; the same every day.", show_default=False)],
    calling_code: Annotated[str, typer.Option(help="Of phones that name no country, such as 49.")] = "",
) -> None:
    """Put keyed hashes in the place of phones, addresses, accounts and the like, however they are written.

    Example: ipml network hash raw.parquet attributes.parquet --key network.key --calling-code 49
    """
    from ipml.cli.options import check_distinct
    from ipml.cooperation.network.values import hash_attributes

    check_distinct(raw, attributes, key)
    typer.echo(f"{hash_attributes(raw, attributes, key, calling_code):,} rows in {attributes}.")


@app.command("list")
def list_(networks: Networks = None, top: Annotated[int, typer.Option(min=1, help="How many.")] = 20) -> None:
    """List the largest networks.

    Example: ipml network list --top 10
    """
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.network.evidence import moment_of
    from ipml.cooperation.network.folder import load_networks

    found = load_networks(choose_networks(networks))
    sizes = np.bincount(found.numbering.number)[1:]
    table = Table("network", "members", "first seen", "last member since")
    for number in (np.argsort(-sizes, kind="stable") + 1)[: min(top, int((sizes > 0).sum()))].tolist():
        joined = found.holdings.joined[found.members_of(number)]
        since = [f"{moment_of(moment):%Y-%m-%d}" for moment in (joined.min(), joined.max())]
        table.add_row(str(number), f"{sizes[number - 1]:,}", *since)
    Console().print(table)


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of a network.", show_default=False)],
    networks: Networks = None,
    sales: Annotated[
        Path | None,
        typer.Option(
            help="Parquet: seller_id, units, value, currency of each listing, empty where not known.",
            show_default=False,
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Of members, links and events, so many.")] = 20,
) -> None:
    """Show a network: members, roles, links with their evidence, timeline, and what it sold.

    Example: ipml network show 12 --sales listings.parquet
    """
    from ipml.cooperation.network.folder import load_networks
    from ipml.cooperation.network.sales import estimate_sales, read_sales
    from ipml.cooperation.network.summary import describe_network
    from ipml.review.ranking.policy import load_policy

    found = load_networks(choose_networks(networks))
    known = read_sales(sales) if sales else None
    for line in describe_network(found, number, most):
        typer.echo("\n".join(map(printable, line.split("\n"))))
    if known is not None:
        sold = estimate_sales(found, number, known, load_policy().exchange_rates)
        typer.echo(f"\nSales, estimated\n  listings: {sold.n_listings:,}\n  units: {sold.units}\n  value: {sold.value}")
        for one in sold.foreign:
            rate = "not counted: no rate" if one.rate is None else f"exchanged at {one.rate:g}"
            typer.echo(f"  {one.n_listings:,} listings in {one.currency}: {rate}")
