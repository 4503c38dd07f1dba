"""Logging in at an OpenID Connect provider: a small real one, spoken to over HTTP, and what an attacker would try."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import Engine, select
from support.staff import CHEAP, PASSWORD
from support.transactions import act, ask, count
from support.visitors import open_browser

from ipml.errors import Failed, UnusableSetting
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import migrate, open_database, reading
from ipml.storage.tables import sessions, users
from ipml.web.accounts.oidc import Provider, make_provider
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import (
    ClaimRules,
    Identity,
    add_user,
    admit,
    disable_user,
    link_user,
    list_users,
    parse_group_roles,
    set_password,
    set_role,
)
from ipml.web.app import make_app

pytestmark = pytest.mark.slow

HERE = "https://testserver"
CLIENT, SECRET = "ipml-page", "a secret : with % signs"


class SmallProvider:
    """An OpenID Connect provider that knows one person, gives each code once, and can be told to misbehave."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.others = {"other": RSAKey.generate_key(2048, {"kid": "first"}), "curve": ECKey.generate_key("P-256")}
        server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        server.daemon_threads = True
        self.server, self.issuer = server, f"http://127.0.0.1:{server.server_port}"
        self.be_honest()

    def be_honest(self) -> None:
        """Forget all codes and mischief."""
        self.codes: dict[str, dict[str, str]] = {}
        self.claims: dict[str, Any] = {}
        self.document: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], object] = self.sign_honestly
        self.published = [self.key.as_dict(private=False)]
        self.asked: list[str] = []

    def sign_honestly(self, claims: dict[str, Any]) -> str:
        """Return the claims signed as was agreed."""
        return sign(claims, {"alg": "RS256", "kid": self.key.kid}, self.key)

    def describe(self) -> dict[str, Any]:
        """Return what the provider publishes of itself."""
        ends = {"authorization": "authorize", "token": "token"}
        addresses = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in ends.items()}
        return {"issuer": self.issuer, **addresses, "jwks_uri": f"{self.issuer}/keys", **self.document}

    def authorise(self, asked: dict[str, str]) -> str:
        """Return where the person is sent back to, with a code."""
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def change(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Return what a code is worth: a token, once, for who asked for it."""
        asked = self.codes.pop(form.get("code", ""), None)
        expected = base64.b64encode(f"{CLIENT}:a+secret+%3A+with+%25+signs".encode()).decode()
        challenge = _encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        is_due = asked is not None and authorization == f"Basic {expected}" and asked["code_challenge"] == challenge
        if not is_due or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": 'the code "x" is ung\u00fcltig\r\n'}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "person-7", "nonce": asked["nonce"], "iat": now}
        claims |= {"exp": now + 300, "preferred_username": "dana", "groups": ["staff", "trust"]} | self.claims
        return 200, {"id_token": self.sign({name: value for name, value in claims.items() if value is not None})}


def _make_handler(provider: SmallProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.asked.append(parts.path)
            if parts.path == "/authorize":
                self.send_response(302)
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_header("Location", provider.authorise(asked))
                self.end_headers()
            elif parts.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/.well-known/openid-configuration")
                self.end_headers()
            elif parts.path == "/failing":
                self._answer(503, {"keys": provider.published})
            elif parts.path == "/huge":
                self._answer(200, {"keys": "x" * 2_000_000})
            else:
                is_keys = parts.path == "/keys"
                self._answer(200, {"keys": provider.published} if is_keys else provider.describe())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*provider.change(form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def sign(claims: object, header: dict[str, Any], key: Any) -> str:
    """Return claims as a signed token."""
    return jws.serialize_compact(header, json.dumps(claims), key, algorithms=[header["alg"]])


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def small_provider() -> Iterator[SmallProvider]:
    """Serve the provider to all tests of this file."""
    provider = SmallProvider()
    thread = threading.Thread(target=provider.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


@pytest.fixture
def provider(small_provider: SmallProvider) -> SmallProvider:
    """Return the provider, honest again."""
    small_provider.be_honest()
    return small_provider


@pytest.fixture(scope="module")
def settings(small_provider: SmallProvider, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of a page where people of the group "trust" review and "leads" lead."""
    secret = tmp_path_factory.mktemp("oidc") / "secret"
    secret.write_text(SECRET + "\n")
    return Settings(
        oidc_issuer=small_provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=secret,
        public_url=HERE,
        oidc_roles="trust=reviewer; leads=lead",
    )


@pytest.fixture(scope="module")
def closed_app(settings: Settings) -> Iterator[FastAPI]:
    """Give one page, of one user, to all tests in which nobody comes in."""
    engine = open_database("sqlite://")
    migrate(engine)
    act(engine, add_user, "ana", PASSWORD, Role.REVIEWER, CHEAP)
    yield make_app(engine, settings, cost=CHEAP)
    engine.dispose()


@pytest.fixture
def closed(closed_app: FastAPI, provider: SmallProvider) -> TestClient:
    """Return a browser of a page that nobody should get into; the provider is honest at first."""
    return open_browser(closed_app, base_url=HERE)


@pytest.fixture
def make_browser(engine: Engine, settings: Settings, provider: SmallProvider) -> Callable:
    """Return a maker of browsers of one page; the provider is honest at first."""
    app = make_app(engine, settings, cost=CHEAP)
    return lambda: open_browser(app, base_url=HERE)


@pytest.fixture
def browser(make_browser: Callable) -> TestClient:
    """Return one browser."""
    return make_browser()


def begin(browser: TestClient, then: str = "/") -> str:
    """Go to the provider, log in there, and return where it sends the browser back to."""
    away = browser.get("/login/oidc", params={"then": then})
    assert away.status_code == 303
    back = httpx.get(away.headers["location"], verify=False).headers["location"]  # plain http: nothing to verify
    assert back.startswith(f"{HERE}/login/oidc/back?")
    return back


def come_back(browser: TestClient, back: str) -> httpx.Response:
    """Follow the provider's redirection, as a browser does: it comes from another site."""
    return browser.get(back, headers={"Sec-Fetch-Site": "cross-site"})


def log_in(browser: TestClient, then: str = "/") -> httpx.Response:
    """Log in by the provider."""
    return come_back(browser, begin(browser, then))


def assert_nobody_came_in(browser: TestClient, answer: httpx.Response, status: int = 403) -> None:
    """Check that a login was refused, left no session, added nobody, and showed nothing of how it failed."""
    engine = browser.app.state.engine
    assert answer.status_code == status, answer.text
    assert "__Host-ipml=" not in answer.headers.get("set-cookie", "")
    assert count(engine, sessions) == 0
    assert {user.name for user in ask(engine, list_users)} <= {"ana", "bo", "lea", "vic"}
    assert "Traceback" not in answer.text
    assert browser.get("/").headers["location"] == "/login?then=/"


def test_a_new_person_comes_in_with_the_role_of_their_group(engine: Engine, browser: TestClient) -> None:
    """Who the provider vouches for is added without a password, goes on to the case, and works as a reviewer."""
    assert "Log in with 127.0.0.1" in browser.get("/login").text
    answer = log_in(browser, "/cases/2")
    assert answer.headers["location"] == "/cases/2"
    assert "<summary>dana</summary>" in browser.get("/cases/2").text
    dana = next(user for user in ask(engine, list_users) if user.name == "dana")
    assert dana.role is Role.REVIEWER
    with reading(engine) as connection:
        assert connection.scalar(select(users.c.password_hash).where(users.c.name == "dana")) == ""
        audit_events = [row.action for row in audit.list_rows(connection, f"user:{dana.user_id}")]
        assert audit.verify(connection).is_intact
    assert audit_events == ["user added", "user linked", "logged in"]


def test_the_same_subject_is_the_same_user(engine: Engine, browser: TestClient, provider: SmallProvider) -> None:
    """A person who has changed name and address is who they were; their earlier session has ended."""
    log_in(browser)
    before = browser.cookies["__Host-ipml"]
    provider.claims = {"preferred_username": "ana", "email": "lea@shop.example"}
    log_in(browser)
    assert browser.cookies["__Host-ipml"] != before
    assert (count(engine, users), count(engine, sessions)) == (5, 1)
    assert "<summary>dana</summary>" in browser.get("/").text


def test_nobody_becomes_somebody_else_by_a_name(engine: Engine, browser: TestClient, provider: SmallProvider) -> None:
    """A name that is taken, could be mistaken for one that is, or is none, gives a new user another name."""
    names = ("ana", "ANA", "two words", "\u0430na", "x" * 300, "", 7, None, ["ana"])
    for number, name in enumerate(names, start=5):
        provider.claims = {"sub": f"new-{number}", "preferred_username": name, "email": "ana", "email_verified": True}
        assert log_in(browser).status_code == 303, name
        assert count(engine, users) == number
    assert all("-" in user.name for user in ask(engine, list_users) if user.name not in ("ana", "bo", "lea", "vic"))


def test_the_provider_says_the_role_at_each_login(engine, browser, make_browser, provider):
    """A new group changes the role and ends the sessions under the old one; losing it shuts out, as an admin does."""
    log_in(browser)
    for password in ("", " ", "None"):  # who came by the provider has no password that fits
        assert make_browser().post("/login", data={"name": "dana", "password": password}).status_code == 401
    provider.claims = {"groups": ["trust", "leads"]}
    log_in(other := make_browser())
    assert ">Lead</p>" in other.get("/").text
    assert browser.get("/").status_code == 303
    provider.claims = {"groups": []}
    assert log_in(make_browser()).status_code == 403
    assert other.get("/").status_code == 303
    act(engine, set_password, "dana", PASSWORD, CHEAP)
    assert make_browser().post("/login", data={"name": "dana", "password": PASSWORD}).status_code == 401
    assert count(engine, sessions) == 0
    provider.claims = {}
    act(engine, disable_user, "dana")
    assert log_in(make_browser()).status_code == 403


def test_without_roles_of_groups_only_linked_users_come_in(engine, settings, provider):
    """Where the settings map no groups, a person needs a link, and has the role that they have here."""
    app = make_app(engine, settings.model_copy(update={"oidc_roles": ""}), cost=CHEAP)
    browser = open_browser(app, base_url=HERE)
    assert_nobody_came_in(browser, log_in(browser))
    act(engine, link_user, "vic", Identity(provider.issuer, "person-7"))
    assert log_in(browser).status_code == 303
    assert "<summary>vic</summary>" in browser.get("/").text
    act(engine, set_role, "vic", Role.LEAD)
    assert browser.get("/").status_code == 303
    log_in(browser)
    assert ">Lead</p>" in browser.get("/").text


WRONG_CLAIMS = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another-service"},
    "another audience, got by us": {"aud": "another-service", "azp": CLIENT},
    "no audience": {"aud": None},
    "many audiences, no party": {"aud": [CLIENT, "another-service"]},
    "another party": {"azp": "another-service"},
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": 1},
    "expired": {"exp": int(time.time()) - 61},
    "no end": {"exp": None},
    "an end that is text": {"exp": "9999999999"},
    "an end beyond all time": {"exp": 10**400},
    "old": {"iat": int(time.time()) - 4000},
    "from the future": {"iat": int(time.time()) + 40_000},
    "not valid yet": {"nbf": int(time.time()) + 40_000},
    "nobody": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject of controls": {"sub": "a\0b"},
    "a long subject": {"sub": "s" * 256},
    "a subject that is a number": {"sub": 7},
    **{
        f"groups {groups}": {"groups": groups}
        for groups in ([], ["staff"], "leads ", {"trust": 1}, [["trust"]], None, 3)
    },
}


