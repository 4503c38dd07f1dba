"""Behind a proxy: whose word on the sender, on https and on the person is taken."""

import logging
from collections.abc import Callable
from ipaddress import ip_address

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select
from support.casework import read_case
from support.staff import CHEAP, PASSWORD
from support.transactions import act, execute, read_scalars
from support.visitors import open_browser

from ipml.errors import UnusableSetting
from ipml.settings import Settings
from ipml.storage.tables import tries
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import network_of
from ipml.web.accounts.users import add_user, disable_user
from ipml.web.app import make_app
from ipml.web.server import find_sender, is_within, parse_networks

pytestmark = pytest.mark.slow

PROXY, STRANGER = "10.0.0.2", "192.0.2.7"
HEADER = "X-Forwarded-User"


@pytest.fixture
def make_browser(engine: Engine) -> Callable:
    """Return a maker of clients that connect from an address."""

    def make(address: str, **settings: str) -> TestClient:
        return open_browser(make_app(engine, Settings(**settings), cost=CHEAP), client=(address, 50_000))

    return make


@pytest.fixture
def from_proxy(make_browser: Callable) -> Callable:
    """Return a maker of clients of a page that believes the header of one proxy."""
    return lambda address: make_browser(address, trusted_header=HEADER, trusted_proxies=PROXY)


def test_the_proxy_says_who_it_is(engine: Engine, from_proxy: Callable) -> None:
    """Whom the proxy names works under that name and role, without a session here."""
    browser = from_proxy(PROXY)
    location = browser.post("/next", headers={HEADER: "ana"}).headers["location"]
    browser.get(location, headers={HEADER: "ana"})
    assert read_case(engine, 1).reviewer == "ana"
    assert browser.post("/next", headers={HEADER: "vic"}).status_code == 403
    assert not browser.cookies
    assert browser.get("/").headers["location"] == "/login?then=/"


def test_nobody_else_does(from_proxy: Callable, caplog: pytest.LogCaptureFixture, make_browser: Callable) -> None:
    """From any other address, and without the setting, the header is passed over, and the log says so."""
    told = {HEADER: "lea", "X-Forwarded-For": PROXY, "Forwarded": f"for={PROXY}", "X-Real-IP": PROXY}
    for address in (STRANGER, "127.0.0.1", "10.0.0.3", "::1", "::ffff:10.0.0.3", "testclient", ""):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert from_proxy(address).get("/", headers=told).status_code == 303, address
        assert "passed over" in caplog.text
        assert "lea" not in caplog.text
    for name in (HEADER, "Remote-User", "X-Remote-User", "X-Auth-Request-User"):
        assert make_browser(PROXY, trusted_proxies=PROXY).get("/", headers={name: "lea"}).status_code == 303


