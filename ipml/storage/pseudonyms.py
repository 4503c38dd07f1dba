"""Pseudonyms: names sellers and notifiers by keyed hashes, and encrypts their data with a key of their own.

Without the key a pseudonym cannot be linked to an id or address. Deleting the key (`ipml.enforcement.privacy`) makes
the encrypted data unreadable in every table and copy at once, while pseudonyms, digests and the audit trail stay. A
`Keyring` holds the keys of many, read once. Lock notifiers before cases: all who need both use this order.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    union_all,
)

from ipml.errors import Conflict, NotFound, SellerErased
from ipml.kit.canonical_json import digest
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.tables import erasures, notifier_appointments, notifiers, seller_keys, seller_languages

_NONCE_BYTES = 12
_PSEUDONYMISE_LETTERS = 16
_MOST_NAMES = 500  # in one query
_LANGUAGE = (
    select(seller_languages.c.language)
    .where(seller_languages.c.seller_id == seller_keys.c.seller_id)
    .scalar_subquery()
    .label("language")
)
_TRACKING = re.compile(r"(utm_\w+|gclid|dclid|fbclid|msclkid|yclid)$", re.IGNORECASE)  # parameters of advertising


class Keyring:
    """Keys by pseudonym, for the transaction in which `read_keys` returned them.

    `keys` maps pseudonyms to seller id (None for a notifier) and key, `languages` to the language of letters if known.
    """

    def __init__(self, keys: Mapping[str, tuple[str | None, bytes]], languages: Mapping[str, str | None]) -> None:
        self._keys, self._languages = keys, languages
        self._ciphers: dict[str, AESGCM] = {}

    def __contains__(self, pseudonym: str) -> bool:
        return pseudonym in self._keys

    def find_seller(self, pseudonym: str) -> str | None:
        """Return the seller's id of a pseudonym; None if the seller was erased."""
        seller_id, _ = self._keys.get(pseudonym, (None, b""))
        return seller_id

    def find_language(self, pseudonym: str) -> str | None:
        """Return the language in the seller's last listing, or None."""
        return self._languages.get(pseudonym)

    def encrypt(self, pseudonym: str, content: str) -> str:
        """Return a text encrypted with the seller's key; see `ipml.storage.pseudonyms.encrypt`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        encrypted = self._cipher(pseudonym).encrypt(nonce, content.encode(), pseudonym.encode())
        return b64encode(nonce + encrypted).decode("ascii")

    def decrypt(self, pseudonym: str, encrypted: str) -> str:
        """Return a decrypted text; see `ipml.storage.pseudonyms.decrypt`."""
        content = b64decode(encrypted, validate=True)
        cipher = self._cipher(pseudonym)
        return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], pseudonym.encode()).decode()

    def pseudonymise(self, pseudonym: str, name: str) -> str:
        """Return a person's code in papers about a seller; see `ipml.storage.pseudonyms.pseudonymise`."""
        digest = hmac.digest(self._find(pseudonym), f"person {name}".encode(), "sha256")
        return "person-" + digest.hex()[:_PSEUDONYMISE_LETTERS]

    def digest(self, pseudonym: str, content: str) -> str:
        """Return a keyed hash of a content; see `ipml.storage.pseudonyms.keyed_digest`."""
        return hmac.digest(self._find(pseudonym), f"content {content}".encode(), "sha256").hex()

    def _cipher(self, pseudonym: str) -> AESGCM:
        if pseudonym not in self._ciphers:
            self._ciphers[pseudonym] = AESGCM(self._find(pseudonym))
        return self._ciphers[pseudonym]

    def _find(self, pseudonym: str) -> bytes:
        if pseudonym not in self._keys:
            raise SellerErased(pseudonym)
        return self._keys[pseudonym][1]


