"""The keys of some sellers and notifiers, read once: with them much is sealed and opened without asking again."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, null, select, union_all

from ipml.errors import SellerErased
from ipml.storage.tables import notifiers, seller_keys

_NONCE_BYTES = 12
_VEIL_LETTERS = 16
_MOST_NAMES = 500  # in one query


class Keyring:
    """Keys by pseudonym; see `read_keys`. Use it within the transaction in which it was read.

    Parameters
    ----------
    keys : mapping of str to (str or None, bytes)
        By pseudonym the seller's id, None of a notifier, and the key.
    """

    def __init__(self, keys: Mapping[str, tuple[str | None, bytes]]) -> None:
        self._keys = keys
        self._ciphers: dict[str, AESGCM] = {}

    def __contains__(self, pseudonym: str) -> bool:
        return pseudonym in self._keys

    def find_seller(self, pseudonym: str) -> str | None:
        """Return the id of the seller behind a pseudonym; None where they were erased."""
        seller_id, _ = self._keys.get(pseudonym, (None, b""))
        return seller_id

    def seal(self, pseudonym: str, content: str) -> str:
        """Return a text that only who has the seller's key can read; see `ipml.storage.pseudonyms.seal`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher(pseudonym).encrypt(nonce, content.encode(), pseudonym.encode())
        return b64encode(nonce + sealed).decode("ascii")

    def unseal(self, pseudonym: str, sealed: str) -> str:
        """Return what was sealed; see `ipml.storage.pseudonyms.unseal`."""
        content = b64decode(sealed, validate=True)
        cipher = self._cipher(pseudonym)
        return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], pseudonym.encode()).decode()

    def veil(self, pseudonym: str, name: str) -> str:
        """Return what a person is called in papers on a seller; see `ipml.storage.pseudonyms.veil`."""
        digest = hmac.digest(self._find(pseudonym), f"person {name}".encode(), "sha256")
        return "person-" + digest.hex()[:_VEIL_LETTERS]

    def digest(self, pseudonym: str, content: str) -> str:
        """Return a hash of a content of theirs; see `ipml.storage.pseudonyms.keyed_digest`."""
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
    """Return the keys of sellers and notifiers, as far as they were not erased.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> from ipml.storage.pseudonyms import pseudonym_of
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     ann = pseudonym_of(connection, "ann")
    ...     keys = read_keys(connection, [ann, "nobody"])
    >>> keys.find_seller(ann), "nobody" in keys, keys.unseal(ann, keys.seal(ann, "a bag, mirror quality"))
    ('ann', False, 'a bag, mirror quality')
    """
    wanted = sorted(set(pseudonyms))
    found: dict[str, tuple[str | None, bytes]] = {}
    for start in range(0, len(wanted), _MOST_NAMES):
        names = wanted[start : start + _MOST_NAMES]
        of_sellers = select(seller_keys.c.pseudonym, seller_keys.c.seller_id, seller_keys.c.key)
        of_notifiers = select(notifiers.c.pseudonym, null(), notifiers.c.key).where(notifiers.c.key.is_not(None))
        both = (
            of_sellers.where(seller_keys.c.pseudonym.in_(names)),
            of_notifiers.where(notifiers.c.pseudonym.in_(names)),
        )
        for pseudonym, seller_id, key in connection.execute(union_all(*both)):
            found[pseudonym] = seller_id, bytes.fromhex(key)
    return Keyring(found)
