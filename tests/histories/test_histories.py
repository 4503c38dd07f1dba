"""Random histories of a desk, compared with an independent model; and the same laws with several processes at once.

`HISTORY_SEEDS=3,4,5` runs other histories, `HISTORY_STEPS` longer ones.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from support.databases import copy_memory, copy_postgres, on_both, open_undurable
from support.transactions import read_rows

from histories.crowd import live
from histories.history import History
from histories.laws import check_one_truth, check_queue, check_trail
from ipml.storage.tables import decisions

pytestmark = pytest.mark.slow

SEEDS = [int(seed) for seed in os.environ.get("HISTORY_SEEDS", "1,2,3,4,621,2101,2136,2149,5064,5121").split(",")]
STEPS = int(os.environ.get("HISTORY_STEPS", "80"))


def tell(engine, seed):
    """Live through a history, each step of which is compared with the model, and return what is there at its end."""
    history = History(engine, seed)
    history.run(STEPS)
    check_queue(engine)
    check_trail(engine)
    assert history.most_statements <= 45
    found = history.view()
    engine.dispose()
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_law_says_is_what_is_done(seed):
    """After each step all is as the model foresees, and each decision takes few statements."""
    tell(copy_memory(), seed)


def test_a_history_is_the_same_on_both_databases(postgres):
    """Though numbers differ, the same steps leave the same."""
    with copy_postgres(postgres) as url:
        on_postgres = tell(open_undurable(url), SEEDS[0])
    assert on_postgres == tell(copy_memory(), SEEDS[0])


@on_both
def test_laws_hold_whoever_works_at_the_same_time(engine, database_url):
    """Three processes decide, appeal and take back on one database; in the end everybody knows what is in force."""
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as processes:
        for one in [processes.submit(live, database_url, seed, STEPS) for seed in range(SEEDS[0], SEEDS[0] + 3)]:
            one.result()
    check_queue(engine)
    check_one_truth(engine)
    check_trail(engine)
    assert len(read_rows(engine, decisions.select())) > STEPS / 4
