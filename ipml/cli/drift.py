"""`ipml drift`: what has moved since a model was made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Columns, check_distinct

if TYPE_CHECKING:
    from ipml.model.drift import DriftReference, DriftReport


def drift(
    source: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE_OR_MODEL",
            help="A model folder with its reference beside it, or the reference: a .json file.",
            show_default=False,
        ),
    ],
    listings: Annotated[
        Path, typer.Argument(metavar="LISTINGS", help="All listings of a period: CSV, …", show_default=False)
    ],
    model: Annotated[
        str | None,
        typer.Option(help="With a reference: the model that it belongs to, to compare scores too.", show_default=False),
    ] = None,
    columns: Columns = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page.", show_default=False)] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON.", show_default=False)] = None,
    remember: Annotated[
        Path | None,
        typer.Option(help="Compare nothing; make these listings the reference, in this file.", show_default=False),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show also what has not moved.")] = False,
) -> None:
    """Compare listings, scores and labels with what they were like when the model was made.

    Prices are compared with the model's reference price of their brand and category, too. Labels are read from
    `is_counterfeit` where the listings have it. Exit code 1 says that something alarms.

    Example: ipml drift models/shoes june.parquet --html june.html
    """
    from rich.console import Console

    from ipml.cli.listing_file import read_good_listings
    from ipml.model.drift import measure_drift, reference_of
    from ipml.model.drift.page import to_html
    from ipml.scoring.scorer import load_model

    check_distinct(listings, html, json, remember)
    is_reference = source.endswith(".json")
    reference = None if remember else _find_reference(source)
    scored_by = model if is_reference else source
    with Console(stderr=True).status("Scoring listings …"):
        scorer = load_model(scored_by) if scored_by else None
        frame = read_good_listings(listings, columns)
        score = scorer.score_frame(frame)["score"] if scorer else None
        ratio = scorer.classifier.price_ratios(frame) if scorer else None
    labels = frame["is_counterfeit"]
    if reference is None:
        assert remember is not None
        remember.write_text(reference_of(frame, score, labels, ratio).to_json(), encoding="utf-8")
        typer.echo(f"{len(frame):,} listings are the reference, in {remember}")
        return
    report = measure_drift(reference, frame, score, labels, ratio)
    if html:
        html.write_text(to_html(report, f"Drift of {listings.name}"), encoding="utf-8")
    if json:
        json.write_text(report.to_json(), encoding="utf-8")
    _show(report, show_all)
    raise typer.Exit(1 if report.alarm == "alarm" else 0)


def _find_reference(source: str) -> DriftReference:
    """Return the reference in a file, or beside a model folder.

    Raises
    ------
    NoDriftReference
        There is none; a registered model has none beside it.
    """
    from ipml.errors import NoDriftReference
    from ipml.model.drift import path_beside, read_reference

    if source.startswith("models:"):
        raise NoDriftReference(source)
    return read_reference(Path(source) if source.endswith(".json") else path_beside(source))


def _show(report: DriftReport, show_all: bool) -> None:
    """Print a table, and what to bear in mind."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.model.drift.page import show_effect

    shown = [check for check in report.checks if show_all or check.alarm != "none"]
    typer.echo(f"{report.n_listings:,} listings, {len(report.checks)} checks: {report.alarm}")
    if shown:
        table = Table("alarm", "what moved", "effect", "by chance")
        for check in shown:  # as Text: what a seller wrote is neither markup nor a command to the terminal
            sentence = "".join(letter if letter.isprintable() else "\ufffd" for letter in check.sentence)
            table.add_row(check.alarm, Text(sentence), show_effect(check), f"{check.p_value:.1g}")
        Console().print(table)
    for warning in report.warnings:
        typer.echo(warning)
