"""`ipml enforce measure` and `ipml outbox`: what is done to listings, and that it reaches the platform."""

import base64
import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.actions import TAKING_DOWN
from support.receiver import SECRET, Receiver, listening, wait_until

from ipml.cli.doctor import check_database
from ipml.enforcement.takedown.sinks import read_secrets
from ipml.records import Listing
from ipml.storage.message_kinds import MESSAGES, find_fault

WRONG = dict.fromkeys(
    (
        *("enforce measure impose 1 --kind burn --why x", "enforce measure impose 2 --kind label --why x"),
        *("enforce measure list --state lost", "enforce measure times --group-by moon"),
        *("outbox retry", "outbox retry k"),
        *("outbox deliver", "outbox deliver --channel press --out f"),
    ),
    "",
)


@pytest.fixture
def database(make_queue, tmp_path) -> str:
    """Return the URL of a queue of one counterfeit listing with its measure, and one that waits."""
    bags = [Listing(f"L{number}", f"s{number}", "Bag", brand="[red]Acme", listing_sales=0.0) for number in (1, 2)]
    make_queue(*bags, counterfeit=[1], context=TAKING_DOWN).dispose()
    return f"sqlite:///{tmp_path}/ipml.db"


@pytest.fixture
def secret(tmp_path, monkeypatch) -> Path:
    """Sign with the secret that the receiver knows, and return its file."""
    path = tmp_path / "secret"
    path.write_text(f"whsec_{base64.b64encode(SECRET).decode()}\n")
    monkeypatch.setenv("IPML_WEBHOOK_SECRET", str(path))
    return path


def test_measures_are_imposed_and_listed(ipml, accepted, database: str):
    """What one command did the next one shows, with its countries and end; a mistake is one line."""
    imposed = ipml("enforce measure impose 1 --kind remove-in --in 'de, fr' --days 30 --why '[b]court order'")
    assert imposed.exit_code == 0
    shown = ipml("enforce measure list").out
    assert "remove-in DE,FR until" in shown
    assert "[b]court order" in shown
    assert "[b]court order" not in ipml("enforce measure list --state done").out
    assert accepted(WRONG) == {}


def test_nothing_is_sent_unsigned_or_where_others_read_along(ipml, database: str, secret: Path, tmp_path, monkeypatch):
    """Letters and names go over https, or stay on this machine; without a long secret it says what is needed."""
    for url in ("http://platform.example/", "ftp://127.0.0.1/", "platform", "https://"):
        monkeypatch.setenv("IPML_WEBHOOK_URL", url)
        assert ipml("outbox deliver").is_refusal("https"), url
    monkeypatch.setenv("IPML_WEBHOOK_URL", "http://127.0.0.1:9/")
    (tmp_path / "short").write_text("whsec_c2hvcnQ=")
    monkeypatch.setenv("IPML_WEBHOOK_SECRET", str(tmp_path / "short"))
    assert ipml("outbox deliver").exit_code == 2
    monkeypatch.delenv("IPML_WEBHOOK_SECRET")
    assert ipml("outbox deliver").is_refusal("whsec_")


def test_messages_go_into_a_file_once(ipml, database: str, tmp_path: Path):
    """Delivered once; a second run has nothing to do."""
    told = ipml("outbox deliver --out out.jsonl")
    assert told.out == "2 delivered, 0 to be tried again, 0 given up.\n"
    assert ipml("outbox deliver --out out.jsonl").out.startswith("0 delivered")
    messages = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len({message["key"] for message in messages}) == 2
    assert "[red]Acme" in ipml("enforce measure times --group-by brand").out


def test_dead_messages_are_retried(ipml, database: str, secret: Path, monkeypatch):
    """A platform that refuses for good is seen, by `ipml doctor` as well, until a person has looked after it."""
    with listening(Receiver(lambda *_: "400")) as receiver:
        monkeypatch.setenv("IPML_WEBHOOK_URL", receiver.url)
        assert ipml("outbox deliver").out.endswith("2 given up.\n")
        words = [check.words for check in check_database(database, None) if check.subject == "delivery"]
        assert "1 messages to platform were given up; see the page Deliveries" in words
        receiver.plan = lambda *_: "accept"
        assert ipml("outbox retry --all").out.startswith("2 messages wait again")
        assert ipml("outbox retry --waiting").out.startswith("0 messages that waited")
        assert ipml("outbox deliver --channel platform").out.startswith("1 delivered")


