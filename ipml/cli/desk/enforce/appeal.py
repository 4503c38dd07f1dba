"""Appeal commands: appeals of sellers that arrive by mail, and answers to them (`ipml enforce appeal`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from ipml.cli.options import Database, make_group, take_records
from ipml.cli.terminal import ActingUser, show_minute, writing_to
from ipml.errors import UnreadableFile, UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    pass


app = make_group(
    "Record complaints and counter-notices that arrive by mail; leads decide them in the console.",
    "enforce appeal withdraw 3 --seller s-1881",
)
Number = Annotated[int, typer.Argument(metavar="APPEAL", help="Number of an appeal.")]


@app.command("file")
def file_(
    about: Annotated[str, typer.Argument(metavar="AGAINST", help="measure:12, penalty:3 or case:7.")],
    seller: Annotated[str, typer.Option(help="Id of the seller.")],
    text: Annotated[Path, typer.Option(help="File with the seller's words, UTF-8.")],
    kind: Annotated[str, typer.Option(help="complaint or counter-notice.")] = "complaint",
    profile: Annotated[
        str | None,
        typer.Option(help="Rules: eu, china, us, platform or your own; by default the listing's.", metavar="NAME"),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Sent again with the same key it is the same appeal.")] = None,
    database: Database = None,
) -> None:
    """File an appeal that came by mail or through the platform.

    Example: ipml enforce appeal file measure:12 --seller s-1881 --text letter.txt
    """
    from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
    from ipml.enforcement.deadlines.terms import Kind
    from ipml.enforcement.policy import load_enforcement_policy

    if kind not in get_args(Kind):
        raise UnusableSetting("kind", repr(kind), " or ".join(get_args(Kind)))
    try:
        words = text.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(text, f"a byte that is no UTF-8 ({error.reason})", "text in UTF-8") from error
    chosen: Kind = "complaint" if kind == "complaint" else "counter-notice"
    request = AppealRequest(about, seller, words, chosen, profile, key)
    with writing_to(database) as connection:
        filed = file_appeal(connection, request, load_enforcement_policy().appeals)
    typer.echo(f"Appeal {filed.appeal_id} against {filed.subject} is {filed.state}, by the rules of {filed.profile}.")


@app.command()
@take_records
def withdraw(
    appeal: Number,
    seller: Annotated[str, typer.Option(help="Id of the seller who gives it up.")],
    *,
    user: ActingUser,
) -> None:
    """Record that a seller withdraws an appeal; they may file another until its deadline.

    Example: ipml enforce appeal withdraw 3 --seller s-1881
    """
    from ipml.enforcement.appeals.filings import withdraw_appeal
    from ipml.enforcement.policy import load_enforcement_policy

    with user.acting(Action.DECIDE_APPEALS) as (connection, _):
        withdrawn = withdraw_appeal(connection, appeal, seller, load_enforcement_policy().appeals)
        typer.echo(f"Appeal {appeal} is {withdrawn.state}; the seller is notified.")


@app.command("holder-acted")
@take_records
def holder_acted(
    appeal: Number,
    reference: Annotated[
        str | None, typer.Option(help="Where the rights holder complained or sued, and its number.")
    ] = None,
    withdrew: Annotated[bool, typer.Option("--withdrew", help="The rights holder gives up instead.")] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="The rights holder gets the longer time of the rules.")
    ] = False,
    *,
    user: ActingUser,
) -> None:
    """Record the rights holder's answer to a counter-notice.

    Example: ipml enforce appeal holder-acted 3 --reference "LG Hamburg 312 O 5/26"
    """
    from ipml.cooperation.actions import Cooperation
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.enforcement.appeals import resolution
    from ipml.enforcement.appeals.remedies import AppealContext
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.settings import get_settings

    if [bool(reference), withdrew, extend].count(True) != 1:
        raise UnusableSetting("options", "none or several", "one of --reference, --withdrew and --extend")
    settings = get_settings()
    policy = load_enforcement_policy(settings.policy_enforcement)
    with user.acting(Action.DECIDE_APPEALS) as (connection, name):
        if extend:
            deadline = resolution.extend_term(connection, appeal, name, policy.appeals)
            said = f"Appeal {appeal}: the rights holder has until {show_minute(deadline.due_at)}."
        elif withdrew:
            actions = Cooperation(policy, load_cooperation_policy(settings.policy_cooperation))
            ended = resolution.holder_withdrew(connection, appeal, name, AppealContext(policy, actions))
            said = f"Appeal {appeal} is {ended.state}."
        else:
            acted = resolution.holder_acted(connection, appeal, reference or "", name)
            said = f"Appeal {appeal}: {acted.state}; the measure stays."
    typer.echo(said)
