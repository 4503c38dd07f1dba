"""`ipml serve`: the page comes up, says where, and goes away."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from ipml.cli.serve import serve
from ipml.errors import AddressInUse


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    """Where another program listens the command says so instead of starting."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AddressInUse, match="in use"):
        serve(f"sqlite:///{tmp_path}/queue.db", "127.0.0.1", taken.getsockname()[1])


@pytest.mark.slow
def test_the_page_comes_and_goes(tmp_path: Path) -> None:
    """The command makes the database, prints the address, answers there, and ends in order."""
    command = [sys.executable, "-m", "ipml", "serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/q.db"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "Nobody can log in yet" in server.stdout.readline()
        address = server.stdout.readline().split()[2]
        with urlopen(f"{address}/health", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0
