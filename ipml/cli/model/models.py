"""Commands on models that are trained: which is better, which is in use, and how well one holds.

`ipml model compare` says whether a difference is more than chance, `shadow` what would change if the challenger took
the champion's place; `promote` puts a model into use if it passes the gate, `rollback` the one before. `drift` says
what has moved since a model was made, `robustness` what it still finds when sellers disguise their listings.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ipml.cli.listing_files import load_map, read_good_listings, tell_rejected
from ipml.cli.options import (
    Columns,
    Force,
    Labelled,
    Listings,
    ModelName,
    OutTable,
    Rejects,
    Tracking,
    out_option,
    take_records,
)
from ipml.cli.terminal import check_outputs, make_uri, printable, show_rows, show_steps, show_table, write_text
from ipml.errors import NotFound, UnusableSetting, UnwritableFile

if TYPE_CHECKING:
    import pandas as pd

    from ipml.model.drift import DriftReference, DriftReport
    from ipml.records import ScoredListing
    from ipml.scoring.scorer import Scorer
    from ipml.scoring.shadow import Disputed, Shadow


_MODEL_HELP = "Registry URI, version number, id of a run, or model folder."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_MODEL_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    labelled: Labelled = None,
    columns: Columns = None,
    name: ModelName = "ipml",
    tracking: Tracking = None,
) -> None:
    """Compare two models on the same listings: every measure, the difference, and its interpretation.

    Without --labelled, the models are compared on the listings that both were tested on when they were trained, with
    scores from before either had seen their sellers. Each difference has an interval over sellers, wide enough that
    two equal models are called different in at most 5 of 100 comparisons, over all measures together. That takes
    counterfeits of at least six sellers.

    Example: ipml model compare models:/ipml@champion models:/ipml@challenger
    """
    from ipml.model.promotion import compare_models
    from ipml.settings import get_settings

    with show_steps("Reading") as say:
        compared = compare_models(
            make_uri(a, name),
            make_uri(b, name),
            get_settings().with_tracking(tracking),
            listings=read_good_listings(labelled, columns) if labelled else None,
            say=say,
        )
    typer.echo(compared.table())


def promote(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Registry URI, version number, id of a run, or recorded model folder; by default the challenger.",
        ),
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="Changes to the bundled rules (TOML).")] = None,
    override: Annotated[str | None, typer.Option(help="Promote even if it does not pass, for this reason.")] = None,
    confirmed_by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Person who confirms the rules that the test is too small for.")
    ] = None,
    labelled: Labelled = None,
    columns: Columns = None,
    name: ModelName = "ipml",
    tracking: Tracking = None,
) -> None:
    """Judge a registered model by the rules of the gate; if it passes, it becomes the champion.

    Scoring with models:/NAME@champion uses it from then on. The registry records who promoted it, when and why, and
    `ipml model rollback` restores the model before. Exit code 1: the model was refused, and nothing has changed.

    Where the test holds too few counterfeits to judge by a rule, or the model is better than models are, the table says
    "to confirm". A person looks at the report and confirms with --confirmed-by; the name is kept with those rules.

    Rules of your own need only name what differs:

    ```toml
    [recall_at_precision]
    at_least = 0.3
    [recall_kept_worst]
    must_be_measured = true
    ```

    Example: ipml model promote --name ipml-shoes
    """
    from ipml.model.promotion import examine, load_rules
    from ipml.model.promotion import promote as move
    from ipml.settings import get_settings

    limits = load_rules(rules)
    wanted = f"models:/{name}@challenger" if model is None else make_uri(model, name)
    with show_steps("Reading") as say:
        candidacy = examine(
            wanted,
            limits,
            get_settings().with_tracking(tracking),
            listings=read_good_listings(labelled, columns) if labelled else None,
            say=say,
        )
    uri = candidacy.model.uri
    typer.echo(f"{candidacy.report.table()}\n")
    with show_steps("Promoting"):
        moved = move(candidacy, override=override, confirmed_by=confirmed_by)
    if moved is None and candidacy.report.passed:
        typer.echo(f"{uri} waits for a person to confirm {', '.join(candidacy.report.open)}: --confirmed-by NAME.")
        raise typer.Exit(1)
    if moved is None:
        typer.echo(f'{uri} is refused; nothing has changed. To promote it all the same, say --override "REASON".')
        raise typer.Exit(1)
    before = f", in place of version {moved.replaced}" if moved.replaced else ""
    typer.echo(f"{uri} is champion{before}: {moved.reason}")


def rollback(
    to: Annotated[
        int | None, typer.Option(help="A version that was champion once; by default the one before.", min=1)
    ] = None,
    why: Annotated[str, typer.Option(help="The reason, for those who read the history.")] = "",
    name: ModelName = "ipml",
    tracking: Tracking = None,
) -> None:
    """Go back to the champion before, and again to the one before that.

    Nothing is measured: this is for when a new model does harm. Only a model that still loads is put back.

    Example: ipml model rollback --why "flags every second-hand watch"
    """
    from ipml.model.promotion import roll_back
    from ipml.settings import get_settings

    with show_steps("Going back"):
        moved = roll_back(name, get_settings().with_tracking(tracking), to=to, reason=why)
    typer.echo(f"models:/{name}/{moved.version} is champion again, in place of version {moved.replaced}")


SHOWN_DISPUTED = 10


def shadow(
    listings: Listings,
    out: OutTable,
    champion: Annotated[
        str | None, typer.Option(help="The model in use; by default IPML_MODEL, or the champion of ipml.")
    ] = None,
    challenger: Annotated[
        str, typer.Option(help="The model that may take its place: folder or registry URI.")
    ] = "models:/ipml@challenger",
    top: Annotated[int, typer.Option(min=1, help="How many cases people can look at.")] = 100,
    columns: Columns = None,
    rejects: Rejects = None,
    force: Force = False,
) -> None:
    """Score listings with two models without changing the queue, and show the differences.

    The output shows how far the two agree, and the listings that only one of them puts at the top, with its reasons.
    Each model uses the portfolios of its own training. The true labels are unknown here: `ipml model compare` shows
    which model is better.

    Exit code 1: some rows were bad and are in the file of rejects.

    Example: ipml model shadow tonight.parquet --out both.parquet --challenger models/shoes
    """
    from ipml.listings.writers import RejectsFile
    from ipml.scoring.scorer import load_model
    from ipml.scoring.shadow import shadow_file

    check_outputs(out, rejects, read=[listings], force=force)
    scorers = load_model(champion), load_model(challenger)
    with RejectsFile(rejects) if rejects else nullcontext() as bad_rows, show_rows() as on_rows:
        compared = shadow_file(
            *scorers, listings, out, top=top, columns=load_map(columns), rejects=bad_rows, on_rows=on_rows
        )
    _show_shadow(compared)
    typer.echo(f"\nBoth scores of all {compared.scored:,} listings are in {out}")
    tell_rejected(compared.rejected, rejects)


def _show_shadow(compared: Shadow) -> None:
    """Print a table of both models, how far they agree, and the cases of one only."""
    from ipml.scoring.shadow import MOVED

    rows = (
        ("model", *compared.versions),
        ("could not judge", *(f"{number:,}" for number in compared.abstained)),
        ("mean score", *map(_number, compared.mean_score)),
        (f"lowest score in its top {compared.top:,}", *map(_number, compared.least_in_top)),
    )
    show_table(("", "champion", "challenger"), rows)
    typer.echo(f"Rank correlation of their scores: {_number(compared.rank_correlation)}")
    typer.echo(f"Share of scores that differ by more than {MOVED}: {_number(compared.moved)}")
    typer.echo(f"In the top {compared.top:,} of both: {compared.in_both:,} listings")
    _show_disputed("champion", compared.only_champion)
    _show_disputed("challenger", compared.only_challenger)


def _show_disputed(role: str, disputed: Sequence[Disputed]) -> None:
    """Print the first listings that only one model has at its top, with its three heaviest reasons."""
    if not disputed:
        return
    typer.echo(f"\nOnly in the top of the {role}: {len(disputed):,} listings, by its score\n")
    for one in disputed[:SHOWN_DISPUTED]:
        typer.echo(_describe_shadow(getattr(one, role), one))
    if len(disputed) > SHOWN_DISPUTED:
        typer.echo(f"  … and {len(disputed) - SHOWN_DISPUTED:,} more in the file")


def _describe_shadow(by: ScoredListing, one: Disputed) -> str:

    scores = " → ".join(
        "  –  " if said.score is None else f"{said.score:.1%}" for said in (one.champion, one.challenger)
    )
    listing = by.listing
    lines = [f"  {scores}  {printable(listing.title)}  ({printable(listing.listing_id)})"]
    lines += [
        f"          {reason.weight:+.1f}  {printable(reason.sentence)}" for reason in by.reasons_for_counterfeit[:3]
    ]
    return "\n".join(lines)


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"


def drift(
    source: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE_OR_MODEL",
            help="A model folder with its reference beside it, or the reference: a .json file.",
        ),
    ],
    listings: Listings,
    model: Annotated[
        str | None, typer.Option(help="With a reference: the model that it belongs to, to compare scores too.")
    ] = None,
    columns: Columns = None,
    out: Annotated[
        list[Path] | None, out_option("The report as .html or .json, by suffix; may be given for each of them.")
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="Compare nothing; these listings become the reference, in --out.")
    ] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Show also what has not moved.")] = False,
    force: Force = False,
) -> None:
    """Compare listings, scores and labels with what they were like when the model was made.

    LISTINGS are all those of a period. Their prices are compared with the model's reference price of their brand and
    category, too. Labels are read from `is_counterfeit` where the listings have it. Exit code 1 says that something
    alarms.

    Example: ipml model drift models/shoes june.parquet --out june.html
    """
    from ipml.model.drift import measure_drift, reference_of
    from ipml.model.drift.drift import to_html
    from ipml.scoring.scorer import load_model

    files = out or []
    check_outputs(*files, read=[listings], force=force)
    if remember and [file.suffix for file in files] != [".json"]:
        raise UnusableSetting("--out", ", ".join(map(str, files)) or "none", "one .json file for the reference")
    if strange := [file for file in files if file.suffix not in (".html", ".json")]:
        raise UnwritableFile(strange[0], f"the suffix {strange[0].suffix!r}", ".html or .json")
    is_reference = source.endswith(".json")
    reference = None if remember else _find_reference(source)
    scored_by = model if is_reference else source
    with show_steps("Scoring listings …"):
        scorer = load_model(scored_by) if scored_by else None
        period = _observe(read_good_listings(listings, columns), scorer)
    if reference is None:
        write_text([reference_of(*period).to_json()], files[0])
        typer.echo(f"{len(period.listings):,} listings are the reference, in {files[0]}")
        return
    report = measure_drift(reference, *period)
    for file in files:
        page = to_html(report, f"Drift of {listings.name}") if file.suffix == ".html" else report.to_json()
        write_text([page], file)
    _show_drift(report, show_all)
    raise typer.Exit(1 if report.alarm == "alarm" else 0)


class _Period(NamedTuple):
    """The listings of a period, with what is compared of them."""

    listings: pd.DataFrame
    score: pd.Series | None
    labels: pd.Series
    price_ratio: Any


def _observe(listings: pd.DataFrame, scorer: Scorer | None) -> _Period:
    score = scorer.score_frame(listings)["score"] if scorer else None
    ratio = scorer.classifier.price_ratios(listings) if scorer else None
    return _Period(listings, score, listings["is_counterfeit"], ratio)


def compare_with_training(source: str, model: str, listings: pd.DataFrame) -> DriftReport:
    """Return in what listings have moved away from a reference, which is a file or beside a model folder.

    Parameters
    ----------
    source : str
        As for the command.
    model : str
        The model by which scores are compared: a folder or a registry URI.
    """
    from ipml.model.drift import measure_drift
    from ipml.scoring.scorer import load_model

    return measure_drift(_find_reference(source), *_observe(listings, load_model(model)))


def _find_reference(source: str) -> DriftReference:
    """Return the reference in a file or beside a model folder; raises `NotFound` if there is none."""
    from ipml.model.drift import path_beside, read_reference
    from ipml.model.drift.reference import MAKE_ONE

    if source.startswith("models:"):
        raise NotFound("drift reference of", source, MAKE_ONE)
    return read_reference(Path(source) if source.endswith(".json") else path_beside(source))


def _show_drift(report: DriftReport, show_all: bool) -> None:
    """Print a table, and what to bear in mind."""
    from ipml.model.drift.drift import show_effect

    shown = [check for check in report.checks if show_all or check.alarm != "none"]
    typer.echo(f"{report.n_listings:,} listings, {len(report.checks)} checks: {report.verdict}")
    if shown:
        rows = [(one.alarm, one.sentence, show_effect(one), f"{one.p_value:.1g}") for one in shown]
        show_table(("alarm", "largest move", "effect", "by chance"), rows)
    for warning in report.warnings:
        typer.echo(warning)


class Targets(StrEnum):
    """Which words are rewritten."""

    ALL = "all"
    TRADE_WORDS = "trade words"


@dataclass(frozen=True, slots=True)
class AttackOptions:
    """The options of attacks on a model."""

    precision: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Found means: above the threshold with this precision.")
    ] = 0.8
    families: Annotated[
        list[str] | None, typer.Option(help="An attack or a kind of attack, such as styled; may be repeated.")
    ] = None
    targets: Annotated[Targets, typer.Option(help="Rewrite all words, or only brand names and replica words.")] = (
        Targets.ALL
    )
    seed: Annotated[int, typer.Option(min=0, help="Seed of the attacks and the intervals.")] = 0


@take_records
def robustness(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model folder or registry URI.")],
    listings: Listings,
    columns: Columns = None,
    out: Annotated[Path | None, out_option("The figures as JSON.")] = None,
    force: Force = False,
    *,
    options: AttackOptions,
) -> None:
    """Attack the counterfeits among some listings in every known way, and show what each attack costs, worst first.

    The listings have labels, and are of sellers whom the model has not seen. Below the table: how often harmless
    listings in fifteen languages are taken for counterfeits at the same threshold.

    Example: ipml model robustness models/shoes unseen.parquet --families look-alike --families gaming --out report.json
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from ipml.model.evaluation.ranking import Resampling
    from ipml.model.robustness import find_attacks
    from ipml.model.robustness.robustness import alarms_table, false_alarms_by_script, measure_robustness
    from ipml.scoring.scorer import load_model

    check_outputs(out, read=[listings], force=force)
    if out and not out.resolve().parent.is_dir():
        raise UnwritableFile(out, "no such folder", "a file in a folder that is there")
    attacks, seed = find_attacks(options.families or ()), options.seed
    classifier = load_model(model).classifier
    frame = read_good_listings(listings, columns)
    labelled = frame[frame["is_counterfeit"].notna()]
    console = Console(stderr=True)
    shown = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(attacks))
        measured = measure_robustness(
            classifier,
            labelled,
            labelled["is_counterfeit"].to_numpy(dtype=bool),
            families=attacks,
            targets=options.targets.value,
            precision=options.precision,
            resampling=Resampling(seed=seed),
            say=lambda name: progress.update(task, advance=1, description=name),
        )
    typer.echo(f"{len(labelled):,} listings with a label, of {len(frame):,}")
    typer.echo(f"{measured.summary()}\n\n{measured.table()}\n")
    typer.echo(alarms_table(false_alarms_by_script(classifier, measured.threshold)))
    if out:
        write_text([measured.to_json()], out)
        typer.echo(f"\nFigures are in {out}.")