def read_keys(connection: Connection, pseudonyms: Iterable[str]) -> Keyring:
    """Return the keys of sellers and notifiers that were not erased."""
    wanted = sorted(set(pseudonyms))
    found: dict[str, tuple[str | None, bytes]] = {}
    languages: dict[str, str | None] = {}
    for start in range(0, len(wanted), _MOST_NAMES):
        names = wanted[start : start + _MOST_NAMES]
        of_sellers = select(seller_keys.c.pseudonym, seller_keys.c.seller_id, seller_keys.c.key, _LANGUAGE)
        of_notifiers = select(notifiers.c.pseudonym, null(), notifiers.c.key, null())
        both = (
            of_sellers.where(seller_keys.c.pseudonym.in_(names)),
            of_notifiers.where(notifiers.c.key.is_not(None), notifiers.c.pseudonym.in_(names)),
        )
        for pseudonym, seller_id, key, language in connection.execute(union_all(*both)):
            found[pseudonym], languages[pseudonym] = (seller_id, bytes.fromhex(key)), language
    return Keyring(found, languages)


_KEY_BYTES = 32
_PSEUDONYM_LETTERS = 32  # 128 bits: no two sellers share one


def pseudonym_of(connection: Connection, seller_id: str, *, now: datetime | None = None) -> str:
    """Return the pseudonym of a seller; a new seller gets a key."""
    return read_sellers(connection, [seller_id], now=now)[0][seller_id]


def read_sellers(
    connection: Connection, seller_ids: Iterable[str], *, now: datetime | None = None
) -> tuple[Mapping[str, str], Keyring]:
    """Return the pseudonyms of sellers by id, and their keys; new sellers get both."""
    wanted = list(dict.fromkeys(seller_ids))
    known = _find_known(connection, wanted)
    if missing := [name for name in wanted if name not in known]:
        serialise(connection, Lock.ADD_SELLER)
        if connection.dialect.name != "sqlite":  # another process may have added some during the wait
            known |= _find_known(connection, missing)
        made = [_make_key(name, now or datetime.now(UTC)) for name in missing if name not in known]
        if made:
            connection.execute(insert(seller_keys), made)
            known |= _find_known(connection, [row["seller_id"] for row in made])
    keys = {one.pseudonym: (seller_id, bytes.fromhex(one.key)) for seller_id, one in known.items()}
    languages = {one.pseudonym: one.language for one in known.values()}
    return {seller_id: one.pseudonym for seller_id, one in known.items()}, Keyring(keys, languages)


# Built once: building the query takes longer than running it.
_KEYS_OF_SELLERS = select(seller_keys.c.seller_id, seller_keys.c.pseudonym, seller_keys.c.key, _LANGUAGE).where(
    seller_keys.c.seller_id.in_(bindparam("names", expanding=True))
)


def _find_known(connection: Connection, seller_ids: Sequence[str]) -> dict[str, Row[Any]]:
    known = dict[str, Row[Any]]()
    for start in range(0, len(seller_ids), _MOST_NAMES):
        rows = connection.execute(_KEYS_OF_SELLERS, {"names": seller_ids[start : start + _MOST_NAMES]})
        known |= {row.seller_id: row for row in rows}
    return known


def _make_key(seller_id: str, now: datetime) -> dict[str, Any]:
    pseudonym, key = make_pseudonym(seller_id)
    return {"seller_id": seller_id, "pseudonym": pseudonym, "key": key, "created_at": now}


def make_pseudonym(name: str) -> tuple[str, str]:
    """Return a new pseudonym for a name, and its key in hexadecimal."""
    key = secrets.token_bytes(_KEY_BYTES).hex()
    return derive_pseudonym(name, key), key


def derive_pseudonym(name: str, key: str) -> str:
    """Return the pseudonym of a name under a key, in hexadecimal."""
    return hmac.digest(bytes.fromhex(key), name.encode(), "sha256").hex()[:_PSEUDONYM_LETTERS]


