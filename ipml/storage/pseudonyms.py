"""Sellers, and those who give notice of them, as pseudonyms; what tells of each is sealed with a key of their own.

A pseudonym is a keyed hash of the seller's id, or of the notifier's address (`ipml.storage.notifiers`), so nobody who
lacks the key can tell whose it is. What is sealed can be read as long as the key is there: taking the key away
(`ipml.enforcement.privacy`) erases it from every table, and from every copy of a table, at once, while pseudonyms,
digests and the audit trail stay as they are.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, insert, select, union_all

from ipml.errors import SellerErased
from ipml.storage.database import Lock, serialise
from ipml.storage.tables import notifiers, seller_keys

_KEY_BYTES, _NONCE_BYTES = 32, 12
_PSEUDONYM_LETTERS = 32  # 128 bits: no two sellers meet
_VEIL_LETTERS = 16


def pseudonym_of(connection: Connection, seller_id: str, *, now: datetime | None = None) -> str:
    """Return what a seller is called wherever their id must not stand; a seller who is new gets a key.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     ann, again, ben = (pseudonym_of(connection, name) for name in ("ann", "ann", "ben"))
    >>> ann == again, ann == ben, len(ann)
    (True, False, 32)
    """
    if known := find_pseudonym(connection, seller_id):
        return known
    serialise(connection, Lock.ADD_SELLER)
    if known := find_pseudonym(connection, seller_id):
        return known  # another made it while we waited
    pseudonym, key = make_pseudonym(seller_id)
    fields = {"seller_id": seller_id, "pseudonym": pseudonym, "key": key, "created_at": now or datetime.now(UTC)}
    connection.execute(insert(seller_keys).values(fields))
    return pseudonym


def make_pseudonym(name: str) -> tuple[str, str]:
    """Return a new pseudonym for a name, and the key it was made with, in hexadecimal."""
    key = secrets.token_bytes(_KEY_BYTES)
    return hmac.digest(key, name.encode(), "sha256").hex()[:_PSEUDONYM_LETTERS], key.hex()


def find_pseudonym(connection: Connection, seller_id: str) -> str | None:
    """Return the pseudonym of a seller who has one."""
    query = select(seller_keys.c.pseudonym).where(seller_keys.c.seller_id == seller_id)
    return connection.scalar(query)


def find_seller(connection: Connection, pseudonym: str) -> str | None:
    """Return the id of the seller behind a pseudonym; None where they were erased."""
    query = select(seller_keys.c.seller_id).where(seller_keys.c.pseudonym == pseudonym)
    return connection.scalar(query)


def seal(connection: Connection, pseudonym: str, content: str) -> str:
    """Return a text that only who has the key of a seller, or of a notifier, can read (AES-256 in GCM, base64).

    Raises
    ------
    SellerErased
        There is no key any more.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     ann = pseudonym_of(connection, "ann")
    ...     unseal(connection, ann, seal(connection, ann, "a bag, mirror quality"))
    'a bag, mirror quality'
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_find_key(connection, pseudonym)).encrypt(nonce, content.encode(), pseudonym.encode())
    return b64encode(nonce + sealed).decode("ascii")


def unseal(connection: Connection, pseudonym: str, sealed: str) -> str:
    """Return what was sealed; SellerErased where its key is gone, InvalidTag where it was changed."""
    content = b64decode(sealed, validate=True)
    cipher = AESGCM(_find_key(connection, pseudonym))
    return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], pseudonym.encode()).decode()


def veil(connection: Connection, pseudonym: str, name: str) -> str:
    """Return what a person is called in papers on a seller, such as who decided: a hash keyed with the seller's key.

    The same person has the same name in all papers on one seller, and another in those on another; who has the
    database can tell whose it is by trying the users, and nobody else, nor anybody once the seller is erased.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     ann, ben = (pseudonym_of(connection, name) for name in ("ann", "ben"))
    ...     veil(connection, ann, "eva") == veil(connection, ann, "eva"), veil(connection, ben, "eva") in (ann, ben)
    (True, False)
    """
    key = _find_key(connection, pseudonym)
    return "person-" + hmac.digest(key, f"person {name}".encode(), "sha256").hex()[:_VEIL_LETTERS]


def keyed_digest(connection: Connection, pseudonym: str, content: str) -> str:
    """Return a hash by which the same content of the same person is known again: nothing to who lacks the key.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     ann, ben = (pseudonym_of(connection, name) for name in ("ann", "ben"))
    ...     one, again, other = (keyed_digest(connection, whose, "a bag") for whose in (ann, ann, ben))
    >>> one == again, one == other
    (True, False)
    """
    return hmac.digest(_find_key(connection, pseudonym), f"content {content}".encode(), "sha256").hex()


def digest_listing(listing_id: str) -> str:
    """Return what stands for a listing while nobody knows whose it is, and what told of it goes with the seller."""
    return hashlib.sha256(f"listing {listing_id}".encode()).hexdigest()


def _find_key(connection: Connection, pseudonym: str) -> bytes:
    keys = (select(table.c.key).where(table.c.pseudonym == pseudonym) for table in (seller_keys, notifiers))
    key = connection.scalar(union_all(*keys))
    if key is None:
        raise SellerErased(pseudonym)
    return bytes.fromhex(key)
