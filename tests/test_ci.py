"""The checks of a change: slices leave no long test out, mistakes get one line, and the budget is held."""

import subprocess
from fnmatch import filter as filter_paths
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.budget import FAILS_AT, SUITE_SECONDS, TEST_SECONDS, Budget
from support.slices import MARKS, SLICES, find_slice

ROOT = Path(__file__).parents[1]
SLICE = ROOT / ".ci/slice"


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)


def test_every_slice_of_tests_is_run():
    """The script lists each slice that tests belong to."""
    listed = run(SLICE).stdout.split()[1::2]
    assert set(SLICES) - set(listed) == set()
    assert len(listed) == len(set(listed))


def test_every_long_test_belongs_to_a_slice():
    """Whatever mark and path a test has; a test without a mark is fast and belongs to none."""
    paths = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    assert {find_slice(path, [mark]) for path in paths for mark in MARKS} == set(SLICES)
    assert {find_slice(path, ["parametrize"]) for path in paths} == {None}


def test_every_pattern_of_a_slice_matches_a_file():
    """A file that is renamed does not leave its slice unseen."""
    paths = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    patterns = [pattern for patterns in SLICES.values() for pattern in patterns if not pattern.startswith("@")]
    assert [pattern for pattern in patterns if not filter_paths(paths, pattern)] == []


@pytest.mark.parametrize("name", ["99", "-1", "all", "browser,spark"])
def test_an_unknown_slice_is_refused_in_one_line(name):
    """The line says which slices there are."""
    result = run(SLICE, name)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"no slice {name}: ")
    assert "browser" in result.stderr
    assert result.stderr.count("\n") == 1


def spend(budget: Budget, seconds: float, when: str = "call", test: str = "test_a") -> None:
    """Report a phase of a test."""
    budget.pytest_runtest_logreport(SimpleNamespace(nodeid=test, when=when, processor_seconds=seconds))


@pytest.mark.parametrize(("factor", "is_over"), [(FAILS_AT, True), (FAILS_AT - 0.1, False)])
def test_a_test_or_a_suite_at_twice_its_budget_fails_the_run(factor, is_over):
    """A test's body counts, with all its parts; a fixture that others share counts for the suite."""
    one, all_tests = Budget(), Budget()
    spend(one, 100 * TEST_SECONDS, when="setup")
    for _ in range(2):
        spend(one, factor * TEST_SECONDS / 2)
    for number in range(1000):
        spend(all_tests, factor * SUITE_SECONDS / 1000, test=f"test_{number}")
    for budget, subject in ((one, "test_a"), (all_tests, "all")):
        session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
        budget.pytest_sessionfinish(session)
        assert session.exitstatus == (pytest.ExitCode.TESTS_FAILED if is_over else pytest.ExitCode.OK)
        assert [excess.split()[0] for excess in budget.list_excesses()] == [subject] * is_over
