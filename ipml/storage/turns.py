"""Those who write to one SQLite file take turns, about in the order they came.

SQLite gives its lock to whoever asks at the right moment, and that is mostly the one who has just had it: with eight
writers some wait for seconds. A lock of the operating system on a file beside the database wakes the next in line.
It is a courtesy only: what may be written is for SQLite to say, and who cannot have their turn goes on without.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread


@contextmanager
def turn(path: Path, patience_seconds: float) -> Iterator[None]:
    """Wait until it is one's turn, and keep it until the block ends, or the process.

    Parameters
    ----------
    path : Path
        A file for this alone, which is made where it is not there and stays empty.
    patience_seconds : float
        How long to wait at most; the block is entered in any case.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, turn(Path(folder) / "ipml.db-turn", 20):
    ...     print("written")
    written
    """
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError:  # a folder that cannot be written: SQLite will say so
        yield
        return
    with file:
        _wait(file.fileno(), patience_seconds)
        yield


if sys.platform == "win32":

    def _wait(descriptor: int, patience_seconds: float) -> None:
        """Go on at once, as there is no such lock here."""
else:
    import fcntl

    def _wait(descriptor: int, patience_seconds: float) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The call that waits knows no end of patience; a thread can be left behind. The lock belongs to both
            # descriptors, and is gone when both are closed.
            waiting = Thread(target=_wait_forever, args=(os.dup(descriptor),), daemon=True)
            waiting.start()
            waiting.join(patience_seconds)
        except OSError:  # a file system without such locks
            return

    def _wait_forever(descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        finally:
            os.close(descriptor)
