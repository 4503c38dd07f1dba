"""How many listings of a file have been done, shown while a command works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def show_rows() -> Iterator[Callable[[int], None]]:
    """Show a line on the terminal, if there is one; give the function that is told how many rows have been done."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    shown = (
        SpinnerColumn(),
        TextColumn("{task.completed:,} listings, {task.fields[rate]:,.0f} a second"),
        TimeElapsedColumn(),
    )
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None, rate=0.0)
        yield lambda rows: progress.update(task, completed=rows, rate=progress.tasks[0].speed or 0.0)
