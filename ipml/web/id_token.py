"""Reading an ID token: the signature first, by one algorithm and the provider's own key; then every claim."""

from __future__ import annotations

import base64
import hmac
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipml.errors import LoginRefused

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
