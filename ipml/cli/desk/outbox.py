"""Outbox: delivers messages to platform and sellers, and statements to the transparency database.

`ipml outbox` delivers, handles dead letters, makes signing secrets and tests receivers. `ipml enforce statement` shows,
checks and sends statements of reasons.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, Force, make_group, out_option, take_records
from ipml.cli.terminal import (
    ActingUser,
    check_outputs,
    open_for_command,
    printable,
    reading_from,
    show_steps,
    show_table,
    until_told_to_stop,
    write_text,
)
from ipml.errors import NotFound, Overtaken, SellerErased, UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ipml.enforcement.statements.submission import Sent
    from ipml.enforcement.takedown.delivery import Tally
    from ipml.enforcement.takedown.sinks import FileSink, WebhookSink
    from ipml.settings import Settings


Channels = Annotated[list[str] | None, typer.Option(help="Only to platform, seller or holder; may be repeated.")]
_POLL_SECONDS = 1.0


def deliver(
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C or SIGTERM.")] = False,
    out: Annotated[Path | None, out_option("JSON lines, a message each; they are appended instead of sent.")] = None,
    channel: Channels = None,
    database: Database = None,
) -> None:
    """Deliver pending messages to IPML_WEBHOOK_URL or into a file; several may run at once.

    Messages are signed with IPML_WEBHOOK_SECRET (https://www.standardwebhooks.com). Failed deliveries are retried at
    growing intervals for about a day; then the console's page Deliveries lists them.

    Example: ipml outbox deliver --follow
    """
    from ipml.enforcement.takedown.delivery import Tally, deliver_due
    from ipml.settings import get_settings

    engine, sink, total = open_for_command(database), make_sink(get_settings(), out, channel), Tally()
    with until_told_to_stop() as stop, show_steps("Delivering") as say:
        while not stop.is_set():
            for tally in deliver_due(engine, sink, is_stopped=stop.is_set):
                total += tally
                say(describe_tally(total))
            if not follow:
                break
            stop.wait(_POLL_SECONDS)
    sink.close()
    typer.echo(describe_tally(total))


@take_records
def retry(
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="Key of a message.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that were given up and not dropped.")] = False,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="At once those that wait for another attempt, too; the receiver is back.")
    ] = False,
    out_of_order: Annotated[
        bool, typer.Option("--out-of-order", help="Even where a later one on the same subject may have gone out.")
    ] = False,
    *,
    user: ActingUser,
) -> None:
    """Retry dead letters, or at once the messages that wait for another attempt.

    Example: ipml outbox retry --all --waiting
    """
    from ipml.storage import outbox
    from ipml.storage.database import reading, writing

    if bool(key) + (every or waiting) != 1:
        raise UnusableSetting("messages", "neither or both", "a KEY, or --all or --waiting")
    engine, name = user.open(Action.SETTLE_MESSAGES)
    with reading(engine) as connection:
        keys = [key] if key else [message.key for message in outbox.list_dead(connection)] if every else []
    overtaken = 0
    if waiting:
        with writing(engine) as connection:
            typer.echo(f"{outbox.hurry(connection, datetime.now(UTC)):,} messages that waited are due now.")
    for one in keys:
        try:
            with writing(engine) as connection:
                outbox.retry_dead(connection, one, name, datetime.now(UTC), out_of_order=out_of_order)
        except Overtaken:
            if not every:
                raise
            overtaken += 1
    if keys or every:
        stay = f"; {overtaken:,} stay, as later ones may have gone out" if overtaken else ""
        typer.echo(f"{len(keys) - overtaken:,} messages wait again{stay}.")


def make_sink(settings: Settings, out: Path | None = None, channels: list[str] | None = None) -> WebhookSink | FileSink:
    """Return the destination of messages: a file, or by default the addresses of the settings."""
    from ipml.enforcement.takedown.delivery import CHANNELS
    from ipml.enforcement.takedown.sinks import FileSink, make_webhook_sink, read_secrets
    from ipml.web.public.links import read_public_pages

    _check_channels(channels)
    public = read_public_pages(settings)
    complete = public.complete if public else None
    if out is not None:
        return FileSink(out, channels or CHANNELS, complete=complete)
    sink = make_webhook_sink(settings, read_secrets(settings.webhook_secret), complete=complete)
    return sink.only(channels) if channels else sink


def _check_channels(channels: list[str] | None) -> None:
    from ipml.enforcement.takedown.delivery import CHANNELS

    if unknown := set(channels or ()) - set(CHANNELS):
        raise UnusableSetting("channel", ", ".join(sorted(unknown))[:80], f"some of {', '.join(CHANNELS)}")


def describe_tally(tally: Tally) -> str:
    """Return the counts of deliveries in words."""
    return f"{tally.delivered:,} delivered, {tally.failed:,} to be tried again, {tally.dead:,} given up."


def secret(
    out: Annotated[
        Path | None, out_option("A new file; by default the secret is printed. It is never written over.")
    ] = None,
) -> None:
    """Create a secret that signs messages (Standard Webhooks); the receiver gets the same one.

    Name the file in IPML_WEBHOOK_SECRET; during a change of secret it holds both in two lines, the new one first.

    Example: ipml outbox secret --out webhook.secret
    """
    from ipml.enforcement.takedown.sinks import make_secret

    made = make_secret(out)
    typer.echo(made if out is None else f"A secret in {printable(str(out))}; name it in IPML_WEBHOOK_SECRET.")


def try_receiver(
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="A receiver; by default IPML_WEBHOOK_URL and IPML_WEBHOOK_URLS.")
    ] = None,
    channel: Channels = None,
) -> None:
    """Send a receiver one signed test message of each kind; exit code 1 if one is not accepted.

    These are the examples of the documentation, with `"is_test": true` and a key that begins with "test-", signed with
    IPML_WEBHOOK_SECRET. The database is neither read nor written.

    Example: ipml outbox test https://marketplace.example/ipml
    """
    from ipml.enforcement.takedown.sinks import make_webhook_sink, read_secrets, send_examples
    from ipml.settings import get_settings

    _check_channels(channel)
    settings = get_settings()
    sink = make_webhook_sink(settings, read_secrets(settings.webhook_secret), url, is_test=True)
    rows, refused = [], 0
    with show_steps("Sending") as say:
        for sent in send_examples(sink.only(channel) if channel else sink, datetime.now(UTC)):
            outcome, kind = sent.outcome, f"ipml.{sent.message.kind}"
            answer = f"{outcome.why}, {outcome.status}" if outcome.status else outcome.why
            is_accepted = "yes" if outcome.is_accepted else "no"
            rows.append((kind, sent.message.channel, is_accepted, answer, f"{1000 * sent.seconds:,.0f}"))
            refused += not outcome.is_accepted
            say(f"{kind}: {answer}")
    sink.close()
    show_table(("message", "to", "accepted", "answer", "ms"), rows)
    typer.echo(f"{len(rows) - refused:,} of {len(rows):,} messages accepted.")
    raise typer.Exit(1 if refused else 0)


statement_app = make_group("Show, check and send the statements of reasons.", "enforce statement show 12")
_MOST_LINES = 50


@statement_app.command()
def show(
    subject: Annotated[str, typer.Argument(metavar="CASE|SUBJECT", help="Such as 12, or measure:7.")],
    lang: Annotated[str | None, typer.Option(help="Write the letter in another language: de, en, es, fr, zh.")] = None,
    database: Database = None,
) -> None:
    """Show letter and payload of a restriction, or of all restrictions of a case.

    Example: ipml enforce statement show 12 --lang de
    """
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.statements.statements import get_statement, read_letter
    from ipml.settings import get_settings

    rules = load_enforcement_policy(get_settings().policy_enforcement).statements
    with reading_from(database) as connection:
        for name in _subjects(connection, subject):
            kept = get_statement(connection, name)
            try:
                letter = read_letter(connection, name, rules, lang)
                typer.echo(f"{letter.subject}\n\n{_printable(letter.text)}")
            except SellerErased:
                typer.echo(f"{kept.statement.puid}: the seller was erased, and the letter with them.\n")
            if kept.payload is None:
                typer.echo(f"Not for the transparency database: {kept.why_not_stated}.")
            else:
                typer.echo(json.dumps(kept.payload, indent=2))


@statement_app.command()
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help='JSON lines: a statement each, or a batch {"statements": […]}.')
    ],
) -> None:
    """Check statements, ipml's or others, by the rules of the transparency database; exit code 1 if one is invalid.

    Example: ipml enforce statement check statements.jsonl
    """
    from ipml.enforcement.statements.submission import check_file

    n_statements, faults = check_file(file)
    for line in faults[:_MOST_LINES]:
        typer.echo(printable(line))
    if len(faults) > _MOST_LINES:
        typer.echo(f"… and {len(faults) - _MOST_LINES:,} more")
    typer.echo(f"{n_statements:,} statements, {len(faults):,} faults.")
    raise typer.Exit(1 if faults else 0)


@statement_app.command()
def send(
    url: Annotated[str | None, typer.Option(metavar="URL", help="Where to; by default IPML_TRANSPARENCY_URL.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many wait.")] = False,
    database: Database = None,
) -> None:
    """Send pending statements to the transparency database, a hundred per request.

    A refused statement does not delay others; one sent before is recognised by its puid and counts as accepted.
    IPML_TRANSPARENCY_TOKEN names the file with the token. Exit code 1 if something was refused or could not be sent.

    Example: ipml enforce statement send --dry-run
    """
    from ipml.enforcement.statements.submission import count_waiting
    from ipml.settings import get_settings
    from ipml.storage.database import reading

    engine = open_for_command(database)
    if dry_run:
        with reading(engine) as connection:
            typer.echo(f"{count_waiting(connection):,} statements wait.")
        return
    sent = send_statements(engine, get_settings(), url)
    typer.echo(describe_sent(sent))
    if sent.words:
        typer.echo(printable(sent.words))
    raise typer.Exit(1 if sent.dead or sent.waiting else 0)


def send_statements(engine: Engine, settings: Settings, url: str | None = None) -> Sent:
    """Send pending statements to an address, by default that of the settings.

    Raises UnusableSetting if there is no address.
    """
    from ipml.enforcement.statements.submission import open_client, post_to, read_token, send_waiting

    address = url or settings.transparency_url
    if address is None:
        raise UnusableSetting("transparency_url", "none", "an address: set IPML_TRANSPARENCY_URL, or use --url")
    with open_client() as client:
        post = post_to(address, read_token(settings.transparency_token), client)
        return send_waiting(engine, post, now=datetime.now(UTC))


def describe_sent(sent: Sent) -> str:
    """Return the counts of sent statements in words."""
    return f"{sent.delivered:,} taken, {sent.dead:,} refused, {sent.waiting:,} left for later."


@statement_app.command()
def export(
    out: Annotated[Path | None, out_option("JSON lines, a statement each; by default they are printed.")] = None,
    force: Force = False,
    database: Database = None,
) -> None:
    """Write all statements in the format of the transparency database; none is marked as sent.

    Example: ipml enforce statement export --out statements.jsonl
    """
    from ipml.enforcement.statements.submission import find_payloads

    check_outputs(out, force=force)
    with reading_from(database) as connection:
        n_statements = write_text((f"{payload}\n" for payload in find_payloads(connection)), out)
    if out:
        typer.echo(f"{n_statements:,} statements written to {out}.")


def _subjects(connection: Connection, subject: str) -> list[str]:
    from ipml.enforcement.statements.statements import list_statements

    if not subject.isdecimal():
        return [subject]
    found = [one.statement.subject for one in list_statements(connection, int(subject))]
    if not found:
        raise NotFound(
            "statement of reasons about", f"case {subject}", "Expected a subject such as measure:12, or a case."
        )
    return found


def _printable(text: str) -> str:
    plain = text.replace("\u2068", "").replace("\u2069", "")  # marks around the seller's text
    return "\n".join(printable(line) for line in plain.splitlines())
