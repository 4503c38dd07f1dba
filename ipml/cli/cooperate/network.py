"""The networks behind sellers (`ipml cooperate network`), and those handed on to authorities and rights holders (`ipml
cooperate referral`).

What is handed on to the police, customs and rights holders is few, good, and such that anybody can check it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.terminal import By, Database, Networks, acting, choose_networks, open_for_command, printable, writing_to

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Engine

    from ipml.cooperation.policy import ReferralRules


network_app = typer.Typer(
    no_args_is_help=True,
    help="""Find the networks behind sellers, by what they share, and look at one.

    Example: ipml cooperate network list
    """,
)


@network_app.command()
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
        Path | None, typer.Option(help="How much shared things say: a copy of networks/rules.toml.", show_default=False)
    ] = None,
) -> None:
    """Find networks in what sellers share, or add the events of a day to those found before.

    Sellers who come into a network that was known are named: new accounts most of all.

    Example: ipml cooperate network find attributes.parquet --out networks
    """
    from ipml.cooperation.networks.detection import add_events, find_networks
    from ipml.cooperation.networks.links import load_network_rules
    from ipml.cooperation.networks.store import has_networks, load_networks, store_networks
    from ipml.cooperation.networks.ties import find_newcomers
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
    store_networks(networks, out, newcomers)
    n_members, n_networks = int((networks.numbering.number > 0).sum()), len(networks.numbers)
    typer.echo(f"{networks.holdings.n_sellers:,} sellers, {n_members:,} of them in {n_networks:,} networks, in {out}.")
    for newcomer in newcomers:
        because = "; ".join(map(str, newcomer.tie.shared[:3]))
        typer.echo(f"New in network {newcomer.network}: {newcomer.seller_id}, with {newcomer.tie.second}: {because}.")


@network_app.command("hash")
def hash_(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Parquet: seller_id, kind, value as it is, seen_at.")],
    attributes: Annotated[Path, typer.Argument(metavar="ATTRIBUTES", help="Parquet file to write.")],
    key: Annotated[Path, typer.Option(help="File with the key; the same every day.", show_default=False)],
    calling_code: Annotated[str, typer.Option(help="Of phones that name no country, such as 49.")] = "",
) -> None:
    """Put keyed hashes in the place of phones, addresses, accounts and the like, however they are written.

    Example: ipml cooperate network hash raw.parquet attributes.parquet --key network.key --calling-code 49
    """
    from ipml.cli.terminal import check_distinct
    from ipml.cooperation.networks.attributes import hash_attributes

    check_distinct(raw, attributes, key)
    typer.echo(f"{hash_attributes(raw, attributes, key, calling_code):,} rows in {attributes}.")


@network_app.command("list")
def list_found(networks: Networks = None, top: Annotated[int, typer.Option(min=1, help="How many.")] = 20) -> None:
    """List the largest networks.

    Example: ipml cooperate network list --top 10
    """
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.networks.store import load_networks
    from ipml.kit.moments import from_microseconds

    found = load_networks(choose_networks(networks))
    sizes = np.bincount(found.numbering.number)[1:]
    table = Table("network", "members", "first seen", "last member since")
    for number in (np.argsort(-sizes, kind="stable") + 1)[: min(top, int((sizes > 0).sum()))].tolist():
        joined = found.holdings.joined[found.members_of(number)]
        since = [f"{from_microseconds(moment):%Y-%m-%d}" for moment in (joined.min(), joined.max())]
        table.add_row(str(number), f"{sizes[number - 1]:,}", *since)
    Console().print(table)


@network_app.command()
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

    Example: ipml cooperate network show 12 --sales listings.parquet
    """
    from ipml.cooperation.networks.roles import describe_network
    from ipml.cooperation.networks.sales import estimate_sales, read_sales
    from ipml.cooperation.networks.store import load_networks
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


ReferralNumber = Annotated[int, typer.Argument(metavar="REFERRAL", help="Number of a referral.", show_default=False)]


