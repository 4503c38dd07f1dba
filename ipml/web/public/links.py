"""Links: signs addresses of public pages, and adds them to messages as they leave.

A seller's link names a restriction or an appeal, and when it was signed; itsdangerous signs it. The database holds no
link, so nobody who reads a letter there can appeal in the seller's name. A notice is found by its random reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from itsdangerous import BadSignature, TimestampSigner

from ipml.errors import NotFound, UnusableSetting
from ipml.settings import Settings
from ipml.storage.message_kinds import HOLDER, SELLER
from ipml.storage.outbox import Message
from ipml.web.accounts.oidc import is_safe_url
from ipml.web.public.words import load_page_words

Page = Literal["seller", "notices"]
SELLER_PATH, NOTICES_PATH = "/public/decisions", "/public/notices"
_SALT = b"ipml public page of a seller"
_SUBJECT = re.compile(r"(measure|penalty|appeal)-([1-9][0-9]{0,18})")
_LETTERS = ("statement", "lifted", "appeal")
_LONGEST_TOKEN = 200
_KEY = re.compile(rb"[!-~]{32,512}")


class _Signer(TimestampSigner):
    """Signer at a given moment, so that a message is signed alike at each attempt."""

    at = datetime.now(UTC)

    def get_timestamp(self) -> int:
        return int(self.at.timestamp())


@dataclass(frozen=True, slots=True, repr=False)
class PublicPages:
    """The open pages, their address, the keys (oldest first; the last one signs), and how long links are valid."""

    pages: frozenset[Page]
    address: str
    keys: Sequence[bytes]
    valid: timedelta

    def sign(self, subject: str, at: datetime) -> str:
        """Return the token of a subject, such as measure:12, signed at a moment."""
        return self._make_signer(at).sign(subject.replace(":", "-")).decode("ascii")

    def open(self, token: str, now: datetime) -> str:
        """Return the subject of a token; raises NotFound if it is not valid, or no longer."""
        try:
            signed = self._make_signer(now).unsign(token[:_LONGEST_TOKEN], int(self.valid.total_seconds()))
            found = _SUBJECT.fullmatch(signed.decode("ascii"))
        except (BadSignature, ValueError):
            found = None
        if found is None:
            raise NotFound("valid link", token[:20])
        return f"{found[1]}:{found[2]}"

    def complete(self, message: Message, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a message with the address of its page, if that page is open."""
        if "seller" in self.pages and message.channel == SELLER and message.kind in _LETTERS:
            page = f"{self.address}{SELLER_PATH}/{self.sign(message.subject, message.put_at)}"
            said = load_page_words(body["language"]).letter
            return body | {"page": page, "text": f"{body['text']}\n{said}\n{page}\n"}
        if "notices" in self.pages and message.channel == HOLDER and message.kind.startswith("notice_"):
            return body | {"page": f"{self.address}{NOTICES_PATH}/{body['reference']}"}
        return body

    def _make_signer(self, at: datetime) -> _Signer:
        signer = _Signer(list(self.keys), salt=_SALT, key_derivation="hmac", digest_method=_sha256)
        signer.at = at
        return signer


def _sha256(content: bytes = b"") -> Any:
    from hashlib import sha256

    return sha256(content)


def read_public_pages(settings: Settings) -> PublicPages | None:
    """Return the public pages that the settings open, or None; raises UnusableSetting."""
    names = [name.strip() for name in settings.public_pages.split(",") if name.strip()]
    if not names:
        return None
    if unknown := set(names) - set(get_args(Page)):
        raise UnusableSetting("IPML_PUBLIC_PAGES", ", ".join(sorted(unknown))[:80], "seller, notices or both")
    if settings.public_url is None or not is_safe_url(settings.public_url):
        expected = "the https address under which sellers and buyers reach the public pages"
        raise UnusableSetting("IPML_PUBLIC_URL", repr(settings.public_url), expected)
    keys = _read_keys(settings.link_keys) if "seller" in names else ()
    pages: frozenset[Any] = frozenset(names)
    return PublicPages(pages, settings.public_url.rstrip("/"), keys, timedelta(days=settings.link_days))


def _read_keys(path: Path | None) -> Sequence[bytes]:
    """Return the keys of a file, oldest first; its first line signs."""
    expected = "a file of keys of 32 to 512 letters, a line each; the first signs links"
    if path is None:
        raise UnusableSetting("IPML_LINK_KEYS", "none", expected)
    try:
        lines = path.read_bytes().split()
    except OSError as error:
        raise UnusableSetting("IPML_LINK_KEYS", type(error).__name__, expected) from None
    if not lines or not all(map(_KEY.fullmatch, lines)):
        raise UnusableSetting("IPML_LINK_KEYS", "a short key" if lines else "no key", expected)
    return lines[::-1]
