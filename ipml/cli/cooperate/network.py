"""Network commands: networks of sellers (`ipml cooperate network`), and referrals (`ipml cooperate referral`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.evidence import as_folder, read_given_anchors, show_verdict
from ipml.cli.options import (
    Anchors,
    AsZip,
    By,
    Database,
    Force,
    Networks,
    NetworkSales,
    Package,
    PublicKey,
    make_group,
    out_option,
)
from ipml.cli.terminal import (
    acting,
    acting_in,
    check_outputs,
    choose_networks,
    open_for_command,
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


network_app = make_group(
    "Find the networks behind sellers, by what they share, and look at one.", "cooperate network list"
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
    calling_code: Annotated[str, typer.Option(help="Of phones that name no country, such as 49.")] = "",
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


@network_app.command("list")
def list_found(networks: Networks = None, top: Annotated[int, typer.Option(min=1, help="How many.")] = 20) -> None:
    """List the largest networks.

    Example: ipml cooperate network list --top 10
    """
    import numpy as np

    from ipml.cooperation.networks.store import load_networks
    from ipml.kit.moments import from_microseconds

    found = load_networks(choose_networks(networks))
    sizes = np.bincount(found.numbering.number)[1:]
    rows = []
    for number in (np.argsort(-sizes, kind="stable") + 1)[: min(top, int((sizes > 0).sum()))].tolist():
        joined = found.holdings.joined[found.members_of(number)]
        since = [f"{from_microseconds(moment):%Y-%m-%d}" for moment in (joined.min(), joined.max())]
        rows.append((number, f"{sizes[number - 1]:,}", *since))
    show_table(("network", "members", "first seen", "last member since"), rows)


@network_app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of a network.")],
    networks: Networks = None,
    sales: NetworkSales = None,
    top: Annotated[int, typer.Option(min=1, help="How many members, links and events.")] = 20,
) -> None:
    """Show a network: members, roles, links with their evidence, timeline, and what it sold.

    Example: ipml cooperate network show 12 --sales listings.parquet
    """
    from ipml.cooperation.networks.roles import describe_network
    from ipml.cooperation.networks.sales import estimate_sales
    from ipml.cooperation.networks.store import load_networks
    from ipml.review.ranking.policy import load_policy

    found = load_networks(choose_networks(networks))
    known = _read_sales(sales)
    for line in describe_network(found, number, top):
        typer.echo("\n".join(map(printable, line.split("\n"))))
    if known is not None:
        sold = estimate_sales(found, number, known, load_policy().exchange_rates)
        typer.echo(f"\nSales, estimated\n  listings: {sold.n_listings:,}\n  units: {sold.units}\n  value: {sold.value}")
        for one in sold.foreign:
            rate = "not counted: no rate" if one.rate is None else f"exchanged at {one.rate:g}"
            typer.echo(f"  {one.n_listings:,} listings in {one.currency}: {rate}")


ReferralNumber = Annotated[int, typer.Argument(metavar="REFERRAL", help="Number of a referral.")]


def receipt(
    referral: ReferralNumber,
    signed_by: Annotated[str, typer.Option(help="Person at the recipient who signed for it.")],
    by: By = None,
    database: Database = None,
) -> None:
    """Record the recipient's receipt of a referral.

    Example: ipml cooperate referral receipt 3 --signed-by "KHK Weber, file 12 Js 4/26"
    """
    from ipml.cooperation.referrals.handover import sign_receipt

    with acting_in(database, Action.HAND_ON_NETWORKS, by) as (connection, name):
        signed = sign_receipt(connection, referral, signed_by, by=name)
    typer.echo(f"Referral {referral} ({signed.reference}), content {signed.content_digest}: received.")


def outcome(
    referral: ReferralNumber,
    opened: Annotated[bool, typer.Option("--opened", help="An investigation was opened.")] = False,
    arrests: Annotated[int | None, typer.Option(min=1, help="How many were arrested.")] = None,
    seized: Annotated[float | None, typer.Option(help="Value of what was seized, in --currency.")] = None,
    currency: Annotated[
        str | None, typer.Option(help="Currency of that value, such as USD; by default that of the referral.")
    ] = None,
    dropped: Annotated[
        str | None, typer.Option(metavar="WHY", help="It was dropped: a word of the policy's list.")
    ] = None,
    by: By = None,
    database: Database = None,
) -> None:
    """Record the outcome of a referral; `ipml cooperate referral rank` learns from it.

    Example: ipml cooperate referral outcome 3 --arrests 4
    """
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.referrals.handover import OutcomeReport, note_outcome

    amounts = {"opened": opened or None, "arrests": arrests, "seized": seized, "dropped": dropped}
    kinds = [kind for kind, told in amounts.items() if told is not None]
    if len(kinds) != 1:
        raise UnusableSetting("outcome", ", ".join(kinds) or "none", "one of --opened, --arrests, --seized, --dropped")
    amount, rules = arrests if seized is None else seized, load_cooperation_policy().referrals
    with acting_in(database, Action.HAND_ON_NETWORKS, by) as (connection, name):
        report = OutcomeReport(kinds[0], amount, currency, dropped)
        note_outcome(connection, referral, report, rules, by=name, now=datetime.now(UTC))
    typer.echo(f"Referral {referral}: {kinds[0]}.")


referral_app = make_group(
    "Refer networks of sellers to authorities and rights holders, and record the outcomes.", "cooperate referral rank"
)
referral_app.command()(receipt)
referral_app.command()(outcome)


@referral_app.command()
def build(
    network: Annotated[int, typer.Argument(metavar="NETWORK", help="Number of a network.")],
    recipient: Annotated[str, typer.Option(help="Recipient: a profile of the policy.")] = "police-criminal",
    brand: Annotated[str | None, typer.Option(help="Only listings of this brand, for rights holders.")] = None,
    out: Annotated[
        Path | None,
        out_option("A new folder; by default referral-NETWORK-RECIPIENT here. It is never written over.", "FOLDER"),
    ] = None,
    as_zip: AsZip = False,
    sales: NetworkSales = None,
    warc: Annotated[
        list[Path] | None, typer.Option(help="A capture of a page to put in.", exists=True, dir_okay=False)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Though nothing is new since the last one.")] = False,
    by: By = None,
    networks: Networks = None,
    database: Database = None,
) -> None:
    """Write a network's referral for one recipient as a BagIt folder that is read in a minute.

    The recipient's profile in the policy limits its content; the persons it names are recorded. For the police, records
    of sellers found counterfeit are put on hold. Send the printed anchor to the recipient by another channel.

    Example: ipml cooperate referral build 12 --recipient rights-holder --brand Nordvik --zip
    """
    from ipml.cooperation.networks.store import load_networks
    from ipml.cooperation.referrals.package import PackageOutput, ReferralRequest, build_referral
    from ipml.enforcement.privacy.erased_list import read_erased
    from ipml.settings import get_settings
    from ipml.storage.audit_trail.anchors import store_anchor
    from ipml.storage.database import reading

    settings = get_settings()
    request = ReferralRequest(network, recipient, brand, _read_sales(sales), tuple(warc or ()), again)
    engine = open_for_command(database)
    with reading(engine) as connection:
        name = acting(connection, Action.HAND_ON_NETWORKS, by)
    path = out or Path(f"referral-{network}-{printable(recipient)}{'.zip' if as_zip else ''}")
    built = build_referral(
        engine,
        load_networks(choose_networks(networks)),
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
        typer.echo(f"Records of {built.n_held} sellers are on hold for it; `ipml seller release` ends that.")
    if settings.anchors:
        store_anchor(settings.anchors, built.anchor)
    typer.echo(f"Anchor   {built.anchor.count}:{built.anchor.head}")
    if built.anchor.key:
        typer.echo(f"Key      {built.anchor.key}")


@referral_app.command("list")
def list_handed_on(database: Database = None) -> None:
    """List the referrals, the newest first, with receipts and outcomes.

    Example: ipml cooperate referral list
    """
    from ipml.cooperation.referrals.handover import find_outcomes, list_referrals
    from ipml.money import say_amount

    with reading_from(database) as connection:
        referrals, outcomes = list_referrals(connection), find_outcomes(connection)
    head = ("referral", "reference", "network", "recipient", "built", "counterfeits", "value", "receipt", "outcome")
    rows = []
    for one in referrals:
        recipient = one.recipient + (f" ({one.brand})" if one.brand else "")
        value = "" if one.value is None else say_amount(one.value, one.currency)
        receipt = f"{one.received_at:%Y-%m-%d} {one.received_by}" if one.received_at else ""
        became = ", ".join(map(str, outcomes.get(one.referral_id, ())))
        built = (one.referral_id, one.reference, one.network, recipient, f"{one.built_at:%Y-%m-%d}", one.n_confirmed)
        rows.append((*built, value, receipt, became))
    show_table(head, rows)


@referral_app.command()
def rank(
    top: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    sales: NetworkSales = None,
    networks: Networks = None,
    database: Database = None,
) -> None:
    """Rank networks for referral by value x solvability / effort. Networks without a counterfeit are excluded.

    Values are in the currency of the ranking policy in force, at its rates; unknown ones show "not known".

    Example: ipml cooperate referral rank --sales sales.parquet
    """
    from ipml.cooperation.networks.store import load_networks
    from ipml.cooperation.referrals.ranking import judge_candidates

    rules = _load_rules()
    with reading_from(database) as connection:
        found = load_networks(choose_networks(networks))
        pairs = [(found, number) for number in found.numbers]
        candidates, n_outcomes = judge_candidates(connection, pairs, rules, datetime.now(UTC), _read_sales(sales))
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


@referral_app.command()
def profiles() -> None:
    """Show the recipients of referrals, the fields each receives, and the terms.

    Example: ipml cooperate referral profiles
    """
    for name, profile in _load_rules().profiles.items():
        typer.echo(f"{name}: {profile.title}\n  {profile.purpose}\n  {profile.legal_basis}")
        typer.echo(f"  receives: {', '.join(sorted(profile.fields))}")
        who = "all members" if profile.names_unconfirmed else "members with a listing found counterfeit"
        of = "of one brand" if profile.needs_brand else "of all brands"
        typer.echo(
            f"  names {who}; {of}; from {profile.least_members} members and {profile.least_confirmed} counterfeits on"
        )
        typer.echo(f"  kept: {profile.retention}")
        may = "may hear of it" if profile.tells_sellers else "do not hear of it"
        typer.echo(f"  sellers who ask {may}; records held for {profile.hold_days} days\n")


@referral_app.command()
def verify(package: Package, key: PublicKey = None, anchor: Anchors = None) -> None:
    """Verify that a referral is unchanged; exit code 1, with every faulty file and line, if it is not.

    The file verify.py in it does the same without ipml.

    Example: ipml cooperate referral verify referral-12-police-criminal.zip
    """
    from ipml.enforcement.evidence.verify import check_package

    with as_folder(package) as folder:
        report = check_package(folder, key, read_given_anchors(anchor or ()))
    show_verdict(map(str, report.findings), report.notes)


def _load_rules() -> ReferralRules:
    from ipml.cooperation.policy import load_cooperation_policy

    return load_cooperation_policy().referrals


def _read_sales(path: Path | None) -> pd.DataFrame | None:
    from ipml.cooperation.networks.sales import read_sales

    return read_sales(path) if path else None
