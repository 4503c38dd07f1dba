"""What tests of files share: a scorer that costs nothing, and a shop whose rows are good, bad and repeated."""

from pathlib import Path

import pandas as pd
import pytest

from ipml.listings.schema import frame_to_listings
from ipml.records import Problem, Reason, ScoredListing


class ToyScorer:
    """Scores a listing as its price over 100; one without a price cannot be judged. It counts what it has scored."""

    most_width = familiarity = None
    reads_vectors = False

    def __init__(self, version: str = "toy/1") -> None:
        self.version = version
        self.scored = 0

    def score_frame(self, listings: pd.DataFrame, portfolios: object = None, sample: object = None) -> pd.DataFrame:
        """Return the columns of `SCORE_COLUMNS`."""
        self.scored += len(listings)
        score = listings["price"] / 100
        causes = pd.Series("no price", index=listings.index, dtype="str").where(score.isna())
        numbers = dict.fromkeys(("score", "score_low", "score_high", "log_odds"), score)
        return pd.DataFrame({**numbers, "abstained": causes, "model_version": self.version}).astype(
            {"model_version": "str"}
        )

    def find_problems(self, listings: pd.DataFrame) -> list[Problem]:
        """Read any listing."""
        return []

    def find_unlike(self, sample: object) -> tuple[()]:
        """Say nothing."""
        return ()

    def explain_frame(self, listings: pd.DataFrame, portfolios: object = None) -> list[ScoredListing]:
        """Return each listing with a reason that names it."""
        return [
            ScoredListing(one, one.price, None, (Reason("toy", f"Is {one.listing_id}", 1.0),), (), None, self.version)
            for one in frame_to_listings(listings)
        ]


@pytest.fixture(scope="session")
def make_scorer() -> type[ToyScorer]:
    """Return what makes a scorer of a version."""
    return ToyScorer


@pytest.fixture
def shop(tmp_path) -> Path:
    """Return a file of 23 rows: the third cannot be read, and of the last three one comes again, and again."""
    rows = [f"{number},s,Bag {number},{number % 7},EUR" for number in range(1, 21)]
    rows[2] = "3,s,Bag,much,EUR"
    rows += ["2,s,Bag again,1,EUR", "2,s,Bag again,2,EUR", "21,s,Bag,,"]
    path = tmp_path / "shop.csv"
    path.write_text("\n".join(["listing_id,seller_id,title,price,currency", *rows, ""]))
    return path
