"""Who may have listings scored over HTTP: programs that show a key, or, without keys, those on this machine.

Browsers lend their user's rights to whatever site asks; so what another site sends is refused, and so is a request
without a key that did not come here straight and under this machine's name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request

from ipml.errors import ApiKeyNeeded, ApiRefused, UnusableSetting
from ipml.web.permissions import Action

MIN_KEY_LENGTH = 32
_KEY = re.compile(rf"[A-Za-z0-9._~+/-]{{{MIN_KEY_LENGTH},512}}=*")  # what may follow "Bearer" (RFC 6750, section 2.1)
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]")
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
PURPOSES = {"score": Action.SCORE, "measures": Action.SETTLE_MESSAGES, "notices": Action.GIVE_NOTICE}
"""What a key may be for, by its name in the file of keys."""


@dataclass(frozen=True, repr=False)
class Access:
    """The rule by which the API answers.

    Parameters
    ----------
    keys : mapping from bytes to frozenset of Action
        SHA-256 of each key that opens it, and what it opens; none where no key is asked for.
    is_open : bool
        Whether, without keys, it answers whoever can reach it; else only this machine.
    """

    keys: Mapping[bytes, frozenset[Action]] = field(default_factory=dict)
    is_open: bool = False

    def check(self, request: Request, action: Action | None) -> None:
        """Let a request for an action pass, or say why not.

        Raises
        ------
        ApiKeyNeeded, ApiRefused
        """
        if self.keys:
            self._check_key(request.headers.get("authorization", ""), action)
        elif not self.is_open:
            _check_local(request)

    def _check_key(self, header: str, action: Action | None) -> None:
        scheme, _, key = header.partition(" ")
        shown = hashlib.sha256(key.strip().encode("utf-8", "surrogatepass")).digest()
        # Each is compared, and in a time that tells nothing of how much of it fits.
        fitting = [opens for known, opens in self.keys.items() if hmac.compare_digest(shown, known)]
        if not fitting or scheme.lower() != "bearer":
            raise ApiKeyNeeded
        if action not in fitting[0]:
            raise ApiRefused(f"a key for {_name_purposes(fitting[0])} alone", "one for this purpose; ask the operator")


def make_access(key_file: Path | None, host: str, *, is_open: bool = False) -> Access:
    """Return the rule for a server that listens on an address.

    Parameters
    ----------
    key_file : Path or None
        File with a key a line, behind it a blank and what it is for (score, measures, notices, between commas; a key
        alone is for scoring), so that a new one can come before the old one goes. No key is asked for without a file.
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
    {}
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


def _read_keys(path: Path) -> dict[bytes, frozenset[Action]]:
    expected = (
        f"a key a line, of at least {MIN_KEY_LENGTH} letters, digits and . _ ~ + / -, and behind it what it is for: "
        f"{', '.join(PURPOSES)} or some of these between commas"
    )
    # A key may have been given where its file belongs: only what is clearly a path is named.
    is_path = path.is_absolute() and path.parent != Path(path.anchor) and path.parent.is_dir()
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        where = f"key file {path}" if is_path else "IPML_API_KEY"
        raise UnusableSetting(where, type(error).__name__, f"the path of a readable file with {expected}") from None
    keys: dict[bytes, frozenset[Action]] = {}
    for number, (key, *purposes) in enumerate(lines, start=1):
        names = purposes[0].split(",") if purposes else ["score"]
        if not _KEY.fullmatch(key) or len(purposes) > 1 or not set(names) <= PURPOSES.keys():
            raise UnusableSetting(f"key file {path}", f"something else in line {number}", expected)
        digest = hashlib.sha256(key.encode()).digest()
        keys[digest] = keys.get(digest, frozenset()) | {PURPOSES[name] for name in names}
    if not keys:
        raise UnusableSetting(f"key file {path}", "none", expected)
    return keys


def _name_purposes(opened: frozenset[Action]) -> str:
    return ", ".join(name for name, action in PURPOSES.items() if action in opened)