def receipt(
    referral: ReferralNumber,
    signed_by: Annotated[str, typer.Option(help="Who of the recipient signed for it.", show_default=False)],
    by: By = None,
    database: Database = None,
) -> None:
    """Note who signed for a referral.

    Example: ipml cooperate referral receipt 3 --signed-by "KHK Weber, file 12 Js 4/26"
    """
    from ipml.cooperation.referrals.handover import sign_receipt
    from ipml.web.accounts.permissions import Action

    with writing_to(database) as connection:
        signed = sign_receipt(connection, referral, signed_by, by=acting(connection, Action.HAND_ON_NETWORKS, by))
    typer.echo(f"Referral {referral} ({signed.reference}), content {signed.content_digest}: received.")


def outcome(
    referral: ReferralNumber,
    opened: Annotated[bool, typer.Option("--opened", help="An investigation was opened.")] = False,
    arrests: Annotated[int | None, typer.Option(min=1, help="How many were arrested.", show_default=False)] = None,
    seized: Annotated[
        float | None, typer.Option(help="Value of what was seized, in --currency.", show_default=False)
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(help="Of what was seized, such as USD; else that of the referral.", show_default=False),
    ] = None,
    dropped: Annotated[
        str | None, typer.Option(metavar="WHY", help="It was dropped: a word of the policy's list.", show_default=False)
    ] = None,
    by: By = None,
    database: Database = None,
) -> None:
    """Note what became of a referral; `ipml cooperate referral rank` learns from it.

    Example: ipml cooperate referral outcome 3 --arrests 4
    """
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.referrals.handover import note_outcome
    from ipml.errors import UnusableSetting
    from ipml.web.accounts.permissions import Action

    amounts: dict[str, float | None] = {"opened": None, "arrests": arrests, "seized": seized, "dropped": None}
    told = {
        "opened": opened,
        "arrests": arrests is not None,
        "seized": seized is not None,
        "dropped": dropped is not None,
    }
    kinds = [kind for kind, is_told in told.items() if is_told]
    if len(kinds) != 1:
        raise UnusableSetting("outcome", ", ".join(kinds) or "none", "one of --opened, --arrests, --seized, --dropped")
    with writing_to(database) as connection:
        said = {
            "by": acting(connection, Action.HAND_ON_NETWORKS, by),
            "amount": amounts[kinds[0]],
            "currency": currency,
            "why": dropped,
        }
        note_outcome(connection, referral, kinds[0], load_cooperation_policy().referrals, **said)  # type: ignore[arg-type]
    typer.echo(f"Referral {referral}: {kinds[0]}.")


referral_app = typer.Typer(
    no_args_is_help=True,
    help="""Hand networks of sellers on to those who can follow them, and learn what became of it.

    Example: ipml cooperate referral rank
    """,
)
referral_app.command()(receipt)
referral_app.command()(outcome)

Sales = Annotated[
    Path | None,
    typer.Option(
        help="Parquet: seller_id, units, value, currency of each listing, empty where not known.", show_default=False
    ),
]


