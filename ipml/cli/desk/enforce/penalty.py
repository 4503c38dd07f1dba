"""Penalty commands: strikes, penalties, their simulation, and linked accounts (`ipml enforce penalty`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ipml.cli.options import (
    Database,
    EnforcementPolicyFile,
    make_group,
    moment_option,
    take_records,
)
from ipml.cli.terminal import (
    ActingUser,
    open_for_command,
    reading_from,
    show_day,
    show_steps,
    show_table,
)
from ipml.errors import UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ipml.enforcement.penalties.links import Link
    from ipml.enforcement.penalties.penalties import Penalty
    from ipml.enforcement.penalties.rules import PenaltyRules
    from ipml.enforcement.penalties.simulation import Simulation
    from ipml.enforcement.policy import EnforcementPolicy


Since = Annotated[datetime | None, moment_option("Count only penalties from then on")]

_COUNTED = ("imposed", "proposed", "wrong", "wrong_days")


def simulate(policy: EnforcementPolicyFile = None, since: Since = None, database: Database = None) -> None:
    """Compare the penalties under another policy with those in force, on past decisions; nothing changes.

    Example: ipml enforce penalty simulate --policy milder.toml --since 2026-01-01
    """
    from ipml.enforcement.penalties.simulation import simulate_penalties
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.settings import get_settings

    in_force, other = (
        load_enforcement_policy(get_settings().policy_enforcement).penalties,
        load_enforcement_policy(policy or get_settings().policy_enforcement).penalties,
    )
    with show_steps("Replaying decisions") as say, reading_from(database) as connection:
        found = simulate_penalties(
            connection, in_force, other, since=since, progress=lambda done: say(f"replaying decisions: {done:,}")
        )
    _show_simulation(found, in_force)


def _show_simulation(found: Simulation, rules: PenaltyRules) -> None:
    from ipml.enforcement.penalties.simulation import name_bands
    from ipml.enforcement.restrictions import PenaltyKind

    kinds = [kind.value for kind in PenaltyKind]
    rows = []
    for kind in kinds:
        pairs = [(getattr(found.now, name)[kind], getattr(found.then, name)[kind]) for name in _COUNTED]
        rows.append((kind, *(_change(*pair) for pair in pairs)))
    show_table(("penalty: now > then", "imposed", "proposed", "wrongly imposed", "for days"), rows)
    now, then = found.now.hardest, found.then.hardest
    met = {band for band, _ in (*now, *then)}
    rows = [
        (band, *(_change(now[band, kind], then[band, kind]) for kind in ("nothing", *kinds)))
        for band in name_bands(rules)
        if band in met
    ]
    show_table(("sellers", "nothing", *kinds), rows, title="The hardest each seller met: now > then")
    changed = f"{found.harder:,} would have met a harder penalty, {found.milder:,} a milder one"
    typer.echo(f"{found.decisions:,} decisions on {found.sellers:,} sellers: {changed}.")
    hit = f"a penalty hit {found.honest_now:,} now and {found.honest_then:,} then"
    typer.echo(f"Of {found.honest:,} sellers whose every decision was taken back, {hit}.")


def _change(now: int, then: int) -> str:
    return f"{now:,}" if now == then else f"{now:,} > {then:,}"


_MOST_SHARED = 3


def links(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[LINKS]",
            help="Links to look at: the folder of `ipml cooperate network find`, or CSV: seller, other, "
            "kind, weight, evidence.",
        ),
    ] = None,
    policy: EnforcementPolicyFile = None,
    database: Database = None,
) -> None:
    """List accounts linked to penalised sellers, after reading new links if given; none of them gets a strike.

    Example: ipml enforce penalty links networks
    """
    from ipml.enforcement.penalties.links import list_linked, read_links, recommend_linked
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.settings import get_settings
    from ipml.storage.database import reading, writing
    from ipml.storage.pseudonyms import find_seller

    engine, rules = open_for_command(database), load_enforcement_policy(policy or get_settings().policy_enforcement)
    if source is not None:
        now = datetime.now(UTC)
        with writing(engine) as connection:
            is_csv = source.is_file() and source.suffix != ".parquet"
            handed_in = read_links(source) if is_csv else _read_networks(connection, source, rules, now)
            made = recommend_linked(connection, handed_in, rules, now)
        typer.echo(f"{len(handed_in):,} links, {len(made):,} accounts newly recommended.")
    with reading(engine) as connection:
        rows = [
            (
                one.link_id,
                find_seller(connection, one.pseudonym) or "erased",
                one.penalty_id,
                one.kind,
                f"{one.weight:.2f}",
                one.evidence or "erased",
            )
            for one in list_linked(connection)
        ]
    show_table(("link", "account", "penalty", "shares", "weight", "evidence"), rows)


def _read_networks(connection: Connection, source: Path, policy: EnforcementPolicy, at: datetime) -> list[Link]:
    """Return the links of penalised sellers in a folder of networks, or in the folder of a named links file."""
    from ipml.cooperation.networks.links import find_probability
    from ipml.cooperation.networks.store import load_networks
    from ipml.cooperation.networks.ties import explain_tie
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


@take_records
def link(
    number: Annotated[int, typer.Argument(metavar="LINK", help="Its number, as listed.")],
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="review (the account's listings) or nothing.")],
    why: Annotated[str, typer.Option(help="The reason, for the record.")] = "",
    *,
    user: ActingUser,
) -> None:
    """Record your decision on a linked account.

    Example: ipml enforce penalty link 3 review --why "same payout account"
    """
    from ipml.enforcement.penalties.links import decide_link

    if outcome not in ("review", "nothing"):
        raise UnusableSetting("outcome", repr(outcome[:40]), "look or nothing")
    decided: Literal["review", "nothing"] = "review" if outcome == "review" else "nothing"
    with user.acting(Action.CHANGE_PENALTIES) as (connection, name):
        decide_link(connection, number, name, decided, why)
    typer.echo(f"Link {number}: {outcome}.")


app = make_group("List and simulate penalties of sellers, and judge linked accounts.", "enforce penalty list")

Number = Annotated[int, typer.Argument(metavar="PENALTY", help="Its number, as listed.")]
Why = Annotated[str, typer.Option(help="The reason, for the record.")]


@app.command("list")
def list_(
    state: Annotated[
        str, typer.Option(help="proposed, in force, over, lifted, dismissed, taken back, or all.")
    ] = "in force",
    database: Database = None,
) -> None:
    """List penalties; proposed ones wait for a lead.

    Example: ipml enforce penalty list --state proposed
    """
    from ipml.enforcement.penalties.ladder import find_penalties
    from ipml.storage.pseudonyms import find_seller

    states = ("proposed", "in force", "over", "lifted", "dismissed", "taken back", "all")
    if state not in states:
        raise UnusableSetting("state", repr(state[:40]), f"one of {', '.join(states)}")
    now = datetime.now(UTC)
    with reading_from(database) as connection:
        found = find_penalties(connection, state=None if state == "all" else state, at=now)
        sellers = {one.pseudonym: find_seller(connection, one.pseudonym) for one in found}
    _show_penalties(found, now, sellers)


app.command()(simulate)
app.command()(links)
app.command()(link)


def _show_penalties(found: list[Penalty], now: datetime, sellers: Mapping[str, str | None]) -> None:
    rows = []
    for one in found:
        since, until = show_day(one.imposed_at or one.proposed_at), show_day(one.until)
        seller = sellers.get(one.pseudonym) or "erased"
        rows.append((one.penalty_id, seller, one.kind.value, one.state(now), since, until, f"{one.weight:.2f}"))
    show_table(("penalty", "seller", "kind", "state", "since", "until", "weight"), rows, title="Penalties")
