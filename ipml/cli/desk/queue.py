"""Queue commands: enqueue scored listings (`ipml enqueue`), and rank and plan the queue (`ipml queue`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, make_group, take_records
from ipml.cli.terminal import ActingUser, open_for_cases, printable, reading_from, show_steps, show_table
from ipml.errors import UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ipml.records import ScoredListing
    from ipml.review.arrivals.intake import IntakeSelection
    from ipml.review.ranking.plans import Preview
    from ipml.review.ranking.policy import ListRules
    from ipml.review.ranking.queue_order import QueueOrder
    from ipml.settings import Settings


def enqueue(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Output of `ipml score`.", exists=True)],
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Only the N most suspicious of the file; those that the queue knows already count among the N.",
            metavar="N",
        ),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only scores of at least P.", metavar="P")
    ] = None,
    explore: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.99,
            help="Share of the reviewers' time for listings drawn from all others; by default IPML_EXPLORE, or 0.05.",
            metavar="SHARE",
        ),
    ] = None,
    due_in: Annotated[
        float | None, typer.Option(min=0, max=8760, help="They must be decided within H hours.", metavar="H")
    ] = None,
    database: Database = None,
) -> None:
    """Put the scored listings of a file into the review queue; repeating it changes nothing.

    An unchanged listing opens no new case, unless it was not found counterfeit and its score rose by more than the
    policy's `return_score_rise`. A changed listing opens one and supersedes its waiting case.

    With --top or --min-score a random sample of the other listings is enqueued too, from which `ipml queue estimate`
    computes what the model misses. Listings that the model abstained on rank last; with --min-score they are not
    enqueued for their score.

    Example: ipml enqueue scored.parquet --min-score 0.2 --top 5000
    """
    from rich.console import Console
    from rich.progress import track

    from ipml.review.arrivals.intake import IntakeSelection
    from ipml.scoring.batch.scored_files import read_scored
    from ipml.settings import get_settings

    engine, settings = open_for_cases(database), get_settings()
    console = Console(stderr=True)
    words = iter(("Reading", "Enqueuing"))

    def read() -> Iterable[ScoredListing]:
        return track(read_scored(file), next(words), console=console, transient=True, disable=not console.is_terminal)

    selection = IntakeSelection(top, min_score, settings.explore if explore is None else explore)
    for line in put_into_queue(engine, settings, read, selection, due_in=due_in):
        typer.echo(line)


def put_into_queue(
    engine: Engine,
    settings: Settings,
    read: Callable[[], Iterable[ScoredListing]],
    selection: IntakeSelection,
    *,
    due_in: float | None = None,
) -> Iterator[str]:
    """Enqueue scored listings, match them with notices, act where the policy does; yield lines on the result.

    `read` yields the listings in the same order each time; it is called twice.
    """
    from ipml.cooperation.actions import Cooperation
    from ipml.cooperation.notices.intake import match_notices
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.enforcement.automation.automatic_decisions import act
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.review.arrivals.intake import enqueue_batch

    now = datetime.now(UTC)
    due_at = None if due_in is None else now + timedelta(hours=due_in)
    batch = enqueue_batch(engine, read, selection, due_at=due_at, joins_alike=settings.near_duplicates, now=now)
    counts = batch.enqueued
    drawn = f" {batch.drawn:,} of them drawn." if batch.drawn else ""
    yield (
        f"{counts.added:,} new, {counts.changed:,} changed, {counts.returned:,} returned because their score rose, "
        f"{counts.rescored:,} rescored, {counts.unchanged:,} unchanged.{drawn}"
    )
    if counts.listed_again:
        yield f"{counts.listed_again:,} of them are like a confirmed counterfeit: `ipml queue relistings`."
    if counts.still_offered:
        yield f"{counts.still_offered:,} found counterfeit before are still on offer: `ipml enforce measure list`."
    cooperation = load_cooperation_policy(settings.policy_cooperation)
    if matched := match_notices(engine, policy=cooperation, now=now).found:
        yield f"{matched:,} of them were reported in notices before: see the page Notices."
    policy = load_enforcement_policy(settings.policy_enforcement)
    if policy.automatic.is_on:
        acted = act(engine, policy, settings, actions=Cooperation(policy, cooperation))
        yield f"{acted.decided:,} acted on without review, {acted.drawn:,} drawn for people."


app = make_group("Rank the queue by what a review is worth.", "queue rerank --order value")
OrderName = Annotated[str, typer.Option(help="score, value (per minute of review) or fifo (first in, first out).")]
PolicyFile = Annotated[
    Path | None, typer.Option(help="Policy file; by default IPML_POLICY_REVIEW, or the one that comes with ipml.")
]
_SHOWN = 10


@app.command()
@take_records
def rerank(
    order: OrderName = "value",
    policy: PolicyFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the effects; nothing changes.")] = False,
    top: Annotated[
        int, typer.Option(min=1, help="With --dry-run: show the cases that enter and leave the first N.", metavar="N")
    ] = 100,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="With --dry-run: minutes of review; by default a working day of the policy."),
    ] = None,
    *,
    user: ActingUser,
) -> None:
    """Put an order and a policy in force, and rank every undecided case by them.

    With --dry-run seller lists are not simulated: they apply on top of any order.

    Example: ipml queue rerank --order value --policy policy.toml --dry-run
    """
    from ipml.review.ranking.plans import simulate_policy
    from ipml.review.ranking.policy import load_policy
    from ipml.review.ranking.queue_order import rerank as rerank_cases
    from ipml.settings import get_settings

    chosen, weights, now = _parse_order(order), load_policy(policy or get_settings().policy_review), datetime.now(UTC)
    if dry_run:
        with _counting("Weighing") as count, reading_from(user.database) as connection:
            preview = simulate_policy(
                connection, weights, now=now, order=chosen, first=top, minutes=minutes, progress=count
            )
            left_out = _say_lists(connection, weights.lists)
        _show(preview, chosen, top)
        for line in left_out:
            typer.echo(line)
        return
    engine, name = user.open(Action.RANK_QUEUE, is_upgrading=True)
    with _counting("Ranking") as count:
        ranked = rerank_cases(engine, chosen, weights, now=now, actor=name, progress=count)
    typer.echo(f"{ranked:,} cases ranked by {chosen} under policy {weights.digest[:12]}.")


@app.command()
def plan(
    minutes: Annotated[float, typer.Argument(metavar="MINUTES", min=0, help="Minutes that one reviewer has.")] = 60.0,
    reviewer: Annotated[
        str,
        typer.Option(metavar="NAME", help="Reviewer of these minutes; by default anybody."),
    ] = "",
    database: Database = None,
) -> None:
    """Show the best use of one reviewer's minutes, deadlines first.

    Cases that the reviewer would not be given are excluded: assigned to others, held, snoozed, or waiting for a
    near-duplicate. Seller lists are not considered, only the value of reviews.

    Example: ipml queue plan 60
    """
    from ipml.review.ranking.plans import plan_shift
    from ipml.review.ranking.queue_order import current_ranking

    with reading_from(database) as connection:
        works = plan_shift(connection, minutes, reviewer=reviewer, now=datetime.now(UTC))
        left_out = _say_lists(connection, current_ranking(connection).policy.lists)
    spent, value = sum(work.minutes for work in works), sum(work.value for work in works)
    typer.echo(f"{len(works):,} reviews in {spent:,.0f} minutes, worth {value:,.0f} together.")
    rows = []
    for work in works[:_SHOWN]:
        left = "" if work.minutes_left is None else f"{work.minutes_left:,.0f}"
        rows.append((work.case_id, f"{work.value:,.0f}", f"{work.minutes:g}", left))
    show_table(("case", "value", "minutes", "working minutes until due"), rows)
    for line in left_out:
        typer.echo(line)


def _say_lists(connection: Connection, rules: ListRules) -> list[str]:
    """Return a note if seller lists, which are left out here, now change the order of the queue."""
    from ipml.review.ranking.list_marks import find_parts

    parts = find_parts(connection, rules, datetime.now(UTC))
    moved = (("before", parts.earlier), ("after", parts.later))
    said = [f"{' and '.join(kinds)} sellers come {where} all others" for where, kinds in moved if kinds]
    return [f"Lists of sellers are left out: in the queue cases of {', those of '.join(said)}."] if said else []


@app.command()
@take_records
def relistings(
    remember: Annotated[
        bool, typer.Option("--remember", help="First index all counterfeits confirmed under older releases; once.")
    ] = False,
    *,
    user: ActingUser,
) -> None:
    """Show how often listings that match a confirmed counterfeit are counterfeit, by kind of match.

    Only each seller's newest decided match counts, and figures are shrunk towards the policy's ([relistings]). A kind
    of match below the policy's `min_precision` makes no more cases.

    Example: ipml queue relistings
    """
    from ipml.review.near_duplicates.confirmed import remember_all
    from ipml.review.near_duplicates.relistings import measure_matches
    from ipml.review.ranking.policy import MatchKind
    from ipml.review.ranking.queue_order import current_ranking

    if remember:
        engine, _ = user.open(Action.RANK_QUEUE, is_upgrading=True)
        with _counting("Remembering") as count:
            remembered = remember_all(engine, count)
        typer.echo(f"{remembered:,} confirmed counterfeits are recognised when they are listed again.")
    with reading_from(user.database) as connection:
        rules = current_ranking(connection).policy.relistings
        measured = measure_matches(connection, rules)
    rows = []
    for kind in MatchKind:
        (hits, n), precision = measured.by_kind.get(kind, (0, 0)), measured.of_kind(kind)
        makes_cases = "yes" if precision >= rules.min_precision else "no"
        rows.append((kind.value, f"{n:,}", f"{hits:,}", f"{100 * precision:.0f} %", makes_cases))
    show_table(("match by", "decided", "counterfeit", "precision", "makes cases"), rows, title="Listed again")


def _parse_order(name: str) -> QueueOrder:
    from ipml.review.ranking.queue_order import QueueOrder

    try:
        return QueueOrder(name)
    except ValueError as error:
        raise UnusableSetting("order", repr(name[:80]), f"one of {', '.join(QueueOrder)}") from error


@contextmanager
def _counting(verb: str) -> Iterator[Callable[[int], None]]:
    """Give a function that shows the number of cases done on a terminal."""
    with show_steps(f"{verb} cases") as say:
        yield lambda done: say(f"{verb} cases: {done:,}") if done % 1000 == 0 else None


def _show(preview: Preview, order: QueueOrder, first: int) -> None:
    for verb, moved in (("enter", preview.entering), ("leave", preview.leaving)):
        named = ", ".join(f"{case_id} ({printable(listing_id)[:40]})" for case_id, listing_id in moved[:_SHOWN])
        more = f", and {len(moved) - _SHOWN:,} more" if len(moved) > _SHOWN else ""
        typer.echo(f"{len(moved):,} cases {verb} the first {first:,}{': ' if named else ''}{named}{more}.")
    harm = f"harm prevented, {preview.currency}"
    outcomes = [(one.order, f"{one.cases:,}", f"{one.fakes:,.1f}", f"{one.harm:,.0f}") for one in preview.outcomes]
    title = f"In {preview.minutes:,.0f} minutes of review"
    show_table(("order", "cases", "fakes expected", harm), outcomes, title=title)
    groups = [
        (
            printable(one.name)[:40],
            *(f"{one.cases_now:,}", f"{one.cases_then:,}", f"{one.harm_now:,.0f}", f"{one.harm_then:,.0f}"),
        )
        for one in preview.groups
    ]
    head = ("brand or category", "cases now", f"by {order}", f"{harm}, now", f"by {order}")
    show_table(head, groups, title="Largest changes")
