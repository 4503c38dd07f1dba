"""Notifier commands: records, tiers, documents of rights and misuse (`ipml cooperate notifier`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import DAY, AsOf, By, Database, Yes, make_group
from ipml.cli.terminal import acting, acting_in, open_for_command, printable, reading_from, show_day, show_table
from ipml.errors import NotFound, UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ipml.cooperation.notifiers.misuse import StepOrder
    from ipml.cooperation.notifiers.record import NotifierRate, NotifierRecord
    from ipml.storage.pseudonyms import Notifier


document_app = make_group("Accept or reject documents as proof of rights.", "cooperate notifier document accept 3")

DocumentNumber = Annotated[
    int, typer.Argument(metavar="DOCUMENT", help="Number, as `ipml cooperate notifier show` lists it.")
]


@document_app.command()
def accept(document: DocumentNumber, by: By = None, database: Database = None) -> None:
    """Accept a document as proof of rights: later notices for the brand need none.

    Example: ipml cooperate notifier document accept 3
    """
    _check_document(document, by, database, is_accepted=True)


@document_app.command()
def reject(document: DocumentNumber, by: By = None, database: Database = None) -> None:
    """Reject a document as proof of rights.

    Example: ipml cooperate notifier document reject 3
    """
    _check_document(document, by, database, is_accepted=False)


def _check_document(number: int, by: str | None, database: str | None, *, is_accepted: bool) -> None:
    from ipml.cooperation.notifiers.notifier import check_document

    with acting_in(database, Action.JUDGE_NOTIFIERS, by) as (connection, name):
        checked = check_document(connection, number, name, is_accepted=is_accepted)
    said = f"Document {number} of notifier {checked.notifier_id} is {'accepted' if is_accepted else 'rejected'}."
    typer.echo(said)


app = make_group("Look after those who give notice: their record, their tier, and misuse.", "cooperate notifier list")
app.add_typer(document_app, name="document")

Name = Annotated[str, typer.Argument(metavar="NOTIFIER", help="Number, e-mail address or pseudonym.")]
Ground = Annotated[str, typer.Option(help="Body that gave or withdrew the status, with the reference.")]
Why = Annotated[str, typer.Option(help="Reasons, for the notifier to read.")]
_KINDS = ("rights holder", "trusted flagger", "consumer", "authority")


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help=f"Only one of {', '.join(_KINDS)}; by default all.")] = None,
    as_of: AsOf = None,
    database: Database = None,
) -> None:
    """List notifiers with tier and record.

    The share upheld has an interval; the policy (IPML_POLICY_COOPERATION) sets its period. With `--as-of`, cases
    decided anew since then count for neither side.

    Example: ipml cooperate notifier list --kind "rights holder"
    """
    from ipml.cooperation.notifiers.misuse import find_suspension
    from ipml.cooperation.notifiers.notifier import list_notifiers
    from ipml.cooperation.notifiers.record import empty_record, list_records
    from ipml.cooperation.notifiers.tiers import choose_tier
    from ipml.cooperation.policy import load_cooperation_policy

    if kind not in (None, *_KINDS):
        raise UnusableSetting("kind", repr(kind), f"one of {', '.join(_KINDS)}")
    rules, now = load_cooperation_policy().notifiers, as_of or datetime.now(UTC)
    rows = []
    with reading_from(database) as connection:
        records, unknown = list_records(connection, rules, now), empty_record(connection, rules, now)
        for one in list_notifiers(connection, kind, at=now):
            if one.created_at > now:
                continue
            record = records.get(one.notifier_id, unknown)
            suspension = find_suspension(connection, one.notifier_id, now)
            tier = choose_tier(one.kind, record, rules).name
            shown = (f"{record.counts.settled:,}", _share(record.success), _share(record.overturned))
            until = show_day(suspension.until) if suspension else ""
            rows.append((one.notifier_id, _who(one), one.kind, tier, *shown, until))
    show_table(("notifier", "who", "kind", "tier", "settled", "upheld", "put back", "suspended"), rows)


@app.command()
def show(notifier: Name, as_of: AsOf = None, database: Database = None) -> None:
    """Show a notifier: record, tier and its meaning, documents of rights, and steps against misuse.

    With `--as-of`, cases decided anew since then count for neither side of the record.

    Example: ipml cooperate notifier show brand@example.com
    """
    from ipml.cooperation.notifiers.misuse import list_steps
    from ipml.cooperation.notifiers.notifier import find_notifier, list_appointments, list_documents
    from ipml.cooperation.notifiers.record import record_of
    from ipml.cooperation.notifiers.tiers import lane_of
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.storage.pseudonyms import get_notifier

    policy, now = load_cooperation_policy(), as_of or datetime.now(UTC)
    with reading_from(database) as connection:
        found = get_notifier(connection, find_notifier(connection, notifier).notifier_id, at=now)
        if found.created_at > now:
            raise NotFound("notifier", notifier, "`ipml cooperate notifier list` shows those there are.")
        record = record_of(connection, found.notifier_id, policy.notifiers, now)
        lane = lane_of(connection, found.notifier_id, policy, now)
        appointed = [one for one in list_appointments(connection, found.notifier_id) if one.made_at <= now]
        documents = [one for one in list_documents(connection, found.notifier_id) if one.filed_at <= now]
        steps = [one for one in list_steps(connection, found.notifier_id) if one.taken_at <= now]
    typer.echo(f"Notifier {found.notifier_id}: {_who(found)}, {found.kind}, since {show_day(found.created_at)}")
    typer.echo(f"Tier {printable(lane.tier)}: decided within {lane.hours:g} hours. {printable(lane.burden)}")
    if lane.left_today is not None:
        typer.echo(f"{lane.left_today:,} more cases today get that deadline.")
    for line in _describe(record):
        typer.echo(line)
    for made in appointed:
        until = f" until {made.last_day}" if made.until else ""
        said = f"{show_day(made.made_at)} {made.kind or 'appointment revoked'}{until} by {made.made_by}: "
        typer.echo(printable(said + (made.ground or "erased")))
    for one in documents:
        is_open = one.checked_at is None or one.checked_at > now
        state = "waits to be looked at" if is_open else "accepted" if one.is_accepted else "rejected"
        said = f"document {one.document_id} for {one.brand}: {one.reference or 'erased'}, {state}"
        typer.echo(printable(said))
    for step in steps:
        until = f" until {show_day(step.until)}" if step.until else ""
        said = f"{show_day(step.taken_at)} {step.kind}{until} by {step.taken_by}: {step.why or 'erased'}"
        typer.echo(printable(said))
    if lane.is_suspended:
        typer.echo("They are suspended: what they send is kept, and not looked at.")


@app.command()
def tiers() -> None:
    """Show the tiers of the policy (IPML_POLICY_COOPERATION): their conditions and effects.

    Example: ipml cooperate notifier tiers
    """
    from ipml.cooperation.policy import load_cooperation_policy

    rows = []
    for tier in load_cooperation_policy().notifiers.tiers:
        asked = "" if tier.success_at_least is None else f"≥ {tier.success_at_least:.0%}"
        asked += "" if tier.success_below is None else f"< {tier.success_below:.0%}"
        back = "" if tier.overturned_at_most is None else f"≤ {tier.overturned_at_most:.0%}"
        cap = "all" if tier.raised_a_day is None else f"{tier.raised_a_day:,}"
        least = f"≥ {tier.least_settled}" if tier.least_settled else ""
        rows.append((tier.name, ", ".join(tier.kinds) or "all", least, asked, back, f"{tier.deadline_hours:g}", cap))
    show_table(("tier", "for", "settled", "upheld", "put back", "hours", "cases a day"), rows)


@app.command()
def check(database: Database = None) -> None:
    """Look for misuse, and show the steps a lead may take, with the circumstances; nothing is done.

    Example: ipml cooperate notifier check
    """
    from ipml.cooperation.notifiers.misuse import find_misuse
    from ipml.cooperation.policy import load_cooperation_policy

    rules = load_cooperation_policy().notifiers
    with reading_from(database) as connection:
        found = find_misuse(connection, rules, datetime.now(UTC))
    for proposal in found:
        number = proposal.notifier.notifier_id
        typer.echo(
            f"Notifier {number} ({_who(proposal.notifier)}): ipml cooperate notifier {proposal.kind} {number} --why …"
        )
        for sentence in proposal.sentences:
            typer.echo(f"  {sentence}")
    if not found:
        typer.echo("Nobody misuses notices, as far as people have decided on them.")


def _make_order(by: str, why: str) -> StepOrder:
    from ipml.cooperation.notifiers.misuse import StepOrder
    from ipml.cooperation.policy import load_cooperation_policy

    return StepOrder(by, why, load_cooperation_policy().notifiers, datetime.now(UTC))


@app.command()
def warn(notifier: Name, why: Why, by: By = None, database: Database = None) -> None:
    """Warn a notifier whose notices are manifestly unfounded.

    Example: ipml cooperate notifier warn 7 --why "Twenty notices of listings that are plainly not of your brand."
    """
    from ipml.cooperation.notifiers import misuse

    with _judging(notifier, database, by) as (connection, number, name):
        step = misuse.warn(connection, number, _make_order(name, why))
    typer.echo(f"Notifier {step.notifier_id} is warned; the warning counts until {show_day(step.until)}.")


@app.command()
def suspend(
    notifier: Name,
    why: Why,
    days: Annotated[float | None, typer.Option(help="For how long; by default as the policy says.", min=0)] = None,
    by: By = None,
    database: Database = None,
) -> None:
    """Suspend a notifier who continued after a warning; their notices are not reviewed for a time.

    Example: ipml cooperate notifier suspend 7 --why "After our warning of May you sent forty more."
    """
    from ipml.cooperation.notifiers import misuse

    with _judging(notifier, database, by) as (connection, number, name):
        step = misuse.suspend(connection, number, _make_order(name, why), days=days)
    typer.echo(f"Notifier {step.notifier_id} is suspended until {show_day(step.until)}.")


@app.command()
def lift(notifier: Name, why: Why, by: By = None, database: Database = None) -> None:
    """End a suspension early, and take back the warning before it.

    Example: ipml cooperate notifier lift 7 --why "The notices were founded, as we see now."
    """
    from ipml.cooperation.notifiers import misuse

    with _judging(notifier, database, by) as (connection, number, name):
        step = misuse.lift(connection, number, _make_order(name, why))
    typer.echo(f"Notifier {step.notifier_id} is neither suspended nor warned.")


@app.command()
def appoint(
    notifier: Annotated[
        str,
        typer.Argument(
            metavar="NOTIFIER", help="Number, e-mail address or pseudonym; an address that is new is added."
        ),
    ],
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(_KINDS)}.")] = "trusted flagger",
    ground: Ground = "",
    until: Annotated[
        datetime | None, typer.Option(metavar="DATE", formats=DAY, help="Last day (UTC), if it ends by itself.")
    ] = None,
    by: By = None,
    database: Database = None,
) -> None:
    """Record that a notifier is a trusted flagger, an authority or another kind; their next notices get its tier.

    Example: ipml cooperate notifier appoint flags@ngo.example --until 2027-12-31 --ground "Coordinator, no. 12/2026"
    """
    from ipml.cooperation.notifiers import notifier as appointments
    from ipml.cooperation.notifiers.notifier import find_notifier
    from ipml.cooperation.notifiers.tiers import lane_of
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.storage.pseudonyms import note_notifier_added, notifier_of

    now, end = datetime.now(UTC), appointments.end_of_day(until.date()) if until else None
    with acting_in(database, Action.JUDGE_NOTIFIERS, by) as (connection, name):
        try:
            number = find_notifier(connection, notifier).notifier_id
        except NotFound:
            if "@" not in notifier:
                raise
            added = notifier_of(connection, notifier, "rights holder", now)
            note_notifier_added(connection, added, name, now)
            number = added.notifier_id
        made = appointments.appoint(connection, number, kind, name, ground, now, until=end)
        lane = lane_of(connection, number, load_cooperation_policy(), now)
    ends = f" until {until:%Y-%m-%d}" if until else ""
    typer.echo(f"Notifier {made.notifier_id} is {made.kind}{ends}: tier {printable(lane.tier)}, {lane.hours:g} hours.")


@app.command()
def revoke(notifier: Name, ground: Ground = "", by: By = None, database: Database = None) -> None:
    """End an appointment early: the notifier has their first kind again.

    Example: ipml cooperate notifier revoke 7 --ground "The coordinator withdrew the status on 3 May."
    """
    from ipml.cooperation.notifiers import notifier as appointments
    from ipml.storage.pseudonyms import get_notifier

    now = datetime.now(UTC)
    with _judging(notifier, database, by) as (connection, number, name):
        appointments.revoke(connection, number, name, ground, now)
        kind = get_notifier(connection, number, at=now).kind
    typer.echo(f"Notifier {number} is {kind} again.")


@app.command()
def erase(notifier: Name, yes: Yes = False, by: By = None, database: Database = None) -> None:
    """Erase a notifier and all data on them. It cannot be undone.

    Example: ipml cooperate notifier erase 7
    """
    from ipml.cooperation.notifiers.notifier import find_notifier
    from ipml.cooperation.notifiers.tiers import erase_notifier
    from ipml.storage.database import reading

    engine = open_for_command(database)
    with reading(engine) as connection:
        name = acting(connection, Action.ERASE_PEOPLE, by)
        found = find_notifier(connection, notifier)
    if not yes:
        typer.confirm(f"Erase notifier {found.notifier_id} ({_who(found)})? It cannot be undone", abort=True)
    for remark in erase_notifier(engine, found.notifier_id, name):
        typer.echo(f"The server keeps {remark}.")
    typer.echo(f"Notifier {found.notifier_id} is erased.")


@contextmanager
def _judging(notifier: str, database: str | None, by: str | None) -> Iterator[tuple[Connection, int, str]]:
    """Open the review database for one change; give the notifier's number and the acting user's name."""
    from ipml.cooperation.notifiers.notifier import find_notifier

    with acting_in(database, Action.JUDGE_NOTIFIERS, by) as (connection, name):
        yield connection, find_notifier(connection, notifier).notifier_id, name


def _describe(record: NotifierRecord) -> list[str]:
    counts = record.counts
    found = f"{counts.upheld:,} upheld, {counts.rejected:,} rejected, {counts.undecided:,} undecided"
    return [
        f"Since {show_day(record.since)}: {found}, {counts.overturned:,} put back after they were upheld.",
        f"Share upheld: {_share(record.success)}; put back of those upheld: {_share(record.overturned)}.",
    ]


def _share(rate: NotifierRate) -> str:
    if not rate.trials:
        return "no record yet"
    return f"{rate.mean:.0%} ({rate.low:.0%}–{rate.high:.0%})"


def _who(notifier: Notifier) -> str:
    return printable(notifier.address or f"erased, {notifier.pseudonym[:8]}")
