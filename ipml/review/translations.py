"""Titles of cases in a language that a reviewer does not read, translated by a service that the operator names.

The service speaks the API of LibreTranslate. Nothing is sent unless `IPML_TRANSLATE_URL` names one, and then the title
alone: no number, no seller. What comes back is text of a machine about text of a stranger: it is shown as both, and
never scored. It is kept with its case under the digest of the title, so that no title is sent twice, and goes with it.

A service that does not answer is left alone for a minute, and no more than a few requests wait for it at once: pages
are there without it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import BoundedSemaphore

import httpx
from sqlalchemy import Connection, delete, insert, select

from ipml.errors import Failed, UnusableSetting
from ipml.kit.canonical_json import digest
from ipml.review.arrivals.snapshot import decode_listing, is_storable
from ipml.review.cases import find_case
from ipml.settings import Settings
from ipml.storage.tables import translations

_TIMEOUT = httpx.Timeout(5.0, connect=2.0)
_MOST_ANSWER_BYTES = 65_536
_MOST_LETTERS = 1_000  # of a title that are sent, and of a translation that are kept
_MOST_AT_ONCE = 4
_REST_SECONDS = 60.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Translation:
    """What a title says in the reviewers' language.

    Attributes
    ----------
    text : str
        Empty where the title is in that language already.
    language : str or None
        Code of the language that the service took it for.
    """

    text: str
    language: str | None


class Translator:
    """Asks a service for translations.

    Parameters
    ----------
    url : str
        Address of the service, with or without "/translate".
    key : str or None
        What it asks its callers for, if anything.
    target : str
        Code of the language into which titles are translated.
    most_seconds : float, default=8
        What an answer's body may take, however slowly it drips.

    Raises
    ------
    UnusableSetting
        Others could read along: the address is neither https nor of this machine.
    """

    def __init__(self, url: str, key: str | None, target: str, most_seconds: float = 8.0) -> None:
        self._url, self._key, self.target, self._most_seconds = _check_url(url), key, target, most_seconds
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
        self._free = BoundedSemaphore(_MOST_AT_ONCE)
        self._rests_until = 0.0

    def translate(self, title: str) -> Translation:
        """Return what a title says.

        Raises
        ------
        Failed
            The service does not answer, refuses, or says nothing that can be understood; or is left alone just now.
        """
        if time.monotonic() < self._rests_until or not self._free.acquire(blocking=False):
            raise Failed("translation", "a service that does not answer, or is busy", "Try again in a minute.")
        try:
            return self._ask(title[:_MOST_LETTERS])
        except Failed:
            self._rests_until = time.monotonic() + _REST_SECONDS
            raise
        finally:
            self._free.release()

    def close(self) -> None:
        """Close the connections to the service; nothing is asked afterwards."""
        self._client.close()

    def _ask(self, title: str) -> Translation:
        asked = {"q": title, "source": "auto", "target": self.target, "format": "text"}
        asked |= {"api_key": self._key} if self._key else {}
        try:
            with self._client.stream("POST", self._url, json=asked) as response:
                status, body = response.status_code, self._read(response)
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _failed(f"no answer ({type(error).__name__})") from None
        if status != httpx.codes.OK:
            raise _failed(f"HTTP {status}")
        return _understand(body, title, self.target)

    def _read(self, response: httpx.Response) -> bytes:
        """Return an answer's body, which must be short and come in time."""
        deadline, found = time.monotonic() + self._most_seconds, b""
        for chunk in response.iter_bytes():
            found += chunk
            if len(found) > _MOST_ANSWER_BYTES or time.monotonic() > deadline:
                raise _failed(f"an answer of more than {_MOST_ANSWER_BYTES} bytes or {self._most_seconds:g} seconds")
        return found


def make_translator(settings: Settings) -> Translator | None:
    """Return what the settings name; None where nothing is to be translated.

    Raises
    ------
    UnusableSetting
        The address or the file with the key cannot be used.
    """
    if settings.translate_url is None:
        return None
    return Translator(settings.translate_url, _read_key(settings.translate_key), settings.translate_to)


def find_translation(connection: Connection, title: str, target: str) -> Translation | None:
    """Return the translation of a title if it is known, of whichever case."""
    query = select(translations.c.text, translations.c.language).where(
        translations.c.digest == digest_title(title, target)
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else Translation(row.text, row.language)


def store_translation(
    connection: Connection, case_id: int, title: str, target: str, made: Translation, now: datetime | None = None
) -> None:
    """Keep the translation of a case's title, in the place of an earlier one; not where the title was erased since."""
    if decode_listing(find_case(connection, case_id, lock=True).snapshot).title != title:
        return
    connection.execute(delete(translations).where(translations.c.case_id == case_id))
    row = {"case_id": case_id, "digest": digest_title(title, target), "text": made.text, "language": made.language}
    connection.execute(insert(translations), row | {"made_at": now or datetime.now(UTC)})


def digest_title(title: str, target: str) -> str:
    """Return under what the translation of a title is kept.

    Examples
    --------
    >>> digest_title("Sac", "en") == digest_title("Sac", "en"), digest_title("Sac", "en") == digest_title("Sac", "de")
    (True, False)
    """
    return digest(json.dumps([target, title[:_MOST_LETTERS]]))


def _understand(body: bytes, title: str, target: str) -> Translation:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise _failed("no JSON") from None
    text = said.get("translatedText") if isinstance(said, dict) else None
    if not isinstance(text, str) or not is_storable(text):
        raise _failed("no translatedText")
    detected = said.get("detectedLanguage")
    language = detected.get("language") if isinstance(detected, dict) else None
    code = language[:10] if isinstance(language, str) and language.replace("-", "").isalnum() else None
    is_same = code == target or text.casefold().split() == title.casefold().split()
    return Translation("" if is_same else text[:_MOST_LETTERS], code)


def _failed(found: str) -> Failed:
    return Failed("translation", found, "See IPML_TRANSLATE_URL.")


def _check_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnusableSetting("IPML_TRANSLATE_URL", str(error), "an https address") from None
    is_private = parsed.scheme == "https" or (parsed.scheme == "http" and parsed.host in _LOOPBACK)
    if not is_private or not parsed.host or parsed.userinfo:
        found = f"{parsed.scheme}://{parsed.host}"
        raise UnusableSetting("IPML_TRANSLATE_URL", found, "an https address, or this machine's, without a password")
    return url if parsed.path.endswith("/translate") else f"{url.rstrip('/')}/translate"


def _read_key(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableSetting("IPML_TRANSLATE_KEY", type(error).__name__, "a file with the key") from None
    if not key or not key.isprintable() or len(key) > 500:
        raise UnusableSetting("IPML_TRANSLATE_KEY", f"{len(key)} letters", "a key on one line")
    return key
