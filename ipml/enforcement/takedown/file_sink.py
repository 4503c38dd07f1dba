"""Messages into a file, a line of JSON each, for platforms that fetch rather than listen."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Sequence
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

from ipml.enforcement.takedown.delivery import CHANNELS, Outcome
from ipml.enforcement.takedown.envelope import write_envelope
from ipml.storage.outbox import Message


class FileSink:
    """Appends to a file, whatever the number of processes that do, and each key once.

    A sender that was killed between writing and settling writes again: what is in the file already is left out. A line
    that was cut off by a crash is taken away before the next is written.

    Parameters
    ----------
    path : Path
        Made where it is not there.
    channels : collection of str, default=CHANNELS
    """

    at_once = 200

    def __init__(self, path: Path, channels: Collection[str] = CHANNELS) -> None:
        self.channels = channels
        self._path, self._known, self._read_to = path, set[str](), 0

    def deliver(self, messages: Sequence[Message]) -> Iterator[Outcome]:
        """Write those that are not in the file yet, all at once, and see them to the disk."""
        if not messages:
            return
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._catch_up(file)
            new = [message for message in messages if message.key not in self._known]
            file.write(b"".join(write_envelope(message) + b"\n" for message in new))
            file.flush()
            os.fsync(file.fileno())
            self._catch_up(file)
        yield from (Outcome(True) for _ in messages)

    def close(self) -> None:
        """Do nothing: the file is open only while it is written to."""

    def _catch_up(self, file: BinaryIO) -> None:
        """Learn the keys that came into the file since, and take away a line without an end."""
        if file.seek(0, SEEK_END) < self._read_to:  # another file took its place
            self._known, self._read_to = set(), 0
        file.seek(self._read_to)
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(self._read_to)
                break
            self._read_to += len(line)
            self._known.add(json.loads(line)["key"])
