"""Whether real labels agree within near-duplicates: on the goods of a dark-net market, and within sellers of another.

The dark-net label is the category that the vendor chose, and vendors list one and the same thing in several; the file
without the negatives that declare a replica shows what is left once such labels are out. Of the marketplace there are
no texts: the share of listings that have the label of most of their seller's says what whole sellers would give as
clusters.

Example: IPML_DATA=… python -m experiments.review.cluster_labels
"""

from __future__ import annotations

import pandas as pd
import typer
from sqlalchemy import select

from experiments.benchmark.protocols import drop_mislabelled, read_darknet
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.records import Listing, ScoredListing
from ipml.review.near_duplicates.clusters import fold_title
from ipml.review.queue import enqueue
from ipml.settings import get_settings
from ipml.storage.database import migrate, open_database, reading
from ipml.storage.tables import cases


def main() -> None:
    """Print how often the label of a listing is that of the one it would wait for."""
    darknet = read_darknet()
    for name, listings in (("as it is", darknet), ("cleaned", drop_mislabelled(darknet))):
        describe(name, listings)
    describe_sellers()


def describe(name: str, frame: pd.DataFrame) -> None:
    """Enqueue listings and print the agreement of those that wait, in all and where title and price are the same."""
    truth = dict(zip(frame["listing_id"], frame["is_counterfeit"].astype(bool), strict=True))
    listings = list(frame_to_listings(check_listings(frame[[n for n in frame if n in Listing.__slots__]])))
    engine = open_database("sqlite://")
    migrate(engine)
    enqueue(engine, [ScoredListing(listing, 0.5, None, (), (), None, "none") for listing in listings])
    with reading(engine) as connection:
        rows = connection.execute(select(cases.c.case_id, cases.c.listing_id, cases.c.exemplar)).all()
    known = {listing.listing_id: listing for listing in listings}
    by_case = {row.case_id: known[row.listing_id] for row in rows}
    pairs = [(known[row.listing_id], by_case[row.exemplar]) for row in rows if row.exemplar]
    same = [
        (one, other)
        for one, other in pairs
        if fold_title(one.title) == fold_title(other.title) and one.price == other.price
    ]
    edited = [pair for pair in pairs if pair not in same]
    typer.echo(f"Dark-net goods, {name}: {len(rows):,} listings, {len(pairs):,} wait for another")
    for label, group in (("all", pairs), ("same title and price", same), ("edited", edited)):
        n_agree = sum(truth[one.listing_id] == truth[other.listing_id] for one, other in group)
        typer.echo(f"  {label:21} {n_agree:4,} of {len(group):4,} labels agree ({n_agree / max(1, len(group)):.3f})")


def describe_sellers() -> None:
    """Print how many listings of a large marketplace have the label of most of their seller's listings."""
    scores = pd.read_csv(get_settings().data / "ozon_scores.csv.gz")
    sellers = scores.groupby("SellerID")["label"].agg(["size", "sum"])
    several = sellers[sellers["size"] > 1]
    agree = several[["sum"]].assign(rest=several["size"] - several["sum"]).max(axis=1).sum() / several["size"].sum()
    mixed = several[(several["sum"] > 0) & (several["sum"] < several["size"])]
    typer.echo(
        f"Marketplace: {len(several):,} sellers of several listings, {len(mixed):,} with both labels; "
        f"{agree:.3f} of listings have the label of most of their seller's; of sellers with a counterfeit, "
        f"{mixed['sum'].sum() / mixed['size'].sum():.3f} of the listings of the mixed ones are counterfeit"
    )


if __name__ == "__main__":
    typer.run(main)
