"""Sellers as pseudonyms, and what tells of them sealed with a key of their own.

A pseudonym is a keyed hash of the seller's id, so nobody who lacks the key can tell whose it is. What is sealed can
be read as long as the key is there: taking the key away (`ipml.enforcement.privacy`) erases it from every table, and
from every copy of a table, at once, while pseudonyms, digests and the audit trail stay as they are. Notifiers have
pseudonyms and keys of the same kind (`ipml.cooperation.notifiers`).
"""

from __future__ import annotations

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
    key = secrets.token_bytes(_KEY_BYTES)
    pseudonym = hmac.digest(key, seller_id.encode(), "sha256").hex()[:_PSEUDONYM_LETTERS]
    fields = {"seller_id": seller_id, "pseudonym": pseudonym, "key": key.hex(), "created_at": now or datetime.now(UTC)}
    connection.execute(insert(seller_keys).values(fields))
    return pseudonym


def find_pseudonym(connection: Connection, seller_id: str) -> str | None:
    """Return the pseudonym of a seller who has one."""
    query = select(seller_keys.c.pseudonym).where(seller_keys.c.seller_id == seller_id)
    return connection.scalar(query)


def find_seller(connection: Connection, pseudonym: str) -> str | None:
    """Return the id of the seller behind a pseudonym; None where they were erased."""
    query = select(seller_keys.c.seller_id).where(seller_keys.c.pseudonym == pseudonym)
    return connection.scalar(query)


def seal(connection: Connection, pseudonym: str, content: str) -> str:
    """Return a text that only who has the seller's key can read (AES-256 in GCM, base64).

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


def _find_key(connection: Connection, pseudonym: str) -> bytes:
    keys = [select(table.c.key).where(table.c.pseudonym == pseudonym) for table in (seller_keys, notifiers)]
    key = connection.scalar(union_all(*keys))
    if key is None:
        raise SellerErased(pseudonym)
    return bytes.fromhex(key)
