"""Phones, addresses and the like as keyed hashes: the same thing, however it is written, gives the same hash.

Nobody who lacks the key can tell what a hash stands for, nor try out all phone numbers. Who joins attributes of two
days needs the same key on both.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ipml.cooperation.network.holdings import COLUMNS
from ipml.cooperation.network.kinds import KINDS, AttributeKind
from ipml.errors import MissingColumns, UnreadableFile, UnusableSetting
from ipml.parquet import look_into

_LEAST_KEY_BYTES = 16
_HASH_LETTERS = 32  # 128 bits
_ROWS = 100_000
_SHORT = {"street": "st", "straße": "str", "strasse": "str", "avenue": "ave", "road": "rd", "building": "bldg"}


def hash_value(key: bytes, kind: AttributeKind, text: str, calling_code: str = "") -> str:
    """Return the keyed hash of a value: HMAC-SHA256, 128 bits of it in hexadecimal.

    Examples
    --------
    >>> key = b"sixteen bytes or more"
    >>> phone = AttributeKind.PHONE
    >>> hash_value(key, phone, "0170 / 123 45", "49") == hash_value(key, phone, "+49 17012345")
    True
    """
    message = f"{kind}\0{normalise_value(kind, text, calling_code)}".encode()
    return hmac.digest(key, message, "sha256").hex()[:_HASH_LETTERS]


def normalise_value(kind: AttributeKind, text: str, calling_code: str = "") -> str:
    """Return a value without what differs only in how it is written.

    Phones become digits with the code of their country (`calling_code` where none is given), payout accounts lose
    spaces and signs, addresses accents, signs, case and the order of their parts; all else only case and outer spaces.

    Examples
    --------
    >>> normalise_value(AttributeKind.PAYOUT, "de89 3704-0044 0532 0130 00")
    'DE89370400440532013000'
    >>> normalise_value(AttributeKind.ADDRESS, "12, Fleet Street; LONDON") == normalise_value(
    ...     AttributeKind.ADDRESS, "London, Fleet St. 12"
    ... )
    True
    """
    text = unicodedata.normalize("NFKC", text).strip()
    match kind:
        case AttributeKind.PHONE:
            return _normalise_phone(text, calling_code)
        case AttributeKind.PAYOUT:
            return re.sub(r"[\W_]", "", text).upper()
        case AttributeKind.ADDRESS | AttributeKind.SHIP_FROM:
            return _normalise_address(text)
    return " ".join(text.casefold().split())


def hash_attributes(source: Path, out: Path, key_file: Path, calling_code: str = "") -> int:
    """Write a Parquet file of attributes with their values hashed, a piece at a time; return how many rows it has.

    Raises
    ------
    UnusableSetting
        The key is too short to keep anything secret, or the file of it is not there.
    UnreadableFile, MissingColumns
        The source is no Parquet file of attributes.
    """
    key = _read_key(key_file)
    parquet = look_into(source, "a Parquet file of attributes")
    if missing := [name for name in COLUMNS if name not in parquet.schema.names]:
        raise MissingColumns(str(source), missing, parquet.schema.names, "Rename them.")
    place = parquet.schema.get_field_index("value")
    schema, rows = parquet.schema.set(place, pa.field("value", pa.string())), 0
    with pq.ParquetWriter(out, schema) as writer:
        for batch in parquet.read_batches(_ROWS):
            kinds, texts = batch["kind"].to_pylist(), batch["value"].to_pylist()
            hashes = [_hash_cell(key, *cell, calling_code, source) for cell in zip(kinds, texts, strict=True)]
            columns = [pa.array(hashes, pa.string()) if name == "value" else batch[name] for name in schema.names]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            rows += len(hashes)
    return rows


def _hash_cell(key: bytes, kind: str, text: object, calling_code: str, source: Path) -> str:
    if kind not in KINDS or text is None:
        raise UnreadableFile(
            source, f"kind {kind!r} with value {'none' if text is None else 'given'}", ", ".join(KINDS)
        )
    return hash_value(key, AttributeKind(kind), str(text), calling_code)


def _read_key(path: Path) -> bytes:
    expected = f"a file of {_LEAST_KEY_BYTES} random bytes or more, as from `openssl rand -out KEY 32`"
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError as error:
        raise UnusableSetting(f"key {path}", "no such file", expected) from error
    if len(key) < _LEAST_KEY_BYTES:
        raise UnusableSetting(f"key {path}", f"{len(key)} bytes", expected)
    return key


def _normalise_phone(text: str, calling_code: str) -> str:
    digits = "".join(str(unicodedata.decimal(letter)) for letter in text if letter.isdecimal())
    if text.startswith("+"):
        return digits
    if digits.startswith("00"):
        return digits[2:]
    return calling_code + digits.removeprefix("0") if calling_code else digits


def _normalise_address(text: str) -> str:
    words = re.findall(r"\w+", text.casefold())
    plain = (unicodedata.normalize("NFKD", _SHORT.get(word, word)) for word in words)
    letters = ("".join(letter for letter in word if not unicodedata.combining(letter)) for word in plain)
    return " ".join(sorted(letters))