def test_wrong_claims_let_nobody_in(closed: TestClient, provider: SmallProvider, subtests: pytest.Subtests) -> None:
    """A token that is rightly signed, but not for this service, login, moment and a group with a role, is refused."""
    for name, wrong in WRONG_CLAIMS.items():
        with subtests.test(name):
            provider.claims = wrong
            assert_nobody_came_in(closed, log_in(closed))


def unsigned(_: SmallProvider, claims: dict[str, Any]) -> str:
    """Return a token that says it needs no signature."""
    return ".".join((_encode(b'{"alg": "none"}'), _encode(json.dumps(claims).encode()), ""))


def keyed_with_the_public_key(provider: SmallProvider, claims: dict[str, Any]) -> str:
    """Return a token whose signature anybody can make who knows the public key."""
    head = _encode(json.dumps({"alg": "HS256", "kid": "first"}).encode())
    told = f"{head}.{_encode(json.dumps(claims).encode())}"
    key = provider.key.as_pem(private=False)
    return f"{told}.{_encode(hmac.new(key, told.encode(), hashlib.sha256).digest())}"


def with_its_own_key(provider: SmallProvider, claims: dict[str, Any]) -> str:
    """Return a token that brings the key along by which it is to be checked."""
    key = provider.others["other"]
    header = {"alg": "RS256", "kid": "first", "jwk": key.as_dict(private=False), "jku": "https://elsewhere.example"}
    return sign(claims, header, key)