@referral_app.command()
def build(
    network: Annotated[int, typer.Argument(metavar="NETWORK", help="Number of a network.", show_default=False)],
    recipient: Annotated[str, typer.Option(help="Who gets it: a profile of the policy.")] = "police-criminal",
    brand: Annotated[
        str | None, typer.Option(help="Whose listings alone are told, for rights holders.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where; by default referral-NETWORK here.", show_default=False)
    ] = None,
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

    Example: ipml cooperate referral build 12 --recipient rights-holder --brand Nordvik --zip
    """
    from ipml.cooperation.networks.store import load_networks
    from ipml.cooperation.referrals.package import ReferralRequest, build_referral
    from ipml.enforcement.privacy.erasure import read_erased
    from ipml.settings import get_settings
    from ipml.storage.anchors import store_anchor
    from ipml.storage.database import reading
    from ipml.web.accounts.permissions import Action

    settings = get_settings()
    request = ReferralRequest(network, recipient, brand, _read_sales(sales), tuple(warc or ()), again)
    engine = _open(database)
    with reading(engine) as connection:
        name = acting(connection, Action.HAND_ON_NETWORKS, by)
    built = build_referral(
        engine,
        load_networks(choose_networks(networks)),
        request,
        _load_rules(),
        out or Path(f"referral-{network}-{printable(recipient)}{'.zip' if as_zip else ''}"),
        by=name,
        key_file=settings.anchor_key,
        erased=read_erased(settings.erased) if settings.erased and settings.erased.exists() else None,
        is_zipped=as_zip,
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
        typer.echo(f"What is kept of {built.n_held} sellers is held for it; `ipml seller release` ends that.")
    if settings.anchors:
        store_anchor(settings.anchors, built.anchor)
    typer.echo(f"Anchor   {built.anchor.count}:{built.anchor.head}")
    if built.anchor.key:
        typer.echo(f"Key      {built.anchor.key}")


@referral_app.command("list")
def list_handed_on(database: Database = None) -> None:
    """List the referrals that were handed out, the newest first, with receipts and outcomes.

    Example: ipml cooperate referral list
    """
    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.referrals.handover import find_outcomes, list_referrals
    from ipml.money import say_amount
    from ipml.storage.database import reading

    with reading(_open(database)) as connection:
        referrals, outcomes = list_referrals(connection), find_outcomes(connection)
    table = Table(
        "referral", "reference", "network", "recipient", "built", "counterfeits", "value", "receipt", "outcome"
    )
    for referral in referrals:
        value = "" if referral.value is None else say_amount(referral.value, referral.currency)
        became = ", ".join(map(str, outcomes.get(referral.referral_id, ())))
        recipient = referral.recipient + (f" ({referral.brand})" if referral.brand else "")
        receipt = f"{referral.received_at:%Y-%m-%d} {referral.received_by}" if referral.received_at else ""
        cells = (
            referral.referral_id,
            referral.reference,
            referral.network,
            recipient,
            f"{referral.built_at:%Y-%m-%d}",
            referral.n_confirmed,
        )
        table.add_row(*(printable(str(cell)) for cell in (*cells, value, receipt, became)))
    Console().print(table)


@referral_app.command()
def rank(
    top: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    sales: Sales = None,
    networks: Networks = None,
    database: Database = None,
) -> None:
    """Rank networks by value x solvability / effort: which to hand over first. Networks without a counterfeit are out.

    Values are in the currency of the ranking policy in force, at its rates; what has no rate is not counted, and said.

    Example: ipml cooperate referral rank --sales sales.parquet
    """
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.networks.store import load_networks
    from ipml.cooperation.referrals.ranking import judge_candidates
    from ipml.storage.database import reading

    rules = _load_rules()
    with reading(_open(database)) as connection:
        found = load_networks(choose_networks(networks))
        pairs = [(found, number) for number in found.numbers]
        candidates, n_outcomes = judge_candidates(connection, pairs, rules, datetime.now(UTC), _read_sales(sales))
    table = Table(
        "network", "members", "counterfeits", "value", "solvability", "hours", "value an hour", "what speaks for it"
    )
    for candidate in candidates[:top]:
        one, (low, high) = candidate.ranked, candidate.likely
        signs = " ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in one.signs.items())
        likely = f"{one.solvability:.0%} ({low:.0%} to {high:.0%})"
        counts = (one.number, one.n_members, one.n_confirmed, str(one.value))
        table.add_row(*map(str, (*counts, likely, f"{one.effort:.0f}", str(one.worth), signs)))
    Console().print(table)
    typer.echo(f"Solvability was learnt from {n_outcomes} outcomes, beside the policy's judgement.")


@referral_app.command()
def profiles() -> None:
    """Show who is told what, on which terms.

    Example: ipml cooperate referral profiles
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


@referral_app.command()
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
    """Say whether a referral is as it was made; exit code 1, with every file and line at fault, if it is not.

    The one file verify.py in it does the same without ipml.

    Example: ipml cooperate referral verify referral-12-police-criminal.zip
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


def _load_rules() -> ReferralRules:
    from ipml.cooperation.policy import load_cooperation_policy

    return load_cooperation_policy().referrals


def _read_sales(path: Path | None) -> pd.DataFrame | None:
    from ipml.cooperation.networks.sales import read_sales

    return read_sales(path) if path else None