def find_pseudonym(connection: Connection, seller_id: str) -> str | None:
    """Return the pseudonym of a seller, or None."""
    query = select(seller_keys.c.pseudonym).where(seller_keys.c.seller_id == seller_id)
    return connection.scalar(query)


def find_pseudonyms(connection: Connection, seller_ids: Iterable[str]) -> dict[str, str]:
    """Return the existing pseudonyms of sellers by id."""
    return {name: one.pseudonym for name, one in _find_known(connection, list(seller_ids)).items()}


def find_seller(connection: Connection, pseudonym: str) -> str | None:
    """Return the seller's id of a pseudonym; None if the seller was erased."""
    query = select(seller_keys.c.seller_id).where(seller_keys.c.pseudonym == pseudonym)
    return connection.scalar(query)


def refuse_while_erased(connection: Connection, pseudonym: str) -> None:
    """Raise Conflict if the erasure of a seller has begun; their key exists until it ends."""
    if connection.scalar(select(exists().where(erasures.c.pseudonym == pseudonym))):
        raise Conflict(
            f"seller {pseudonym}", "found an erasure that has begun", "`ipml seller erase --finish` finishes it."
        )


def encrypt(connection: Connection, pseudonym: str, content: str) -> str:
    """Return a text encrypted with the key of a seller or notifier (AES-256 in GCM, base64), or raise SellerErased."""
    return read_keys(connection, [pseudonym]).encrypt(pseudonym, content)


def decrypt(connection: Connection, pseudonym: str, encrypted: str) -> str:
    """Return a decrypted text; raise SellerErased without a key, InvalidTag for a changed text."""
    return read_keys(connection, [pseudonym]).decrypt(pseudonym, encrypted)


def pseudonymise(connection: Connection, pseudonym: str, name: str) -> str:
    """Return a person's code in papers about a seller: a hash keyed with the seller's key.

    A person has one code in all papers about one seller, and another for each other seller. With the database it can
    be resolved by trying all users; without it, or once the seller is erased, it cannot.
    """
    return read_keys(connection, [pseudonym]).pseudonymise(pseudonym, name)


def keyed_digest(connection: Connection, pseudonym: str, content: str) -> str:
    """Return a hash that identifies equal contents of the same person; it reveals nothing without the key."""
    return read_keys(connection, [pseudonym]).digest(pseudonym, content)


def digest_listing(listing_id: str) -> str:
    """Return a placeholder digest for a listing whose seller is unknown; it is removed with the seller."""
    return digest(f"listing {listing_id}")


def digest_address(url: str) -> str | None:
    """Return the digest of a page's address in normal form; None for an invalid address.

    Scheme, "www.", letter case of the host, default port, dots in the path, a final slash, the fragment, the order of
    parameters and advertising parameters (utm_source, gclid) are ignored.

    >>> addresses = (
    ...     "https://shop.test/item/7?a=1&b=2",
    ...     "HTTP://www.Shop.Test:80/x/../item/7/?b=2&utm_source=mail&a=1#photos",
    ...     "https://shop.test/item/8?a=1&b=2",
    ... )
    >>> first, again, other = map(digest_address, addresses)
    >>> first == again, first == other
    (True, False)
    """
    try:
        parts, port = urlsplit(url), urlsplit(url).port
        host = (parts.hostname or "").encode("idna").decode("ascii").removeprefix("www.")
        parameters = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:  # UnicodeError is one
        return None
    path = urlsplit(urljoin("https://host", quote(parts.path, safe="/%:@!$&'()*+,;=~"))).path.rstrip("/")
    is_usual = port in (None, {"http": 80, "https": 443}.get(parts.scheme))
    query = urlencode(sorted(pair for pair in parameters if not _TRACKING.match(pair[0])))
    return digest(f"address {host}{'' if is_usual else f':{port}'}{path}?{query}") if host else None


