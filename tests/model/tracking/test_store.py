"""A store that does not answer is given up in seconds, and nothing else changes."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from ipml.errors import Failed
from ipml.model.tracking import check_store, find_model, read_champions
from ipml.model.tracking.store import PATIENCE_SECONDS


@pytest.fixture
def closed_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Yield a port of this machine that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_server_that_is_not_there_is_said_at_once(closed_port: int) -> None:
    """Neither MLflow's retries nor those of a database are waited for, the line is short, and nothing else changes."""
    before = dict(os.environ)
    for scheme in ("http", "postgresql", "mysql+pymysql"):
        started = time.monotonic()
        with pytest.raises(Failed, match="no server that answers") as caught:
            check_store(f"{scheme}://user:secret@127.0.0.1:{closed_port}/runs")
        assert time.monotonic() - started < PATIENCE_SECONDS
        assert "secret" not in str(caught.value)
        assert len(str(caught.value)) < 200
    assert dict(os.environ) == before


def test_a_host_that_is_not_known_is_said_so() -> None:
    """A name that leads nowhere is told from a server that is down."""
    with pytest.raises(Failed, match="unknown host"):
        check_store("http://nosuchhost.invalid:5000")


@pytest.mark.slow
def test_a_server_that_says_nothing_is_given_up(silent_port: int) -> None:
    """A server that takes the question and keeps silent is given up, too."""
    started = time.monotonic()
    with pytest.raises(Failed, match="no server that answers"):
        check_store(f"http://127.0.0.1:{silent_port}")
    assert time.monotonic() - started < 3 * PATIENCE_SECONDS


def test_looking_something_up_gives_up_as_fast(closed_port: int) -> None:
    """Models and champions are looked up through the same door."""
    uri = f"http://127.0.0.1:{closed_port}"
    for look_up in (lambda: find_model("models:/ipml/1", uri), lambda: read_champions("ipml", uri)):
        with pytest.raises(Failed):
            look_up()