def test_who_is_unknown_here_comes_no_further(engine: Engine, from_proxy: Callable) -> None:
    """A name that nobody has, two names, or one that an admin has shut out is refused, not sent to a form."""
    browser = from_proxy(PROXY)
    act(engine, disable_user, "bo")
    for name in ("nobody", "", " ", "ana, lea", "\u00e9", "ana;lea", "x" * 500, "ana\x0blea", "bo"):
        answer = browser.get("/", headers=[(HEADER.encode(), name.encode("latin-1"))])
        assert answer.status_code == 403, name
        assert "Ask an admin" in answer.text
    two = [(HEADER.encode(), b"ana"), (HEADER.lower().encode(), b"lea")]
    assert browser.get("/", headers=two).status_code == 403
    assert browser.post("/next", headers={HEADER: "ana", "Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_the_proxys_word_goes_before_an_old_session(from_proxy: Callable) -> None:
    """A browser that was handed on still holds another's session: the person is whom the proxy names."""
    browser = from_proxy(PROXY)
    assert browser.post("/login", data={"name": "lea", "password": PASSWORD}).status_code == 303
    assert ">Lead</p>" in browser.get("/").text
    assert "<summary>vic</summary>" in browser.get("/", headers={HEADER: "vic"}).text


def test_unusable_settings_are_named(engine: Engine) -> None:
    """A page that would believe everybody does not start."""
    for settings, named in (
        ({"trusted_header": HEADER}, "IPML_TRUSTED_PROXIES"),
        ({"trusted_header": HEADER, "trusted_proxies": " "}, "IPML_TRUSTED_PROXIES"),
        ({"trusted_header": "Cookie", "trusted_proxies": PROXY}, "IPML_TRUSTED_HEADER"),
        ({"trusted_header": "", "trusted_proxies": PROXY}, "IPML_TRUSTED_HEADER"),
        ({"trusted_header": "X Y", "trusted_proxies": PROXY}, "IPML_TRUSTED_HEADER"),
        ({"trusted_proxies": "proxy.example"}, "IPML_TRUSTED_PROXIES"),
        ({"trusted_proxies": "10.0.0.1/8"}, "IPML_TRUSTED_PROXIES"),
    ):
        with pytest.raises(UnusableSetting, match=named):
            make_app(engine, Settings(**settings))


def test_a_trusted_proxy_says_that_it_was_https(make_browser: Callable) -> None:
    """Behind a proxy with https the cookie is bound to it; a stranger's word on that is not taken."""
    form = {"name": "ana", "password": PASSWORD}
    told = {"X-Forwarded-Proto": "https"}
    for address, name in ((PROXY, "__Host-ipml="), (STRANGER, "ipml=")):
        answer = make_browser(address, trusted_proxies="10.0.0.0/8").post("/login", data=form, headers=told)
        assert answer.headers["set-cookie"].startswith(name)
        assert ("strict-transport-security" in answer.headers) == (address == PROXY)
    for said, is_https in (("http, https", True), ("https, http", False), ("https, wss", False)):  # the last counts
        answer = make_browser(PROXY, trusted_proxies=PROXY).get("/login", headers={"X-Forwarded-Proto": said})
        assert ("strict-transport-security" in answer.headers) == is_https, said


SENDERS = (
    *((f"::ffff:{PROXY}", STRANGER, STRANGER), (PROXY, f"{STRANGER}, ::ffff:10.0.0.7", STRANGER)),
    *((PROXY, "[2001:db8::1]:4711", network_of("2001:db8::1")), (PROXY, STRANGER, STRANGER)),
    *((PROXY, f"198.51.100.9, {STRANGER}", STRANGER), (PROXY, f"{STRANGER}, 10.0.0.7", STRANGER)),
    *((PROXY, "", PROXY), (PROXY, f"{STRANGER}:4711", STRANGER), (PROXY, f"{STRANGER}, \x1b[31mroot", PROXY)),
    (STRANGER, "198.51.100.9", STRANGER),
)


def test_tries_count_for_the_sender(engine: Engine, make_browser: Callable) -> None:
    """A guesser behind the proxy is told from others, gains no address by a header; without the setting none counts."""
    alone = [(address, "198.51.100.9", network_of(address)) for address in ("127.0.0.1", "::1", STRANGER)]
    for number, (address, passed, counted) in enumerate([*SENDERS, *alone]):
        execute(engine, delete(tries))
        trusted = {"trusted_proxies": "10.0.0.0/8"} if number < len(SENDERS) else {}
        told = {"X-Forwarded-For": passed} if trusted else {"X-Forwarded-For": passed, "X-Forwarded-Proto": "https"}
        wrong = {"name": "ana", "password": "wrong"}
        answer = make_browser(address, **trusted).post("/login", data=wrong, headers=told)
        assert "strict-transport-security" not in answer.headers
        assert read_scalars(engine, select(tries.c.address)) == [counted], (address, passed)


@given(st.lists(st.text(max_size=20), max_size=4))
def test_a_sender_is_an_address_whatever_is_told(passed: list[str]) -> None:
    """What is counted and logged of a sender is an address, or else the one that the connection comes from."""
    sender = find_sender(passed, parse_networks("10.0.0.0/8"))
    assert sender is None or str(ip_address(sender)) == sender


@given(st.lists(st.ip_addresses(v=4).map(str) | st.text(max_size=5), min_size=1, max_size=5), st.ip_addresses(v=4))
def test_what_the_sender_makes_up_counts_for_nothing(made_up: list[str], sender: object) -> None:
    """However a chain begins, its last address outside of the trusted networks is the sender."""
    networks = parse_networks("10.0.0.0/8")
    if not is_within(str(sender), networks):
        assert find_sender([*made_up, str(sender), "10.9.9.9"], networks) == str(sender)


def test_no_password_is_needed(engine: Engine, from_proxy: Callable) -> None:
    """A user without a password comes in by the proxy, and by no password at all."""
    act(engine, add_user, "cleo", None, Role.LEAD)
    assert "<summary>cleo</summary>" in from_proxy(PROXY).get("/", headers={HEADER: "cleo"}).text
    for password in ("", "None", "x" * 12):
        assert from_proxy(STRANGER).post("/login", data={"name": "cleo", "password": password}).status_code == 401


def test_logging_out_is_the_proxys_to_do(from_proxy: Callable) -> None:
    """Who is named by the proxy is told where to log out, instead of being shown a form and let in again."""
    answer = from_proxy(PROXY).post("/logout", headers={HEADER: "ana"})
    assert answer.status_code == 200
    assert "log out there" in answer.text
    assert from_proxy(STRANGER).post("/logout", headers={HEADER: "ana"}).headers["location"] == "/login"
