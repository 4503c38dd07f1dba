"""The platform that takes things down, and the transparency database, as far as a year needs them.

The platform takes messages through the file sink, a file for each week, and says of each that it is done: at once, as
these platforms do. The transparency database takes all that it is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ipml.enforcement.statements.submission import Answer, Payload
from ipml.enforcement.takedown.delivery import CHANNELS, Outcome
from ipml.enforcement.takedown.sinks import FileSink
from ipml.storage.outbox import Message


class ObedientPlatform:
    """A file sink, with a file for each week, whose reader has done everything as soon as it is written.

    Parameters
    ----------
    folder : Path
        Of the files.
    """

    channels: Collection[str] = CHANNELS
    at_once = 500

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._week, self._now = -1, datetime.min.replace(tzinfo=UTC)

    def wake(self, week: int, now: datetime) -> None:
        """Take messages from now on into the file of a week, and say that they are done at this moment."""
        if week != self._week:
            self._week, self._sink = week, FileSink(self._folder / f"messages-{week:02d}.jsonl")
        self._now = now

    def deliver(self, messages: Sequence[Message]) -> Iterator[Outcome]:
        """Write the messages, and say of those to the platform that they are done."""
        done = Outcome(True, status="done", said_at=self._now)
        for message, outcome in zip(messages, self._sink.deliver(messages), strict=True):
            yield done if message.channel == "platform" and outcome.is_accepted else outcome

    def close(self) -> None:
        """Do nothing, as the sink."""


def take_statements(_: Sequence[Payload]) -> Answer:
    """Answer as the transparency database does when nothing is wrong."""
    return Answer(201)
