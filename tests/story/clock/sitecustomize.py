"""Let a process live by the clock of the story; Python runs this before all else where this folder is on its path.

Processes started from this one follow, too. A file holds the clock's lead; each process writes in its own
file how far it has followed.
"""

import os
import time
from pathlib import Path
from threading import Thread

import time_machine

FOLDER = Path(os.environ.get("STORY_CLOCK", ""))
# The receiver of signed messages must arrive first: it takes a message of tomorrow for forged.
LAG_SECONDS = float(os.environ.get("STORY_CLOCK_LAG", "0"))


def read_offset() -> int:
    """Return by how many seconds the clock is ahead."""
    return int((FOLDER / "offset").read_text())


def say(offset: int) -> None:
    """Say up to where this process has followed."""
    written = FOLDER / f"{os.getpid()}.new"
    written.write_text(str(offset))
    written.rename(FOLDER / f"{os.getpid()}.follows")


def follow(clock: time_machine.Traveller, offset: int) -> None:
    """Follow the clock as long as this process lives."""
    while True:
        time.sleep(0.01)
        ahead = read_offset()
        if ahead != offset:
            time.sleep(LAG_SECONDS)
            clock.shift(ahead - offset)
            offset = ahead
            say(offset)


if "STORY_CLOCK" in os.environ:
    ahead = read_offset()
    clock = time_machine.travel(time.time() + ahead, tick=True).start()
    time.time()  # from now on it ticks
    say(ahead)
    Thread(target=follow, args=(clock, ahead), daemon=True).start()