@pytest.mark.slow
def test_a_sender_that_follows_ends_cleanly_on_sigterm(database: str, secret: Path, tmp_path: Path):
    """It delivers what is there and what comes, and exits with 0 when told to."""
    with listening(Receiver()) as receiver:
        environment = {"IPML_WEBHOOK_URL": receiver.url, "IPML_WEBHOOK_SECRET": str(secret), "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-m", "ipml", "outbox", "deliver", "--follow", "--database", database]
        sender = subprocess.Popen(
            command, env=environment, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True
        )
        try:
            wait_until(lambda: len(receiver.accepted) == 2)
        finally:
            sender.send_signal(signal.SIGTERM)
            told, _ = sender.communicate(timeout=20)
    assert sender.returncode == 0
    assert told == "2 delivered, 0 to be tried again, 0 given up.\n"


# `ipml outbox secret` makes what both sides sign and check with, and `ipml outbox test` tries a receiver
def test_a_secret_is_made_once_and_for_its_owner_only(ipml, tmp_path):
    """As the sender reads it; a file that is there stays; printed it is alone in a line, and never the same."""
    place = tmp_path / "webhook.secret"
    assert ipml("outbox secret --out", place).exit_code == 0
    (secret,) = read_secrets(place)
    assert (len(secret), stat.S_IMODE(place.stat().st_mode)) == (32, 0o600)
    assert ipml("outbox secret --out", place).is_refusal("a new name")
    assert read_secrets(place) == (secret,)
    (tmp_path / "secrets").write_text("".join(ipml("outbox secret").out for _ in range(2)))
    assert len({*read_secrets(tmp_path / "secrets")}) == 2


def test_a_receiver_is_sent_one_of_each_message_marked_as_a_test(ipml, accepted, secret):
    """Signed, under keys that it never saw; only to an address that nobody reads along, on channels that there are."""
    with listening(Receiver(says=lambda _: {"status": "done"})) as receiver:
        told = ipml("outbox test", receiver.url)
        assert told.exit_code == 0, told.err
        assert told.out.endswith(f"{len(MESSAGES)} of {len(MESSAGES)} messages accepted.\n")
        assert told.out.count("HTTP 200, done") == len(MESSAGES)
        got = {(one["type"], one["channel"]): one for one in receiver.accepted}
        assert got.keys() == {(shape.type, shape.channel) for shape in MESSAGES.values()}
        for one in receiver.accepted:
            assert one["is_test"] is True
            assert one["key"].startswith("test-")
            assert find_fault(one["type"].removeprefix("ipml."), one["channel"], json.dumps(one["data"])) is None
        assert ipml("outbox test", receiver.url, "--channel", "holder").exit_code == 0
        assert len(set(receiver.keys)) == len(receiver.accepted) > len(MESSAGES)
    lines = ("http://elsewhere.example/", "", "http://[::1]:1/ --channel press")
    assert accepted({f"outbox test {line}": "" for line in lines}) == {}


def test_what_a_receiver_does_not_accept_is_shown(ipml, secret):
    """With the answer; exit code 1, so that a script notices."""
    plan = lambda key, _: "404" if key.startswith("test-penalty") else "accept"  # noqa: E731
    with listening(Receiver(plan)) as receiver:
        told = ipml("outbox test", receiver.url)
    assert (told.exit_code, told.out.count("HTTP 404: words of the platform")) == (1, 2)
    assert f"{len(MESSAGES) - 2} of {len(MESSAGES)} messages accepted." in told.out
    nobody = ipml("outbox test", receiver.url)
    assert (nobody.exit_code, "no answer: ConnectError" in nobody.out) == (1, True)
