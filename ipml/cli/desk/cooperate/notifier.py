"""Notifier commands: appointment and erasure (`ipml cooperate notifier`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import DAY, Yes, make_group, take_records
from ipml.cli.terminal import ActingUser, printable
from ipml.errors import NotFound
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from ipml.storage.pseudonyms import Notifier


app = make_group("Appoint notifiers to a kind, and erase them.", "cooperate notifier erase 7")

Name = Annotated[str, typer.Argument(metavar="NOTIFIER", help="Number, e-mail address or pseudonym.")]
_KINDS = ("rights holder", "trusted flagger", "consumer", "authority")


@app.command()
@take_records
def appoint(
    notifier: Annotated[
        str,
        typer.Argument(
            metavar="NOTIFIER", help="Number, e-mail address or pseudonym; an address that is new is added."
        ),
    ],
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(_KINDS)}.")] = "trusted flagger",
    ground: Annotated[str, typer.Option(help="Body that gave the status, with the reference.")] = "",
    until: Annotated[
        datetime | None, typer.Option(metavar="DATE", formats=DAY, help="Last day (UTC), if it ends.")
    ] = None,
    *,
    user: ActingUser,
) -> None:
    """Record that a notifier is a trusted flagger, an authority or another kind; their next notices get its tier.

    Example: ipml cooperate notifier appoint flags@ngo.example --until 2027-12-31 --ground "Coordinator, no. 12/2026"
    """
    from ipml.cooperation.notifiers import notifier as appointments
    from ipml.cooperation.notifiers.notifier import find_notifier
    from ipml.cooperation.notifiers.tiers import lane_of
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.settings import get_settings
    from ipml.storage.pseudonyms import note_notifier_added, notifier_of

    now, end = datetime.now(UTC), appointments.end_of_day(until.date()) if until else None
    with user.acting(Action.JUDGE_NOTIFIERS) as (connection, name):
        try:
            number = find_notifier(connection, notifier).notifier_id
        except NotFound:
            if "@" not in notifier:
                raise
            added = notifier_of(connection, notifier, "rights holder", now)
            note_notifier_added(connection, added, name, now)
            number = added.notifier_id
        made = appointments.appoint(connection, number, appointments.AppointmentOrder(kind, name, ground, now, end))
        lane = lane_of(connection, number, load_cooperation_policy(get_settings().policy_cooperation), now)
    ends = f" until {until:%Y-%m-%d}" if until else ""
    typer.echo(f"Notifier {made.notifier_id} is {made.kind}{ends}: tier {printable(lane.tier)}, {lane.hours:g} hours.")


@app.command()
@take_records
def erase(notifier: Name, yes: Yes = False, *, user: ActingUser) -> None:
    """Erase a notifier and all data on them. It cannot be undone.

    Example: ipml cooperate notifier erase 7
    """
    from ipml.cooperation.notifiers.notifier import find_notifier
    from ipml.cooperation.notifiers.tiers import erase_notifier
    from ipml.storage.database import reading

    engine, name = user.open(Action.ERASE_PEOPLE)
    with reading(engine) as connection:
        found = find_notifier(connection, notifier)
    if not yes:
        typer.confirm(f"Erase notifier {found.notifier_id} ({_who(found)})? It cannot be undone", abort=True)
    for remark in erase_notifier(engine, found.notifier_id, name):
        typer.echo(f"The server keeps {remark}.")
    typer.echo(f"Notifier {found.notifier_id} is erased.")


def _who(notifier: Notifier) -> str:
    return printable(notifier.address or f"erased, {notifier.pseudonym[:8]}")
