"""Logging in at an OpenID Connect provider: authorization code flow with PKCE, state and nonce.

The only module of the web that asks another server anything, and it asks the provider alone: what it publishes of
itself, its keys, and what a code is worth. Needs the extra: pip install "ipml[oidc]".

An ID token is read in this order: the signature first, by one algorithm and the provider's own key; then every claim.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import ssl
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from ipml.errors import LoginRefused, ProviderUnavailable, UnusableSetting
from ipml.settings import Settings
from ipml.web.http_api.requests import is_loopback

_MOST_LETTERS = 16_384
_LONGEST_SUBJECT = 255  # OpenID Connect Core 1.0, section 2
_LEEWAY_SECONDS = 60.0  # clocks of two machines
_OLDEST_SECONDS = 600.0  # the code was changed into this token just now
_KEY_KINDS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """For whom, from whom and for which login a token has to be."""

    issuer: str
    client_id: str
    nonce: str


def find_key_id(token: str) -> str | None:
    """Return the id of the key that a token says it is signed with.

    Raises
    ------
    LoginRefused
    """
    kid = _read_header(token).get("kid")
    return kid if isinstance(kid, str) else None


def read_signed(token: str, keys: Claims, algorithm: str) -> Claims:
    """Return the claims of a token whose signature is right.

    Parameters
    ----------
    token : str
    keys : mapping
        The provider's keys, as a JWK set.
    algorithm : {"RS256", "PS256", "ES256"}
        The one that is accepted; what the token says of it must be the same.

    Raises
    ------
    LoginRefused
    """
    header = _read_header(token)
    if header.get("alg") != algorithm:
        raise LoginRefused("a token signed in another way than agreed")
    key = _choose_key(keys, header.get("kid"), algorithm)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns of keys that are weak or odd; signatures decide here
            from joserfc import jws
            from joserfc.jwk import import_key

            content = jws.deserialize_compact(token, import_key(key), algorithms=[algorithm]).payload
        claims = json.loads(content)
    except Exception:  # whatever a forged token or key makes the library raise, nobody is let in
        raise LoginRefused("a token whose signature is wrong") from None
    if not isinstance(claims, dict):
        raise LoginRefused("a token without claims")
    return claims


def check_claims(claims: Claims, expected: Expected, now: float) -> Claims:
    """Return the claims if they are for this login, and say which one is not otherwise.

    Parameters
    ----------
    now : float
        Seconds since 1970.

    Raises
    ------
    LoginRefused

    Examples
    --------
    >>> claims = {"iss": "https://id", "aud": "ipml", "sub": "7", "nonce": "n", "iat": 100, "exp": 400}
    >>> check_claims(claims, Expected("https://id", "ipml", "n"), now=110.0)["sub"]
    '7'
    >>> check_claims(claims, Expected("https://id", "ipml", "n"), now=500.0)
    Traceback (most recent call last):
    ipml.errors.LoginRefused: The login was refused: found a token that has expired. Go back to /login and try again.
    """
    for is_wrong, found in (
        (claims.get("iss") != expected.issuer, "a token of another issuer"),
        (not _is_for(claims, expected.client_id), "a token for another service"),
        (not _is_same(claims.get("nonce"), expected.nonce), "a token of another login"),
        (_number(claims, "exp", 0.0) + _LEEWAY_SECONDS <= now, "a token that has expired"),
        (abs(_number(claims, "iat", 0.0) - now) > _OLDEST_SECONDS, "a token of another time"),
        (_number(claims, "nbf", now) - _LEEWAY_SECONDS > now, "a token that is not valid yet"),
        (not _is_subject(claims.get("sub")), "a token that names nobody"),
    ):
        if is_wrong:
            raise LoginRefused(found)
    return claims


def _is_for(claims: Claims, client_id: str) -> bool:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp", client_id if len(named) == 1 else None)
    return client_id in named and party == client_id


def _is_same(found: object, expected: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode("utf-8", "replace"), expected.encode())


def _is_subject(found: object) -> bool:
    return isinstance(found, str) and found.isascii() and found.isprintable() and 0 < len(found) <= _LONGEST_SUBJECT


def _number(claims: Claims, name: str, default: float) -> float:
    found = claims.get(name, default)
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
    # Compared and nothing else, so that whole numbers of any length do no harm.
    if not is_number or not 0 <= found < 1e12:
        raise LoginRefused(f"a token whose {name} is no moment")
    return float(found)


def _choose_key(keys: Claims, key_id: object, algorithm: str) -> dict[str, Any]:
    """Return the one key that may have signed; without an id in the token there must be but one that fits."""
    listed = keys.get("keys")
    fitting = [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict)
        and key.get("kty") == _KEY_KINDS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (key_id is None or key.get("kid") == key_id)
    ]
    if len(fitting) != 1:
        raise LoginRefused("a token signed with an unknown key")
    return fitting[0]


def _read_header(token: str) -> Claims:
    encoded = token.partition(".")[0] if len(token) <= _MOST_LETTERS else ""
    try:
        header = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError):
        raise LoginRefused("something else than a token") from None
    if not isinstance(header, dict):
        raise LoginRefused("something else than a token")
    return header


BACK = "/login/oidc/back"
_DOCUMENT = "/.well-known/openid-configuration"
_MOST_BYTES = 1_048_576
_TIMEOUT_SECONDS = 5.0
_KEPT_SECONDS = 3600.0  # what the provider publishes of itself
_BETWEEN_REFRESHES_SECONDS = 30.0  # unknown keys must not make us ask at every login
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registration:
    """What this service and its provider have agreed on.

    Attributes
    ----------
    issuer, client_id : str
    redirect : str
        Where the provider sends people back to; never taken from a request.
    client_secret : str or None
    algorithm : str
        How the provider signs; nothing else is accepted.
    scope : str
    """

    issuer: str
    client_id: str
    redirect: str
    client_secret: str | None = None
    algorithm: str = "RS256"
    scope: str = "openid profile"

    def __repr__(self) -> str:
        return f"Registration({self.issuer!r}, {self.client_id!r})"


class Provider:
    """One provider.

    What it publishes is kept for an hour; its keys are asked for again where one is not among them.

    Parameters
    ----------
    registration : Registration
    clock : callable, default=time.monotonic
        Returns seconds.
    """

    def __init__(self, registration: Registration, clock: Callable[[], float] = time.monotonic) -> None:
        self._agreed, self._clock = registration, clock
        self._kept: dict[str, tuple[float, Claims]] = {}
        self._lock = Lock()

    @property
    def issuer(self) -> str:
        """The provider's name for itself."""
        return self._agreed.issuer

    @property
    def label(self) -> str:
        """What people see of it."""
        return urlsplit(self.issuer).netloc

    def start(self, secret: str) -> str:
        """Return the address of the provider where a person logs in.

        Parameters
        ----------
        secret : str
            Random, kept by the browser alone until it comes back; state, nonce and verifier are made of it.
        """
        asked = {
            "response_type": "code",
            "client_id": self._agreed.client_id,
            "redirect_uri": self._agreed.redirect,
            "scope": self._agreed.scope,
            "state": derive(secret, "state"),
            "nonce": derive(secret, "nonce"),
            "code_challenge": _encode(hashlib.sha256(derive(secret, "verifier").encode()).digest()),
            "code_challenge_method": "S256",
        }
        address = self._endpoint("authorization_endpoint")
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"

    def finish(self, secret: str, state: str, code: str, issuer: str | None, now: float | None = None) -> Claims:
        """Return what the provider says of the person who came back, checked.

        Parameters
        ----------
        secret : str
            As given to `start`.
        state, code, issuer : str
            What the browser brought back; `issuer` is None where the provider does not name itself (RFC 9207).
        now : float, default=time.time()
            Seconds since 1970.

        Raises
        ------
        LoginRefused
            Something of it is not from this provider, for this service, for this login, and fresh.
        ProviderUnavailable
        """
        if not hmac.compare_digest(state.encode("utf-8", "replace"), derive(secret, "state").encode()):
            raise LoginRefused("the answer to another login")
        if issuer is not None and issuer != self.issuer:
            raise LoginRefused("the answer of another provider")
        token = self._exchange(code, derive(secret, "verifier"))
        claims = read_signed(token, self._find_keys(find_key_id(token)), self._agreed.algorithm)
        expected = Expected(self.issuer, self._agreed.client_id, derive(secret, "nonce"))
        return check_claims(claims, expected, time.time() if now is None else now)

    def _exchange(self, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._agreed.redirect,
            "code_verifier": verifier,
            "client_id": self._agreed.client_id,
        }
        headers = {"Accept": "application/json"}
        if self._agreed.client_secret is not None:
            if self._takes_basic():
                both = f"{quote_plus(self._agreed.client_id)}:{quote_plus(self._agreed.client_secret)}"
                headers["Authorization"] = f"Basic {base64.b64encode(both.encode()).decode()}"
            else:
                form["client_secret"] = self._agreed.client_secret
        status, answer = self._ask("POST", self._endpoint("token_endpoint"), form, headers)
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            _log.warning("login refused: the provider answered a code with %s, %.80r", status, answer.get("error"))
            raise LoginRefused("a code that the provider does not accept")
        return token

    def _takes_basic(self) -> bool:
        methods = self._document().get("token_endpoint_auth_methods_supported")
        return not isinstance(methods, list) or "client_secret_basic" in methods

    def _find_keys(self, key_id: str | None) -> Claims:
        """Return the provider's keys, asking for them again where the one of that id is not among them."""
        address = self._endpoint("jwks_uri")
        keys = self._keep(address, _KEPT_SECONDS)
        if key_id is not None and key_id not in _key_ids(keys):
            keys = self._keep(address, _BETWEEN_REFRESHES_SECONDS)
        return keys

    def _endpoint(self, name: str) -> str:
        address = self._document().get(name)
        if not isinstance(address, str) or not is_safe_url(address):
            raise ProviderUnavailable(self.issuer, f"its document gives no https address as {name}")
        return address

    def _document(self) -> Claims:
        document = self._keep(self.issuer.rstrip("/") + _DOCUMENT, _KEPT_SECONDS)
        if document.get("issuer") != self.issuer:
            raise ProviderUnavailable(self.issuer, f"its document is that of {document.get('issuer')!r:.100}")
        return document

    def _keep(self, address: str, seconds: float) -> Claims:
        """Return what stands at an address, asked for unless that was done so many seconds ago."""
        with self._lock:
            at, content = self._kept.get(address, (-float("inf"), {}))
            if self._clock() - at < seconds:
                return content
            status, content = self._ask("GET", address)
            if status != 200:
                raise ProviderUnavailable(self.issuer, f"{urlsplit(address).path} answers {status}")
            self._kept[address] = (self._clock(), content)
            return content

    def _ask(
        self, method: str, address: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Claims]:
        import httpx

        try:
            with (
                httpx.Client(verify=_trust(), timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client,
                client.stream(method, address, data=form, headers=headers) as answer,
            ):
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _MOST_BYTES:
                        raise ProviderUnavailable(self.issuer, f"an answer of more than {_MOST_BYTES} bytes")
                return answer.status_code, _read_object(bytes(body))
        except httpx.HTTPError as error:
            raise ProviderUnavailable(self.issuer, type(error).__name__) from error


def make_provider(settings: Settings) -> Provider | None:
    """Return the provider of the settings, or None where there is none.

    Raises
    ------
    UnusableSetting
    """
    if settings.oidc_issuer is None:
        return None
    _need_packages()
    if not is_safe_url(settings.oidc_issuer):
        raise UnusableSetting("IPML_OIDC_ISSUER", repr(settings.oidc_issuer), "an address that begins with https://")
    if settings.public_url is None or not is_safe_url(settings.public_url):
        expected = "the https address under which people reach this page, as the provider knows it"
        raise UnusableSetting("IPML_PUBLIC_URL", repr(settings.public_url), expected)
    if not settings.oidc_client_id:
        raise UnusableSetting("IPML_OIDC_CLIENT_ID", "none", "what the provider calls this service")
    return Provider(
        Registration(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            redirect=settings.public_url.rstrip("/") + BACK,
            client_secret=_read_secret(settings.oidc_client_secret),
            algorithm=settings.oidc_algorithm,
            scope=settings.oidc_scope,
        )
    )


def derive(secret: str, purpose: str) -> str:
    """Return a value that only who has the secret can make, and from which it cannot be told.

    Examples
    --------
    >>> derive("s", "state") == derive("s", "state"), derive("s", "state") == derive("s", "nonce")
    (True, False)
    """
    return _encode(hmac.new(secret.encode("utf-8", "surrogatepass"), purpose.encode(), hashlib.sha256).digest())


def is_safe_url(address: str) -> bool:
    """Tell whether an address is read by nobody on the way: https, or on this machine.

    Examples
    --------
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


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    # Reading all certificates takes longer than asking; clients are not kept, so that none brings cookies along.
    import httpx

    return httpx.create_ssl_context()


def _need_packages() -> None:
    try:
        import httpx  # noqa: F401
        import joserfc  # noqa: F401
    except ImportError as error:
        expected = "the packages for it: pip install 'ipml[oidc]'"
        raise UnusableSetting("IPML_OIDC_ISSUER", f"no package {error.name}", expected) from error


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


def _read_object(body: bytes) -> Claims:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _key_ids(keys: Claims) -> list[object]:
    listed = keys.get("keys")
    return [key.get("kid") for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
