"""Appeal commands: appeals of sellers, their decision, and deadlines (`ipml enforce appeal`)."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from ipml.cli.options import By, Database, make_group
from ipml.cli.terminal import acting_in, open_for_command, printable, reading_from, show_minute, show_table, writing_to
from ipml.errors import DatabaseBusy, UnreadableFile, UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ipml.enforcement.appeals.appeal import AppealFile
    from ipml.enforcement.deadlines.deadlines import DeadlineResult


app = make_group("Deal with complaints and counter-notices of sellers.", "enforce appeal list")
Number = Annotated[int, typer.Argument(metavar="APPEAL", help="Number of an appeal.")]


@app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option(help="Only those in this state, or all; by default those that wait.")
    ] = None,
    database: Database = None,
) -> None:
    """List appeals, the earliest deadline first.

    Example: ipml enforce appeal list --state rejected
    """
    from ipml.enforcement.appeals.appeal import AppealState, list_appeals

    if state not in (None, "all", *AppealState):
        raise UnusableSetting("state", repr(state), f"all, {', '.join(AppealState)}")
    now, rows = datetime.now(UTC), []
    with reading_from(database) as connection:
        for one in list_appeals(connection, state):
            appeal, due = one.appeal, show_minute(one.due_at) + (" OVERDUE" if one.is_overdue(now) else "")
            what = (appeal.appeal_id, appeal.kind, appeal.subject, appeal.case_id, appeal.profile, appeal.state)
            rows.append((*what, show_minute(appeal.filed_at), due))
    show_table(("appeal", "kind", "against", "case", "rules", "state", "filed", "due"), rows)


@app.command()
def show(appeal: Number, database: Database = None) -> None:
    """Show an appeal with everything its decision needs.

    Example: ipml enforce appeal show 3
    """
    from ipml.enforcement.appeals.appeal import get_appeal

    with reading_from(database) as connection:
        for line in _describe(get_appeal(connection, appeal)):
            typer.echo(line)


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
    from ipml.enforcement.appeals.filings import file_appeal
    from ipml.enforcement.deadlines.terms import Kind

    if kind not in get_args(Kind):
        raise UnusableSetting("kind", repr(kind), " or ".join(get_args(Kind)))
    try:
        words = text.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(text, f"a byte that is no UTF-8 ({error.reason})", "text in UTF-8") from error
    chosen: Kind = "complaint" if kind == "complaint" else "counter-notice"
    with writing_to(database) as connection:
        filed = file_appeal(connection, about, seller, words, kind=chosen, profile=profile, key=key)
    typer.echo(f"Appeal {filed.appeal_id} against {filed.subject} is {filed.state}, by the rules of {filed.profile}.")


@app.command()
def withdraw(
    appeal: Number,
    seller: Annotated[str, typer.Option(help="Id of the seller who gives it up.")],
    by: By = None,
    database: Database = None,
) -> None:
    """Record that a seller withdraws an appeal; they may file another until its deadline.

    Example: ipml enforce appeal withdraw 3 --seller s-1881
    """
    from ipml.enforcement.appeals.filings import withdraw_appeal

    with acting_in(database, Action.DECIDE_APPEALS, by) as (connection, _):
        typer.echo(f"Appeal {appeal} is {withdraw_appeal(connection, appeal, seller).state}; the seller is notified.")


@app.command()
def decide(
    appeal: Number,
    outcome: Annotated[
        str, typer.Argument(metavar="OUTCOME", help="granted, 'measure lifted', 'partly granted' or rejected.")
    ],
    why: Annotated[str, typer.Option(help="Reasons, for the seller to read.")],
    measure: Annotated[
        str | None, typer.Option(help="The milder measure, if granted in part: label, demote, pause, …")
    ] = None,
    near_duplicates: Annotated[
        str,
        typer.Option(help="If granted, near-duplicates decided with the listing: queue, corrected or stand."),
    ] = "queue",
    by: By = None,
    database: Database = None,
) -> None:
    """Decide an appeal, as a person who took no earlier decision in the matter.

    "granted" corrects the verdict on the listing, with all actions; "measure lifted" ends this measure and keeps the
    verdict; "partly granted" replaces it by a milder measure with the same end; "rejected" changes nothing.
    Near-duplicates decided with the listing go back to the queue, are corrected as well, or keep their decisions
    (stand).

    Example: ipml enforce appeal decide 3 granted --why "The invoice shows an authorised source."
    """
    from ipml.cooperation.actions import Cooperation
    from ipml.enforcement.appeals.resolution import decide_appeal
    from ipml.enforcement.restrictions import MeasureKind
    from ipml.review.corrections import NearDuplicates

    if measure not in (None, *MeasureKind):
        raise UnusableSetting("measure", repr(measure), f"one of {', '.join(MeasureKind)}")
    if near_duplicates not in [*NearDuplicates]:
        raise UnusableSetting("near-duplicates", repr(near_duplicates), f"one of {', '.join(NearDuplicates)}")
    milder, alike = MeasureKind(measure) if measure else None, NearDuplicates(near_duplicates)
    with acting_in(database, Action.DECIDE_APPEALS, by) as (connection, name):
        made = decide_appeal(
            *(connection, appeal, name, outcome, why),
            measure=milder,
            near_duplicates=alike,
            actions=Cooperation(),
        )
    typer.echo(f"Appeal {appeal}: {made.state}; the seller is notified.")


@app.command("holder-acted")
def holder_acted(
    appeal: Number,
    reference: Annotated[
        str | None, typer.Option(help="Where the rights holder complained or sued, and its number.")
    ] = None,
    withdrew: Annotated[bool, typer.Option("--withdrew", help="The rights holder gives up instead.")] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="The rights holder gets the longer time of the rules.")
    ] = False,
    by: By = None,
    database: Database = None,
) -> None:
    """Record the rights holder's answer to a counter-notice.

    Example: ipml enforce appeal holder-acted 3 --reference "LG Hamburg 312 O 5/26"
    """
    from ipml.cooperation.actions import Cooperation
    from ipml.enforcement.appeals import resolution

    if [bool(reference), withdrew, extend].count(True) != 1:
        raise UnusableSetting("options", "none or several", "one of --reference, --withdrew and --extend")
    with acting_in(database, Action.DECIDE_APPEALS, by) as (connection, name):
        if extend:
            deadline = resolution.change_term(connection, appeal, "extend", name)
            said = f"Appeal {appeal}: the rights holder has until {show_minute(deadline.due_at)}."
        elif withdrew:
            ended = resolution.holder_withdrew(connection, appeal, name, actions=Cooperation())
            said = f"Appeal {appeal} is {ended.state}."
        else:
            acted = resolution.holder_acted(connection, appeal, reference or "", name)
            said = f"Appeal {appeal}: {acted.state}; the measure stays."
    typer.echo(said)


@app.command()
def run(
    follow: Annotated[bool, typer.Option("--follow", help="Go on, once a minute, until stopped.")] = False,
    database: Database = None,
) -> None:
    """Start and expire deadlines; one has passed when two readings of the clock agree.

    Example: ipml enforce appeal run --follow
    """
    engine, stopped = open_for_command(database), threading.Event()
    if follow:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
    while True:
        try:
            done = run_deadlines(engine)
        except DatabaseBusy as error:  # the next round does it
            if not follow:
                raise
            typer.echo(str(error), err=True)
        else:
            if not follow or any((done.marked, done.unmarked, done.expired, done.failed)):
                typer.echo(describe_deadlines(done))
            for failure in done.failed:
                typer.echo(printable(failure), err=True)
            if done.failed and not follow:
                raise typer.Exit(1)
        if not follow or stopped.wait(60):
            return


def run_deadlines(engine: Engine) -> DeadlineResult:
    """Start and expire the deadlines of notices and appeals."""
    from ipml.cooperation.actions import Cooperation
    from ipml.cooperation.notices.outcomes import run_notice_deadlines
    from ipml.enforcement.appeals.resolution import run_appeal_deadlines

    run_notice_deadlines(engine)  # first: a deadline starts once the notifier has been notified too
    return run_appeal_deadlines(engine, actions=Cooperation())


def describe_deadlines(done: DeadlineResult) -> str:
    """Return the counts of deadlines in words."""
    return f"{done.expired} terms ran out, {done.marked} marked, {done.unmarked} marks withdrawn."


def _describe(file: AppealFile) -> list[str]:
    appeal, listing = file.appeal, file.case.scored.listing
    lines = [
        f"Appeal {appeal.appeal_id}: {appeal.kind} against {appeal.subject}, {appeal.state}",
        f"filed {show_minute(appeal.filed_at)} by the rules of {appeal.profile}",
        f"case {appeal.case_id}: {printable(listing.title)[:120]} ({printable(listing.listing_id)[:80]})",
        f"decided {file.decision.verdict} on {show_minute(file.decision.decided_at)}, "
        f"ground {file.decision.ground or 'none'}",
    ]
    if file.alike:
        lines.append(f"near-duplicates decided with it: cases {', '.join(map(str, file.alike))}")
    if file.together:
        lines.append(f"decided by the same act, and left as they are: cases {', '.join(map(str, file.together))}")
    for deadline in (*file.windows, *file.deadlines):
        note = ", not all holidays of that time known" if deadline.is_provisional else ""
        lines.append(
            f"{deadline.stage}: {deadline.state}, due {show_minute(deadline.due_at) or 'when it has begun'}{note}"
        )
    lines.append(f"not to be decided by: {', '.join(map(printable, sorted(file.deciders))) or 'nobody'}")
    if file.reference:
        lines.append(f"the rights holder filed: {printable(file.reference)}")
    lines += [
        "",
        "The seller says:" if file.text is not None else "The seller was erased, with their words.",
    ]
    lines += [f"  {printable(line)}" for line in (file.text or "").splitlines()]
    if file.outcome:
        lines += [
            "",
            f"{file.outcome.outcome} by {printable(file.outcome.decided_by)}: {printable(file.outcome.why or '')}",
        ]
    return lines
