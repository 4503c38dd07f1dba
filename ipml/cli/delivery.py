"""The part of `ipml takedown` that delivers messages and looks after those that could not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import By, Database, acting, open_for_command
from ipml.cli.plain_text import printable

if TYPE_CHECKING:
    from threading import Event

    from ipml.enforcement.takedown.delivery import Tally
    from ipml.enforcement.takedown.file_sink import FileSink
    from ipml.enforcement.takedown.webhook import WebhookSink

Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of a message.", show_default=False)]
_POLL_SECONDS = 1.0
_SHOWN = 50


def deliver(
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C or SIGTERM.")] = False,
    to: Annotated[
        Path | None, typer.Option(help="Append to this file instead of sending.", dir_okay=False, show_default=False)
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="Only to platform, seller or holder; may be repeated.", show_default=False),
    ] = None,
    database: Database = None,
) -> None:
    """Deliver what others must know, to IPML_WEBHOOK_URL or into a file; any number of these may run at once.

    Messages are signed with IPML_WEBHOOK_SECRET (https://www.standardwebhooks.com). What cannot be delivered is tried
    again, later and later, for about a day; then it is listed by `ipml takedown dead`.

    Example: ipml takedown deliver --follow
    """
    from ipml.enforcement.takedown.delivery import Tally, deliver_due

    engine, sink, total = open_for_command(database), _make_sink(to, channel), Tally()
    with _until_told_to_stop() as stop, _showing() as show:
        while not stop.is_set():
            for tally in deliver_due(engine, sink, is_stopped=stop.is_set):
                total += tally
                show(total)
            if not follow:
                break
            stop.wait(_POLL_SECONDS)
    sink.close()
    typer.echo(_say(total))


def answer(
    key: Key,
    status: Annotated[str, typer.Argument(metavar="STATUS", help="accepted, done or refused.", show_default=False)],
    why: Annotated[str, typer.Option(help="Why it was refused.")] = "",
    by: By = None,
    database: Database = None,
) -> None:
    """Note what the platform said of a message, where it cannot say so itself.

    Example: ipml takedown answer measure-12-imposed-3f9a1c2e done
    """
    from datetime import UTC, datetime

    from ipml.enforcement.takedown.answers import SAID, note_answer
    from ipml.errors import UnusableSetting
    from ipml.storage.database import writing
    from ipml.web.permissions import Action

    if status not in SAID:
        raise UnusableSetting("status", repr(status[:80]), f"one of {', '.join(SAID)}")
    engine = open_for_command(database)
    name = acting(engine, Action.SETTLE_MESSAGES, by)
    with writing(engine) as connection:
        noted = note_answer(connection, key, status, name, datetime.now(UTC), why=why)
    typer.echo(f"Message {key}: {status}." if noted.is_new else f"Message {key}: {status}, as was known.")


def dead(
    dropped: Annotated[bool, typer.Option("--dropped", help="Those that were dropped as well.")] = False,
    database: Database = None,
) -> None:
    """List the messages that were given up, and why.

    Example: ipml takedown dead
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.storage.database import reading
    from ipml.storage.dead_letters import list_dead

    table = Table("key", "to", "about", "attempts", "given up", "why")
    with reading(open_for_command(database)) as connection:
        for message in list_dead(connection, with_dropped=dropped, at_most=_SHOWN):
            when = f"{message.settled_at:%Y-%m-%d %H:%M}" if message.settled_at else ""
            why = f"dropped by {message.dropped_by}" if message.dropped_by else message.last_error or ""
            texts = (message.key, message.channel, message.subject, str(message.attempts), when, why)
            table.add_row(*(Text(printable(text)) for text in texts))
    Console().print(table)


def retry(
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="Key of a message.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="All that were given up and not dropped.")] = False,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="At once those that wait for another attempt, too; the receiver is back.")
    ] = False,
    out_of_order: Annotated[
        bool, typer.Option("--out-of-order", help="Even where a later one on the same subject may have gone out.")
    ] = False,
    by: By = None,
    database: Database = None,
) -> None:
    """Have messages tried again that were given up, or at once that wait for another attempt.

    Example: ipml takedown retry --all --waiting
    """
    from datetime import UTC, datetime

    from ipml.errors import MessageOvertaken, UnusableSetting
    from ipml.storage import dead_letters, outbox
    from ipml.storage.database import reading, writing
    from ipml.web.permissions import Action

    if bool(key) + (every or waiting) != 1:
        raise UnusableSetting("messages", "neither or both", "a KEY, or --all or --waiting")
    engine = open_for_command(database)
    name = acting(engine, Action.SETTLE_MESSAGES, by)
    with reading(engine) as connection:
        keys = [key] if key else [message.key for message in dead_letters.list_dead(connection)] if every else []
    overtaken = 0
    if waiting:
        with writing(engine) as connection:
            typer.echo(f"{outbox.hurry(connection, datetime.now(UTC)):,} messages that waited are due now.")
    for one in keys:
        try:
            with writing(engine) as connection:
                dead_letters.retry(connection, one, name, datetime.now(UTC), out_of_order=out_of_order)
        except MessageOvertaken:
            if not every:
                raise
            overtaken += 1
    if keys or every:
        stay = f"; {overtaken:,} stay, as later ones may have gone out" if overtaken else ""
        typer.echo(f"{len(keys) - overtaken:,} messages wait again{stay}.")


def drop(
    key: Key,
    why: Annotated[str, typer.Option(help="Why it need not be delivered.", show_default=False)],
    by: By = None,
    database: Database = None,
) -> None:
    """Say of a message that was given up that it need not be delivered; it is kept, with who said so.

    Example: ipml takedown drop measure-12-imposed-3f9a1c2e --why "done by phone"
    """
    from datetime import UTC, datetime

    from ipml.storage import dead_letters
    from ipml.storage.database import writing
    from ipml.web.permissions import Action

    engine = open_for_command(database)
    name = acting(engine, Action.SETTLE_MESSAGES, by)
    with writing(engine) as connection:
        dead_letters.drop(connection, key, name, why, datetime.now(UTC))
    typer.echo(f"Message {key} is dropped.")


def _make_sink(to: Path | None, channels: list[str] | None) -> WebhookSink | FileSink:
    from ipml.enforcement.takedown.delivery import CHANNELS
    from ipml.enforcement.takedown.envelope import read_secrets
    from ipml.enforcement.takedown.file_sink import FileSink
    from ipml.enforcement.takedown.webhook import make_webhook_sink
    from ipml.errors import UnusableSetting
    from ipml.settings import get_settings

    if unknown := set(channels or ()) - set(CHANNELS):
        raise UnusableSetting("channel", ", ".join(sorted(unknown))[:80], f"some of {', '.join(CHANNELS)}")
    if to is not None:
        return FileSink(to, channels or CHANNELS)
    settings = get_settings()
    sink = make_webhook_sink(settings, read_secrets(settings.webhook_secret))
    return sink.only(channels) if channels else sink


@contextmanager
def _until_told_to_stop() -> Iterator[Event]:
    """Give an event that SIGTERM and Ctrl-C set: what is being sent is finished and settled first."""
    import signal
    from threading import Event

    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _showing() -> Iterator[Callable[[Tally], None]]:
    """Give a function that shows on a terminal how far delivery has come."""
    from rich.console import Console

    with Console(stderr=True).status("Delivering") as status:
        yield lambda tally: status.update(_say(tally))


def _say(tally: Tally) -> str:
    return f"{tally.delivered:,} delivered, {tally.failed:,} to be tried again, {tally.dead:,} given up."
