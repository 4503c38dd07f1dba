"""Review quality: estimates for all listings (`ipml queue estimate`), reviewers, control cases, reference pictures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, moment_option, take_records
from ipml.cli.terminal import ActingUser, printable, reading_from, show_day, show_table
from ipml.errors import UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from ipml.review.group_decisions import SpreadPrecision
    from ipml.review.pictures.same_picture import SamePicture
    from ipml.review.quality.assessment import Dispute, ReviewerQuality
    from ipml.review.quality.rates import Agreement, Rate
    from ipml.review.ranking.plans import Measured
    from ipml.review.sampling.estimates import EstimatedFigure, Estimates


def estimate(
    since: Annotated[datetime | None, moment_option("Only what came since then")] = None, database: Database = None
) -> None:
    """Estimate how many of all listings are counterfeit, and how much of that the queue finds.

    From reviewed listings and their sampling probabilities, over enqueued files and listings that came one by one:
    prevalence, recall of the queue, and precision among the most suspicious of each file, with 95 % intervals. The last
    column shows the figure among the reviewed listings alone.

    Example: ipml queue estimate --since 2026-05-01
    """
    from ipml.review.group_decisions import measure_spread
    from ipml.review.sampling.estimates import estimate as estimate_figures

    with reading_from(database) as connection:
        estimates, spread = estimate_figures(connection, since=since), measure_spread(connection)
    if not estimates.listings + estimates.uncovered:
        typer.echo("No listings came yet, of which to estimate anything: `ipml enqueue FILE --top N` brings some.")
        return
    head = ("figure", "estimate", "95 % interval", "among the reviewed", "reviews")
    show_table(head, map(describe, estimates.figures))
    for line in (*explain(estimates), *_describe_spread(spread)):
        typer.echo(line)


def describe(figure: EstimatedFigure) -> tuple[str, str, str, str, str]:
    """Return a figure as the cells of a row.

    >>> from ipml.review.sampling.estimates import EstimatedFigure as EstimatedFigure
    >>> describe(EstimatedFigure("prevalence", 0.0795, 0.064, 0.1, 0.84, 2920))
    ('prevalence', '8.0 %', '6.4 to 10.0 %', '84.0 %', '2,920')
    >>> describe(EstimatedFigure("prevalence", None, None, None, None, 0))[1]
    'too few reviews'
    """
    if figure.value is None or figure.low is None or figure.high is None:
        shown = ("too few reviews", "")
    else:
        shown = (f"{100 * figure.value:.1f} %", f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %")
    naive = "" if figure.naive is None else f"{100 * figure.naive:.1f} %"
    return (figure.name, *shown, naive, f"{figure.reviews:,}")


def _describe_spread(spread: SpreadPrecision) -> list[str]:
    """Return a sentence on the reliability of decisions spread to near-duplicates.

    >>> from ipml.review.group_decisions import SpreadPrecision
    >>> _describe_spread(SpreadPrecision(380, 20, 16, 16, 1.0, 0.806, 1.0))
    ['380 decisions spread to near-duplicates. Reviewers agreed in 16 of 16 that were drawn and reviewed: 81 to 100 %.']
    """
    if not spread.n_spread:
        return []
    said = f"{spread.n_spread:,} decisions spread to near-duplicates."
    if spread.low is None or spread.high is None:
        return [f"{said} None of the {spread.n_drawn:,} drawn was looked at yet."]
    return [
        f"{said} Reviewers agreed in {spread.n_agreeing:,} of {spread.n_reviewed:,} that were drawn and reviewed: "
        f"{100 * spread.low:.0f} to {100 * spread.high:.0f} %."
    ]


def explain(estimates: Estimates) -> list[str]:
    """Return sentences on the basis of the figures, and what is missing."""
    from ipml.review.sampling.estimates import LEAST_DRAWS

    counts = ((estimates.files, "file"), (estimates.days, "day of the stream"))
    sources = [_count(number, word) for number, word in counts if number]
    lines = [
        f"About {estimates.listings:,} listings of {' and '.join(sources) or 'no file'}; {estimates.drawn:,} were "
        f"drawn beside the most suspicious, {estimates.drawn_reviewed:,} of them are reviewed in their turn."
    ]
    if estimates.waiting:
        lines.append(
            f"{estimates.waiting:,} cases shown for their score, or drawn and escalated, wait for a verdict; "
            "the intervals allow for anything among them."
        )
    if estimates.uncovered:
        lines.append(
            f"{estimates.uncovered:,} listings are left out, as no listing drawn from their files or days is reviewed."
        )
    if any(figure.value is None for figure in estimates.figures):
        lines.append(
            f"Listings that are not all shown get no estimate before {LEAST_DRAWS} drawn from them are reviewed."
        )
    return lines


def _count(number: int, word: str) -> str:
    """Return a number with its noun."""
    first, *rest = word.split(" ")
    return " ".join([f"{number:,}", first if number == 1 else f"{first}s", *rest])


def reviewers(
    brands: Annotated[bool, typer.Option("--brands", help="Error rates by brand as well.")] = False,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Only the decisions that an audit or a control case contradicts.")
    ] = False,
    durations: Annotated[
        bool, typer.Option("--durations", help="Only how long reviews take, and the resulting minutes for the policy.")
    ] = False,
    database: Database = None,
) -> None:
    """Show how far reviewers agree with each other, and how often each errs, with 95 % intervals.

    From control cases, blind repeats, audits and second persons. Missed: a counterfeit called genuine. Wronged: a
    genuine listing called counterfeit.

    Example: ipml queue reviewers --brands
    """
    from ipml.review.quality.assessment import assess_reviewers, list_disputes
    from ipml.review.ranking.plans import measure_minutes

    with reading_from(database) as connection:
        if disputed:
            _show_disputes(list_disputes(connection))
            return
        if durations:
            _show_minutes(measure_minutes(connection))
            return
        quality = assess_reviewers(connection)
    _show_reviewers(quality.reviewers)
    if brands:
        rows = [
            (one.name, brand, _percent(missed), _percent(wronged))
            for one in quality.reviewers
            for brand, (missed, wronged) in one.by_brand.items()
        ]
        show_table(("reviewer", "brand", "missed", "wronged"), rows)
    if quality.alpha is None:
        typer.echo("No case was judged by two people yet; second reviews of decided cases are assigned automatically.")
    else:
        typer.echo(f"All together agree beyond chance by {_coefficient(quality.alpha)} (Krippendorff's alpha).")


def _show_reviewers(reviewers: tuple[ReviewerQuality, ...]) -> None:
    rows = []
    for one in reviewers:
        rates = [_percent(rate) for rate in (one.missed, one.wronged, one.control, one.steadiness)]
        agrees = (_percent(one.agreement), _coefficient(one.kappa))
        rows.append((one.name, f"{one.decided:,}", f"{one.looked:,}", *agrees, *rates))
    head = ("reviewer", "decided", "second reviews", "agrees", "kappa", "missed", "wronged", "control", "same again")
    show_table(head, rows)


def _show_minutes(measured: Sequence[Measured]) -> None:
    from ipml.review.ranking.plans import propose_minutes

    rows = [
        (f"{group.kind} {group.name}".strip(), f"{group.decisions:,}", f"{group.minutes:.1f}") for group in measured
    ]
    show_table(("reviews", "decisions", "median minutes"), rows, title="From claim to decision")
    proposal = propose_minutes(measured)
    typer.echo(f"\nFor the policy file:\n\n{proposal}" if proposal else "Too few decisions yet to propose minutes.")


def _show_disputes(disputes: list[Dispute]) -> None:
    rows = [(one.case_id, one.decided, one.said, one.by, f"{one.chance * 100:.0f} %") for one in disputes]
    show_table(("case", "decided", "but", "by", "counterfeit with a chance of"), rows)


def _percent(rate: Rate | None) -> str:
    """Return a share with its interval, such as "80 % (49-94), n=10"."""
    if rate is None:
        return ""
    return f"{rate.share * 100:.0f} % ({rate.low * 100:.0f}-{rate.high * 100:.0f}), n={rate.n:.0f}"


def _coefficient(found: Agreement | None) -> str:
    return "" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


@take_records
def control(
    case: Annotated[
        int | None, typer.Argument(metavar="[CASE]", help="Number of a decided case; without it all are listed.")
    ] = None,
    truth: Annotated[str, typer.Option(help="counterfeit or genuine.")] = "",
    source: Annotated[str, typer.Option(help="How that is known; shown after the verdict.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Remove the control case; verdicts on it stay.")] = False,
    *,
    user: ActingUser,
) -> None:
    """Record the known truth of a decided case, or list the control cases; reviewers meet them unknowingly.

    You never get a control case that you recorded.

    Example: ipml queue control 12 --truth counterfeit --source "test purchase of 3 May"
    """
    from ipml.records import Verdict
    from ipml.review.quality.blind_reviews import add_control_case, remove_control_case

    if case is None:
        if truth or source or remove:
            raise UnusableSetting("case", "none", "the number of a decided case")
        _show_control_cases(user.database)
    elif remove:
        with user.acting(Action.KEEP_CONTROL_CASES) as (connection, name):
            remove_control_case(connection, case, name)
        typer.echo(f"Case {case} is no longer on the list.")
    else:
        if truth not in (Verdict.COUNTERFEIT, Verdict.GENUINE):
            raise UnusableSetting("truth", repr(truth), "counterfeit or genuine")
        with user.acting(Action.KEEP_CONTROL_CASES) as (connection, name):
            added = add_control_case(connection, case, Verdict(truth), source, name)
        typer.echo(f"Case {case} is known to be {added.truth}; each reviewer will meet it once.")


def _show_control_cases(database: str | None) -> None:
    from ipml.review.quality.blind_reviews import list_control_cases

    with reading_from(database) as connection:
        rows = [
            (control.case_id, control.truth, control.source, control.added_by, show_day(control.added_at))
            for control in list_control_cases(connection)
        ]
    show_table(("case", "truth", "known by", "added by", "since"), rows)


@take_records
def pictures(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Pictures to add, or one of them; without it all are listed."),
    ] = None,
    kind: Annotated[str, typer.Option(help="Known kind of the goods: counterfeit or genuine.")] = "",
    brand: Annotated[str, typer.Option(help="Brand of the goods.")] = "",
    source: Annotated[str, typer.Option(help="Supplier of the pictures.")] = "",
    drop: Annotated[int | None, typer.Option(metavar="PICTURE", help="Remove a picture, by its number.")] = None,
    *,
    user: ActingUser,
) -> None:
    """Add pictures of known goods, for example from a rights holder, or list them; cases say where they are seen again.

    Adding them again changes nothing. The list shows the decisions on listings with each picture. The next sweep of
    the folder IPML_PICTURES deletes the file of a removed picture.

    Example: ipml queue pictures acme-catalogue --kind genuine --brand Acme --source "Acme, catalogue of 2026"
    """
    from ipml.review.pictures.reference import KINDS, remove_reference

    if drop is not None:
        if folder is not None:
            raise UnusableSetting("--drop", "a folder too", "one of them")
        with user.acting(Action.KEEP_PICTURES) as (connection, name):
            remove_reference(connection, drop, name)
        typer.echo(f"Picture {drop} is no longer compared with.")
    elif folder is None:
        _show_pictures(user.database)
    elif kind not in KINDS or not brand or not source:
        raise UnusableSetting(
            "pictures", "no kind, brand or source", "--kind counterfeit or genuine, --brand, --source"
        )
    else:
        _add_pictures(folder, kind, brand, source, user)


def _add_pictures(folder: Path, kind: str, brand: str, source: str, user: ActingUser) -> None:
    from ipml.records import Verdict
    from ipml.review.pictures.hashes import HashIndex, group_pictures
    from ipml.review.pictures.reference import KnownGoods, add_references, find_files
    from ipml.settings import get_settings

    settings = get_settings()
    place = settings.pictures
    if place is None:
        raise UnusableSetting("IPML_PICTURES", "none", "the folder in which pictures are kept")
    engine, name = user.open(Action.KEEP_PICTURES)
    tally = add_references(engine, place, find_files(folder), KnownGoods(Verdict(kind), brand, source), name)
    group_pictures(engine, place, HashIndex(), joins_alike=settings.near_duplicates)
    typer.echo(f"{tally.added:,} pictures added; {tally.known:,} were there before.")
    for refused in tally.refused:
        typer.echo(f"Not added: {printable(refused)}.")


def _show_pictures(database: str | None) -> None:
    from ipml.review.pictures.reference import list_references
    from ipml.review.pictures.same_picture import measure_reference

    with reading_from(database) as connection:
        rows = [
            (
                *(picture.reference_id, picture.kind, picture.brand, picture.source, show_day(picture.added_at)),
                *_describe_use(measure_reference(connection, picture)),
            )
            for picture in list_references(connection)
        ]
    show_table(("picture", "kind", "brand", "from", "since", "listings", "decided", "counterfeit"), rows)


def _describe_use(found: SamePicture | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    rate = found.reference_precision
    shown = f"{100 * rate.share:.0f} % ({100 * rate.low:.0f} to {100 * rate.high:.0f})" if rate else ""
    return f"{found.n_listings:,}", f"{len(found.decided):,}", shown
