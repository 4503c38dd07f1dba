"""Attributes that sellers share: values as keyed hashes, and pictures."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.shown_goods import show_goods

from ipml.cooperation.networks.attributes import (
    KINDS,
    AttributeKind,
    hash_attributes,
    hash_value,
    hold,
    normalise_value,
    write_picture_attributes,
)
from ipml.errors import UnreadableFile, UnusableSetting
from ipml.storage.database import reading

KEY = b"a key of many bytes, kept secret"


@settings(max_examples=20)
@given(st.sampled_from(KINDS), st.text(max_size=12))
def test_normalising_twice_is_normalising_once(kind, text):
    """What is written in the plain way stays as it is."""
    once = normalise_value(kind, text)
    assert normalise_value(kind, once) == once


def test_a_phone_is_the_same_however_it_is_written(subtests):
    """Signs, the code of the country and digits of other scripts make no difference."""
    for text in ["+49 170 1234567", "0049 (170) 123-45 67", "0170/1234567", "٠170 1234567"]:
        with subtests.test(text=text):
            assert normalise_value(AttributeKind.PHONE, text, "49") == "491701234567"


def test_kind_and_key_are_part_of_the_hash():
    """The same digits as phone and as account, or under another key, are not the same."""
    hashes = {hash_value(key, kind, "12345") for key in (KEY, KEY + b"2") for kind in KINDS[:2]}
    assert len(hashes) == 4


def test_a_file_is_hashed_and_nothing_of_it_is_left(tmp_path):
    """The values go, all else stays; a short key and an unknown kind are refused."""
    moment = pd.Timestamp("2026-03-01", tz="UTC")
    raw, out, key = tmp_path / "raw.parquet", tmp_path / "out.parquet", tmp_path / "key"
    frame = pd.DataFrame({"seller_id": ["a", "b"], "kind": "phone", "value": ["+491701", "0170 1"], "seen_at": moment})
    frame.to_parquet(raw)
    key.write_bytes(KEY)
    assert hash_attributes(raw, out, key, "49") == 2
    hashed = pd.read_parquet(out)
    assert hashed["value"].nunique() == 1
    assert b"1701" not in out.read_bytes()
    assert hashed.drop(columns="value").equals(frame.drop(columns="value"))
    key.write_bytes(b"short")
    with pytest.raises(UnusableSetting):
        hash_attributes(raw, out, key)
    key.write_bytes(KEY)
    frame.assign(kind="fax").to_parquet(raw)
    with pytest.raises(UnreadableFile, match="fax"):
        hash_attributes(raw, out, key)


# Sellers who show the same picture share an attribute
def test_the_same_picture_is_an_attribute_that_sellers_share(engine: Engine, make_scored: Callable, tmp_path: Path):
    """Once for each seller; what nobody else shows links nobody; without a key nothing is written."""
    key, out = tmp_path / "key", tmp_path / "pictures.parquet"
    for number, (seller_id, seeds) in enumerate([("ann", (1, 2)), ("ben", (1,)), ("ann", (1,)), ("cem", (3,))]):
        scored = make_scored(f"L{number}", title=f"Thing {number}", seller_id=seller_id)
        show_goods(engine, tmp_path / "pictures", scored, *seeds)
    with reading(engine) as connection:
        with pytest.raises(UnusableSetting):  # whoever could guess the values could undo the hashes
            write_picture_attributes(connection, out, key)
        assert not out.exists()
        key.write_bytes(b"sixteen bytes or more")
        assert write_picture_attributes(connection, out, key) == 4
    holdings = hold(out)
    assert (holdings.n_sellers, holdings.holders.tolist()) == (3, [2])
