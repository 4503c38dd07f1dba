"""Who may have listings scored over HTTP: programs that show a key, or, without keys, those on this machine.

Browsers lend their user's rights to whatever site asks; so what another site sends is refused, and so is a request
without a key that did not come here straight and under this machine's name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from ipml.errors import ApiKeyNeeded, ApiRefused, UnusableSetting

MIN_KEY_LENGTH = 32
_KEY = re.compile(rf"[A-Za-z0-9._~+/-]{{{MIN_KEY_LENGTH},512}}=*")  # what may follow "Bearer" (RFC 6750, section 2.1)
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]")
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@dataclass(frozen=True, repr=False)
class Access:
    """The rule by which the API answers.

    Parameters
    ----------
    keys : tuple of bytes
        SHA-256 of each key that opens it; none where no key is asked for.
    is_open : bool
        Whether, without keys, it answers whoever can reach it; else only this machine.
    """

    keys: tuple[bytes, ...] = ()
    is_open: bool = False

    def check(self, request: Request) -> None:
        """Let a request pass, or say why not.

        Raises
        ------
        ApiKeyNeeded, ApiRefused
        """
        if self.keys:
            self._check_key(request.headers.get("authorization", ""))
        elif not self.is_open:
            _check_local(request)

    def _check_key(self, header: str) -> None:
        scheme, _, key = header.partition(" ")
        shown = hashlib.sha256(key.strip().encode("utf-8", "surrogatepass")).digest()
        # Each is compared, and in a time that tells nothing of how much of it fits.
        if not sum(hmac.compare_digest(shown, known) for known in self.keys) or scheme.lower() != "bearer":
            raise ApiKeyNeeded


def make_access(key_file: Path | None, host: str, *, is_open: bool = False) -> Access:
    """Return the rule for a server that listens on an address.

    Parameters
    ----------
    key_file : Path or None
        File with one key a line, so that a new one can come before the old one goes; no key is asked for without.
    host : str
        The address.
    is_open : bool, default=False
        Whether to answer without a key on an address that other machines reach.

    Raises
    ------
    UnusableSetting
        The keys are missing, short or no keys; or the address is open to others, and nobody has allowed that.

    Examples
    --------
    >>> make_access(None, "127.0.0.1").keys
    ()
    >>> make_access(None, "0.0.0.0")
    Traceback (most recent call last):
    ipml.errors.UnusableSetting: API on 0.0.0.0: found no key; expected a file of keys in IPML_API_KEY, ...
    """
    if key_file is not None:
        return Access(_read_keys(key_file))
    if not is_open and not is_loopback(host):
        expected = "a file of keys in IPML_API_KEY, --host 127.0.0.1, or --open-api to let anyone in"
        raise UnusableSetting(f"API on {host}", "no key", expected)
    return Access(is_open=is_open)


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine only.

    Examples
    --------
    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("127.0.0.1.example.com")
    (True, True, False, False)
    """
    return _LOOPBACK.fullmatch(f"[{host}]" if ":" in host else host.lower()) is not None


def check_site(headers: Mapping[str, str]) -> None:
    """Refuse what another site has a browser send; a program says nothing of any site.

    Raises
    ------
    ApiRefused
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        raise ApiRefused("a request from another site", "one from a program")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise ApiRefused("a request from another site", "one from a program")


def _check_local(request: Request) -> None:
    # Another site's name may lead to this machine, and a proxy of this machine to others: neither is local.
    name = re.sub(r":[0-9]{0,5}$", "", request.headers.get("host", "").lower())
    if not _LOOPBACK.fullmatch(name):
        raise ApiRefused("another name than this machine's in the header Host", "localhost; others need a key")
    if any(header in request.headers for header in _PASSED_ON):
        raise ApiRefused("a request that a proxy passed on", "one from this machine; others need a key")


def _read_keys(path: Path) -> tuple[bytes, ...]:
    try:
        lines = path.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableSetting(f"key file {path}", type(error).__name__, "a readable file with a key a line") from None
    if not lines or not all(map(_KEY.fullmatch, lines)):
        expected = f"keys of at least {MIN_KEY_LENGTH} letters, digits and . _ ~ + / -, one a line"
        raise UnusableSetting(f"key file {path}", "none" if not lines else "something else than keys", expected)
    return tuple(hashlib.sha256(line.encode()).digest() for line in lines)
