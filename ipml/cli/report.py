"""`ipml report`: a page on the model of an experiment, to be read before it is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML).", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Write the page (HTML) here.")] = Path("report.html"),
    model: Annotated[
        str | None,
        typer.Option(help="Model folder or registry URI that gives the reasons; none without.", show_default=False),
    ] = None,
) -> None:
    """Test the model of an experiment on sellers it has not seen, and write everything about it on one page.

    Figures beside the baselines, curves, slices, what disguise costs, false alarms by kind of seller, and the listings
    to label anew. The page quotes listings: keep it as you keep those. Nothing is registered.

    Example: ipml report experiments/shoes.toml --model models/shoes --out shoes.html
    """
    from rich.console import Console

    from ipml.cli.explain import explain_by
    from ipml.cli.options import check_distinct
    from ipml.errors import UnwritableFile
    from ipml.features.brand import brand_table
    from ipml.model.report import model_report, write_report
    from ipml.model.training import load_experiment
    from ipml.model.training.data import read_training_listings
    from ipml.model.training.learning import prepare
    from ipml.model.training.report_head import head_of
    from ipml.model.training.tried_attacks import choose_attacks, measure_attacks
    from ipml.model.training.unseen import measure, name_brands, score_unseen
    from ipml.scoring.scorer import load_model

    plan = load_experiment(experiment)
    check_distinct(out, experiment, *plan.find_all())
    if not out.resolve().parent.is_dir():
        raise UnwritableFile(out, "no such folder", "a file in a folder that is there")
    scorer = load_model(model) if model else None
    with Console(stderr=True).status("Checking what is needed") as status:
        brands, attacks = prepare(plan), choose_attacks(plan)
        status.update("Reading listings")
        listings, table = read_training_listings(plan), brand_table(brands)
        tested = score_unseen(plan, listings, table, attacks=attacks, say=lambda step: status.update(step.capitalize()))
        status.update("Measuring")
        tested = name_brands(tested, table)
        facts = model_report(
            tested,
            measure(plan, tested),
            head_of(plan, scorer.version if scorer else plan.record.model),
            robustness=measure_attacks(plan, tested),
            explain=explain_by(scorer) if scorer else None,
        )
    write_report(facts, out)
    for sentence in facts.headline:
        typer.echo(sentence)
    typer.echo(f"Report written to {out}")
