"""Firefox as Debian packages it, driven by its own protocol, Marionette: the part that a shift by keyboard needs.

A message is a JSON array after its length, `27:[0,1,"WebDriver:Navigate",{…}]`; Debian has no geckodriver, which
speaks the same protocol.
"""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FIREFOX = Path("/usr/bin/firefox-esr")
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Control": "\ue009"}
_PREFERENCES = {"marionette.port": 0, "app.update.enabled": False, "datareporting.policy.dataSubmissionEnabled": False}
_SECONDS = 60.0


class Firefox:
    """A window of Firefox."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rwb")
        self._number = 0
        self._read()  # its greeting
        self._ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"pageLoadStrategy": "normal"}}})

    def visit(self, address: str) -> None:
        """Open an address and wait until it has loaded."""
        self._ask("WebDriver:Navigate", {"url": address})

    def ask(self, expression: str) -> Any:
        """Return the value of an expression in JavaScript on the page."""
        return self._ask("WebDriver:ExecuteScript", {"script": f"return {expression}", "args": []})["value"]

    def wait_for(self, condition: str) -> None:
        """Wait until an expression is true on the page, which may be another one by then."""
        until = time.monotonic() + _SECONDS
        while not self.ask(condition):
            assert time.monotonic() < until, f"{condition} on {self.ask('location.href')}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys one after another, as a keyboard does; `Control+Enter` presses two together."""
        for key in keys:
            parts = [KEYS.get(part, part) for part in key.split("+")]
            strokes = [{"type": "keyDown", "value": part} for part in parts]
            strokes += [{"type": "keyUp", "value": part} for part in reversed(parts)]
            self._ask("WebDriver:PerformActions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def leave_by(self, *keys: str) -> None:
        """Press keys, the last of which leads to another page or case, and wait until that is there."""
        self.press(*keys[:-1])
        self.ask("void (document.querySelector('main').dataset.left = 1)")
        self.press(keys[-1])
        self.wait_for("document.readyState === 'complete' && !document.querySelector('main[data-left]')")

    def _ask(self, command: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, command, parameters]).encode()
        self._stream.write(b"%d:%b" % (len(message), message))
        self._stream.flush()
        _, _, error, result = self._read()
        assert error is None, f"{command} {parameters}: {error}"
        return result

    def _read(self) -> Any:
        length = b""
        while (letter := self._stream.read(1)) != b":":
            assert letter, "Firefox has closed the connection"
            length += letter
        return json.loads(self._stream.read(int(length)))


@contextmanager
def start_firefox(profile: Path) -> Iterator[Firefox]:
    """Start Firefox with a fresh profile; skip, saying so, where it is absent."""
    if not FIREFOX.is_file():
        pytest.skip(f"no browser at {FIREFOX}: install Debian's package firefox-esr")
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines), "utf-8")
    command = [FIREFOX, "--marionette", "--headless", "--no-remote", "--profile", profile]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with socket.create_connection(("127.0.0.1", _read_port(profile)), timeout=_SECONDS) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()


def _read_port(profile: Path) -> int:
    """Return the port that Firefox chose, which it writes into its profile."""
    file, until = profile / "MarionetteActivePort", time.monotonic() + _SECONDS
    while not (file.is_file() and (text := file.read_text("utf-8"))):
        assert time.monotonic() < until, "Firefox does not start"
        time.sleep(0.05)
    return int(text)
