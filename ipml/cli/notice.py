"""`ipml notice`: what rights holders and consumers tell of listings, and how it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.moments import show_minute
from ipml.cli.notice_answer import answer
from ipml.cli.options import Database, open_for_command
from ipml.cli.plain_text import printable

if TYPE_CHECKING:
    from ipml.cooperation.notices.desk import NoticeFile
    from ipml.cooperation.notices.notice import Notice
    from ipml.records import Problem

_MOST_SHOWN = 1_000

app = typer.Typer(
    no_args_is_help=True,
    help="""Take in notices of counterfeits and complaints, and see how they stand.

    Example: ipml notice waiting
    """,
)
app.command()(answer)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="JSON with a notice a line, or CSV with a row for each listing.", show_default=False
        ),
    ],
    partial: Annotated[
        bool, typer.Option("--partial", help="Take the good ones where some are bad; else none is taken.")
    ] = False,
    database: Database = None,
) -> None:
    """Take in the notices of a file; doing it again, or going on after an interruption, takes each once.

    First all of them are checked, and every fault is named by its row and field. A JSON line is what `POST /v1/notices`
    takes. The columns of a CSV file are notice, kind, name, email, good_faith, brand, rights, explanation, language,
    url, listing_id, order_id and bought_at; rows with the same `notice` stand together and are one.

    Example: ipml notice import vellmar.csv --partial
    """
    from collections import Counter

    from ipml.cli.progress import show_rows
    from ipml.cooperation.notices.intake import receive
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.errors import InvalidNotice, NoticeKeyReused
    from ipml.records import Problem

    engine, policy = open_for_command(database), load_cooperation_policy()
    problems = [found for _, one in _check_all(file) if not isinstance(one, tuple) for found in one]
    if problems:
        _complain(problems)
        if not partial:
            typer.echo("Nothing was taken in: mend the rows, or take the others with --partial.", err=True)
            raise typer.Exit(1)
    counts: Counter[str] = Counter()
    refused: list[Problem] = []
    with show_rows("notices") as show:
        for done, (row, one) in enumerate(_check_all(file), start=1):
            if not isinstance(one, tuple):
                continue
            try:
                counts["taken" if receive(engine, one[0], policy=policy).is_new else "known"] += 1
            except InvalidNotice as error:
                refused += [replace(found, row=row) for found in error.problems]
            except NoticeKeyReused as error:
                refused.append(Problem(row, "key", "that of another notice", str(error)))
            show(done)
    _complain(refused)
    bad = len({found.row for found in (*problems, *refused)})
    typer.echo(f"{counts['taken']:,} notices taken in, {counts['known']:,} known before, {bad:,} refused.")
    if bad:
        raise typer.Exit(1)


@app.command("list")
def list_(
    state: Annotated[str, typer.Option(help="waiting, settled or all.")] = "waiting",
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 100,
    database: Database = None,
) -> None:
    """List notices: those that wait by when they are due, else the newest first.

    Example: ipml notice list --state settled
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.cooperation.notices.desk import STATES, list_notices
    from ipml.errors import UnusableSetting

    if state not in STATES:
        raise UnusableSetting("state", repr(state[:80]), " or ".join(STATES))
    table = Table("notice", "received", "kind", "brand", "tier", "listings", "waiting", "unknown", "due")
    for row in list_notices(open_for_command(database), state, top):
        tier = f"{row.tier}, suspended" if row.is_suspended else row.tier
        numbers = (f"{number:,}" for number in (row.listings, row.waiting, row.unknown))
        brand = Text(printable(row.brand or ""))
        table.add_row(
            str(row.notice_id), show_minute(row.received_at), row.kind, brand, tier, *numbers, show_minute(row.due_at)
        )
    Console().print(table)


@app.command()
def show(
    notice: Annotated[
        str, typer.Argument(metavar="NOTICE", help="Number or reference of a notice.", show_default=False)
    ],
    database: Database = None,
) -> None:
    """Show what a notice says, and how each of its listings stands.

    Example: ipml notice show 12
    """
    from ipml.cooperation.notices.desk import get_notice_file

    for line in _describe(get_notice_file(open_for_command(database), notice)):
        typer.echo(line)


@app.command()
def match(database: Database = None) -> None:
    """Join notices of listings that nobody knew to the cases that have come since; `ipml enqueue` does it, too.

    Example: ipml notice match
    """
    from ipml.cli.progress import show_rows
    from ipml.cooperation.notices.matching import match_notices

    with show_rows() as show_progress:
        matched = match_notices(open_for_command(database), show=show_progress)
    typer.echo(f"{matched.found:,} listings of notices found, {matched.unknown:,} unknown still.")


@app.command()
def waiting(database: Database = None) -> None:
    """Show how many listings of notices wait in each tier, since when, and how many are overdue.

    Example: ipml notice waiting
    """
    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.notices.desk import count_waiting_by_tier

    table = Table("tier", "kind", "waiting", "overdue", "unknown", "oldest")
    for row in count_waiting_by_tier(open_for_command(database)):
        numbers = (f"{number:,}" for number in (row.listings, row.overdue, row.unknown))
        table.add_row(row.tier, row.kind, *numbers, show_minute(row.oldest))
    Console().print(table)


def _check_all(file: Path) -> Iterator[tuple[int, tuple[Notice] | list[Problem]]]:
    """Give each notice of a file with its row: what it says, or everything wrong with it."""
    from ipml.cli.notice_file import read_entries
    from ipml.cooperation.notices.checking import check_notice
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.errors import InvalidNotice

    rules = load_cooperation_policy().notices
    for entry in read_entries(file):
        if entry.problem is not None:
            yield entry.row, [entry.problem]
            continue
        try:
            yield entry.row, (check_notice(entry.content, rules, row=entry.row),)
        except InvalidNotice as error:
            yield entry.row, list(error.problems)


def _complain(problems: list[Problem]) -> None:
    for problem in problems[:_MOST_SHOWN]:
        typer.echo(printable(str(problem)), err=True)
    if len(problems) > _MOST_SHOWN:
        typer.echo(f"and {len(problems) - _MOST_SHOWN:,} more", err=True)


def _describe(file: NoticeFile) -> list[str]:
    row, receipt = file.row, file.receipt
    lines = [
        f"Notice {row.notice_id}: {row.kind}, {printable(row.brand or 'no brand')}, on {show_minute(row.received_at)}",
        f"of notifier {file.notifier[:8]}, {file.notifier_kind}, tier {row.tier}" + (", suspended" * row.is_suspended),
        f"reference {receipt.reference}",
    ]
    for one, case_id in zip(receipt.listings, file.case_ids, strict=True):
        where = "erased" if one.location is None else printable(one.location)
        again = ", noted before" if one.is_repeated else ""
        case = f", case {case_id}" if case_id else ""
        lines.append(f"{one.position}. {where[:200]}: {one.outcome}{again}{case}")
    lines += ["", "The notifier says:" if file.explanation is not None else "What the notifier said was erased."]
    return lines + [f"  {printable(line)}" for line in (file.explanation or "").splitlines()]
