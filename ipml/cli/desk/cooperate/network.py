"""Network commands: networks of sellers (`ipml cooperate network`), and referrals (`ipml cooperate referral`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import (
    AsZip,
    Database,
    Force,
    Networks,
    NetworkSales,
    make_group,
    out_option,
    take_records,
)
from ipml.cli.terminal import (
    ActingUser,
    check_outputs,
    choose_networks,
    printable,
    reading_from,
    show_table,
)
from ipml.errors import UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    import pandas as pd

    from ipml.cooperation.networks.detection import Networks as FoundNetworks
    from ipml.cooperation.networks.ties import Newcomer
    from ipml.cooperation.policy import ReferralRules


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """The options of networks that were found before, and of sales known from elsewhere."""

    networks: Networks = None
    sales: NetworkSales = None

    def load(self) -> FoundNetworks:
        """Read the networks."""
        from ipml.cooperation.networks.store import load_networks

        return load_networks(choose_networks(self.networks))

    def read_sales(self) -> pd.DataFrame | None:
        """Read the sales; None without a file."""
        from ipml.cooperation.networks.sales import read_sales

        return read_sales(self.sales) if self.sales else None


network_app = make_group(
    "Find the networks behind sellers, by what they share, and look at one.", "cooperate network show"
)


@network_app.command()
def find(
    attributes: Annotated[
        Path, typer.Argument(metavar="ATTRIBUTES", help="Parquet: seller_id, kind, value (a keyed hash), seen_at.")
    ],
    out: Annotated[
        Path | None,
        out_option(
            "Folder of the networks; what it holds is added to. By default IPML_NETWORKS, or networks here.", "FOLDER"
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Weights of shared attributes: a copy of networks/rules.toml.")
    ] = None,
) -> None:
    """Find networks of sellers by shared attributes, or add a day's events to known networks.

    Sellers who join a known network are listed, above all new accounts.

    Example: ipml cooperate network find attributes.parquet --out networks
    """
    out = choose_networks(out)
    networks, newcomers = add_to_networks(attributes, out, rules)
    typer.echo(f"{describe_networks(networks)}, in {out}.")
    for newcomer in newcomers:
        because = "; ".join(map(str, newcomer.tie.shared[:3]))
        typer.echo(f"New in network {newcomer.network}: {newcomer.seller_id}, with {newcomer.tie.second}: {because}.")


def add_to_networks(attributes: Path, out: Path, rules: Path | None = None) -> tuple[FoundNetworks, Sequence[Newcomer]]:
    """Find networks, or add to those in a folder; return them with the sellers who joined known networks.

    Raises UnusableSetting if the folder's networks were found by other rules.
    """
    from ipml.cooperation.networks.detection import add_events, find_networks
    from ipml.cooperation.networks.links import load_network_rules
    from ipml.cooperation.networks.store import has_networks, load_networks, restore_interrupted, store_networks
    from ipml.cooperation.networks.ties import find_newcomers

    newcomers: Sequence[Newcomer] = []
    restore_interrupted(out)
    if has_networks(out):
        before = load_networks(out)
        if rules and load_network_rules(rules) != before.rules:
            raise UnusableSetting("rules", f"other rules than those of {out}", "the same rules, or a new folder")
        networks = add_events(before, attributes)
        newcomers = find_newcomers(before, networks)
    else:
        networks = find_networks(attributes, load_network_rules(rules))
    store_networks(networks, out, newcomers)
    return networks, newcomers


def describe_networks(networks: FoundNetworks) -> str:
    """Return the numbers of sellers and networks in words."""
    n_members, n_networks = int((networks.numbering.number > 0).sum()), len(networks.numbers)
    return f"{networks.holdings.n_sellers:,} sellers, {n_members:,} of them in {n_networks:,} networks"


@network_app.command("hash")
def hash_(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Parquet: seller_id, kind, value as it is, seen_at.")],
    out: Annotated[Path, out_option("Parquet: seller_id, kind, value (a keyed hash), seen_at.")],
    key: Annotated[Path, typer.Option(help="File with the key; the same every day.")],
    calling_code: Annotated[str, typer.Option(help="Country calling code of phones without one, such as 49.")] = "",
    force: Force = False,
) -> None:
    """Replace phone numbers, addresses, accounts and the like, in any spelling, by keyed hashes.

    Example: ipml cooperate network hash raw.parquet --out attributes.parquet --key network.key --calling-code 49
    """
    from ipml.cooperation.networks.attributes import hash_attributes

    check_outputs(out, read=[raw, key], force=force)
    typer.echo(f"{hash_attributes(raw, out, key, calling_code):,} rows in {out}.")


@network_app.command()
def pictures(
    out: Annotated[Path, out_option("Parquet: seller_id, kind, value (a keyed hash), seen_at.")],
    key: Annotated[Path, typer.Option(help="File with the key; the same every day.")],
    force: Force = False,
    database: Database = None,
) -> None:
    """Write the pictures that sellers showed, for `ipml cooperate network find`; similar files count as one picture.

    Example: ipml cooperate network pictures --out pictures.parquet --key network.key
    """
    from ipml.cooperation.networks.attributes import write_picture_attributes

    check_outputs(out, read=[key], force=force)
    with reading_from(database) as connection:
        typer.echo(f"{write_picture_attributes(connection, out, key):,} rows in {out}.")


@network_app.command()
@take_records
def show(
    number: Annotated[
        int | None, typer.Argument(metavar="[NUMBER]", help="Number of a network; without it the largest are listed.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many members, links and events, or networks.")] = 20,
    *,
    files: NetworkFiles,
) -> None:
    """Show a network: members, roles, links with their evidence, timeline, and what it sold.

    Example: ipml cooperate network show 12 --sales listings.parquet
    """
    from ipml.cooperation.networks.roles import describe_network
    from ipml.cooperation.networks.sales import estimate_sales
    from ipml.review.ranking.policy import load_policy
    from ipml.settings import get_settings

    networks = files.load()
    if number is None:
        _list_largest(networks, top)
        return
    sales = files.read_sales()
    for line in describe_network(networks, number, top):
        typer.echo("\n".join(map(printable, line.split("\n"))))
    if sales is not None:
        sold = estimate_sales(networks, number, sales, load_policy(get_settings().policy_review).exchange_rates)
        typer.echo(f"\nSales, estimated\n  listings: {sold.n_listings:,}\n  units: {sold.units}\n  value: {sold.value}")
        for one in sold.foreign:
            rate = "not counted: no rate" if one.rate is None else f"exchanged at {one.rate:g}"
            typer.echo(f"  {one.n_listings:,} listings in {one.currency}: {rate}")


def _list_largest(networks: FoundNetworks, top: int) -> None:
    """List the largest networks."""
    import numpy as np

    from ipml.kit.moments import from_microseconds

    sizes = np.bincount(networks.numbering.number)[1:]
    rows = []
    for number in (np.argsort(-sizes, kind="stable") + 1)[: min(top, int((sizes > 0).sum()))].tolist():
        joined = networks.holdings.joined[networks.members_of(number)]
        since = [f"{from_microseconds(moment):%Y-%m-%d}" for moment in (joined.min(), joined.max())]
        rows.append((number, f"{sizes[number - 1]:,}", *since))
    show_table(("network", "members", "first seen", "last member since"), rows)


referral_app = make_group("Refer networks of sellers to authorities and rights holders.", "cooperate referral rank")


@dataclass(frozen=True, slots=True)
class ReferralContent:
    """The options of a referral's recipient and content."""

    recipient: Annotated[str, typer.Option(help="Recipient: a profile of the policy.")] = "police-criminal"
    brand: Annotated[str | None, typer.Option(help="Only listings of this brand, for rights holders.")] = None
    warc: Annotated[
        list[Path] | None, typer.Option(help="A capture of a page to put in.", exists=True, dir_okay=False)
    ] = None
    again: Annotated[bool, typer.Option("--again", help="Though nothing is new since the last one.")] = False