FORGERIES: dict[str, Callable[[SmallProvider, dict[str, Any]], object]] = {
    "no signature": unsigned,
    "public key as secret": keyed_with_the_public_key,
    "another key of the same id": lambda p, claims: sign(claims, {"alg": "RS256", "kid": "first"}, p.others["other"]),
    "a key of its own": with_its_own_key,
    "another algorithm": lambda p, claims: sign(claims, {"alg": "ES256"}, p.others["curve"]),
    "another padding": lambda p, claims: sign(claims, {"alg": "PS256", "kid": "first"}, p.key),
    "an unknown key": lambda p, claims: sign(claims, {"alg": "RS256", "kid": "never seen"}, p.key),
    "claims of another token": lambda p, claims: p.sign_honestly({**claims, "sub": "x"}).rpartition(".")[0] + ".x",
    "no object": lambda p, claims: sign([claims], {"alg": "RS256", "kid": "first"}, p.key),
    "deep": lambda p, claims: f"{_encode(b'[' * 9_000)}.x.y",
    "long": lambda p, claims: p.sign_honestly({**claims, "more": "x" * 20_000}),
    "no token": lambda p, claims: "token",
    "no text": lambda p, claims: {"alg": "RS256"},
    "nothing": lambda p, claims: None,
}


def test_forged_tokens_let_nobody_in(closed: TestClient, provider: SmallProvider, subtests: pytest.Subtests) -> None:
    """Only the agreed algorithm and the provider's published key count, whatever the token says of itself."""
    for name, forge in FORGERIES.items():
        with subtests.test(name):
            provider.sign = partial(forge, provider)
            assert_nobody_came_in(closed, log_in(closed))