NOTIFIER_KINDS = ("rights holder", "trusted flagger", "consumer", "authority")
_LARGEST_NUMBER = 2**63 - 1  # that a database counts to
_MADE, _TOLD = notifier_appointments.alias(), notifier_appointments.alias()


@dataclass(frozen=True, slots=True)
class Notifier:
    """A person or organisation that gives notice.

    `address` is an e-mail address in lower case, None once erased. `kind` is "rights holder", "trusted flagger",
    "consumer" or "authority": as appointed, else as guessed at first.
    """

    notifier_id: int
    address: str | None
    pseudonym: str
    kind: str
    created_at: datetime

    @property
    def subject(self) -> str:
        """Name in the audit trail and in the outbox."""
        return f"notifier:{self.notifier_id}"


def notifier_of(connection: Connection, address: str, kind: str, now: datetime) -> Notifier:
    """Return the notifier of an address, locked for writing; a new one gets a key and this kind.

    Call `note_notifier_added` later in the transaction.
    """
    address = address.lower()
    if known := _find_notifier(connection, address, now):
        return known
    serialise(connection, Lock.ADD_NOTIFIER)
    if known := _find_notifier(connection, address, now):
        return known  # added by another process during the wait
    pseudonym, key = make_pseudonym(address)
    fields = {"address": address, "pseudonym": pseudonym, "key": key, "kind": kind, "created_at": now}
    row = connection.execute(insert(notifiers).values(fields).returning(notifiers)).one()
    return make_notifier(row)


def note_notifier_added(connection: Connection, notifier: Notifier, actor: str, now: datetime) -> None:
    """Note in the audit trail a notifier added at this moment; call it after all other locks were taken."""
    if notifier.created_at == now:
        audit.append(connection, actor, "notifier added", notifier.subject, {}, at=now)


def get_notifier(
    connection: Connection, notifier_id: int, *, lock: bool = False, at: datetime | None = None
) -> Notifier:
    """Return a notifier as of a time, with `lock` locked for writing; raise NotFound if there is none."""
    query = select_notifiers(at).where(notifiers.c.notifier_id == notifier_id)
    query = query.with_for_update(of=notifiers) if lock else query
    row = connection.execute(query).first() if 0 < notifier_id <= _LARGEST_NUMBER else None
    if row is None:
        raise NotFound("notifier", notifier_id, "The page Reporters lists them.")
    return make_notifier(row)


def notifier_kind_at(moment: datetime | ColumnElement[datetime]) -> ColumnElement[str]:
    """Return the kind of a notifier at a time: as appointed then, else as guessed at their first notice.

    For a notice, use its time of arrival: later appointments do not change it.
    """
    last = select(func.max(_MADE.c.appointment_id)).where(
        _MADE.c.notifier_id == notifiers.c.notifier_id, _MADE.c.made_at <= moment
    )
    query = select(_TOLD.c.kind).where(
        _TOLD.c.appointment_id == last.correlate_except(_MADE).scalar_subquery(),
        or_(_TOLD.c.until.is_(None), _TOLD.c.until > moment),
    )
    return func.coalesce(query.correlate_except(_TOLD).scalar_subquery(), notifiers.c.kind)


def select_notifiers(at: datetime | None = None) -> Select[Any]:
    """Return the query of all notifiers as of a time, for `make_notifier`."""
    own = [notifiers.c[name] for name in Notifier.__slots__ if name != "kind"]
    return select(*own, notifier_kind_at(at or datetime.now(UTC)).label("kind"))


def _find_notifier(connection: Connection, address: str, at: datetime) -> Notifier | None:
    query = select_notifiers(at).where(notifiers.c.address == address)
    row = connection.execute(query.with_for_update(of=notifiers)).first()
    return None if row is None else make_notifier(row)


def make_notifier(row: Row[Any]) -> Notifier:
    """Convert a row of notifiers to a record."""
    return Notifier(**{name: getattr(row, name) for name in Notifier.__slots__})
