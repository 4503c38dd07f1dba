"""`ipml outbox secret`: a secret that both sides can use, and that no other is lost for."""

import stat

from ipml.enforcement.takedown.sinks import read_secrets


def test_a_secret_is_made_once_and_for_its_owner_only(ipml, tmp_path):
    """As the sender reads it; a file that is there stays as it is."""
    place = tmp_path / "webhook.secret"
    assert ipml("outbox", "secret", "--out", place).exit_code == 0
    (secret,) = read_secrets(place)
    assert (len(secret), stat.S_IMODE(place.stat().st_mode)) == (32, 0o600)
    again = ipml("outbox", "secret", "--out", place)
    assert (again.exit_code, read_secrets(place)) == (2, (secret,))
    assert "a new name" in again.err


def test_a_secret_is_printed_and_never_the_same(ipml, tmp_path):
    """Alone in a line, so that it can go on into another program."""
    printed = [ipml("outbox", "secret").out for _ in range(2)]
    assert printed[0] != printed[1]
    (tmp_path / "secrets").write_text("".join(printed))
    assert len(read_secrets(tmp_path / "secrets")) == 2