def test_the_way_back_belongs_to_the_browser_that_went(browser: TestClient, make_browser: Callable) -> None:
    """Nobody else's browser finishes a login, nor does its code with another's state: it is bound to its verifier."""
    attackers = begin(browser)
    victim = make_browser()
    assert_nobody_came_in(victim, come_back(victim, attackers))
    begin(victim)
    assert_nobody_came_in(victim, come_back(victim, attackers))
    stolen, attacker = parse_qs(urlsplit(attackers).query)["code"][0], make_browser()
    own = parse_qs(urlsplit(begin(attacker)).query)["state"][0]
    answer = come_back(attacker, f"/login/oidc/back?{urlencode({'code': stolen, 'state': own})}")
    assert_nobody_came_in(attacker, answer)


def test_an_answer_counts_once(engine: Engine, browser: TestClient) -> None:
    """The same answer again is refused: the browser's secret is spent, and the code is at the provider."""
    back = begin(browser)
    kept = browser.cookies["__Host-ipml-login"]
    assert come_back(browser, back).status_code == 303
    assert "__Host-ipml-login" not in browser.cookies
    browser.post("/logout")
    assert come_back(browser, back).status_code == 403
    browser.cookies.set("__Host-ipml-login", kept, domain="testserver")
    assert come_back(browser, back).status_code == 403
    assert count(engine, sessions) == 0


def test_a_changed_answer_is_refused(closed: TestClient) -> None:
    """State, issuer and code must be those of the login; what the provider refused stays so."""
    changes = [{"state": state} for state in ("x" * 43, "", "\u00e9")] + [{"code": code} for code in ("", "code-99")]
    for changed in (*changes, {"iss": "https://elsewhere.example"}, {"error": "access_denied"}):
        answer = {name: values[0] for name, values in parse_qs(urlsplit(begin(closed)).query).items()}
        assert_nobody_came_in(closed, come_back(closed, f"/login/oidc/back?{urlencode(answer | changed)}"))


def test_the_login_leads_nowhere_else(browser: TestClient) -> None:
    """After the provider one is on this page, whatever the link said, and whatever the cookie says."""
    for then in ("https://elsewhere.example", "//elsewhere.example", "/\\elsewhere", "/cases/2/../x"):
        assert log_in(browser, then).headers["location"] == "/"
        back = begin(browser)
        secret = browser.cookies["__Host-ipml-login"].strip('"').split(".")[0]
        browser.cookies.set("__Host-ipml-login", f"{secret}.{then}", domain="testserver")
        assert come_back(browser, back).headers.get("location", "/") == "/"
        browser.cookies.clear()


