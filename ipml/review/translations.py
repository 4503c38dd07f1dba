"""Translations: case titles in the reviewers' language, by a LibreTranslate service that the operator names.

Nothing is sent unless `IPML_TRANSLATE_URL` is set, and then only the title: no number, no seller. A translation is
machine output on a stranger's text: it is shown as such and never scored. It is stored with its case under the title's
digest, so no title is sent twice, and is erased with the case. Pages do not wait for the service: after a failure it is
not asked for a minute, and at most four requests run at once.
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
_MOST_LETTERS = 1_000  # sent of a title, and stored of a translation
_MOST_AT_ONCE = 4
_REST_SECONDS = 60.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Translation:
    """A title in the reviewers' language; `text` is empty if it is in that language already.

    `language` is the language code that the service detected.
    """

    text: str
    language: str | None


class Translator:
    """Client of a translation service.

    `url` may end in "/translate"; it must be https or local. `target` is the code of the reviewers' language. A body
    may take at most `most_seconds`, however slowly it arrives.

    Raises UnusableSetting if the address is neither https nor of this machine, so others could read the titles.
    """

    def __init__(self, url: str, key: str | None, target: str, most_seconds: float = 8.0) -> None:
        self._url, self._key, self.target, self._most_seconds = _check_url(url), key, target, most_seconds
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
        self._free = BoundedSemaphore(_MOST_AT_ONCE)
        self._rests_until = 0.0

    def translate(self, title: str) -> Translation:
        """Return the translation of a title.

        Raises Failed if the service does not answer, refuses, gives an unreadable answer, or is resting after a
        failure.
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
        """Close the connections to the service."""
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
        """Return an answer's body, limited in length and time."""
        deadline, found = time.monotonic() + self._most_seconds, b""
        for chunk in response.iter_bytes():
            found += chunk
            if len(found) > _MOST_ANSWER_BYTES or time.monotonic() > deadline:
                raise _failed(f"an answer of more than {_MOST_ANSWER_BYTES} bytes or {self._most_seconds:g} seconds")
        return found


def make_translator(settings: Settings) -> Translator | None:
    """Return the translator that the settings name; None if they name none.

    Raises UnusableSetting if the address or the key file cannot be used.
    """
    if settings.translate_url is None:
        return None
    return Translator(settings.translate_url, _read_key(settings.translate_key), settings.translate_to)


def find_translation(connection: Connection, title: str, target: str) -> Translation | None:
    """Return the translation of a title if any case has it."""
    query = select(translations.c.text, translations.c.language).where(
        translations.c.digest == _digest_title(title, target)
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else Translation(row.text, row.language)


def store_translation(connection: Connection, case_id: int, title: str, target: str, made: Translation) -> None:
    """Store the translation of a case's title, replacing an earlier one, unless the title was erased meanwhile."""
    if decode_listing(find_case(connection, case_id, lock=True).snapshot).title != title:
        return
    connection.execute(delete(translations).where(translations.c.case_id == case_id))
    row = {"case_id": case_id, "digest": _digest_title(title, target), "text": made.text, "language": made.language}
    connection.execute(insert(translations), row | {"made_at": datetime.now(UTC)})


def _digest_title(title: str, target: str) -> str:
    """Return the digest under which the translation of a title is stored."""
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