@referral_app.command()
@take_records
def build(
    network: Annotated[int, typer.Argument(metavar="NETWORK", help="Number of a network.")],
    out: Annotated[
        Path | None,
        out_option("A new folder; by default referral-NETWORK-RECIPIENT here. It is never written over.", "FOLDER"),
    ] = None,
    as_zip: AsZip = False,
    *,
    content: ReferralContent,
    files: NetworkFiles,
    user: ActingUser,
) -> None:
    """Write a network's referral for one recipient as a BagIt folder that is read in a minute.

    The recipient's profile in the policy limits its content; the persons it names are recorded. For the police, records
    of sellers found counterfeit are put on hold. Send the printed anchor to the recipient by another channel.

    Example: ipml cooperate referral build 12 --recipient rights-holder --brand Nordvik --zip
    """
    from ipml.cooperation.referrals.package import ReferralRequest, build_referral
    from ipml.enforcement.evidence.package import PackageOutput
    from ipml.enforcement.privacy.erased_list import read_erased
    from ipml.settings import get_settings
    from ipml.storage.audit_trail.anchors import store_anchor

    settings = get_settings()
    sales, captures = files.read_sales(), tuple(content.warc or ())
    request = ReferralRequest(network, content.recipient, content.brand, sales, captures, content.again)
    engine, name = user.open(Action.HAND_ON_NETWORKS)
    path = out or Path(f"referral-{network}-{printable(content.recipient)}{'.zip' if as_zip else ''}")
    built = build_referral(
        engine,
        files.load(),
        request,
        _load_rules(),
        PackageOutput(path, name, settings.anchor_key, is_zipped=as_zip),
        erased=read_erased(settings.erased) if settings.erased and settings.erased.exists() else None,
    )
    referral = built.referral
    typer.echo(
        f"Referral {referral.referral_id} ({referral.reference}) in {printable(str(built.path))}: "
        f"{built.n_named} sellers named,"
    )
    typer.echo(f"{referral.n_confirmed} listings found counterfeit, {built.n_evidence} pieces of evidence.")
    for line in built.news:
        typer.echo(printable(line))
    if built.n_held:
        typer.echo(f"Records of {built.n_held} sellers are on hold for it; `ipml seller hold SELLER --end` ends that.")
    if settings.anchors:
        store_anchor(settings.anchors, built.anchor)
    typer.echo(f"Anchor   {built.anchor.count}:{built.anchor.head}")
    if built.anchor.key:
        typer.echo(f"Key      {built.anchor.key}")


