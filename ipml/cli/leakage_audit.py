"""`ipml leakage-audit`: what in a labelled table gives the label away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ipml.cli.options import Columns

if TYPE_CHECKING:
    import pandas as pd

    from ipml.model.leakage import LeakageReport


def leakage_audit(
    source: Annotated[
        Path, typer.Argument(metavar="DATA", help="CSV, JSON lines or Parquet, by suffix.", show_default=False)
    ],
    columns: Columns = None,
    label: Annotated[
        str | None,
        typer.Option(help="Column of the label; that of the map, or is_counterfeit.", show_default=False),
    ] = None,
    seller: Annotated[
        str | None, typer.Option(help="Column of the seller; that of the map, or seller_id.", show_default=False)
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(help="Seller events, to see whether history counts what was not known.", show_default=False),
    ] = None,
) -> None:
    """Look for columns, texts and moments that will not be there when a listing has to be judged.

    Every column of the file is looked at, also those that a column map leaves out. Exit code 1 says that something was
    found.

    Example: ipml leakage-audit ozon.csv --columns ozon-ecup
    """
    from rich.console import Console

    from ipml.listings.tables import read_table
    from ipml.model.leakage import audit_leakage

    with Console(stderr=True).status("Reading …") as status:
        read = _read(source, columns, label, seller)
        status.update("Looking …")
        report = audit_leakage(
            read.table,
            read.y,
            sellers=read.sellers,
            listings=read.listings,
            events=None if events is None else read_table(events),
            leave_out=read.leave_out,
        )
    _show(report)
    raise typer.Exit(1 if report.leaks else 0)


class _Read(NamedTuple):
    """The labelled rows of a file, as they stand there and, where a map says how, in canonical columns."""

    table: pd.DataFrame
    y: pd.Series[bool]
    sellers: pd.Series[str] | None
    listings: pd.DataFrame | None
    leave_out: tuple[str, ...]


def _read(source: Path, columns: str | None, label: str | None, seller: str | None) -> _Read:
    """Read the file, and find out which column is the label and which the seller.

    Raises
    ------
    MissingColumns
        The file has no such column.
    InvalidListings
        Rows are not what the map says.
    """
    from ipml.errors import InvalidListings, MissingColumns
    from ipml.listings.fields import COLUMNS
    from ipml.listings.kinds import Kind, read_column
    from ipml.listings.marketplaces import load_columns
    from ipml.listings.raw_table import TextFormat
    from ipml.listings.schema import check_listings
    from ipml.listings.tables import read_table

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
    return _Read(
        table[is_known],
        y[is_known].astype(bool),
        None if seller is None else table.loc[is_known, seller].astype("str"),
        None if listings is None else listings[is_known.to_numpy()],
        tuple(name for name in (label, seller, *ids) if name is not None),
    )


def _show(report: LeakageReport) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = f"{len(report.leaks)} found" if report.leaks else "nothing found"
    typer.echo(f"{report.n_listings:,} listings, {report.n_counterfeit:,} of them counterfeit: {found}")
    if report.leaks:
        table = Table("kind", "what was found")
        for leak in report.leaks:  # as Text: names of columns are neither markup nor a command to the terminal
            sentence = "".join(letter if letter.isprintable() else "\ufffd" for letter in leak.sentence)
            table.add_row(leak.kind, Text(sentence))
        Console().print(table)
    for note in report.notes:
        typer.echo(note)
