"""Senders and receiver are killed at random moments: each message arrives once by its key, and in order."""

import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.invented import invented_messages

sys.path.append(str(Path(__file__).parents[3]))  # experiments are scripts of the project, not part of the package

from experiments.enforcement import delivery_kills

KILLS = int(os.environ.get("IPML_TEST_KILLS", "5"))


@pytest.mark.slow
@invented_messages
def test_kills_lose_nothing_and_double_nothing(engine: Engine, tmp_path: Path):
    """What arrived is what was put down, whoever was killed while it went."""
    found = delivery_kills.measure(engine, tmp_path, KILLS, seed=KILLS)
    assert found["kills"] == KILLS
    assert (found["arrived"], found["twice"], found["missing"], found["out_of_order"]) == (found["put"], 0, 0, 0)
    assert found["states"] == {"delivered": found["put"]}
    assert found["trail_is_intact"]
