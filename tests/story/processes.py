"""The processes of the story, and the clock that all of them live by."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.receiver import wait_until

HERE = Path(__file__).parent


def find_port() -> int:
    """Return a port that is free just now."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Clock:
    """A clock that can be moved ahead; a file in its folder says how far, which clock/sitecustomize.py reads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self._ahead = folder, 0
        self._write()

    def now(self) -> datetime:
        """Return the moment."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def move_to(self, moment: datetime, processes: Sequence[Process]) -> None:
        """Move it ahead, and wait until some processes have followed, those started by them, too."""
        self._ahead += int((moment - self.now()).total_seconds()) + 1
        self._write()
        wait_until(lambda: all(self._has_followed(one) for one in processes))

    def environment(self, lag_seconds: float) -> dict[str, str]:
        """Return what makes a process follow, some time after it was moved."""
        path = os.pathsep.join(map(str, (HERE / "clock", HERE.parents[1])))
        return {"PYTHONPATH": path, "STORY_CLOCK": str(self.folder), "STORY_CLOCK_LAG": str(lag_seconds)}

    def _has_followed(self, process: Process) -> bool:
        if process.handle is None or process.handle.poll() is not None:
            return True
        pids = [process.handle.pid, *_find_children(process.handle.pid)]
        said = [self.folder / f"{pid}.follows" for pid in pids]
        return all(one.exists() and one.read_text() == str(self._ahead) for one in said)

    def _write(self) -> None:
        written = self.folder / "new"
        written.write_text(str(self._ahead))
        written.rename(self.folder / "offset")


def _find_children(pid: int) -> list[int]:
    """Return the processes that a process has started, but for those that only watch over its resources."""
    children = []
    with suppress(OSError):  # threads and processes end while one looks
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                    children.append(child)
    return children


class Process:
    """A process, of Python with some arguments, that can be killed on the spot, and started again."""

    def __init__(self, name, arguments, folder, clock, lag, settings):
        self.name, self.handle = name, None
        self._arguments, self._folder = arguments, folder
        others = {name: value for name, value in os.environ.items() if not name.startswith("IPML_")}
        self._environment = others | clock.environment(lag) | dict(settings)
        self.handle: subprocess.Popen[bytes] | None

    def start(self) -> None:
        """Start it; it may take a moment until it listens."""
        with (self._folder / f"{self.name}.log").open("ab") as log:
            command = [sys.executable, *self._arguments]
            self.handle = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """Kill it, wherever it is."""
        if self.handle is not None:
            self.handle.kill()
            self.handle.wait()
            self.handle = None

    def stop(self) -> int:
        """Let it end in order, and return its exit code."""
        assert self.handle is not None
        self.handle.terminate()
        code = self.handle.wait(timeout=60)
        self.handle = None
        return code

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, with the same settings and by the same clock."""
        command = [sys.executable, "-m", "ipml", *arguments]
        return subprocess.run(command, cwd=self._folder, env=self._environment, capture_output=True, text=True)


def pause() -> None:
    """Wait a moment before the next try."""
    time.sleep(0.05)
