"""The platform that takes things down, and the transparency database, as far as a year needs them.

The platform takes messages through the file sink, a file for each week, and says of each that it is done: at once, as
these platforms do. The transparency database takes all that it is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ipml.enforcement.statements.batches import Answer, Payload
from ipml.enforcement.takedown.delivery import CHANNELS, Outcome
from ipml.enforcement.takedown.file_sink import FileSink
from ipml.storage.outbox import Message


class ObedientPlatform:
    """A file sink whose reader has done everything as soon as it is written.

    Parameters
    ----------
    path : Path
        Of the file.
    now : datetime
        When it is done.
    """

    channels: Collection[str] = CHANNELS
    at_once = 500

    def __init__(self, path: Path, now: datetime) -> None:
        self._sink, self._now = FileSink(path), now

    def deliver(self, messages: Sequence[Message]) -> Iterator[Outcome]:
        """Write the messages, and say of those to the platform that they are done."""
        for message, outcome in zip(messages, self._sink.deliver(messages), strict=True):
            is_done = message.channel == "platform" and outcome.is_accepted
            yield replace(outcome, status="done", said_at=self._now) if is_done else outcome

    def close(self) -> None:
        """Do nothing, as the sink."""


def take_statements(_: Sequence[Payload]) -> Answer:
    """Answer as the transparency database does when nothing is wrong."""
    return Answer(201)
