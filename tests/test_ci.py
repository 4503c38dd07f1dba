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
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"no slice {name}: ")
    assert "browser" in result.stderr
    assert result.stderr.count("\n") == 1


def spend(budget: Budget, seconds: float, when: str = "call", test: str = "test_a") -> None:
    """Report a phase of a test."""
    budget.pytest_runtest_logreport(SimpleNamespace(nodeid=test, when=when, processor_seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "is_over"), [(FAILS_AT * TEST_SECONDS, True), (FAILS_AT * TEST_SECONDS - 0.1, False)]
)
def test_a_test_at_twice_its_budget_fails_the_run(seconds, is_over):
    """Its body counts, with all its cases; a fixture that others share does not."""
    budget = Budget()
    spend(budget, 100 * TEST_SECONDS, when="setup")
    spend(budget, seconds / 2)
    spend(budget, seconds / 2)
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    budget.pytest_sessionfinish(session)
    assert session.exitstatus == (pytest.ExitCode.TESTS_FAILED if is_over else pytest.ExitCode.OK)
    assert [excess.split()[0] for excess in budget.list_excesses()] == ["test_a"] * is_over


def test_a_suite_at_twice_its_budget_fails_the_run():
    """Many cheap tests are too much together."""
    budget = Budget()
    for number in range(int(FAILS_AT * SUITE_SECONDS)):
        spend(budget, 1.0, test=f"test_{number}")
    assert [excess.split()[0] for excess in budget.list_excesses()] == ["all"]
