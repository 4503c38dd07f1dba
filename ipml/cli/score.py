"""`ipml score`: a file of listings in, the same listings with scores and reasons out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipml.cli.listing_file import load_map, tell_rejected
from ipml.cli.options import Columns, Model, Rejects, check_distinct
from ipml.errors import UnusableSetting

if TYPE_CHECKING:
    from ipml.features.portfolio import SellerPortfolios
    from ipml.scoring.batch import BatchCounts
    from ipml.scoring.parts.processes import Processes


class Engine(StrEnum):
    """Where a file is scored."""

    HERE = "here"
    SPARK = "spark"


def score(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="CSV, JSON lines or Parquet, by suffix; or a folder of Parquet files.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The same; a name without a suffix is a folder of Parquet files."
            " CSV holds texts as they are: it is for programs.",
            show_default=False,
        ),
    ],
    model: Model = None,
    columns: Columns = None,
    rejects: Rejects = None,
    portfolios: Annotated[
        Path | None,
        typer.Option(
            help="What is known of sellers, from `ipml portfolios`; by default only those the model was trained on.",
            show_default=False,
        ),
    ] = None,
    explain_top: Annotated[int, typer.Option(min=0, help="How many of the highest scores get reasons.")] = 100,
    jobs: Annotated[str, typer.Option(metavar="N", help="How many processes score; `all`, or 0: one a core.")] = "1",
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, even where another run was stopped in between.")
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="Score on this machine, or as a Spark job, which needs ipml[spark].")
    ] = Engine.HERE,
    events: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Seller events: each seller's history is then what was known when the listing was observed. May be"
            " given several times.",
            show_default=False,
        ),
    ] = None,
    require_familiar: Annotated[
        bool,
        typer.Option("--require-familiar", help="Write nothing where listings are unlike those of the training."),
    ] = False,
) -> None:
    """Score every listing of a file: the probability that it is counterfeit, and why for the most suspicious.

    Beside `score` stand the bounds of its 90 % interval, `score_low` and `score_high`. Where the interval is wider
    than IPML_MOST_WIDTH there is no score, and `abstained` says why.

    A run that was stopped, by whatever, goes on where it was when the same command is given again. It keeps what it
    has finished in a hidden folder beside OUT. However many processes there are, the result is the same.

    With `--engine spark`, OUT and the rejects are folders of tables, parted by model version and by the name of IN; a
    run that is repeated replaces its own part. Reasons are not given there.

    Where the listings are unlike those the model was trained on (new words, brands or categories, or scores far from
    the expected prevalence), the first lines say so, on stderr. With `--require-familiar` nothing is written then; what
    is scored is kept, and the same command without it goes on from there.

    Exit code 1 says that some rows were bad and are in the file of rejects.

    Example: ipml score listings.csv.gz scored.parquet --columns ozon-ecup --model models/shoes --jobs all
    """
    known = tuple(events or ())
    check_distinct(source, target, rejects, portfolios, *known)
    if engine is Engine.SPARK:
        if require_familiar:
            raise UnusableSetting("--require-familiar", "--engine spark", "--engine here, which looks at the words")
        _score_on_spark(source, target, model, columns=columns, rejects=rejects, portfolios=portfolios, events=known)
        return
    from ipml.scoring.parts.processes import Processes, count_helpers

    n_jobs = count_jobs(jobs)
    # They load what they need while this process does.
    with closing(Processes(count_helpers(source, n_jobs), model)) as processes:
        _score_here(
            source,
            target,
            model,
            columns=columns,
            portfolios=portfolios,
            events=known,
            rejects=rejects,
            explain_top=explain_top,
            jobs=n_jobs,
            restart=restart,
            require_familiar=require_familiar,
            processes=processes,
        )


def _score_here(
    source: Path,
    target: Path,
    model: str | None,
    *,
    columns: str | None,
    portfolios: Path | None,
    rejects: Path | None,
    processes: Processes,
    **options: Any,
) -> None:
    from ipml.cli.progress import show_rows
    from ipml.scoring.parts.processes import leaving_garbage

    with leaving_garbage():
        from ipml.scoring.batch import name_work_folder, score_file
        from ipml.scoring.scorer import load_model

        scorer = load_model(model)
    sellers = _read_portfolios(portfolios, scorer.version) if portfolios else None
    try:
        with show_rows() as show:
            counts = score_file(
                scorer,
                source,
                target,
                columns=load_map(columns),
                portfolios=sellers,
                rejects=rejects,
                on_rows=lambda step, rows, total: show(rows, total, step),
                processes=processes,
                **options,
            )
    except KeyboardInterrupt:
        kept = name_work_folder(target)
        is_kept = f"what is finished stands in {kept}: give the same command again to go on" if kept.exists() else ""
        typer.echo(f"ipml: stopped; {is_kept or 'nothing was finished'}", err=True)
        raise typer.Exit(130) from None
    for unlike in counts.unlike:
        typer.echo(f"ipml: unlike the listings {scorer.version} was trained on: {unlike.sentence}", err=True)
    _tell(counts, f"by {scorer.version} into {target}", rejects)


def _read_portfolios(path: Path, version: str) -> SellerPortfolios:
    from ipml.scoring.portfolio_store import read_store

    return read_store(path, version).portfolios


def _score_on_spark(
    source: Path,
    target: Path,
    model: str | None,
    *,
    columns: str | None,
    rejects: Path | None,
    portfolios: Path | None,
    events: Sequence[Path],
) -> None:
    from ipml.scoring.spark import score_on_spark

    counts = score_on_spark(
        source,
        target,
        model,
        columns=load_map(columns),
        portfolios=portfolios,
        events=events,
        rejects=rejects,
    )
    _tell(counts, f"on Spark into {target}", rejects)


def _tell(counts: BatchCounts, where: str, rejects: Path | None) -> None:
    """Say what was done; exit with 1 if rows were bad."""
    typer.echo(f"{counts.scored:,} listings scored {where}")
    if counts.kept:
        typer.echo(f"{counts.kept:,} rows had been done by an earlier run")
    if counts.abstained:
        typer.echo(f"{counts.abstained:,} of them could not be judged; `abstained` says why")
    tell_rejected(counts.rejected, rejects)


def count_jobs(jobs: str) -> int:
    """Return how many processes `--jobs` asks for.

    Raises
    ------
    UnusableSetting
        It is neither a number nor "all".

    Examples
    --------
    >>> count_jobs("3")
    3
    """
    import os

    if jobs in ("0", "all"):
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (jobs.isascii() and jobs.isdecimal() and int(jobs) <= 1_000):
        raise UnusableSetting("--jobs", repr(jobs), "a number up to 1,000, or all")
    return int(jobs)
