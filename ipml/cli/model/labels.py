"""Labelled listings and seller events: `ipml data labels`, `seller-events`, `select` and `leakage-audit`.

They write reviewers' decisions as a file of labels, choose the listings to review next, and find columns of a labelled
table that reveal the label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, get_args

import typer

from ipml.cli.listing_files import read_good_listings
from ipml.cli.options import Columns, Database, Force, KnownBy, Listings, Model, OutTable, take_records
from ipml.cli.terminal import check_outputs, reading_from, show_steps, show_table
from ipml.errors import InvalidListings, MissingColumns

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

    from ipml.model.leakage import LeakageReport

_LABELS_AT_ONCE = 10_000  # in memory


def labels(out: OutTable, known_by: KnownBy = None, force: Force = False, database: Database = None) -> None:
    """Write a listings file with the truth that reviewers found: is_counterfeit, labelled_at, label_weight.

    Where a listing came with a file, label_probability says with what probability it was shown: 1 for its score, less
    where drawn. Training weighs labels by them, so that its probabilities are those of all listings, not of the
    reviewed ones.

    Example: ipml data labels --out labels.parquet --known-by 2026-05-01
    """
    check_outputs(out, force=force)
    with reading_from(database) as connection:
        typer.echo(write_labels(connection, out, known_by))


def write_labels(connection: Connection, out: Path, known_by: datetime | None = None) -> str:
    """Write what reviewers found, by then, into a file, some labels after the other; say how many they are."""
    from ipml.listings.schema import listings_to_frame
    from ipml.listings.writers import write_listings
    from ipml.review.exports import export_labels, label_listing

    counts = Counter[bool]()

    def give_frames() -> Iterator[pd.DataFrame]:
        labels = export_labels(connection, known_by=known_by)
        while (some := list(islice(labels, _LABELS_AT_ONCE))) or not counts:
            counts.update(label.is_counterfeit for label in some)
            yield listings_to_frame(map(label_listing, some))
            if len(some) < _LABELS_AT_ONCE:
                return

    write_listings(give_frames(), out)
    return f"{counts.total():,} labels, {counts[True]:,} of them counterfeit, into {out}."


EventKind = Literal["struck", "complained"]


def seller_events(
    out: OutTable,
    kind: Annotated[EventKind | None, typer.Option(help="Only of this kind; by default all.")] = None,
    known_by: KnownBy = None,
    force: Force = False,
    database: Database = None,
) -> None:
    """Write strikes and complaints as seller events, as seller history reads them.

    Left out are strikes that were taken back, complaints of consumers suspended at the time, and events of erased
    sellers.

    Example: ipml data seller-events --out events.parquet --known-by 2026-05-01
    """
    import pandas as pd

    from ipml.listings.writers import write_listings
    from ipml.review.sellers.seller_record import list_record

    check_outputs(out, force=force)
    moment, kinds = known_by or datetime.now(UTC), [kind] if kind else get_args(EventKind)
    with reading_from(database) as connection:
        events = [event for name in kinds for event in list_record(connection, name, moment)]
    names = ("seller_id", "kind", "occurred_at", "known_at")
    table = pd.DataFrame({name: [getattr(event, name) for event in events] for name in names}).assign(amount=1.0)
    for name in ("occurred_at", "known_at"):
        table[name] = pd.to_datetime(table[name], utc=True)
    write_listings(table, out)
    typer.echo(f"{len(events):,} events into {out}.")


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """The options of a selection for review."""

    budget: Annotated[int, typer.Option(min=1, help="How many listings people can review.")] = 500
    strategy: Annotated[
        Literal["uncertain and different", "highest score", "random"], typer.Option(help="How they are chosen.")
    ] = "uncertain and different"
    exploration: Annotated[float, typer.Option(min=0, max=1, help="Share of them that is drawn at random.")] = 0.1
    seed: Annotated[int, typer.Option(min=0, help="The same seed selects the same listings.")] = 0


@take_records
def select(
    source: Listings,
    out: OutTable,
    model: Model = None,
    columns: Columns = None,
    force: Force = False,
    *,
    options: SelectionOptions,
) -> None:
    """Select the listings from whose review the model learns most: those it is unsure of, and unlike each other.

    Listings that have a label are left out. The file holds the listings as they are, with `score`, the probability
    with which each was to be selected, and whether it was drawn at random: 1 / probability is its weight in an
    estimate for all listings.

    Example: ipml model select june.parquet --budget 500 --out selected.csv
    """
    from ipml.listings.writers import check_writable, write_listings
    from ipml.model.selection import select_for_review
    from ipml.scoring.scorer import load_model

    check_outputs(out, read=[source], force=force)
    check_writable(out)
    with show_steps("Scoring listings …") as say:
        scorer = load_model(model)
        listings = read_good_listings(source, columns)
        score = scorer.score_frame(listings)["score"]
        say("selecting …")
        selection = select_for_review(
            listings,
            score,
            known=listings["is_counterfeit"].notna(),
            **asdict(options),
        )
    selected = listings.iloc[selection.positions].assign(
        score=score.iloc[selection.positions], selection_probability=selection.probability, is_drawn=selection.is_drawn
    )
    write_listings(selected, out)
    drawn = int(selection.is_drawn.sum())
    sellers = selected["seller_id"].nunique()
    typer.echo(f"{len(selected):,} listings of {sellers:,} sellers, {drawn:,} of them drawn at random, into {out}")


def leakage_audit(
    source: Annotated[Path, typer.Argument(metavar="DATA", help="CSV, JSON lines or Parquet, by suffix.")],
    columns: Columns = None,
    label: Annotated[str | None, typer.Option(help="Column of the label; that of the map, or is_counterfeit.")] = None,
    seller: Annotated[str | None, typer.Option(help="Column of the seller; that of the map, or seller_id.")] = None,
    events: Annotated[
        Path | None, typer.Option(help="Seller events, to see whether history counts what was not known.")
    ] = None,
) -> None:
    """Look for columns, texts and moments that will not be there when a listing has to be judged.

    Every column of the file is looked at, also those that a column map leaves out. Exit code 1 says that something was
    found.

    Example: ipml model leakage-audit ozon.csv --columns ozon-ecup
    """
    from ipml.listings.tables import read_table
    from ipml.model.leakage import audit_leakage

    with show_steps("Reading …") as say:
        read = _read_labelled(source, columns, label, seller)
        say("looking …")
        report = audit_leakage(
            read.table,
            read.y,
            sellers=read.sellers,
            listings=read.listings,
            events=None if events is None else read_table(events),
            leave_out=read.leave_out,
        )
    _show_leakage(report)
    raise typer.Exit(1 if report.leaks else 0)


class _ReadTable(NamedTuple):
    """The labelled rows of a file, as they stand there and, where a map says how, in canonical columns."""

    table: pd.DataFrame
    y: pd.Series[bool]
    sellers: pd.Series[str] | None
    listings: pd.DataFrame | None
    leave_out: tuple[str, ...]


def _read_labelled(source: Path, columns: str | None, label: str | None, seller: str | None) -> _ReadTable:
    """Read the file, and find out which column is the label and which the seller."""
    from ipml.listings.fields import COLUMNS
    from ipml.listings.kinds import Kind, read_column
    from ipml.listings.maps.column_maps import load_columns
    from ipml.listings.schema import check_listings
    from ipml.listings.tables import TextFormat, read_table

    column_map = load_columns(columns) if columns else None
    table = read_table(source, text=column_map.text_format if column_map else TextFormat())
    listings, mapped = None, {}
    if column_map:
        canonical, problems = column_map.apply(table, source=str(source))
        if problems:
            raise InvalidListings(problems, str(source))
        listings = check_listings(canonical, str(source))
        mapped = {name: origin.column for name, origin in column_map.columns.items()}
    elif {"listing_id", "seller_id", "title"} <= {*table}:
        listings = check_listings(table[[name for name in table if name in COLUMNS]], str(source))
        table = table.assign(**{name: listings[name] for name in table if name in COLUMNS})  # moments are no texts
    label = label or mapped.get("is_counterfeit") or "is_counterfeit"
    seller = seller or mapped.get("seller_id") or ("seller_id" if "seller_id" in table else None)
    missing = [name for name in (label, seller) if name is not None and name not in table]
    if missing:
        remedy = "Say with --label and --seller which they are, or with --columns FILE."
        raise MissingColumns(str(source), missing, list(map(str, table.columns)), remedy)
    if listings is not None and label == mapped.get("is_counterfeit"):
        y = listings["is_counterfeit"]  # what the map makes of it: "yes" may stand for true
    else:
        y, _ = read_column(table[label], Kind.FLAG)
    is_known = y.notna()
    ids = tuple(str(mapped[name]) for name in ("listing_id",) if mapped.get(name))
    return _ReadTable(
        table[is_known],
        y[is_known].astype(bool),
        None if seller is None else table.loc[is_known, seller].astype("str"),
        None if listings is None else listings[is_known.to_numpy()],
        tuple(name for name in (label, seller, *ids) if name is not None),
    )


def _show_leakage(report: LeakageReport) -> None:
    found = f"{len(report.leaks)} found" if report.leaks else "nothing found"
    typer.echo(f"{report.n_listings:,} listings, {report.n_counterfeit:,} of them counterfeit: {found}")
    if report.leaks:
        show_table(("kind", "what was found"), [(leak.kind, leak.sentence) for leak in report.leaks])
    for note in report.notes:
        typer.echo(note)
