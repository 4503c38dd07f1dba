"""Daily questions of a model: `ipml model analyse errors`, `more-labels`, `threshold`, `sellers` and `moved`.

Listings of an experiment are scored by models that have not seen their seller, whatever split it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.listing_files import read_good_listings
from ipml.cli.model.experiments import score_all
from ipml.cli.options import Columns, ExperimentFile, Force, Listings, Model, make_group, out_option
from ipml.cli.terminal import check_outputs, printable, show_steps, show_table
from ipml.errors import UnusableSetting, UnwritableFile

if TYPE_CHECKING:
    import pandas as pd

    from ipml.kit.charts import Chart, RowChart
    from ipml.records import Reason
    from ipml.scoring.scorer import Scorer

app = make_group(
    "Why a model is wrong, and what would change it.", "model analyse errors experiments/shoes.toml --out errors.svg"
)

Picture = Annotated[Path | None, out_option("Picture (.svg).")]
_SHOWN = 10


def _check_picture(out: Path | None, read: Sequence[Path], force: bool) -> None:
    from ipml.model.questions.plots import check_suffix

    check_outputs(out, read=read, force=force)
    if out:
        check_suffix(out)
    if out and not out.resolve().parent.is_dir():
        raise UnwritableFile(out, "no such folder", "a file in a folder that is there")


def _save(chart: Chart | RowChart, out: Path | None) -> None:
    from ipml.model.questions.plots import save_plot

    if out:
        save_plot(chart, out)
        typer.echo(f"Picture written to {out}")


def _explain_by(scorer: Scorer) -> Callable[[pd.DataFrame], list[tuple[Reason, ...]]]:
    return lambda listings: [scored.reasons for scored in scorer.explain_frame(listings)]


@app.command()
def errors(
    experiment: ExperimentFile,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Score from which listings are flagged; by default break-even.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model folder or registry URI that gives reasons.")] = None,
    out: Picture = None,
    force: Force = False,
) -> None:
    """Show which listings are wrong: slices of counterfeits that are missed and of genuine listings that are flagged.

    Slices are found on half of the sellers and measured on the other half, with intervals over sellers.

    Example: ipml model analyse errors experiments/shoes.toml --out errors.svg
    """
    from ipml.model.questions.error_slices import find_error_slices
    from ipml.model.questions.plots import name_slice, plot_error_slices
    from ipml.model.training import load_experiment
    from ipml.scoring.scorer import load_model

    _check_picture(out, [experiment], force)
    explain = _explain_by(load_model(model)) if model else None
    with show_steps("Scoring listings of unseen sellers …"):
        listings, y, score = score_all(load_experiment(experiment))
    found = find_error_slices(y, score, listings, threshold=threshold, explain=explain)
    typer.echo(f"From {found.threshold:.3f}: missed {found.missed}, flagged in error {found.false_alarms}")
    show_table(
        ("slice", "listings", "wrong", "elsewhere", "difference", ""),
        [
            (
                name_slice(part),
                f"{part.listings:,}",
                str(part.rate),
                f"{part.elsewhere.value:.3f}",
                part.excess.show("+"),
                "; ".join(["clearly worse"] * part.is_worse + [printable(why) for why in part.why]),
            )
            for part in found.slices
        ],
    )
    _save(plot_error_slices(found), out)


@app.command()
def more_labels(
    experiment: ExperimentFile,
    times: Annotated[float, typer.Option(min=1.01, max=10, help="Multiple of the present number of labels.")] = 2.0,
    draws: Annotated[int, typer.Option(min=2, help="How often subsets of sellers are drawn.")] = 3,
    out: Picture = None,
    force: Force = False,
) -> None:
    """Forecast what more labels would bring: average precision by number of labels, with an interval.

    The classifier is fitted on nested subsets of sellers, up to twelve times a draw.

    Example: ipml model analyse more-labels experiments/shoes.toml --out labels.svg
    """
    from ipml.features.goods import brand_table
    from ipml.model.questions.plots import plot_learning_curve
    from ipml.model.training import load_experiment
    from ipml.model.training.classifier import TrainingTask, fetch_source_model, learn_from_subsets
    from ipml.model.training.experiment import read_training_listings
    from ipml.model.training.result import prepare

    _check_picture(out, [experiment], force)
    plan, source_model = fetch_source_model(load_experiment(experiment))
    with show_steps("Reading listings") as say:
        brands, listings = brand_table(prepare(plan)), read_training_listings(plan)
        curve = learn_from_subsets(TrainingTask(plan, listings, brands, source_model), draws, times=(times,), say=say)
    typer.echo(str(curve))
    _save(plot_learning_curve(curve), out)


@app.command()
def threshold(
    experiment: ExperimentFile,
    wrongful: Annotated[
        float | None,
        typer.Option(min=0, help="Cost of removing a genuine listing; by default EXPERIMENT has all."),
    ] = None,
    missed: Annotated[str, typer.Option(help="Cost of a missed counterfeit: an amount, or `price`.")] = "price",
    minutes: Annotated[float, typer.Option(min=0, help="Minutes that a person looks at a flagged listing.")] = 0.0,
    per_minute: Annotated[float, typer.Option(min=0, help="Cost of such a minute.")] = 0.0,
    removed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of flagged genuine listings that are removed all the same.")
    ] = 1.0,
    out: Picture = None,
    force: Force = False,
) -> None:
    """Find the threshold that costs least by your own costs, with what it saves and the value of the first k listings.

    All amounts are in one currency, that of the prices where a missed counterfeit costs its price.

    Example: ipml model analyse threshold experiments/shoes.toml --wrongful 20 --minutes 2 --per-minute 0.5
    """
    from ipml.model.questions.costs import Costs, measure_costs
    from ipml.model.questions.plots import plot_costs
    from ipml.model.training import load_experiment

    _check_picture(out, [experiment], force)
    try:
        each = None if missed == "price" else float(missed)
    except ValueError:
        raise UnusableSetting("--missed", repr(missed), "an amount, or price") from None
    plan = load_experiment(experiment)
    costs = plan.evaluation.costs if wrongful is None else Costs(each, wrongful, minutes, per_minute, removed)
    if costs is None:
        raise UnusableSetting("--wrongful", "nothing", "an amount, or `evaluation.costs` in the experiment")
    with show_steps("Scoring listings of unseen sellers …"):
        listings, y, score = score_all(plan)
    curve = measure_costs(y, score, listings, costs, k=plan.evaluation.k)
    typer.echo(f"Best threshold: {curve.best}")
    typer.echo(f"Cost per 1,000 listings there, on sellers it was not chosen by: {curve.best_cost} {curve.currency}")
    typer.echo(f"Saved per 1,000 listings, against flagging nothing: {curve.saved} {curve.currency}")
    for value in curve.at_k:
        typer.echo(f"Saved by the first {value.k:,} listings, from {value.threshold:.3f}: {value.saved}")
    if curve.unpriced:
        typer.echo(f"{curve.unpriced:,} counterfeits have no price; they count with the median of the others.")
    _save(plot_costs(curve), out)


@app.command()
def sellers(experiment: ExperimentFile, out: Picture = None, force: Force = False) -> None:
    """Show which sellers carry the result: average precision without each of them, and what the top ones make up.

    Example: ipml model analyse sellers experiments/shoes.toml --out sellers.svg
    """
    from ipml.model.questions.plots import plot_seller_influence, shorten
    from ipml.model.questions.seller_influence import measure_seller_influence
    from ipml.model.training import load_experiment

    _check_picture(out, [experiment], force)
    with show_steps("Scoring listings of unseen sellers …"):
        listings, y, score = score_all(load_experiment(experiment))
    found = measure_seller_influence(y, score, listings)
    typer.echo(f"Average precision {found.average_precision}, carried by {found.effective:.1f} sellers effectively")
    for n, without in found.without_top.items():
        typer.echo(f"The top {n:,} make up {found.top_share(n):.1%}; without them it is {without:.3f}")
    rows = zip(found.sellers, found.listings, found.counterfeits, found.change, found.share, strict=True)
    show_table(
        ("seller", "listings", "counterfeit", "change without", "share"),
        [
            (shorten(seller, 40), f"{n:,}", f"{fakes:,}", f"{change:+.4f}", f"{share:.1%}")
            for seller, n, fakes, change, share in list(rows)[:_SHOWN]
        ],
    )
    _save(plot_seller_influence(found), out)


@app.command()
def moved(
    listings: Listings,
    earlier: Annotated[str, typer.Option(help="The first model: folder or registry URI.")],
    model: Model = None,
    columns: Columns = None,
    top: Annotated[int, typer.Option(min=1, help="How many listings.")] = 20,
    out: Picture = None,
    force: Force = False,
) -> None:
    """Show which listings two models score most differently, and whose parts of the log-odds changed.

    Where the listings have labels, it says how many moved towards them.

    Example: ipml model analyse moved june.parquet --earlier models:/ipml@champion --model models/shoes
    """
    import numpy as np

    from ipml.model.questions.moves import find_moves
    from ipml.model.questions.plots import plot_moves, shorten
    from ipml.scoring.scorer import load_model

    _check_picture(out, [listings], force)
    with show_steps("Scoring listings …"):
        scorers = load_model(earlier), load_model(model)
        frame = read_good_listings(listings, columns).reset_index(drop=True)
        scores = [scorer.score_frame(frame)["score"].to_numpy(dtype=float, na_value=np.nan) for scorer in scorers]
        y = frame["is_counterfeit"].to_numpy(dtype=float, na_value=np.nan)
        explain = _explain_by(scorers[0]), _explain_by(scorers[1])
        found = find_moves(scores[0], scores[1], frame, y=y, explain=explain, n=top)
    typer.echo(f"Share of scores that moved by more than 0.1: {found.moved}")
    if found.right:
        typer.echo(f"Share of these that moved towards their label: {found.right}")
    for move in found.moves:
        typer.echo(f"{move.before:.3f} → {move.after:.3f}  {shorten(move.title)}  ({shorten(move.listing_id)})")
        for reason in move.reasons:
            typer.echo(f"    {reason.change:+.1f}  {printable(reason.sentence)}")
    _save(plot_moves(found), out)
