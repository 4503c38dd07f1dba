"""Sellers who show the same picture share an attribute."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.shown_goods import show_goods

from ipml.cooperation.networks.attributes import hold, write_picture_attributes
from ipml.errors import UnusableSetting
from ipml.records import ScoredListing
from ipml.storage.database import reading


def test_the_same_picture_is_an_attribute_that_sellers_share(
    engine: Engine, make_scored: Callable[..., ScoredListing], tmp_path: Path
):
    """Once for each seller; what nobody else shows links nobody."""
    key, out = tmp_path / "key", tmp_path / "pictures.parquet"
    key.write_bytes(b"sixteen bytes or more")
    for number, (seller_id, seeds) in enumerate([("ann", (1, 2)), ("ben", (1,)), ("ann", (1,)), ("cem", (3,))]):
        scored = make_scored(f"L{number}", title=f"Thing {number}", seller_id=seller_id)
        show_goods(engine, tmp_path / "pictures", scored, *seeds)
    with reading(engine) as connection:
        assert write_picture_attributes(connection, out, key) == 4
    holdings = hold(out)
    assert (holdings.n_sellers, holdings.holders.tolist()) == (3, [2])


def test_without_a_key_nothing_is_written(engine: Engine, tmp_path: Path):
    """Whoever could guess the values could undo the hashes."""
    with reading(engine) as connection, pytest.raises(UnusableSetting):
        write_picture_attributes(connection, tmp_path / "out.parquet", tmp_path / "nowhere")
    assert not (tmp_path / "out.parquet").exists()