def test_what_goes_to_the_provider(browser: TestClient, provider: SmallProvider) -> None:
    """This service and where to come back to, whatever Host says; not the secret, nor anything from another site."""
    answer = browser.get("/login/oidc", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert provider.asked == []
    away = browser.get("/login/oidc", headers={"Host": "elsewhere.example"})
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away.headers["location"]).query).items()}
    cookie = away.headers["set-cookie"]
    secret = cookie.partition("=")[2].strip('"').partition(".")[0]
    assert asked["redirect_uri"] == f"{HERE}/login/oidc/back"
    assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (CLIENT, "code", "S256")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"], secret}) == 4
    assert secret not in away.headers["location"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Secure", "Max-Age=600", "Path=/"))


def test_a_document_that_is_not_the_providers(engine, settings, make_browser, provider):
    """Another issuer's, or one that leads over unsafe ways, is not followed, nor a provider that is down waited for."""
    for document in (
        {"issuer": "https://elsewhere.example"},
        {"authorization_endpoint": "http://elsewhere.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ):
        provider.document = document
        browser = make_browser()
        assert browser.get("/login/oidc").status_code == 502, document
        assert browser.post("/login", data={"name": "ana", "password": PASSWORD}).status_code == 303
    gone = settings.model_copy(update={"oidc_issuer": "http://127.0.0.1:9"})
    away = open_browser(make_app(engine, gone), base_url=HERE)
    assert away.get("/login/oidc").status_code == 502
    provider.document = {"token_endpoint": "ftp://x"}
    with pytest.raises(Failed, match="token_endpoint"):
        Provider(settings)._endpoint("token_endpoint")


def test_keys_from_strange_places(browser: TestClient, provider: SmallProvider) -> None:
    """Redirections are not followed, no answer is read without end, and none that says it has failed is believed."""
    for path in ("/moved", "/huge", "/failing"):
        provider.document = {"jwks_uri": f"{provider.issuer}{path}"}
        assert_nobody_came_in(browser, log_in(browser), 502)


def test_new_keys_are_found_and_not_asked_for_at_every_login(browser, settings, provider):
    """A key that is not known yet is asked for; tokens with made-up keys cannot have us ask again and again."""
    seconds = [0.0]
    browser.app.state.provider = Provider(settings, clock=lambda: seconds[0])
    assert log_in(browser).status_code == 303
    provider.published = [{**provider.published[0], "kid": "second"}]
    provider.sign = lambda claims: sign(claims, {"alg": "RS256", "kid": "second"}, provider.key)
    assert [log_in(browser).status_code for _ in range(3)] == [403] * 3
    assert provider.asked.count("/keys") == 1
    seconds[0] = 31.0
    assert log_in(browser).status_code == 303
    provider.sign = lambda claims: sign(claims, {"alg": "RS256", "kid": "made up"}, provider.key)
    assert [log_in(browser).status_code for _ in range(3)] == [403] * 3
    assert provider.asked.count("/keys") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
def test_a_key_signs_as_was_agreed(engine: Engine, settings: Settings, provider: SmallProvider, algorithm: str) -> None:
    """Curves count where the settings say so and RS256 does not; a key that could sign in two ways signs in one."""
    app = make_app(engine, settings.model_copy(update={"oidc_algorithm": algorithm}), cost=CHEAP)
    browser = open_browser(app, base_url=HERE)
    curve = provider.others["curve"]
    provider.published.append(curve.as_dict(private=False))
    assert_nobody_came_in(browser, log_in(browser))
    header = {"alg": algorithm} if algorithm == "ES256" else {"alg": algorithm, "kid": "first"}
    provider.sign = lambda claims: sign(claims, header, curve if algorithm == "ES256" else provider.key)
    assert log_in(browser).status_code == 303


def test_unusable_settings_are_named(settings: Settings) -> None:
    """A page with half of what a provider needs does not start, and says what is missing; the secret does not print."""
    for changed, named in (
        ({"oidc_issuer": "http://id.example"}, "IPML_OIDC_ISSUER"),
        ({"oidc_issuer": "https://user@id.example"}, "IPML_OIDC_ISSUER"),
        ({"public_url": None}, "IPML_PUBLIC_URL"),
        ({"public_url": "http://page.example"}, "IPML_PUBLIC_URL"),
        ({"oidc_client_id": None}, "IPML_OIDC_CLIENT_ID"),
    ):
        with pytest.raises(UnusableSetting, match=named):
            make_provider(settings.model_copy(update=changed))
    assert SECRET not in repr(make_provider(settings)) + repr(settings)


def test_without_a_provider_its_addresses_are_not_there(visitor: Callable) -> None:
    """A page without the settings has no such login."""
    assert visitor().get("/login/oidc").status_code == 404
    assert visitor().get("/login/oidc/back?code=x&state=y").status_code == 404
    assert "Log in with" not in visitor().get("/login").text


def test_logins_at_the_same_moment(tmp_path: Any) -> None:
    """Eight logins at once of three people of one name add three users, each under a name of their own."""
    shared = open_database(f"sqlite:///{tmp_path}/at_once.db")
    migrate(shared)
    rules = ClaimRules(parse_group_roles("trust=reviewer"))

    def come(number: int) -> int:
        claims = {"sub": f"person-{number % 3}", "groups": ["trust"], "preferred_username": "dana"}
        return admit(shared, "https://id.example", claims, rules).user_id

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(come, range(24)))
    assert len(set(found)) == len(ask(shared, list_users)) == 3
    assert found == found[:3] * 8
    shared.dispose()
