"""OpenID Connect: login at a provider by authorization code flow with PKCE, state and nonce.

Authlib speaks the protocol and checks the claims of the ID token, joserfc its signature. This module sets the trust:
one issuer, algorithm and return address; https everywhere; answers of limited size; unknown keys requested again, but
not at every login. It is the only module of the web that calls another server. Needs the extra: pip install
"ipml[oidc]".
"""

from __future__ import annotations

import hmac
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx

from ipml.errors import Failed, Forbidden, UnusableSetting
from ipml.settings import Settings
from ipml.web.http_api.requests import is_loopback

BACK = "/login/oidc/back"
_DOCUMENT = "/.well-known/openid-configuration"
_MOST_BYTES = 1_048_576
_MOST_LETTERS = 16_384
_LONGEST_SUBJECT = 255  # OpenID Connect Core 1.0, section 2
_LEEWAY_SECONDS = 60  # difference of two clocks
_OLDEST_SECONDS = 600  # the token was issued just now
_LATEST = 1e12  # seconds since 1970, far beyond all dates
_KEPT_SECONDS = 3600.0  # for documents of the provider
_BETWEEN_REFRESHES_SECONDS = 30.0  # so that unknown keys do not cause a request at every login
_KEY_KINDS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
_log = logging.getLogger(__name__)

Claims = Mapping[str, Any]


class Provider:
    """A provider; its documents are cached for an hour, and unknown keys requested again.

    Uses the settings of OpenID Connect and `public_url`, the return address; raises UnusableSetting.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        expected = "the https address under which people reach this page, as the provider knows it"
        self.issuer = _check_address("IPML_OIDC_ISSUER", settings.oidc_issuer, "an address that begins with https://")
        self._back = _check_address("IPML_PUBLIC_URL", settings.public_url, expected).rstrip("/") + BACK
        if not settings.oidc_client_id:
            raise UnusableSetting("IPML_OIDC_CLIENT_ID", "none", "what the provider calls this service")
        self._client_id, self._secret = settings.oidc_client_id, _read_secret(settings.oidc_client_secret)
        self._scope, self._algorithm = settings.oidc_scope, settings.oidc_algorithm
        self._clock, self._lock = clock, Lock()
        self._kept: dict[str, tuple[float, Claims]] = {}

    @property
    def label(self) -> str:
        """The name shown to people."""
        return urlsplit(self.issuer).netloc

    def start(self, secret: str) -> str:
        """Return the provider's login address.

        `secret` is random and known to the browser alone; state, nonce and verifier derive from it.
        """
        made = {name: derive(secret, name) for name in ("state", "nonce", "code_verifier")}
        address: str
        address, _ = self._client(None).create_authorization_url(self._endpoint("authorization_endpoint"), **made)
        return address

    def finish(self, secret: str, state: str, code: str, issuer: str | None) -> Claims:
        """Return the checked claims about the person who came back.

        `secret` is as given to `start`, the rest came with the browser; `issuer` is None if the provider does not name
        itself (RFC 9207). Raises Failed, and Forbidden if anything is not fresh, from this provider, for this service
        and this login.
        """
        if not hmac.compare_digest(state.encode("utf-8", "replace"), derive(secret, "state").encode()):
            raise refuse_login("the answer to another login")
        if issuer is not None and issuer != self.issuer:
            raise refuse_login("the answer of another provider")
        return self._read(self._exchange(code, derive(secret, "code_verifier")), derive(secret, "nonce"))

    def _exchange(self, code: str, verifier: str) -> str:
        from authlib.common.errors import AuthlibBaseError

        auth, form = httpx.Auth(), {"code": code, "code_verifier": verifier, "client_id": self._client_id}
        if self._secret is not None and self._takes_basic():
            auth = httpx.BasicAuth(quote_plus(self._client_id), quote_plus(self._secret))  # RFC 6749, section 2.3.1
        elif self._secret is not None:
            form["client_secret"] = self._secret
        with self._asking() as session:
            try:
                answer = self._client(session).fetch_token(self._endpoint("token_endpoint"), auth=auth, **form)
            except AuthlibBaseError as error:
                _log.warning("login refused: the provider answered a code with %.80r", error.error)
                answer = {}
        token = answer.get("id_token")
        if not isinstance(token, str) or len(token) > _MOST_LETTERS:
            raise refuse_login("a code that the provider does not accept")
        return token

    def _read(self, token: str, nonce: str) -> Claims:
        """Return the claims of an ID token, after checking its signature (agreed algorithm, published key)."""
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import ClaimError, InvalidKeyIdError
        from joserfc.jwt import decode

        now = time.time()
        options: dict[str, dict[str, Any]] = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._client_id},
            "iat": {"essential": True, "validate": lambda _, at: at > now - _OLDEST_SECONDS},
            "exp": {"essential": True, "validate": lambda _, at: at < _LATEST},
            "sub": {"essential": True, "validate": lambda _, found: _is_subject(found)},
        }
        try:
            try:
                signed = decode(token, self._find_keys(_KEPT_SECONDS), [self._algorithm])
            except InvalidKeyIdError:
                signed = decode(token, self._find_keys(_BETWEEN_REFRESHES_SECONDS), [self._algorithm])
            claims = CodeIDToken(signed.claims, signed.header, options, {"client_id": self._client_id, "nonce": nonce})
            claims.validate(now, _LEEWAY_SECONDS)
        except Failed:
            raise
        except ClaimError as error:
            raise refuse_login(f"a token whose claim {error.claim!r} is not that of this login and moment") from None
        except Exception:  # a forged token or key may raise anything in the libraries
            raise refuse_login("a token that is not signed as agreed") from None
        return signed.claims

    def _client(self, session: httpx.Client | None) -> Any:
        from authlib.common.errors import AuthlibBaseError
        from authlib.oauth2 import OAuth2Client

        agreed = {"scope": self._scope, "redirect_uri": self._back, "code_challenge_method": "S256"}
        client = OAuth2Client(session, self._client_id, **agreed)
        client.oauth_error_class = AuthlibBaseError  # the default rejects texts with quotes, line breaks or umlauts
        return client

    def _takes_basic(self) -> bool:
        methods = self._document().get("token_endpoint_auth_methods_supported")
        return not isinstance(methods, list) or "client_secret_basic" in methods

    def _find_keys(self, seconds: float) -> Any:
        """Return the provider's keys for the algorithm, at most so many seconds old."""
        from joserfc.jwk import KeySet

        keys = self._fetch(self._endpoint("jwks_uri"), seconds)["keys"]
        return KeySet.import_key_set({"keys": [key for key in keys if key.get("kty") == _KEY_KINDS[self._algorithm]]})

    def _endpoint(self, name: str) -> str:
        address = self._document().get(name)
        if not isinstance(address, str) or not is_safe_url(address):
            raise self._fail(f"its document gives no https address as {name}")
        return address

    def _document(self) -> Claims:
        document = self._fetch(self.issuer.rstrip("/") + _DOCUMENT, _KEPT_SECONDS)
        if document.get("issuer") != self.issuer:
            raise self._fail(f"its document is that of {document.get('issuer')!r:.100}")
        return document

    def _fetch(self, address: str, seconds: float) -> Claims:
        """Return the document at an address, at most so many seconds old."""
        with self._lock:
            at, content = self._kept.get(address, (-float("inf"), {}))
            if self._clock() - at >= seconds:
                with self._asking() as session:
                    content = dict(session.get(address).raise_for_status().json())
                self._kept[address] = (self._clock(), content)
            return content

    def _fail(self, found: str) -> Failed:
        remedy = "Try again, or log in by password."
        return Failed(f"provider {self.issuer}", f"it cannot be asked just now: {found}", remedy)

    @contextmanager
    def _asking(self) -> Iterator[httpx.Client]:
        try:
            with _BoundedClient(verify=_trust()) as session:  # a new one each time, without cookies
                yield session
        except httpx.HTTPStatusError as error:
            found = f"{error.request.url.path} answers {error.response.status_code}"
            raise self._fail(found) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, RecursionError) as error:
            raise self._fail(type(error).__name__) from error


