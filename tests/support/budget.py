"""Budget: measures the processor time of each test and holds the fast suite to a limit, with `pytest --budget`.

Seconds of a processor, those of child processes included, say more than a clock on a busy machine. They vary too, so a
run fails only at twice the budget.
"""

import os
from collections import Counter
from collections.abc import Generator

import pytest

TEST_SECONDS = 2.0  # the body of one fast test
SUITE_SECONDS = 300.0  # all fast tests, with what they set up
FAILS_AT = 2  # times the budget
N_SLOWEST = 10


def used_seconds() -> float:
    """Return the processor time of this process and of the children that it has waited for."""
    return sum(os.times()[:4])


class Meter:
    """Writes on each report how much processor time went by since the one before."""

    def __init__(self) -> None:
        self._last = used_seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Measure a phase of a test; the report carries the figure to the process that sums up."""
        report = yield
        now = used_seconds()
        report.processor_seconds, self._last = now - self._last, now
        return report


class Budget:
    """Sums the reports of all processes up, and shows them beside the budget."""

    def __init__(self) -> None:
        self.tests: Counter[str] = Counter()  # bodies alone: the first test of a module pays for all others
        self.total = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of a test."""
        seconds = getattr(report, "processor_seconds", 0.0)
        self.total += seconds
        if report.when == "call":
            self.tests[report.nodeid] += seconds

    def list_excesses(self) -> list[str]:
        """Return what took twice its budget."""
        tests = [
            f"{test} took {seconds:.1f} s of a processor, the budget is {TEST_SECONDS:g}: make it cheaper or slow"
            for test, seconds in self.tests.most_common()
            if seconds >= FAILS_AT * TEST_SECONDS
        ]
        if self.total >= FAILS_AT * SUITE_SECONDS:
            tests.append(f"all tests took {self.total:.0f} s of a processor, the budget is {SUITE_SECONDS:g}")
        return tests

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that passed otherwise and took too long."""
        if self.list_excesses() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the slowest tests and the sum."""
        terminalreporter.section(f"processor time: {self.total:.0f} of {SUITE_SECONDS:g} s")
        for test, seconds in self.tests.most_common(N_SLOWEST):
            terminalreporter.write_line(f"{seconds:6.2f} of {TEST_SECONDS:g} s  {test}")
        for excess in self.list_excesses():
            terminalreporter.write_line(f"over twice the budget: {excess}", red=True)


def add_budget(config: pytest.Config) -> None:
    """Measure the tests of this process, and sum up those of all processes where they are reported."""
    if config.getoption("--budget"):
        config.pluginmanager.register(Meter())
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(Budget())
