"""Scoring: `ipml score` and `ipml data portfolios`.

A file of listings comes in, the same listings go out with scores and reasons; what is known of sellers is kept from
one night to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipml.cli.listing_files import load_map, tell_rejected
from ipml.cli.options import Columns, Force, Jobs, Listings, Model, Rejects, count_jobs, out_option, take_records
from ipml.cli.terminal import check_outputs, show_rows
from ipml.errors import UnusableSetting

if TYPE_CHECKING:
    from ipml.scoring.batch.file_scoring import BatchCounts
    from ipml.scoring.scorer import Scorer


class Engine(StrEnum):
    """Where a file is scored."""

    HERE = "here"
    SPARK = "spark"


@dataclass(frozen=True, slots=True)
class ScoringInputs:
    """The options of the model and of facts on listings and sellers."""

    model: Model = None
    columns: Columns = None
    portfolios: Annotated[
        Path | None,
        typer.Option(
            help="Portfolios of sellers, from `ipml data portfolios`; by default only those the model was trained on."
        ),
    ] = None
    events: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Seller events: each seller's history is then what was known when the listing was observed. May be"
            " given several times.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class ScoringRun:
    """The options of a run on this machine."""

    explain_top: Annotated[int, typer.Option(min=0, help="How many of the highest scores get reasons.")] = 100
    jobs: Jobs = "1"
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, even where another run was stopped in between.")
    ] = False
    require_familiar: Annotated[
        bool, typer.Option("--require-familiar", help="Write nothing where listings are unlike those of the training.")
    ] = False


@take_records
def score(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="CSV, JSON lines or Parquet, by suffix; or a folder of Parquet files.")
    ],
    out: Annotated[
        Path,
        out_option(
            "CSV, JSON lines or Parquet, by suffix; a name without one is a folder of Parquet files."
            " CSV holds texts as they are: it is for programs.",
            metavar="FILE|FOLDER",
        ),
    ],
    rejects: Rejects = None,
    engine: Annotated[
        Engine, typer.Option(help="Score on this machine, or as a Spark job, which needs ipml[spark].")
    ] = Engine.HERE,
    force: Force = False,
    *,
    inputs: ScoringInputs,
    run: ScoringRun,
) -> None:
    """Score every listing of a file: the probability that it is counterfeit, and why for the most suspicious.

    Beside `score` stand the bounds of its 90 % interval, `score_low` and `score_high`. Where the interval is wider
    than IPML_MOST_WIDTH there is no score, and `abstained` says why. Where the title is in a script that the model was
    not trained on, the score rests on all else that is known, its interval is wide, and `warning` says so.

    A run that was stopped, by whatever, goes on where it was when the same command is given again. It keeps what it
    has finished in a hidden folder beside the result. However many processes there are, the result is the same. A
    folder that this command wrote is brought up to date; a file that is there is written over with `--force` only.

    With `--engine spark`, result and rejects are folders of tables, partitioned by model version and by the name of IN;
    a run that is repeated replaces its own partition. Reasons are not given there.

    Where the listings are unlike those the model was trained on (new words, brands or categories, or scores far from
    the expected prevalence), the first lines say so, on stderr. With `--require-familiar` nothing is written then; what
    is scored is kept, and the same command without it goes on from there.

    Exit code 1 says that some rows were bad and are in the file of rejects.

    Example: ipml score listings.csv.gz --out scored.parquet --columns ozon-ecup --model models/shoes --jobs all
    """
    known, column_map = tuple(inputs.events or ()), load_map(inputs.columns)
    read = (source, inputs.portfolios, *known)
    if engine is Engine.SPARK:
        if run.require_familiar:
            raise UnusableSetting("--require-familiar", "--engine spark", "--engine here, which looks at the words")
        from ipml.scoring.spark import SellerHistory, score_on_spark

        check_outputs(out, rejects, read=read, force=force or out.is_dir())
        sellers = SellerHistory(inputs.portfolios, known)
        counts = score_on_spark(source, out, inputs.model, columns=column_map, sellers=sellers, rejects=rejects)
        _tell(counts, f"on Spark into {out}", rejects)
        return
    from ipml.scoring.batch.worker_pool import start_early

    with closing(start_early(source, count_jobs(run.jobs))) as workers:
        scorer, counts = _score_here(
            source,
            out,
            inputs.model,
            read=read,
            force=force,
            sellers=inputs.portfolios,
            columns=column_map,
            events=known,
            rejects=rejects,
            explain_top=run.explain_top,
            jobs=workers if workers.n > 1 else count_jobs(run.jobs),
            restart=run.restart,
            require_familiar=run.require_familiar,
        )
    for unlike in counts.unlike:
        typer.echo(f"ipml: unlike the listings {scorer.version} was trained on: {unlike.sentence}", err=True)
    _tell(counts, f"by {scorer.version} into {out}", rejects)


def _score_here(
    source: Path,
    out: Path,
    model: str | None,
    *,
    read: Sequence[Path | None],
    force: bool,
    sellers: Path | None,
    **options: Any,
) -> tuple[Scorer, BatchCounts]:
    """Load what scores, and score on this machine; exit with 130 where that is stopped."""
    from ipml.scoring.batch.worker_pool import gc_disabled

    with gc_disabled():
        from ipml.scoring.batch.file_scoring import BatchOptions, name_work_folder, score_file
        from ipml.scoring.portfolio_store import read_store
        from ipml.scoring.scorer import load_model

        stored = name_work_folder(out)
        check_outputs(out, options["rejects"], read=read, force=force or out.is_dir() or stored.exists())
        scorer = load_model(model)
    options["portfolios"] = read_store(sellers, scorer.version).portfolios if sellers else None
    try:
        with show_rows() as show:
            return scorer, score_file(
                scorer, source, out, BatchOptions(**options), on_rows=lambda step, rows, total: show(rows, total, step)
            )
    except KeyboardInterrupt:
        is_stored = f"finished parts are in {stored}: give the same command again to go on"
        typer.echo(f"ipml: stopped; {is_stored if stored.exists() else 'nothing was finished'}", err=True)
        raise typer.Exit(130) from None


def _tell(counts: BatchCounts, where: str, rejects: Path | None) -> None:
    """Say what was done; exit with 1 if rows were bad."""
    typer.echo(f"{counts.scored:,} listings scored {where}")
    if counts.kept:
        typer.echo(f"{counts.kept:,} rows had been done by an earlier run")
    if counts.abstained:
        typer.echo(f"{counts.abstained:,} of them could not be judged; `abstained` says why")
    tell_rejected(counts.rejected, rejects)


def portfolios(
    listings: Listings,
    out: Annotated[Path, out_option("Store of portfolios; what it holds is added to.")],
    model: Model = None,
    columns: Columns = None,
    rejects: Rejects = None,
) -> None:
    """Take listings into a store of sellers' portfolios: what the model thinks of what each seller listed before.

    `ipml score --portfolios STORE` then judges each listing also by the earlier ones of its seller. Score first,
    take in afterwards: a listing is compared with those listed before it, and of a seller who is known to have
    listed something since, what came before is no longer known.

    A listing counts once, as it was when it first came; taken in again it makes no difference. The store begins
    with the sellers the model was trained on: leave out those listings. It belongs to one model, and a new model
    needs a new store. It takes about 50 bytes a seller and 8 a listing. One run at a time may write to it.

    Exit code 1 says that some rows were bad and are in the file of rejects.

    Example: ipml data portfolios tonight.parquet --out sellers.npz --model models/shoes
    """
    from ipml.listings.writers import RejectsFile
    from ipml.scoring.portfolio_store import update_store
    from ipml.scoring.scorer import load_model

    check_outputs(out, rejects, read=[listings], force=True)
    scorer = load_model(model)
    with RejectsFile(rejects) if rejects else nullcontext() as bad_rows, show_rows() as on_rows:
        counts = update_store(scorer, listings, out, columns=load_map(columns), rejects=bad_rows, on_rows=on_rows)
    typer.echo(f"{counts.new:,} listings taken into {out} by {scorer.version}")
    if counts.known:
        typer.echo(f"{counts.known:,} were in it already, and count once")
    tell_rejected(counts.rejected, rejects)
