"""How many rows have been done, shown while a command works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class ShowRows(Protocol):
    """What tells the display how many rows have been done, and of how many where that is known."""

    def __call__(self, rows: int, total: int | None = None, step: str = "") -> None:
        """Show the line anew."""


@contextmanager
def show_rows(things: str = "listings") -> Iterator[ShowRows]:
    """Show a line on the terminal, if there is one; give the function that is told how many rows have been done."""
    import sys

    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    shown = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        pace: dict[str, Pace] = {}

        def show(rows: int, total: int | None = None, step: str = "") -> None:
            line = pace.setdefault(step, Pace(step, things)).describe(rows, total, progress.get_time())
            progress.update(task, description=line)

        yield show


class Pace:
    """How fast rows are done, counted from the first time it is told: what was done before then took no time.

    Examples
    --------
    >>> pace = Pace("scored")
    >>> pace.describe(1_000, 9_000, seconds=0.0)
    '1,000 of 9,000 listings scored'
    >>> pace.describe(3_000, 9_000, seconds=2.0)
    '3,000 of 9,000 listings scored, 1,000 a second, 0:00:06 left'
    """

    def __init__(self, step: str, things: str = "listings") -> None:
        self._step, self._things = step, things
        self._first: tuple[int, float] | None = None

    def describe(self, rows: int, total: int | None, seconds: float) -> str:
        """Return the line for so many rows of a total, at a time."""
        from datetime import timedelta

        self._first = self._first or (rows, seconds)
        done, took = rows - self._first[0], seconds - self._first[1]
        of = f" of {total:,}" if total is not None and total >= rows else ""
        line = " ".join(filter(None, [f"{rows:,}{of} {self._things}", self._step]))
        if done <= 0 or took <= 0:
            return line
        line += f", {done / took:,.0f} a second"
        return f"{line}, {timedelta(seconds=round((total - rows) * took / done))} left" if of and total else line