@referral_app.command()
@take_records
def rank(
    top: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    *,
    files: NetworkFiles,
    database: Database = None,
) -> None:
    """Rank networks for referral by value x solvability / effort. Networks without a counterfeit are excluded.

    Values are in the currency of the ranking policy in force, at its rates; unknown ones show "not known".

    Example: ipml cooperate referral rank --sales sales.parquet
    """
    from ipml.cooperation.referrals.ranking import judge_candidates

    rules = _load_rules()
    with reading_from(database) as connection:
        found, sales = files.load(), files.read_sales()
        pairs = [(found, number) for number in found.numbers]
        candidates, n_outcomes = judge_candidates(connection, pairs, rules, datetime.now(UTC), sales)
    head = (
        "network",
        "members",
        "counterfeits",
        "value",
        "solvability",
        "hours",
        "value an hour",
        "what speaks for it",
    )
    rows = []
    for candidate in candidates[:top]:
        one, (low, high) = candidate.ranked, candidate.likely
        signs = " ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in one.signs.items())
        likely = f"{one.solvability:.0%} ({low:.0%} to {high:.0%})"
        value, an_hour = ("not known" if amount is None else amount for amount in (one.value, one.expected_value))
        counts = (one.number, one.n_members, one.n_confirmed, value)
        rows.append((*counts, likely, f"{one.effort:.0f}", an_hour, signs))
    show_table(head, rows)
    typer.echo(f"Solvability was learnt from {n_outcomes} outcomes, beside the policy's judgement.")


def _load_rules() -> ReferralRules:
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.settings import get_settings

    return load_cooperation_policy(get_settings().policy_cooperation).referrals
