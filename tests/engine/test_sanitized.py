"""The engine reads and writes nothing outside its arrays, whatever sellers write or a model file holds.

`ENGINE_FUZZ_ROUNDS=20000` tries more, `ENGINE_FUZZ_SEED=2` other inputs. An input that fails is named; it belongs among
the recipes kept in `recipes.txt`, as do those that reach what none of them reaches.
"""

import ast
import os
import subprocess
import sys

import pytest
from support.engine_fuzz import FOLLOWED, build, measure

pytestmark = pytest.mark.slow
ROUNDS, SEED = (int(os.environ.get(f"ENGINE_FUZZ_{name}", default)) for name, default in (("ROUNDS", 400), ("SEED", 1)))
OF_ANY_LENGTH = """
build_trie:0.offsets count_texts:0.offsets cut_passages:0.offsets find_places:0.offsets read_texts:0.offsets
read_with_origins:0.offsets take_rows:0.offsets count_bytes_with_rows:0 place_rows:0 take_rows:1 find_known:2
look_up_ordinary:2 find_longest:0 list_brands:1 set_groups:1 goods_table.phrase_kinds usual_prices.starts
phrase_tables.n_phrases markup_tables.breaking markup_tables.hiding markup_tables.numbers characters.letters
naming.kinds offer_table.kinds phrase_tables.kinds skeleton_tables.kinds trade_table.letter_kinds word_letters.kinds
"""
"""Arrays that are gone through, or whose length is compared with each number that is looked up in them."""


@pytest.fixture(scope="module")
def run_sanitized(tmp_path_factory):
    """Return a function that runs a script with sanitizers, the contracts of the engine asserted."""
    folder = tmp_path_factory.mktemp("sanitized")
    environment = build(folder, *FOLLOWED)

    def run(script):
        command = [sys.executable, "-c", script]
        found = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
        lines = found.stdout.splitlines()
        assert found.returncode == 0, f"{lines[-1:]} failed: {found.stderr[-3000:]}"
        return lines

    return run


def test_hostile_inputs_are_read_within_bounds(run_sanitized):
    """Texts, models, listings to learn from and arrays at random score alike in every way, or are refused."""
    lines = run_sanitized(f"from support.engine_fuzz import fuzz; print(len(list(fuzz({ROUNDS}, {SEED}))), 'new')")
    assert len(lines) > ROUNDS


def test_memory_that_runs_out_raises_an_error_and_leaves_nothing_behind(run_sanitized):
    """Each allocation of scoring, loading and training fails, alone and with all after it: MemoryError is raised."""
    (counted,) = run_sanitized("from support.engine_fuzz import exhaust_memory; print(list(exhaust_memory().values()))")
    assert min(ast.literal_eval(counted)) > 50


def test_arrays_that_are_too_short_are_refused(run_sanitized):
    """Each array of each call and table, an element shorter, is refused, but for those that may have any length."""
    (counted,) = run_sanitized("from support.engine_fuzz import shorten_arrays; print(shorten_arrays())")
    n_refused, accepted = ast.literal_eval(counted)
    assert n_refused > 1_500
    assert accepted <= set(OF_ANY_LENGTH.split())


def test_inputs_reach_the_whole_engine(tmp_path):
    """The recipes kept, and memory that runs out, reach all lines of the engine but a few, and most branches."""
    n_lines, all_lines, n_branches, all_branches = measure(tmp_path)[0]["all"]
    assert n_lines > 0.99 * all_lines
    assert n_branches > 0.93 * all_branches
