"""`ipml serve`: the page, the API or both come up, say where, take up a newer model, and go away."""

import copy
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ipml.cli.serve import listen, serve
from ipml.errors import Failed
from ipml.model.model_file import save_model
from ipml.storage.database import migrate, open_database, writing
from ipml.storage.jobs import has_leader
from ipml.web.accounts.users import add_user

BAG = {"listing_id": "1", "seller_id": "s", "title": "AAA quality Vellmar tote bag"}
KEY = "k" * 40


@contextmanager
def run(*arguments: str, lines: int = 1, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command on a free port within a block; give the process and its address, and see it end in order."""
    command = [sys.executable, "-m", "ipml", "serve", "--port", "0", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IPML_")} | settings
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as server:
        assert server.stdout is not None
        said = [server.stdout.readline() for _ in range(lines)]
        assert said[-1].startswith("Listening on"), server.communicate()
        try:
            yield server, said[-1].split()[2]
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=20) == 0


def wait_for(is_true: Callable[[], bool]) -> None:
    """Return as soon as something holds; fail where it does not within a minute."""
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def replaced_model(saved_model: Path, tmp_path: Path, classifier: Any) -> tuple[Path, Callable[[], None]]:
    """Return a folder with a model, and what puts another one there."""
    folder = tmp_path / "model"
    shutil.copytree(saved_model, folder)
    other = copy.deepcopy(classifier)
    other.learner_.intercept_ = np.asarray(other.learner_.intercept_) + 1.0

    def replace() -> None:
        save_model(other, folder, name="market", data_digest="0", experiment={}, figures={})

    return folder, replace


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    """Where another program listens the command says so instead of starting."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Failed, match="in use"):
        serve(database=f"sqlite:///{tmp_path}/queue.db", host="127.0.0.1", port=taken.getsockname()[1])


def test_the_body_of_an_answer_does_not_wait() -> None:
    """Connections send at once; by TCP's defaults a body waits 40 ms for the client to have heard of its head."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_what_would_open_the_api_or_be_passed_over_is_refused(ipml, monkeypatch, tmp_path: Path) -> None:
    """An address that others reach without a key, a missing file of keys, portfolios where a database knows sellers."""
    for name in ("API_KEY", "API_OPEN", "HOST"):
        monkeypatch.delenv(f"IPML_{name}", raising=False)
    (tmp_path / "sellers.npz").touch()
    for more in ("--api-only", "--model model"):
        assert ipml(f"serve --host 0.0.0.0 --port 0 {more}").is_refusal("IPML_API_KEY", "--open-api")
    for more in ("", "--model models/shoes"):
        assert ipml(f"serve --portfolios sellers.npz --port 0 {more}").is_refusal("--api-only")
    assert not Path("ipml.db").exists()
    monkeypatch.setenv("IPML_API_KEY", "no-such-file")
    answer = ipml("serve --api-only --port 0")
    assert answer.is_refusal("IPML_API_KEY: found FileNotFoundError; expected the path of a readable file")
    assert "no-such-file" not in answer.err  # it may be a key itself


@pytest.mark.slow
def test_the_page_comes_and_goes(saved_model: Path, tmp_path: Path) -> None:
    """The command makes the database; with a model the API is beside, which asks for the key of the settings."""
    url, score = f"sqlite:///{tmp_path}/q.db", {"json": BAG, "timeout": 20}
    with run("--database", url, lines=2) as (_, address):
        assert httpx.get(f"{address}/health").json()["status"] == "ok"
        assert httpx.post(f"{address}/v1/score", **score).status_code == 403  # the page takes it for a foreign form
        assert httpx.get(f"{address}/metrics").status_code == 404
    (tmp_path / "keys").write_text(KEY)
    arguments = ("--model", str(saved_model), "--database", f"sqlite:///{tmp_path}/other.db", "--host", "0.0.0.0")
    with run(*arguments, lines=2, IPML_API_KEY=str(tmp_path / "keys")) as (_, address):
        assert httpx.get(f"{address}/login").status_code == 200
        assert httpx.get(f"{address}/health").json()["database"] == "writable"
        assert httpx.post(f"{address}/v1/score", **score).status_code == 401
        headers = {"Authorization": f"Bearer {KEY}"}
        assert httpx.post(f"{address}/v1/score", headers=headers, **score).status_code == 200


@pytest.mark.slow
def test_a_worker_comes_and_goes_with_the_server(tmp_path: Path) -> None:
    """With --with-worker the jobs are done beside it, as long as it is there; even if it is killed."""
    url = f"sqlite:///{tmp_path}/q.db"
    with run("--with-worker", "--database", url, lines=2):
        engine = open_database(url)
        wait_for(lambda: has_leader(engine))
    assert not has_leader(engine)
    command = [sys.executable, "-m", "ipml", "serve", "--port", "0", "--with-worker", "--database", url]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: has_leader(engine))
        finally:
            server.kill()
    wait_for(lambda: not has_leader(engine))
    engine.dispose()


@pytest.mark.slow
def test_the_api_comes_alone(saved_model: Path, tmp_path: Path) -> None:
    """Alone it makes no database; it looks for the model of the settings until one is there, and then scores by it."""
    folder = tmp_path / "model"
    settings = {"IPML_MODEL": str(folder), "IPML_DATABASE": f"sqlite:///{tmp_path}/q.db"}
    with run("--api-only", IPML_MODEL_RELOAD_SECONDS="0.1", **settings) as (_, address):
        assert httpx.get(f"{address}/health").status_code == 503
        assert httpx.post(f"{address}/v1/score", json=BAG).status_code == 503
        shutil.copytree(saved_model, tmp_path / "beside")
        (tmp_path / "beside").rename(folder)
        wait_for(lambda: httpx.get(f"{address}/health").status_code == 200)
        scored = httpx.post(f"{address}/v1/score", json=BAG, params={"explain": True}).json()
        assert scored["scores"][0]["reasons"]
        assert httpx.get(f"{address}/health").json() == {"status": "ok", "model": scored["model_version"]}
        assert httpx.get(f"{address}/login").status_code == 404
    assert not (tmp_path / "q.db").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a signal of Unix")
def test_a_newer_model_is_taken_up_when_told(replaced_model) -> None:
    """On SIGHUP a model that was replaced is loaded; one that is damaged is not, and the log says so."""
    folder, replace = replaced_model
    with run("--api-only", "--model", str(folder), IPML_MODEL_RELOAD_SECONDS="0") as (server, address):
        version = httpx.get(f"{address}/health").json()["model"]
        replace()
        assert httpx.get(f"{address}/health").json()["model"] == version
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: httpx.get(f"{address}/health").json()["model"] != version)
        (folder / "model.zip").write_bytes(b"")
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: "ipml_model_reload_failures_total 1.0" in httpx.get(f"{address}/metrics").text)
        assert httpx.post(f"{address}/v1/score", json=BAG).status_code == 200
        server.send_signal(signal.SIGINT)
        assert "a model.zip that has changed" in server.stderr.read()


@pytest.mark.slow
def test_the_page_behind_a_proxy(tmp_path: Path) -> None:
    """The command believes the proxy it was told of, whose header names the person, and no other."""
    url = f"sqlite:///{tmp_path}/q.db"
    engine = open_database(url)
    migrate(engine)
    with writing(engine) as connection:
        add_user(connection, "ana", None)
    engine.dispose()
    told = {"X-User": "ana", "X-Forwarded-For": "127.0.0.1, 192.0.2.7", "X-Forwarded-Proto": "https"}
    trust = {"IPML_TRUSTED_HEADER": "X-User", "IPML_TRUSTED_PROXIES": "127.0.0.1"}
    with run("--database", url, **trust) as (_, address):
        answer = httpx.get(address, headers=told)
        assert answer.status_code == 200
        assert "<summary>ana</summary>" in answer.text
        assert "strict-transport-security" in answer.headers
    with run("--database", url, **trust | {"IPML_TRUSTED_PROXIES": "192.0.2.7"}) as (_, address):
        answer = httpx.get(address, headers=told)
        assert answer.headers["location"] == "/login?then=/"
        assert "strict-transport-security" not in answer.headers
