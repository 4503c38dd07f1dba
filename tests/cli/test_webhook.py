"""`ipml outbox secret` makes what both sides sign and check with, and `ipml outbox test` tries a receiver."""

import json
import stat
from base64 import b64encode

import pytest
from support.receiver import SECRET, Receiver, listening

from ipml.enforcement.takedown.sinks import read_secrets
from ipml.settings import get_settings
from ipml.storage.message_kinds import MESSAGES, find_fault


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


@pytest.fixture
def signing(tmp_path, monkeypatch):
    """Sign with the secret that receivers of tests know."""
    secret = tmp_path / "signing.secret"
    secret.write_text(f"whsec_{b64encode(SECRET).decode()}\n")
    monkeypatch.setenv("IPML_WEBHOOK_SECRET", str(secret))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_a_receiver_is_sent_one_of_each_message_marked_as_a_test(ipml, signing):
    """Signed, under keys that it never saw, each with status and time; the second time as well."""
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


def test_what_a_receiver_does_not_accept_is_shown(ipml, signing):
    """With the answer; exit code 1, so that a script notices."""
    plan = lambda key, _: "404" if key.startswith("test-penalty") else "accept"  # noqa: E731
    with listening(Receiver(plan)) as receiver:
        told = ipml("outbox test", receiver.url)
    assert told.exit_code == 1
    assert told.out.count("HTTP 404: words of the platform") == 2
    assert f"{len(MESSAGES) - 2} of {len(MESSAGES)} messages accepted." in told.out
    nobody = ipml("outbox test", receiver.url)
    assert nobody.exit_code == 1
    assert "no answer: ConnectError" in nobody.out


def test_a_test_needs_an_address_that_nobody_reads_along(accepted, signing):
    """One that is given or set, over https or on this machine, and channels that there are."""
    lines = ("http://elsewhere.example/", "", "http://[::1]:1/ --channel press")
    assert accepted({f"outbox test {line}": "" for line in lines}) == {}
