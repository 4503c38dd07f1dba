"""MLflow's own servers, each run as a process by the command that the guide shows."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from support.documentation import ROOT


@contextmanager
def run_shown(begin: str, port: int, *options: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command of the guide that begins so, with options that replace its own, from when it answers on."""
    guide = (ROOT / "docs/guides/train.md").read_text("utf-8")
    command = [sys.executable, "-m", *re.search(rf"^{begin} .*$", guide, re.MULTILINE).group().split()]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | environment
    process = subprocess.Popen([*command, "--port", str(port), *options], env=environment, start_new_session=True)
    try:
        while process.poll() is None:
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/health")
                break
            time.sleep(0.5)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