class _BoundedClient(httpx.Client):
    """Limits the size of answers; by httpx's defaults it follows no redirections and waits at most 5 seconds."""

    def send(self, request: httpx.Request, **given: Any) -> httpx.Response:
        answer, body = super().send(request, **{**given, "stream": True}), b""
        with closing(answer):
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise httpx.ReadError(f"an answer of more than {_MOST_BYTES} bytes", request=request)
        return httpx.Response(answer.status_code, content=body, request=request)


def make_provider(settings: Settings) -> Provider | None:
    """Return the provider of the settings, or None; raises UnusableSetting."""
    if settings.oidc_issuer is None:
        return None
    if find_spec("authlib") is None:
        expected = "the packages for it: pip install 'ipml[oidc]'"
        raise UnusableSetting("IPML_OIDC_ISSUER", "no package authlib", expected)
    return Provider(settings)


def refuse_login(found: str) -> Forbidden:
    """Return the error for an answer of a provider (or in its name) that is refused."""
    return Forbidden("login", f"it was refused: found {found}", "Go back to /login and try again.")


def derive(secret: str, purpose: str) -> str:
    """Return a value that only the holder of the secret can make, and that does not reveal the secret."""
    return hmac.digest(secret.encode("utf-8", "surrogatepass"), purpose.encode(), "sha256").hex()


def is_safe_url(address: str) -> bool:
    """Report whether nobody can read the traffic to an address: https, or this machine.

    >>> is_safe_url("https://id.example/x"), is_safe_url("http://id.example"), is_safe_url("http://127.0.0.1:80")
    (True, False, True)
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def _check_address(name: str, address: str | None, expected: str) -> str:
    if address is None or not is_safe_url(address):
        raise UnusableSetting(name, repr(address), expected)
    return address


def _is_subject(found: str) -> bool:
    return found.isascii() and found.isprintable() and len(found) <= _LONGEST_SUBJECT


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reading all certificates takes longer than a request


def _read_secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableSetting("IPML_OIDC_CLIENT_SECRET", type(error).__name__, "a readable file") from None
    if not secret:
        raise UnusableSetting("IPML_OIDC_CLIENT_SECRET", "an empty file", "one with the secret")
    return secret
